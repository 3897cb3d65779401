"""The lanes below the course: loss, rate, gain, updates and preview noise, each on the one time axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hndoctor.records import LossPoint, ModuleVitals, Vitals
from hndoctor.render.axis import Axis, Scale, Tick, dots, log_scale, nice, path, step_of
from hndoctor.render.figures import against, number, percent, portion, rate
from hndoctor.render.templates import Words

CAP = 0.3  # loss; the guide's line (G30)
WINDOW = 32  # points of the running mean, as the loss rules take it
NOISE_LINE = 0.5  # probability of noise above which a preview is called broken
WILD = 1e9  # a loss beyond this is shown as not finite: no scale could hold it
BUCKETS = 400  # points a loss lane draws: more than a screen can tell apart is aggregated
Point = tuple[int, float]


@dataclass(frozen=True)
class Series:
    """One line of a lane, and what the crosshair reads from it."""

    label: str
    look: str  # CSS class: "s0".."s7", "raw", "mean", "base"
    points: tuple[Point, ...]
    d: str  # SVG path in view-box units
    texts: tuple[str, ...]  # the points' values as people read them


@dataclass(frozen=True)
class Mark:
    """A value line across a lane, with its label."""

    y: float
    label: str


@dataclass(frozen=True)
class Lane:
    """One strip of the chart.  Without series, `empty` says why."""

    key: str
    title: str
    height: int
    about: str  # for screen readers: what is drawn and over which values
    ticks: tuple[Tick, ...] = ()
    series: tuple[Series, ...] = ()
    marks: tuple[Mark, ...] = ()
    crosses: tuple[float, ...] = ()  # fractions of the axis where something was not finite
    empty: str | None = None


def lanes(vitals: Vitals, noise: Mapping[str, float], axis: Axis, t: Words) -> tuple[Lane, ...]:
    """All lanes, in the order in which people ask: what it looks like, what it loses, how fast, what it became.

    `noise`: as it is judged, by the path of the preview.
    """
    return (
        _noise(vitals, noise, axis, t),
        _loss(vitals, axis, t),
        _validation(vitals, axis, t),
        *_captions(vitals, axis, t),
        _rate(vitals, axis, t),
        _modules(vitals, axis, t, "gain", 124, lambda m: m.gain),
        _modules(vitals, axis, t, "norm", 96, lambda m: m.rms),
        _modules(vitals, axis, t, "update", 96, lambda m: relative(m.update_rms, m.rms), portion),
        _modules(vitals, axis, t, "best", 96, lambda m: relative(m.best_rms, m.rms), portion),
    )


def relative(part: float | None, whole: float) -> float | None:
    """A change as a share of what changed; None where either is not known, or it is beyond all numbers."""
    share = part / whole if part is not None and whole > 0 else None
    return share if share is not None and math.isfinite(share) else None


def running_mean(points: Sequence[Point], window: int = WINDOW) -> tuple[Point, ...]:
    """The mean over the last `window` points at each point, from the first whole window on."""
    made, total = [], 0.0
    for i, (step, value) in enumerate(points):
        total += value - (points[i - window][1] if i >= window else 0.0)
        if i >= min(window, len(points)) - 1:
            made.append((step, total / min(window, i + 1)))
    return tuple(made)


def thinned(points: Sequence[Point], wanted: int = BUCKETS) -> tuple[Point, ...]:
    """At most 2 x `wanted` points that keep every peak: the least and the greatest of each bucket, in order."""
    if len(points) <= 2 * wanted:
        return tuple(points)
    kept: list[Point] = []
    for i in range(wanted):
        bucket = points[i * len(points) // wanted : (i + 1) * len(points) // wanted]
        ends = {min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])}
        kept += sorted(ends)
    return tuple(kept)


def series_of(
    label: str,
    look: str,
    points: Sequence[Point],
    axis: Axis,
    scale: Scale,
    say: Callable[[float], str],
    dotted: bool = False,
) -> Series:
    """One line: its points placed on the axis and the scale, and each value as `say` says it."""
    places = [(axis.unit(step), scale.y(value)) for step, value in points]
    return Series(
        label, look, tuple(points), dots(places) if dotted else path(places), tuple(say(v) for _, v in points)
    )


def _about(t: Words, key: str, series: Iterable[Series]) -> str:
    told = [f"{s.label}: {s.texts[0]} → {s.texts[-1]}" for s in series if s.texts]
    return t(f"lane.{key}_about") + " " + "; ".join(told)


def _lacking(key: str, t: Words) -> Lane:
    return Lane(key, t[f"lane.{key}"], 0, "", empty=t[f"lane.{key}_empty"])


def _noise(vitals: Vitals, noise: Mapping[str, float], axis: Axis, t: Words) -> Lane:
    points = sorted((p.step, noise[p.path]) for p in vitals.previews if p.step is not None and p.path in noise)
    if not points:
        return _lacking("noise", t)
    scale = Scale(0.0, 1.0, 64)
    worst = [(step, max(noise for _, noise in group)) for step, group in itertools.groupby(points, key=lambda p: p[0])]
    line = series_of(t["lane.noise_worst"], "noise", worst, axis, scale, percent)
    spots = Series("", "spots", (), dots((axis.unit(s), scale.y(v)) for s, v in points), ())
    ticks = tuple(Tick(scale.y(share), percent(share)) for share in (0.0, 1.0))
    mark = Mark(scale.y(NOISE_LINE), t["lane.noise_line"])
    return Lane("noise", t["lane.noise"], 64, _about(t, "noise", (line,)), ticks, (line, spots), (mark,))


def _loss(vitals: Vitals, axis: Axis, t: Words) -> Lane:
    known = [(p.step, p.loss) for p in vitals.losses if p.loss is not None and abs(p.loss) < WILD]
    wild = tuple(axis.share(p.step) for p in vitals.losses if p.nonfinite or abs(p.loss or 0.0) >= WILD)[:BUCKETS]
    if not known and not wild:
        return _lacking("loss", t)
    mean, raw = running_mean(known), thinned(known)
    scale = Scale(0.0, _loss_top(raw, mean), 140)
    drawn = [series_of(t["lane.loss_raw"], "raw", raw, axis, scale, number)] if raw else []
    drawn += [series_of(t["lane.loss_mean"], "mean", thinned(mean), axis, scale, number)] if mean else []
    marks = (Mark(scale.y(CAP), t["lane.loss_cap"]),) if scale.high > CAP else ()
    return Lane("loss", t["lane.loss"], 140, _about(t, "loss", drawn), scale.ticks(), tuple(drawn), marks, wild)


def _loss_top(raw: Sequence[Point], mean: Sequence[Point]) -> float:
    """The top of the loss lane: the means with room, and most single steps; a lone spike may leave the picture."""
    singles = sorted(v for _, v in raw)
    most = singles[int(0.98 * (len(singles) - 1))] if singles else 0.0
    return max(1.15 * max((v for _, v in mean), default=0.0), 1.05 * most, 1e-6)


def _validation(vitals: Vitals, axis: Axis, t: Words) -> Lane:
    """Held-out and training items, each as a share of what the bare base model loses on them."""
    points = sorted(vitals.validation, key=lambda v: v.step)
    held = [(v.step, v.held_out / v.held_out_base) for v in points if v.held_out_base > 0]
    train = [(v.step, v.train / v.train_base) for v in points if v.train is not None and v.train_base]
    held, train = ([p for p in line if abs(p[1]) < WILD] for line in (held, train))
    if not held:
        return _lacking("validation", t)
    values = [v for _, v in (*held, *train)] + [1.0]
    room = max(0.1 * (max(values) - min(values)), 0.005)
    scale = Scale(min(values) - room, max(values) + room, 96)
    drawn = [series_of(t["lane.validation_held"], "held", held, axis, scale, against)]
    drawn += [series_of(t["lane.validation_train"], "train", train, axis, scale, against)] if train else []
    ticks = tuple(Tick(scale.y(v), against(v)) for v in nice(scale.low, scale.high, 3))
    mark = Mark(scale.y(1.0), t["lane.validation_base"])
    return Lane("validation", t["lane.validation"], 96, _about(t, "validation", drawn), ticks, tuple(drawn), (mark,))


def _captions(vitals: Vitals, axis: Axis, t: Words) -> Iterator[Lane]:
    """How much worse pictures are predicted under another's caption; no lane where no validation tells it."""
    told = sorted((one for one in vitals.validation if one.caption_gaps), key=lambda one: one.step)
    if told:
        bare = _times(told[0].base_caption_gaps or (0.0,))
        ratios = [_times(point.caption_gaps) for point in told]
        scale = Scale(min(1.0, bare, *ratios) - 0.005, 1.02 * max(bare, *ratios), 64)
        points = [(point.step, ratio) for point, ratio in zip(told, ratios, strict=True)]
        line = series_of(t["lane.captions_gap"], "held", points, axis, scale, against)
        ticks = tuple(Tick(scale.y(v), against(v)) for v in nice(scale.low, scale.high, 3))
        mark = Mark(scale.y(bare), t["lane.validation_base"])
        yield Lane("captions", t["lane.captions"], 64, _about(t, "captions", (line,)), ticks, (line,), (mark,))


