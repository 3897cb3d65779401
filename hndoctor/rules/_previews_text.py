"""Words for what previews show, and what counts as a picture of nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hndoctor.calibration import blank

NOISE = 0.5  # probability from which a preview is called colourful noise (calibrated: even odds)
BLANK = 0.5  # probability from which there is no picture (calibrated: even odds)
DARK, LIGHT = 0.04, 0.96  # mean luma of black and of white (guess, untested)

WORDS: dict[str, str] = {
    "prompt": "prompt",
    "negative_prompt": "negative prompt",
    "seed": "seed",
    "sampler": "sampler",
    "sampling_steps": "number of sampling steps",
    "cfg_scale": "CFG scale",
    "clip_skip": "clip skip",
    "model_hash": "base model",
    "size": "size",
}
HOW_TO_COMPARE = "keep it fixed, so that previews can be compared"


def blank_kind(scores: Mapping[str, float]) -> str | None:
    """ "black", "white" or "of one colour" for a picture of nothing, else None."""
    if not {"contrast", "immerkaer_sigma"} <= scores.keys() or blank(scores).value < BLANK:
        return None
    brightness = scores.get("brightness", 0.5)
    return "black" if brightness <= DARK else "white" if brightness >= LIGHT else "of one colour"


def listed(words: Sequence[str]) -> str:
    """Words as prose: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
