"""What each channel says at a stop: the log likelihood of what is seen, for each hidden state; HEALTHY counts 0."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import Row, interpolate
from hndoctor.diagnose.stations import Stop
from hndoctor.records import Checkpoint, ValidationPoint, Vitals
from hndoctor.rules.paired import Drift, against_base, drifts, gap
from hndoctor.rules.windows import mean_of

STARTING, HEALTHY, OVERTRAINED, BREAKING, BROKEN = range(5)  # BREAKING: the first stop after breakage, where signs lag
SILENT: Row = (0.0,) * 5


@dataclass(frozen=True)
class Seen:
    """What the channels say at one stop: one row for each channel that spoke."""

    rows: Mapping[str, Row]

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that spoke here."""
        return tuple(self.rows)

    def total(self, blind: Collection[str] = ()) -> Row:
        """All channels together; those that are `blind` to this run's breakage say nothing of it."""
        rows = (_without_breakage(row) if name in blind else row for name, row in self.rows.items())
        return tuple(math.fsum(values) for values in zip(SILENT, *rows, strict=True))


def _without_breakage(row: Row) -> Row:
    return (*row[:BREAKING], 0.0, 0.0)


def seen_along(stops: Sequence[Stop], vitals: Vitals, noise: Mapping[str, float]) -> tuple[Seen, ...]:
    """What is seen at every stop.  `noise`: probability of noise by the path of the preview."""
    drift = {one.step: one for one in drifts(vitals.validation, from_base=True)}
    shown = sum(bool(_noises(stop, noise)) for stop in stops)
    gain: float | None = None
    spoilt = False
    found = []
    for stop in stops:
        parts = {
            "weights": _weights(stop, gain),
            "previews": _previews(stop, noise, shown),
            "losses": _losses(stop),
            "validation": _validation(stop, drift, spoilt),
        }
        found.append(Seen({name: row for name, row in parts.items() if row is not None}))
        spoilt = spoilt or any(_spoils(point, drift.get(point.step)) for point in stop.validation)
        gain = max((g for one in stop.checkpoints if (g := gain_of(one)) is not None), default=gain)
    return tuple(found)


# --- weights ----------------------------------------------------------------------------------------------------------


def gain_of(checkpoint: Checkpoint) -> float | None:
    """The gain that counts: all modules' where they agree, less of a module that stands alone; None: not computed."""
    gains = [module.gain for module in checkpoint.modules if module.gain is not None]
    return max(math.sqrt(median(gains) * max(gains)), believed.GAIN_ALONE * max(gains)) if gains else None


def is_finite(checkpoint: Checkpoint) -> bool:
    """No NaN and no infinity in any tensor."""
    return not any(tensor.nan or tensor.posinf or tensor.neginf for tensor in checkpoint.tensors)


def _nonfinite(stop: Stop) -> bool:
    return any(not is_finite(checkpoint) for checkpoint in stop.checkpoints)


def _weights(stop: Stop, gain_before: float | None) -> Row | None:
    examined = [one for one in stop.checkpoints if not one.partial]
    if not examined:
        return None
    if _nonfinite(stop):
        return (0.0, 0.0, 0.0, believed.CERTAIN, believed.CERTAIN)
    sign = max(_gain_sign(checkpoint, gain_before) for checkpoint in examined)
    return (0.0, 0.0, 0.0, sign, sign)


def _gain_sign(checkpoint: Checkpoint, before: float | None) -> float:
    gain = gain_of(checkpoint)
    sign = _rms_sign(checkpoint) if gain is None else interpolate(believed.GAIN, gain)
    if gain is not None and before and gain > believed.GAIN_HARMLESS and gain > believed.GROWTH * before:
        sign += believed.GROWTH_WEIGHT
    dead = [module.dead_units for module in checkpoint.modules if module.dead_units is not None]
    return sign + (believed.DEAD_WEIGHT if dead and min(dead) >= believed.DEAD_UNITS else 0.0)


def _rms_sign(checkpoint: Checkpoint) -> float:
    exploded = any(module.rms >= believed.RMS_EXPLODED for module in checkpoint.modules)
    return believed.RMS_WEIGHT if exploded else believed.GAIN_UNKNOWN


# --- previews ---------------------------------------------------------------------------------------------------------


def _noises(stop: Stop, noise: Mapping[str, float]) -> list[float]:
    return sorted(noise[preview.path] for preview in stop.previews if preview.path in noise)


def _previews(stop: Stop, noise: Mapping[str, float], shown: int) -> Row | None:
    """Noise speaks for breakage; a clean picture against it, and a little against overtraining."""
    found = _noises(stop, noise)
    if not found:
        return None
    count = len(found) / (1 + (len(found) - 1) * believed.PREVIEW_CORRELATION)
    sign = count * math.fsum(map(_noise_sign, found)) / len(found)
    clean = believed.CLEAN_OVERTRAINED / shown * (1 - math.fsum(found) / len(found))
    return (0.0, 0.0, clean, sign if sign > 0 else believed.LAG * sign, sign)


