"""Several runs on one axis: their courses below each other, and one line a run in every lane."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hndoctor.records import Checkpoint, Diagnosis, Vitals
from hndoctor.render.axis import Axis, Scale, Tick, axis_of, dots, log_scale, nice, path, step_of
from hndoctor.render.course import Band, bands_of
from hndoctor.render.figures import clean, number, percent, portion, rate
from hndoctor.render.lanes import (
    CAP,
    NOISE_LINE,
    WILD,
    Lane,
    Mark,
    Point,
    Series,
    against,
    rate_points,
    relative,
    running_mean,
    thinned,
)
from hndoctor.render.templates import Words

MOST = 12  # runs drawn; more lines than this cannot be told apart.  The most in need come first
BUCKETS = 150  # points a line is drawn with, twice: so that a dozen runs stay a small page
Reader = Callable[[Vitals], list[Point]]
Say = Callable[[float], str]


@dataclass(frozen=True)
class Compared:
    """One run's row: who it is, and its bands on the common axis."""

    label: str  # the run's name, made unlike all others
    look: str  # CSS class of its lines: colour and dash
    verdict: str
    word: str
    bands: tuple[Band, ...]
    flag: float | None


@dataclass(frozen=True)
class Comparison:
    """All rows and lanes."""

    axis: Axis
    rows: tuple[Compared, ...]
    lanes: tuple[Lane, ...]
    stops: tuple[int, ...]  # steps at which the crosshair stops
    left_out: int


def compare(diagnoses: Sequence[Diagnosis], measured: Mapping[str, Vitals], t: Words) -> Comparison | None:
    """The first runs of `diagnoses`, in their order, that have a course; None where there are not two."""
    able = [d for d in diagnoses if d.course and d.run in measured]
    if len(able) < 2:
        return None
    shown = able[:MOST]
    axis = axis_of(s.step for d in shown for s in d.course)
    names = _names(shown)
    rows = tuple(_row(d, names[i], i, axis, t) for i, d in enumerate(shown))
    told = [(rows[i].label, rows[i].look, measured[d.run]) for i, d in enumerate(shown)]
    lanes = tuple(lane for lane in _lanes(told, axis, t) if lane.series)
    stops = tuple(sorted({s.step for d in shown for s in d.course}))
    return Comparison(axis, rows, lanes, stops, len(able) - len(shown))


def _names(shown: Sequence[Diagnosis]) -> list[str]:
    """The runs' names; where two are the same, their paths."""
    plain = [clean(d.name) for d in shown]
    return [name if plain.count(name) == 1 else clean(d.run) for name, d in zip(plain, shown, strict=True)]


def _row(diagnosis: Diagnosis, name: str, index: int, axis: Axis, t: Words) -> Compared:
    advice = diagnosis.prescription
    at = None if advice is None or advice.step is None else axis.share(advice.step)
    bands = bands_of(sorted(diagnosis.course, key=lambda s: s.step), axis, t)
    look = f"s{index % 6} d{index // 6}"
    return Compared(name, look, diagnosis.verdict.value, t[f"verdict.{diagnosis.verdict}"], bands, at)


def _lanes(told: Sequence[tuple[str, str, Vitals]], axis: Axis, t: Words) -> tuple[Lane, ...]:
    """One lane for each thing that can be compared over runs."""
    loss = _lane(told, axis, t, "loss", 120, _loss, number, (CAP, t["lane.loss_cap"]))
    held = _lane(told, axis, t, "validation", 96, _held, against, (1.0, t["lane.validation_base"]))
    noise = _lane(told, axis, t, "noise", 64, _noise, percent, (NOISE_LINE, t["lane.noise_line"]))
    return (
        noise,
        loss,
        held,
        _lane(told, axis, t, "rate", 64, lambda v: rate_points(v.losses), rate, log=True),
        _lane(told, axis, t, "gain", 110, lambda v: _largest(v, _gain), number, log=True),
        _lane(told, axis, t, "update", 96, lambda v: _largest(v, _update), portion, log=True),
    )


