"""What each channel says at a stop: the log likelihood of what is seen, for each hidden state; HEALTHY counts 0."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import Row, interpolate
from hndoctor.diagnose.layout import layouts_of
from hndoctor.diagnose.stations import Stop
from hndoctor.diagnose.validation import spoils, validation_row
from hndoctor.records import Checkpoint, Vitals
from hndoctor.rules.alignment import is_by_chance
from hndoctor.rules.captioned import Followed, followed_along
from hndoctor.rules.losses import CAP
from hndoctor.rules.paired import Drift, drifts
from hndoctor.rules.windows import WINDOW, lasting_nan, mean_of, rises

STARTING, HEALTHY, OVERTRAINED, BREAKING, BROKEN = range(5)  # BREAKING: the first stop after breakage, where signs lag
SILENT: Row = (0.0,) * 5


@dataclass(frozen=True)
class Seen:
    """What the channels say at one stop: one row for each channel that spoke."""

    rows: Mapping[str, Row]
    drift: Drift | None = None  # of the held-out loss from its best so far, where it was measured here

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
    followed = {one.step: one for one in followed_along(vitals.validation)}
    layouts = layouts_of(vitals)
    shown = sum(bool(_noises(stop, noise)) for stop in stops)
    risen = {one.now.step: one.times for one in rises(vitals.losses)}
    dead, high = lasting_nan(vitals.losses), _high_by_nature(stops)
    gain: float | None = None
    heavy, spoilt = 0.0, False
    found = []
    for stop in stops:
        weights, heavy = _once(_weights(stop, gain), heavy)
        gap = _caption_gap(stop, followed)
        captions = None if gap is None else _captions(gap)
        lost = captions is not None and captions[BROKEN] >= believed.LOST_SPOILS
        parts = {
            "weights": weights,
            "previews": _previews(stop, noise, layouts, shown),
            "losses": _losses(stop, risen, dead, high),
            "validation": validation_row(stop, drift, spoilt or lost),
            "captions": captions,
        }
        measured = drift.get(stop.validation[-1].step) if stop.validation else None
        found.append(Seen({name: row for name, row in parts.items() if row is not None}, measured))
        spoilt = spoilt or any(spoils(point, drift.get(point.step)) for point in stop.validation)
        gain = max((g for one in stop.checkpoints if (g := gain_of(one)) is not None), default=gain)
    return tuple(found)


# --- weights ----------------------------------------------------------------------------------------------------------


def gain_of(checkpoint: Checkpoint) -> float | None:
    """The gain that counts: all modules' where they agree, less of a module that stands alone, of a key up to where its
    attention is settled; None: not computed."""
    known = [(module.side, module.gain) for module in checkpoint.modules if module.gain is not None]
    gains = [min(gain, believed.GAIN_KEY) if side == "k" else gain for side, gain in known]
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


def _once(row: Row | None, before: float) -> tuple[Row | None, float]:
    """A sign of breakage counts as far as it is more than the largest `before`; gives that row and the largest now.

    Weights that are large by nature are so at every stop: seeing them again is no new evidence.  Lab, tuning half, from
    weights, previews and losses: log score .16 instead of .43, false alarms 2 instead of 8 of 43.
    """
    if row is None or not 0 < row[BROKEN] < believed.CERTAIN:
        return row, before
    sign = max(0.0, row[BROKEN] - before)
    return (*row[:BREAKING], sign, sign), max(before, row[BROKEN])


def _gain_sign(checkpoint: Checkpoint, before: float | None) -> float:
    gain = gain_of(checkpoint)
    curve = believed.GAIN_BY_CHANCE if is_by_chance(checkpoint) else believed.GAIN
    sign = _rms_sign(checkpoint) if gain is None else interpolate(curve, gain)
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


def _previews(stop: Stop, noise: Mapping[str, float], layouts: Mapping[str, float], shown: int) -> Row | None:
    """Noise speaks for breakage; a clean picture against it, as far as it is still a picture of its prompt, and a
    little against overtraining."""
    found = _noises(stop, noise)
    if not found:
        return None
    signs = [_picture_sign(noise[one.path], layouts.get(one.path)) for one in stop.previews if one.path in noise]
    count = len(found) / (1 + (len(found) - 1) * believed.PREVIEW_CORRELATION)
    sign = count * math.fsum(signs) / len(found)
    clean = believed.CLEAN_OVERTRAINED / shown * (1 - math.fsum(found) / len(found))
    return (0.0, 0.0, clean, sign if sign > 0 else believed.LAG * sign, sign)


def _picture_sign(noise: float, layout: float | None) -> float:
    """A clean picture of something else than its prompt and seed gave before says nothing against breakage."""
    sign = _noise_sign(noise)
    if layout is None or sign >= 0:
        return sign
    return sign * interpolate(believed.LAYOUT_KEPT, layout) + interpolate(believed.LAYOUT_LOST, layout)


def _noise_sign(noise: float) -> float:
    """ln P(this preview | broken) / P(this preview | not): rises with the probability of noise."""
    broken = noise * believed.NOISE_SEEN + (1 - noise) * (1 - believed.NOISE_SEEN)
    sound = noise * believed.NOISE_FALSE + (1 - noise) * (1 - believed.NOISE_FALSE)
    return math.log(broken / sound)


# --- captions ---------------------------------------------------------------------------------------------------------


def _caption_gap(stop: Stop, followed: Mapping[int, Followed]) -> Followed | None:
    return next((followed[point.step] for point in reversed(stop.validation) if point.step in followed), None)


def _sureness(gap: Followed) -> float:
    """How sure it is that there was a caption gap to lose, 0..1."""
    least, full = believed.CAPTIONS_SURE
    return min(1.0, max(0.0, (gap.errors - least) / (full - least)))


def _unseen_gap(gap: Followed) -> float:
    """How far the gap tells although it was never sure that there was one, 0..1: what has learned much has one."""
    learnt = 0.0 if gap.seen is None else interpolate(believed.CAPTIONS_LEARNT, gap.learnt)
    return (1 - _sureness(gap)) * learnt


def _captions(gap: Followed) -> Row:
    """What is left of the caption gap, as far as it is sure that there was one; else whether there is one now."""
    sign = _sureness(gap) * interpolate(believed.CAPTIONS, gap.share)
    sign += _unseen_gap(gap) * interpolate(believed.CAPTIONS_SEEN, gap.seen or 0.0)
    return (0.0, 0.0, 0.0, sign, sign)


# --- losses -----------------------------------------------------------------------------------------------------------


def _high_by_nature(stops: Sequence[Stop]) -> bool:
    """The loss is over the cap at the first checkpoint, whose weights change nothing yet: of pictures that are hard to
    predict, or on another scale."""
    first = next((stop for stop in stops if stop.checkpoints), Stop(0))
    gains = [gain_of(one) for one in first.checkpoints]
    harmless = bool(gains) and all(gain is not None and gain <= believed.GAIN_HARMLESS for gain in gains)
    finite = [point for point in first.trailing if point.loss is not None]
    return harmless and len(finite) == WINDOW and mean_of(finite).mean > CAP


def _losses(stop: Stop, risen: Mapping[int, float], dead: int | None, high: bool) -> Row | None:
    """A high mean, and one far above the run's own, speak for breakage; a low one hardly against it: low loss is no
    proof of health (science.md §E).

    `risen`: how many times above the lowest the typical loss lies, by step.  `dead`: the step from which it stays NaN.
    `high`: the level was so before the network could be the reason, and speaks for nothing.
    """
    if not stop.losses:
        return None
    sign = _mean_sign(stop, max((risen.get(point.step, 1.0) for point in stop.losses), default=1.0), high)
    if stop.losses[-1].nonfinite:
        sign += believed.LOSS_NONFINITE_LAST
    elif any(point.nonfinite for point in stop.losses):
        sign += believed.LOSS_NONFINITE
    elif dead is not None and stop.step < dead:
        sign += believed.LOSS_FINITE_YET
    return (0.0, 0.0, 0.0, sign, sign)


def _mean_sign(stop: Stop, times: float, high: bool) -> float:
    finite = tuple(point for point in stop.trailing if point.loss is not None)
    fresh = sum(point.loss is not None for point in stop.losses)
    if not finite or not fresh:
        return 0.0
    new = min(1.0, fresh / len(finite))  # points that the stop before has not counted already
    level = min(1.0, len(finite) / believed.LOSS_FULL) * interpolate(believed.LOSS, mean_of(finite).mean)
    level = min(0.0, level) if high else level
    return new * (level + interpolate(believed.LOSS_RISEN, math.log(times)))
