"""The course: what the network was at each step, how sure that is, and the marks that lead the eye."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from hndoctor.formats.counted import chance
from hndoctor.records import Diagnosis, State, Station, Vitals
from hndoctor.render.axis import Axis, axis_of
from hndoctor.render.figures import steps
from hndoctor.render.templates import Words
from hndoctor.rules.dose import base_of, clock_of

STACK = (State.BROKEN, State.OVERTRAINED, State.HEALTHY, State.STARTING)  # from the top down
GUIDE_DOSE = (0.045, 0.125)  # sum of rate x sqrt(batch): 9,000 and 25,000 steps at 5e-6 (G21)
_FLAG = 18  # pixels a flag's text needs
_FLAG_FITS = 0.2  # share of the axis that a flag's text takes
_WORD_FITS = 0.085  # share of the axis from which a band holds its word and not only its letter


@dataclass(frozen=True)
class Band:
    """Consecutive checkpoints of one state, or the guide's ghost; fractions of the axis."""

    x: float
    width: float
    state: str
    label: str
    title: str
    word: str = ""
    letter: str = ""


@dataclass(frozen=True)
class Area:
    """One state's share of the stack, as a clip path in a box of 1 x 1."""

    state: str
    d: str


@dataclass(frozen=True)
class Flag:
    """A vertical mark through all lanes."""

    x: float
    kind: str  # "go-back", "overtrained", "broken"
    label: str
    y: int  # pixels from the top: flags stand below each other, so that no two texts meet
    turned: bool  # its text stands to the left of the mark, for want of room


@dataclass(frozen=True)
class Stop:
    """A row of the course: where the crosshair stops, and what the table says."""

    step: int
    label: str
    state: str
    word: str
    shares: tuple[tuple[str, str, str, float], ...]  # (state, word, "98%", 98.0)
    file: str
    channels: str


@dataclass(frozen=True)
class Course:
    """Everything of the course's own lanes."""

    axis: Axis
    bands: tuple[Band, ...]
    areas: tuple[Area, ...]
    flags: tuple[Flag, ...]
    ghost: Band | None
    stops: tuple[Stop, ...]
    marks_height: int  # pixels
    shots: tuple[float, ...] = ()  # where on the axis previews were made


def course_of(diagnosis: Diagnosis, vitals: Vitals, t: Words) -> Course | None:
    """The course's view; None if the run has no step that is known."""
    seen = [s.step for s in diagnosis.course]
    seen += [p.step for p in vitals.losses] + [p.step for p in vitals.validation]
    seen += [p.step for p in vitals.previews if p.step is not None]
    if not seen:
        return None
    axis = axis_of(seen)
    stations = sorted(diagnosis.course, key=lambda s: s.step)
    flags = _flags(diagnosis, axis, t)
    stops = tuple(_stop(s, t) for s in stations)
    ghost = _ghost(diagnosis, vitals, axis, t)
    height = _FLAG * (len(flags) + (ghost is not None)) + 6
    shots = tuple(dict.fromkeys(axis.share(p.step) for p in vitals.previews if p.step is not None and p.thumbnail))
    return Course(axis, bands_of(stations, axis, t), _areas(stations, axis), flags, ghost, stops, height, shots)


def edges(stations: Sequence[Station], axis: Axis) -> list[tuple[float, float]]:
    """From where to where each checkpoint speaks: half way to its neighbours."""
    at = [axis.share(s.step) for s in stations]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(at)]
    if not at:
        return []
    pad = (middles[0] - at[0]) if middles else 0.02
    tail = (at[-1] - middles[-1]) if middles else 0.02
    cuts = [max(0.0, at[0] - pad), *middles, min(1.0, at[-1] + tail)]
    return list(itertools.pairwise(cuts))


def bands_of(stations: Sequence[Station], axis: Axis, t: Words) -> tuple[Band, ...]:
    """Consecutive checkpoints of one state as one band."""
    made: list[tuple[float, float, list[Station]]] = []
    for (low, high), station in zip(edges(stations, axis), stations, strict=True):
        if made and made[-1][2][-1].state is station.state:
            made[-1] = (made[-1][0], high, [*made[-1][2], station])
        else:
            made.append((low, high, [station]))
    return tuple(_band(low, high, group, t) for low, high, group in made)


