"""What the index draws of a run: a few hundred points a line, however long the run and however many there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hndoctor.records import Checkpoint, Vitals
from hndoctor.render.axis import step_of
from hndoctor.render.lanes import WILD, Point, rate_points, relative, running_mean, thinned
from hndoctor.rules._previews_relative import noise_seen

BUCKETS = 150  # points a line is drawn with, twice: so that a dozen runs stay a small page
SPARK = 60  # the same of the small line in a run's row


@dataclass(frozen=True)
class Spark:
    """The small line in a run's row."""

    key: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Digest:
    """The lines of one run, by the name of their lane."""

    run: str
    lines: Mapping[str, tuple[Point, ...]]
    spark: Spark | None


def digest_of(vitals: Vitals) -> Digest:
    """Reduce a run's vitals to what the index draws."""
    read = {
        "loss": _loss(vitals),
        "validation": _held(vitals),
        "noise": _noise(vitals),
        "rate": rate_points(vitals.losses),
        "gain": _largest(vitals, _gain),
        "update": _largest(vitals, _update),
    }
    shown = next((key for key in ("loss", "gain") if len(read[key]) > 1), None)
    spark = None
    if shown is not None:
        spark = Spark(shown, thinned(read[shown], SPARK))
    return Digest(vitals.run, {key: thinned(points, BUCKETS) for key, points in read.items()}, spark)


def _loss(vitals: Vitals) -> list[Point]:
    known = sorted((p.step, p.loss) for p in vitals.losses if p.loss is not None and abs(p.loss) < WILD)
    return list(running_mean(known)) if known else []


def _held(vitals: Vitals) -> list[Point]:
    told = sorted(vitals.validation, key=lambda v: v.step)
    return [(v.step, v.held_out / v.held_out_base) for v in told if v.held_out_base > 0 and v.held_out < WILD]


def _noise(vitals: Vitals) -> list[Point]:
    worst: dict[int, float] = {}
    noise = noise_seen(vitals)
    for p in vitals.previews:
        if p.step is not None and p.path in noise:
            worst[p.step] = max(worst.get(p.step, 0.0), noise[p.path])
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
    known = [(m.update_rms, m.rms) for m in checkpoint.modules if m.update_rms is not None]
    went, size = (math.hypot(*part) for part in zip(*known, strict=True)) if known else (None, 0.0)
    return relative(went, size)