def _lane(
    told: Sequence[tuple[str, str, Vitals]],
    axis: Axis,
    t: Words,
    key: str,
    height: int,
    read: Reader,
    say: Say,
    limit: tuple[float, str] | None = None,
    log: bool = False,
) -> Lane:
    lines = [(label, look, read(vitals)) for label, look, vitals in told]
    values = [v for _, _, points in lines for _, v in points]
    if not values:
        return Lane(key, t[f"compare.{key}"], height, "", empty=t["compare.nothing"])
    scale = log_scale(values, height) if log else _linear(key, values, height)
    drawn = tuple(_line(label, look, points, axis, scale, say) for label, look, points in lines if points)
    marks = (Mark(scale.y(limit[0]), limit[1]),) if limit and scale.low < limit[0] < scale.high else ()
    ticks = scale.ticks(2, say) if log else tuple(Tick(scale.y(v), say(v)) for v in nice(scale.low, scale.high, 3))
    about = "; ".join(f"{s.label}: {s.texts[0]} → {s.texts[-1]}" for s in drawn)
    return Lane(key, t[f"compare.{key}"], height, f"{t[f'compare.{key}']}. {about}", ticks, drawn, marks)


def _linear(key: str, values: Sequence[float], height: int) -> Scale:
    if key == "noise":
        return Scale(0.0, 1.0, height)
    low = min(0.0, *values) if key == "loss" else min(*values, 1.0)
    room = max(0.06 * (max(values) - low), 1e-6)
    return Scale(low if key == "loss" else low - room, max(values) + room, height)


def _line(label: str, look: str, points: Sequence[Point], axis: Axis, scale: Scale, say: Say) -> Series:
    kept = thinned(points, BUCKETS)
    places = [(axis.unit(step), scale.y(value)) for step, value in kept]
    drawn = path(places) if len(places) > 1 else dots(places)
    return Series(label, look, tuple(kept), drawn, tuple(say(v) for _, v in kept))


# --- what is compared -------------------------------------------------------------------------------------------------


def _loss(vitals: Vitals) -> list[Point]:
    known = sorted((p.step, p.loss) for p in vitals.losses if p.loss is not None and abs(p.loss) < WILD)
    return list(running_mean(known)) if known else []


def _held(vitals: Vitals) -> list[Point]:
    told = sorted(vitals.validation, key=lambda v: v.step)
    return [(v.step, v.held_out / v.held_out_base) for v in told if v.held_out_base > 0 and v.held_out < WILD]


def _noise(vitals: Vitals) -> list[Point]:
    worst: dict[int, float] = {}
    for p in vitals.previews:
        if p.step is not None and p.noise is not None:
            worst[p.step] = max(worst.get(p.step, 0.0), p.noise)
    return sorted(worst.items())


def _largest(vitals: Vitals, value: Callable[[Checkpoint], float | None]) -> list[Point]:
    found: dict[int, float] = {}
    for c in vitals.checkpoints:
        at = value(c)
        if at is not None and 0 < at < WILD:
            found[step_of(c)] = max(at, found.get(step_of(c), 0.0))
    return sorted(found.items())


def _gain(checkpoint: Checkpoint) -> float | None:
    return max((m.gain for m in checkpoint.modules if m.gain is not None), default=None)


def _update(checkpoint: Checkpoint) -> float | None:
    """Of all modules together, as a share of their size."""
    known = [(m.update_rms**2, m.rms**2) for m in checkpoint.modules if m.update_rms is not None]
    went, size = (math.sqrt(sum(part)) for part in zip(*known, strict=True)) if known else (None, 0.0)
    return relative(went, size)


def sparkline(vitals: Vitals, axis: Axis, t: Words) -> tuple[str, str] | None:
    """(path in a box of 1000 x 24, what it shows) of a run's mean loss, or of its gain; None without either."""
    for key, points in (("loss", _loss(vitals)), ("gain", _largest(vitals, _gain))):
        if len(points) > 1:
            kept = thinned(points, 60)
            values = [v for _, v in kept]
            scale = Scale(min(values), max(max(values), min(values) + 1e-9), 24, pad=2)
            said = t("index.spark", what=t[f"compare.{key}"], first=number(values[0]), last=number(values[-1]))
            return path((axis.unit(step), scale.y(v)) for step, v in kept), said
    return None