def _band(low: float, high: float, group: Sequence[Station], t: Words) -> Band:
    state, word, letter = group[0].state, t[f"state.{group[0].state}"], t[f"letter.{group[0].state}"]
    label = word if high - low >= _WORD_FITS else letter
    title = t("course.band", state=word, first=steps(group[0].step), last=steps(group[-1].step))
    return Band(round(low, 5), round(high - low, 5), state.value, label, title, word, letter)


def _areas(stations: Sequence[Station], axis: Axis) -> tuple[Area, ...]:
    """A stack of probabilities; each checkpoint that was read is a corner of every area."""
    read = [(e, s) for e, s in zip(edges(stations, axis), stations, strict=True) if s.p]
    if not read:
        return ()
    alone = len(read) == 1  # a lone checkpoint is drawn as a column
    places = list(read[0][0]) if alone else [axis.share(s.step) for _, s in read]
    columns = [read[0][1]] * 2 if alone else [s for _, s in read]
    above = [0.0] * len(columns)
    made = []
    for state in STACK:
        below = [a + s.p.get(state.value, 0.0) for a, s in zip(above, columns, strict=True)]
        top = [f"{x:g} {min(1.0, a):.4g}" for x, a in zip(places, above, strict=True)]
        bottom = [f"{x:g} {min(1.0, b):.4g}" for x, b in zip(places, below, strict=True)]
        made.append(Area(state.value, "M" + "L".join([*top, *reversed(bottom)]) + "Z"))
        above = below
    return tuple(made)


def _flags(diagnosis: Diagnosis, axis: Axis, t: Words) -> tuple[Flag, ...]:
    told: list[tuple[int, str, str]] = []
    advice = diagnosis.prescription
    if advice is not None and advice.step is not None:
        told.append((advice.step, "go-back", t(f"flag.{advice.action}", step=steps(advice.step))))
    for kind, step in (("overtrained", diagnosis.onset.overtrained), ("broken", diagnosis.onset.broken)):
        if step is not None:
            told.append((step, kind, t(f"flag.{kind}", step=steps(step))))
    made = []
    for level, (step, kind, label) in enumerate(sorted(told)):
        x = axis.share(step)
        crowded = any(0 < axis.share(other) - x < _FLAG_FITS < x for other, *_ in told)
        made.append(Flag(x, kind, label, _FLAG * level, crowded or x > 0.55))
    return tuple(made)


def _ghost(diagnosis: Diagnosis, vitals: Vitals, axis: Axis, t: Words) -> Band | None:
    """The guide's band, carried to the run's rates as dose; only where its figures are SD1's and it is in sight."""
    band = guide_band(vitals)
    if band is None or band[0] >= axis.last:
        return None
    x = axis.share(max(band[0], axis.first))
    width = round(axis.share(min(band[1], axis.last)) - x, 5)
    return Band(x, width, "ghost", t["course.ghost"], t["course.ghost_title"]) if width > 0 else None


def guide_band(vitals: Vitals) -> tuple[float, float] | None:
    """The steps between which the guide expects overtraining to begin (G21), at this run's rates and batch size.

    None where the base model is not known to be SD1's kind: the guide's figures are SD1's.
    """
    base = base_of(vitals)
    if base.kind != "sd1":
        return None
    clock = clock_of(vitals, base)
    return clock.step_at(GUIDE_DOSE[0]), clock.step_at(GUIDE_DOSE[1])


def _stop(station: Station, t: Words) -> Stop:
    shares = tuple(
        (s.value, t[f"state.{s}"], chance(station.p[s.value]), round(100 * station.p[s.value], 2))
        for s in reversed(STACK)
        if s.value in station.p
    )
    channels = t.listed(t.get(f"channel.{c}", c) for c in station.channels)
    return Stop(
        station.step,
        steps(station.step),
        station.state.value,
        t[f"state.{station.state}"],
        shares,
        station.checkpoint or "",
        channels,
    )
