"""A picture judged alone, from its measures: colourful noise fine and in blobs, its severity, grey noise, nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hndoctor.calibration.forms import FORMS
from hndoctor.calibration.logistic import Branch, Probability, Reason, probability
from hndoctor.calibration.table import TABLE

Scores = Mapping[str, float]
TILE = TABLE["tile"]  # for metrics.tiles, which evaluates them for all tiles at once
AMONG = TABLE["tile among others"]
#: share of the tiles from which noise is worth a word where the whole is none, a picture half drowned.  Of 548 sound
#: pictures that nothing was fitted on five have so many, of those that noise covers by half or more two in three
PARTLY = 0.4
WHOLE = 4.0  # log odds of the whole picture, at most, that count for its tiles: 98 of 100 is as sure as they need


@dataclass(frozen=True)
class Judged:
    """What a picture looks like, no other being known."""

    noise: Probability  # colourful: fine or in blobs
    blobby: bool  # more of smooth blobs, larger than a latent pixel, than fine
    severity: float  # how far the picture has drowned, 0 (not at all) to 1 (nothing but noise)
    grey: Probability  # noise without colours of its own: grey, or of one tint
    blank: Probability  # black, white, one colour
    repeated: Probability  # one texture all over


def is_small(width: int, height: int) -> bool:
    """Whether a picture has one pixel a fine value: a shorter side below 192 px (`metrics.pixels.Pixels.block`)."""
    return round(min(width, height) / 128) <= 1


def judge(scores: Scores, small: bool) -> Judged:
    """All of it.  `scores` holds every measure of METRICS; raises KeyError where one is missing."""
    fine, blobs = (_of(TABLE[name], scores) for name in _names(small))
    colourful = fine.or_else(blobs)
    return Judged(
        noise=colourful,
        blobby=_nearer(scores, small) == "blobs",
        severity=_severity(scores, small),
        grey=grey_noise(scores, small).unless(colourful),
        blank=blank(scores),
        repeated=repeated(scores),
    )


def either_noise(colourful: float, grey: float) -> tuple[str, float]:
    """Noise of either kind, which exclude each other: the likelier one ("noise", "grey_noise"), and both together."""
    return "noise" if colourful >= grey else "grey_noise", colourful + grey


def grey_noise(scores: Scores, small: bool) -> Probability:
    """Noise without colours of its own: the static of a television, grey latents, or either in the shades of one."""
    size = "small" if small else "large"
    latents = _of(TABLE["grey static"], scores).or_else(_of(TABLE[f"grey noise, {size}"], scores))
    return latents.or_else(_of(TABLE[f"tinted noise, {size}"], scores))


def blank(scores: Scores) -> Probability:
    """No picture at all: black, white or of one colour."""
    return _of(TABLE["blank"], scores)


def repeated(scores: Scores) -> Probability:
    """One patch all over the frame.  Alone it says little: text and screens repeat too."""
    return _of(TABLE["repeated"], scores)


def noise_reasons(scores: Scores, small: bool) -> tuple[Reason, ...]:
    """Why a picture looks like noise: the measures of the branch that its kind belongs to, loudest first."""
    fine, blobs = (TABLE[name] for name in _names(small))
    return (blobs if _nearer(scores, small) == "blobs" else fine).reasons(scores, FORMS)


def _nearer(scores: Scores, small: bool) -> str:
    branch = TABLE["blobs or fine, small" if small else "blobs or fine, large"]
    return "blobs" if branch.log_odds(branch.features(scores, FORMS)) > 0 else "fine"


def _names(small: bool) -> tuple[str, str]:
    size = "small" if small else "large"
    return f"fine noise, {size}", f"blobs, {size}"


def _of(branch: Branch, scores: Scores) -> Probability:
    features = branch.features(scores, FORMS)
    return Probability.of(branch.log_odds(features), branch.deviation(features))


def _severity(scores: Scores, small: bool) -> float:
    branch = TABLE["severity, small" if small else "severity, large"]
    return probability(branch.log_odds(branch.features(scores, FORMS)))
