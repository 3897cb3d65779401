"""A preview's judgement from its measures: when they are taken, and again whenever they are read.

What was measured stays; what it means follows today's table, so that old runs and new ones are judged alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hndoctor.calibration.alone import is_small, judge
from hndoctor.calibration.forms import FORMS
from hndoctor.records import Preview


def whole(scores: Mapping[str, float]) -> bool:
    """Whether all of today's measures are among the scores: an older version knew fewer."""
    return FORMS.keys() <= scores.keys()


def judged_again(preview: Preview) -> Preview:
    """The preview with what it looks like alone, by today's table; as it was stored where a measure is missing."""
    if preview.unreadable is not None or not whole(preview.scores):
        return preview
    judged = judge(preview.scores, is_small(preview.width, preview.height))
    noise = judged.noise
    return replace(
        preview,
        noise=round(noise.value, 6),
        noise_interval=(round(noise.low, 6), round(noise.high, 6)),
        severity=round(judged.severity, 4),
        grey_noise=round(judged.grey.value, 6),
    )
