"""How likely each preview is to be noise that the network made: against its references where it has any."""

from __future__ import annotations

from hndoctor.diagnose.channels import is_finite
from hndoctor.diagnose.parameters import BLANK, BLANK_EXPLAINED
from hndoctor.records import Preview, Vitals
from hndoctor.rules._previews_relative import judged_noise, references_of
from hndoctor.rules._previews_text import blank_kind


def noise_of(vitals: Vitals) -> dict[str, float]:
    """The probability by the path of the preview, for all that could be read and measured."""
    found: dict[str, float] = {}
    for preview in vitals.previews:
        if preview.unreadable is not None or (preview.noise is None and not preview.scores):
            continue
        found[preview.path] = _noise(preview, vitals)
    return found


def _noise(preview: Preview, vitals: Vitals) -> float:
    """A picture of one colour is no clean picture: NaN looks like that; with finite weights it is the VAE's doing."""
    if blank_kind(preview.scores) is None:
        return judged_noise(preview, references_of(preview, vitals)).value
    here = [checkpoint for checkpoint in vitals.checkpoints if checkpoint.step == preview.step]
    return BLANK_EXPLAINED if here and all(map(is_finite, here)) else BLANK