def _noise_sign(noise: float) -> float:
    """ln P(this preview | broken) / P(this preview | not): rises with the probability of noise."""
    broken = noise * believed.NOISE_SEEN + (1 - noise) * (1 - believed.NOISE_SEEN)
    sound = noise * believed.NOISE_FALSE + (1 - noise) * (1 - believed.NOISE_FALSE)
    return math.log(broken / sound)


# --- losses -----------------------------------------------------------------------------------------------------------


def _losses(stop: Stop) -> Row | None:
    """A high mean speaks for breakage; a low one hardly against it: low loss is no proof of health (science.md §E)."""
    if not stop.losses:
        return None
    sign = _mean_sign(stop)
    if stop.losses[-1].nonfinite:
        sign += believed.LOSS_NONFINITE_LAST
    elif any(point.nonfinite for point in stop.losses):
        sign += believed.LOSS_NONFINITE
    return (0.0, 0.0, 0.0, sign, sign)


def _mean_sign(stop: Stop) -> float:
    finite = tuple(point for point in stop.trailing if point.loss is not None)
    fresh = sum(point.loss is not None for point in stop.losses)
    if not finite or not fresh:
        return 0.0
    new = min(1.0, fresh / len(finite))  # points that the stop before has not counted already
    return min(1.0, len(finite) / believed.LOSS_FULL) * new * interpolate(believed.LOSS, mean_of(finite).mean)


# --- validation -------------------------------------------------------------------------------------------------------


def _validation(stop: Stop, drift: Mapping[int, Drift], spoilt: bool) -> Row | None:
    """`spoilt`: before this stop the network was already worse than the bare base model on all pictures.

    Where it was, or has lost what it had learned on all, a loss below the bare base model's is no proof of health.
    """
    if not stop.validation:
        return None
    point = stop.validation[-1]
    change, risen = against_base(point), drift.get(point.step)
    overtrained = believed.RISE_WEIGHT * (_unshared_sign(risen) if risen else 0.0) + _gap_sign(point)
    starting, broken = 0.0, _lost_sign(risen) if risen else 0.0
    spoilt = spoilt or broken > 0
    if change is not None:
        harm = math.log1p(change.rise)
        overtrained += _by_heart(point, harm) * interpolate(believed.HARM_OVERTRAINED, harm)
        sign = _harm_sign(point, harm)
        broken += max(0.0, sign) if spoilt else sign
        starting = interpolate(believed.IMPROVED_STARTING, -change.rise / change.error)
    return (starting, 0.0, overtrained, broken, broken)


def _spoils(point: ValidationPoint, drift: Drift | None) -> bool:
    """Much of what was learned is lost on all pictures, or they are worse than under the bare base model.

    A lower loss later is no proof of mending.
    """
    if drift is not None and _lost_sign(drift) >= believed.LOST_SPOILS:
        return True
    change = against_base(point)
    if change is None or not point.train or not point.train_base or min(point.train, point.train_base) <= 0:
        return False
    return min(math.log1p(change.rise), math.log(point.train / point.train_base)) >= believed.HARM_SPOILS


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


def _by_heart(point: ValidationPoint, harm: float) -> float:
    """How far training items have gained what held-out ones lost, 0..1: only so far harm is learning by heart."""
    if harm <= 0 or not point.train or not point.train_base or min(point.train, point.train_base) <= 0:
        return 1.0
    return min(1.0, max(0.0, math.log(point.train_base / point.train) / harm))


def _harm_sign(point: ValidationPoint, harm: float) -> float:
    """Harm speaks for breakage as far as training items share it; what only held-out items show may be overtraining."""
    if not point.train or not point.train_base or min(point.train, point.train_base) <= 0:
        sign = interpolate(believed.HARM_BROKEN, harm)
        return believed.HARM_UNSHARED * sign if sign > 0 else sign
    return interpolate(believed.HARM_BROKEN, min(harm, math.log(point.train / point.train_base)))


def _gap_sign(point: ValidationPoint) -> float:
    """Training items are learned, held-out ones are not: how much of what they gained is theirs alone."""
    wide = gap(point)
    if wide is None or not point.train or not point.train_base:
        return 0.0
    learnt = math.log(point.train_base / point.train)
    return 0.0 if learnt < believed.GAP_LEARNT else believed.RISE_WEIGHT * interpolate(believed.GAP, wide / learnt)


def rise_sign(drift: Drift) -> float:
    """ln P(this rise | overtrained) / P(this rise | not).

    Overtrained: the true rise is half-normal, its scale what was gained before, within bounds; not: a small part of it.
    """
    low, high = believed.RISE_SCALE
    over = _likelihood(drift, max(min(high, max(low, drift.gained)), believed.RISE_SHARE * drift.gained))
    ratio = over / _likelihood(drift, believed.RISE_SOUND * drift.gained)
    return max(-believed.RISE_CAP, min(believed.RISE_CAP, math.log(ratio)))


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
    return float((1 + z * z / 4) ** -2.5)
