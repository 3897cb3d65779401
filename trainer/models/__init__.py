"""What a single-file Stable Diffusion 1 or 2 does not say of itself: configurations, and CLIP's vocabulary.

`sd1` and `sd2` are laid out like diffusers folders without weights.  `clip/merges.txt.gz` is the byte-pair merges of
OpenAI's CLIP (MIT licence beside it); the vocabulary follows from them.
"""

from __future__ import annotations

from pathlib import Path


def path(kind: str) -> Path:
    """The folder of "sd1", "sd2" or "clip"."""
    return Path(__file__).resolve().parent / kind