def _times(gaps: Sequence[float]) -> float:
    """The ratio that the mean logarithm stands for, as far as a scale can hold it."""
    return math.exp(max(-5.0, min(5.0, math.fsum(gaps) / len(gaps))))


def _rate(vitals: Vitals, axis: Axis, t: Words) -> Lane:
    points = rate_points(vitals.losses)
    if not points:
        points = [
            (step_of(c), c.optimizer.learning_rate)
            for c in vitals.checkpoints
            if c.optimizer and c.optimizer.learning_rate
        ]
    if not points:
        return _lacking("rate", t)
    scale = log_scale([v for _, v in points], 48)
    stairs = [p for (s, v), (n, _) in itertools.pairwise(points) for p in ((s, v), (n, v))] + [points[-1]]
    line = series_of(t["lane.rate_one"], "rate", points, axis, scale, rate)
    line = Series(line.label, line.look, line.points, path((axis.unit(s), scale.y(v)) for s, v in stairs), line.texts)
    return Lane("rate", t["lane.rate"], 48, _about(t, "rate", (line,)), scale.ticks(2, rate), (line,))


def rate_points(losses: Sequence[LossPoint]) -> list[Point]:
    """Where the logged rate changes, and the last point."""
    told = [(p.step, p.learn_rate) for p in losses if p.learn_rate]
    kept = [p for i, p in enumerate(told) if i in (0, len(told) - 1) or p[1] != told[i - 1][1]]
    return list(thinned(kept))


