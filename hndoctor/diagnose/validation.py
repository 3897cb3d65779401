"""What held-out pictures say at a stop, with training pictures measured alike: learning by heart, and damage."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import Row, interpolate
from hndoctor.diagnose.stations import Stop
from hndoctor.records import ValidationPoint
from hndoctor.rules.paired import Drift, against_base, gap


def validation_row(stop: Stop, drift: Mapping[int, Drift], spoilt: bool) -> Row | None:
    """`spoilt`: before this stop the network was already worse than the bare base model on all pictures.

    Where it was, or has lost what it had learned on all, a loss below the bare base model's is no proof of health, and
    a rise that is left may be what is left of the damage as well as learning by heart.
    """
    if not stop.validation:
        return None
    point = stop.validation[-1]
    if point.held_out <= 0:
        return None  # no loss was measured
    change, risen = against_base(point), drift.get(point.step)
    rise = _unshared_sign(risen) if risen else 0.0
    overtrained = rise + _gap_sign(point)
    starting, broken = 0.0, (_lost_sign(risen) if risen else 0.0) + (max(0.0, rise) if spoilt else 0.0)
    spoilt = spoilt or broken > 0
    if change is not None:
        harm = math.log1p(change.rise)
        if risen and risen.gained > 0:  # else the rise is the same comparison, which must not count twice
            overtrained += _theirs_alone(point, harm) * interpolate(believed.HARM_OVERTRAINED, harm)
        sign = _harm_sign(point, harm)
        broken += max(0.0, sign) if spoilt else sign
        starting = interpolate(believed.IMPROVED_STARTING, -change.rise / change.error)
    return (starting, 0.0, overtrained, broken, broken)


def spoils(point: ValidationPoint, drift: Drift | None) -> bool:
    """Much of what was learned is lost on all pictures, or they are worse than under the bare base model.

    A lower loss later is no proof of mending.
    """
    if drift is not None and _lost_sign(drift) >= believed.LOST_SPOILS:
        return True
    change = against_base(point)
    learnt = _learnt(point)
    return change is not None and learnt is not None and min(math.log1p(change.rise), -learnt) >= believed.HARM_SPOILS


def _learnt(point: ValidationPoint) -> float | None:
    """How far training items are better than under the bare base model, as a log ratio; None: not measured."""
    if not point.train or not point.train_base or min(point.train, point.train_base) <= 0:
        return None
    return math.log(point.train_base / point.train)


def _unshared_sign(drift: Drift) -> float:
    """A rise speaks for overtraining as far as the training items do not share it."""
    sign = rise_sign(drift)
    return (1 - drift.shared) * sign if sign > 0 else sign


def _lost_sign(drift: Drift) -> float:
    """A benefit that is lost on training items too speaks for breakage, if it is more than a ripple."""
    if drift.gained <= 0 or drift.rise < believed.LOST_ERRORS * drift.error:
        return 0.0
    weight = drift.shared * min(1.0, drift.rise / believed.LOST_RISE)
    return weight * interpolate(believed.LOST, drift.rise / drift.gained)


def _theirs_alone(point: ValidationPoint, harm: float) -> float:
    """The share of the held-out items' harm that the training items do not share, 0..1."""
    learnt = _learnt(point)
    return 1.0 if harm <= 0 or learnt is None else min(1.0, max(0.0, 1 + learnt / harm))


def _harm_sign(point: ValidationPoint, harm: float) -> float:
    """Harm speaks for breakage as far as training items share it; what only held-out items show may be overtraining."""
    learnt = _learnt(point)
    if learnt is None:
        sign = interpolate(believed.HARM_BROKEN, harm)
        return believed.HARM_UNSHARED * sign if sign > 0 else sign
    return interpolate(believed.HARM_BROKEN, min(harm, -learnt))


def _gap_sign(point: ValidationPoint) -> float:
    """Training items are learned, held-out ones are not: how much of what they gained is theirs alone."""
    wide, learnt = gap(point), _learnt(point)
    if wide is None or learnt is None or learnt < believed.GAP_LEARNT:
        return 0.0
    return interpolate(believed.GAP, wide / learnt)


def rise_sign(drift: Drift) -> float:
    """ln P(this rise | overtrained) / P(this rise | not).

    Overtrained: the true rise is the least that counts and a half-normal more, its scale what was gained before or, as
    likely, as much as learning by heart can cost; not: a small part of what was gained.  A rise beyond both scales
    weighs as much as one at their end.
    """
    least = _least(drift)
    low, high = believed.RISE_SCALE
    share = believed.RISE_SHARE * drift.gained
    scales = (max(min(high, max(low, drift.gained)), share), max(high, share))
    error = believed.ERROR_TIMES * drift.error
    drift = replace(drift, rise=min(drift.rise, least + _FARTHEST * max(scales)), error=error)
    beyond = replace(drift, rise=drift.rise - least)
    over = max(_likelihood(beyond, scale) for scale in scales)
    ratio = over / _likelihood(drift, believed.RISE_SOUND * drift.gained)
    return max(-believed.RISE_CAP, min(believed.RISE_CAP, math.log(ratio)))


def _least(drift: Drift) -> float:
    """The least rise that is called overtraining."""
    return max(believed.OVER_LEAST, believed.OVER_SHARE * drift.gained)


def is_risen(drift: Drift) -> bool:
    """Whether the held-out loss lies above its best so far by as much as is called overtraining at all."""
    return drift.rise > _least(drift)


def is_unshared(drift: Drift) -> bool:
    """Whether training items do not share the rise: learning by heart, no damage."""
    return drift.shared < believed.OVER_ALONG


_FARTHEST = 2.5  # scales, where the ratio is largest: beyond, the tails of both are alike and tell nothing apart
_GRID = 40  # points of the integral over the true rise, 0 to 4 scales


def _likelihood(drift: Drift, scale: float) -> float:
    """Of the rise, its truth half-normal; Student-t tails (4 degrees) so that no outlier decides."""
    if scale <= 0:
        return _tails(drift.rise / drift.error)
    grid = [(at + 0.5) * 4 * scale / _GRID for at in range(_GRID)]
    weights = [math.exp(-((true / scale) ** 2) / 2) for true in grid]
    risen = math.fsum(w * _tails((drift.rise - true) / drift.error) for w, true in zip(weights, grid, strict=True))
    return risen / math.fsum(weights)


def _tails(z: float) -> float:
    return max(float((1 + z * z / 4) ** -2.5), sys.float_info.min)  # never nothing: it is divided by
