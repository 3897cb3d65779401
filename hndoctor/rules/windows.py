"""Means of single-step losses.  One step's loss is mostly its timestep (relative spread about 1.3: science.md §0.6)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile
from statistics import median

from hndoctor.records import LossPoint

WINDOW = 32  # points; design: the guide's figure of 0.3 is judged on a mean over this many (G30)
FEWEST = 8  # points; below this a mean of single steps says nothing; guess, untested
RISE = 1.25  # ratio of a window's mean to the lowest before it; guess, untested
# Standard errors of the rise.  The lowest window is chosen among many: of a sound pocket run's losses, shuffled,
# 4.0 calls 13 % of logs of 400 steps and all of 4,000 steps; 6.0 none of 200 and none of 40.
RISE_Z = 6.0


@dataclass(frozen=True)
class Mean:
    """The mean of the last points up to `step`."""

    step: int
    first: int  # step of the window's first point
    mean: float
    error: float  # standard error of the mean
    count: int


@dataclass(frozen=True)
class Rise:
    """A full window that lies far above the lowest one before it; both are means of the loss's logarithm."""

    lowest: Mean
    now: Mean
    sure: float

    @property
    def times(self) -> float:
        """The typical loss over the lowest."""
        return math.exp(self.now.mean - self.lowest.mean)


def smoothed(losses: Iterable[LossPoint], window: int = WINDOW) -> Iterator[Mean]:
    """Trailing means over `window` finite points, in order of step; shorter ones at the beginning, from `FEWEST` on."""
    steps: deque[int] = deque(maxlen=window)
    values: deque[float] = deque(maxlen=window)
    squares: deque[float] = deque(maxlen=window)
    for point in sorted(losses, key=lambda p: p.step):
        if point.loss is None:
            continue
        steps.append(point.step)
        values.append(point.loss)
        squares.append(point.loss * point.loss)
        if len(values) >= FEWEST:
            yield _mean(steps, values, squares)


def mean_of(points: Sequence[LossPoint]) -> Mean:
    """The mean of finite points and its standard error; at least one point, in order of step."""
    values = [point.loss for point in points if point.loss is not None]
    return _mean([point.step for point in points], values, [value * value for value in values])


def _mean(steps: Sequence[int], values: Sequence[float], squares: Sequence[float]) -> Mean:
    count = len(values)
    mean = math.fsum(values) / count
    spread = max(0.0, math.fsum(squares) - count * mean * mean) / max(1, count - 1)
    return Mean(steps[-1], steps[0], mean, math.sqrt(spread / count), count)


def lasting_nan(losses: Iterable[LossPoint]) -> int | None:
    """The step from which the loss is not finite to the end; None where its last point is finite, or there is none."""
    points = sorted(losses, key=lambda point: point.step)
    tail = list(takewhile(lambda point: point.nonfinite, reversed(points)))
    return tail[-1].step if tail else None


def rises(losses: Iterable[LossPoint]) -> Iterator[Rise]:
    """Full windows above the lowest earlier one that shares no point with them; of logs, so that no spike counts."""
    logs = [LossPoint(point.step, math.log(point.loss)) for point in losses if point.loss and point.loss > 0]
    means = [mean for mean in smoothed(logs) if mean.count == WINDOW]
    limit = RISE_Z * _spread(logs) * math.sqrt(2 / WINDOW)  # of the difference of two windows
    for lowest, now in zip(accumulate(means, _lower), means[WINDOW:], strict=False):
        rise = now.mean - lowest.mean
        if rise > max(limit, math.log(RISE)) and now.mean > means[0].mean:  # from a lucky low back up is no harm
            yield Rise(lowest, now, normal(RISE_Z * (rise / limit - 0.5)))


def _lower(one: Mean, other: Mean) -> Mean:
    return other if other.mean < one.mean else one


def _spread(logs: Sequence[LossPoint]) -> float:
    """Robust spread of the log loss from step to step, never below what would make any ripple a rise."""
    values = [point.loss for point in logs if point.loss is not None]
    jumps = [abs(after - before) for before, after in pairwise(values)]
    return max(0.1, 1.4826 * median(jumps) / math.sqrt(2)) if jumps else 1.0


def above(mean: Mean, limit: float) -> float:
    """The probability that the true mean lies above `limit`."""
    if mean.error <= 0:
        return 1.0 if mean.mean > limit else 0.0
    return normal((mean.mean - limit) / mean.error)


def normal(z: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))