def _modules(
    vitals: Vitals,
    axis: Axis,
    t: Words,
    key: str,
    height: int,
    value: Callable[[ModuleVitals], float | None],
    say: Callable[[float], str] = number,
) -> Lane:
    """One line a module: colour tells the size, a solid line is k and a dashed one v."""
    lines: dict[tuple[int, str], dict[int, float]] = {}
    broken = []
    for c in vitals.checkpoints:
        if any(x.nan or x.posinf or x.neginf for x in c.tensors):
            broken.append(axis.share(step_of(c)))
        for m in c.modules:
            at = value(m)
            if at is not None and at > 0:
                line = lines.setdefault((m.size, m.side), {})
                line[step_of(c)] = max(at, line.get(step_of(c), 0.0))  # a final file beside the last numbered one
    if not lines:
        return _lacking(key, t)
    scale = log_scale([v for line in lines.values() for v in line.values()], height)
    rank = {size: i for i, size in enumerate(sorted({size for size, _ in lines}))}
    drawn = tuple(
        series_of(f"{size} {side}", f"s{rank[size] % 6} {side}", thinned(sorted(line.items())), axis, scale, say)
        for (size, side), line in sorted(lines.items())
    )
    return Lane(key, t[f"lane.{key}"], height, _about(t, key, drawn), scale.ticks(3, say), drawn, (), tuple(broken))
