"""Several runs on one axis: their courses below each other, and one line a run in every lane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hndoctor.records import Diagnosis
from hndoctor.render.axis import Axis, Scale, Tick, axis_of, log_scale, nice, path
from hndoctor.render.course import Band, bands_of
from hndoctor.render.digest import Digest
from hndoctor.render.figures import against, clean, number, percent, portion, rate
from hndoctor.render.lanes import CAP, NOISE_LINE, Lane, Mark, series_of
from hndoctor.render.templates import Words

MOST = 12  # runs drawn; more lines than this cannot be told apart.  The most in need come first
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


def compare(diagnoses: Sequence[Diagnosis], measured: Mapping[str, Digest], t: Words) -> Comparison | None:
    """The first runs of `diagnoses`, in their order, that have a course; None where there are not two."""
    able = [d for d in diagnoses if d.course and d.run in measured]
    if len(able) < 2:
        return None
    shown = able[:MOST]
    axis = axis_of(s.step for d in shown for s in d.course)
    names = _names(shown)
    rows = tuple(_row(d, names[i], i, axis, t) for i, d in enumerate(shown))
    told = [(rows[i].label, rows[i].look, measured[d.run]) for i, d in enumerate(shown)]
    lanes = tuple(filter(None, _lanes(told, axis, t)))
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


def _lanes(told: Sequence[tuple[str, str, Digest]], axis: Axis, t: Words) -> tuple[Lane | None, ...]:
    """One lane for each thing that can be compared over runs."""
    loss = _lane(told, axis, t, "loss", 120, number, (CAP, t["lane.loss_cap"]))
    held = _lane(told, axis, t, "validation", 96, against, (1.0, t["lane.validation_base"]))
    noise = _lane(told, axis, t, "noise", 64, percent, (NOISE_LINE, t["lane.noise_line"]))
    return (
        noise,
        loss,
        held,
        _lane(told, axis, t, "rate", 64, rate, log=True),
        _lane(told, axis, t, "gain", 110, number, log=True),
        _lane(told, axis, t, "update", 96, portion, log=True),
    )


def _lane(
    told: Sequence[tuple[str, str, Digest]],
    axis: Axis,
    t: Words,
    key: str,
    height: int,
    say: Say,
    limit: tuple[float, str] | None = None,
    log: bool = False,
) -> Lane | None:
    lines = [(label, look, digest.lines[key]) for label, look, digest in told]
    values = [v for _, _, points in lines for _, v in points]
    if not values:
        return None
    scale = log_scale(values, height) if log else _linear(key, values, height)
    drawn = tuple(
        series_of(label, look, points, axis, scale, say, dotted=len(points) == 1)
        for label, look, points in lines
        if points
    )
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


def sparkline(digest: Digest, axis: Axis, t: Words) -> tuple[str, str] | None:
    """(path in a box of 1000 x 24, what it shows) of a run's mean loss, or of its gain; None without either."""
    if digest.spark is None:
        return None
    spark = digest.spark
    values = [v for _, v in spark.points]
    scale = Scale(min(values), max(max(values), min(values) + 1e-9), 24, pad=2)
    said = t("index.spark", what=t[f"compare.{spark.key}"], first=number(values[0]), last=number(values[-1]))
    return path((axis.unit(step), scale.y(v)) for step, v in spark.points), said
