"""Means of single-step losses.  One step's loss is mostly its timestep (relative spread about 1.3: science.md §0.6)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hndoctor.records import LossPoint

WINDOW = 32  # points; design: the guide's figure of 0.3 is judged on a mean over this many (G30)
FEWEST = 8  # points; below this a mean of single steps says nothing; guess, untested


@dataclass(frozen=True)
class Mean:
    """The mean of the last points up to `step`."""

    step: int
    first: int  # step of the window's first point
    mean: float
    error: float  # standard error of the mean
    count: int


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


def above(mean: Mean, limit: float) -> float:
    """The probability that the true mean lies above `limit`."""
    if mean.error <= 0:
        return 1.0 if mean.mean > limit else 0.0
    return normal((mean.mean - limit) / mean.error)


def normal(z: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))
