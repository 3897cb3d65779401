"""The pocket model: a very small but real latent diffusion model, packaged as the default base model.

It was trained from nothing on the drawn scenes of :mod:`trainer.pocket.scenes`; ``make.py`` remakes it.
"""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """Folder of the packaged ``StableDiffusionPipeline`` (diffusers layout, fp16 safetensors)."""
    return Path(__file__).resolve().parent / "model"
