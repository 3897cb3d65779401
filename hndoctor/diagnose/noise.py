"""How likely each preview is to be noise, or one texture, and no picture: against its references if it has any."""

from __future__ import annotations

from dataclasses import replace

from hndoctor.calibration import repeated
from hndoctor.diagnose.channels import is_finite
from hndoctor.diagnose.parameters import BLANK, BLANK_EXPLAINED
from hndoctor.records import Preview, Vitals
from hndoctor.rules._previews_relative import References, judged_either, readable, references_of
from hndoctor.rules._previews_text import blank_kind
from hndoctor.rules.previews import repeats_from


def noise_of(vitals: Vitals) -> dict[str, float]:
    """The probability by the path of the preview, for all that could be read and measured."""
    found: dict[str, float] = {}
    ordered = replace(vitals, previews=readable(vitals.previews))  # once, not for every preview
    for preview in vitals.previews:
        if preview.unreadable is not None or (preview.noise is None and not preview.scores):
            continue
        found[preview.path] = _noise(preview, ordered)
    return found


def _noise(preview: Preview, vitals: Vitals) -> float:
    """A picture of one colour is no clean picture: NaN looks like that; with finite weights it is the VAE's doing."""
    if blank_kind(preview.scores) is None:
        references = references_of(preview, vitals)
        return max(judged_either(preview, references).value, _texture(preview, references))
    here = [checkpoint for checkpoint in vitals.checkpoints if checkpoint.step == preview.step]
    return BLANK_EXPLAINED if here and all(map(is_finite, here)) else BLANK


def _texture(preview: Preview, references: References) -> float:
    """One texture over the frame where the same prompt gave a picture, and the training pictures are none themselves.

    Alone it says nothing: patterns and screens repeat too.  None of the lab's 400 sound stops has such a preview.
    """
    if not references.itself:
        return 0.0
    limit = max(repeats_from(references.itself), repeats_from(references.kind) if references.kind else 0.0)
    return repeated(preview.scores).value if preview.scores.get("repetition", 0.0) >= limit else 0.0
