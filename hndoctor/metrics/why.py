"""Reasons in words: which measures say so."""

from __future__ import annotations

from collections.abc import Mapping

from hndoctor.calibration import PARTLY, Judged, either_noise, noise_reasons
from hndoctor.calibration.words import told


def reasons_of(scores: Mapping[str, float], judged: Judged, share: float, small: bool) -> tuple[str, ...]:
    """The measures that say so, for what is more likely than not; the loudest first, at most three for noise."""
    reasons = []
    which, noise = either_noise(judged.noise.value, judged.grey.value)
    if noise >= 0.5 and which == "noise":
        kind = "smooth blobs of colour" if judged.blobby else "colourful noise"
        reasons.append(f"{kind}: noise covers {share:.0%} of the frame")
        reasons += [told(reason) for reason in noise_reasons(scores, small)[:3]]
    elif noise >= 0.5:
        reasons.append("noise in grey, as static, or in one tint")
    elif share >= PARTLY:
        reasons.append(f"{share:.0%} of the frame looks like noise, though the picture as a whole does not")
    if judged.blank.value >= 0.5:
        light = scores["brightness"]
        reasons.append(f"contrast is {scores['contrast']:.3f}, mean brightness {light:.2f}: no picture")
    if judged.repeated.value >= 0.5:
        reasons.append(f"the texture repeats: autocorrelation {scores['repetition']:.2f} away from the centre")
    return tuple(reasons)
