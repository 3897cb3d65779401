"""A left-to-right hidden Markov chain over the stops of a run: forward and backward in log space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Row = tuple[float, ...]
NEVER = -math.inf


def marginals(start: Row, steps: Sequence[Sequence[Row]], signs: Sequence[Row]) -> tuple[tuple[Row, ...], float]:
    """P(state at stop k | all signs), and the log probability of the signs themselves.

    `start`: probabilities before the first stop (S); `steps[k]`: transition probabilities into stop k (S × S);
    `signs[k]`: log likelihoods of what is seen at stop k (S).  Returns K rows of S that sum to 1.
    """
    forward: list[Row] = []
    before, told = _logs(start), 0.0
    for matrix, sign in zip(steps, signs, strict=True):
        into = [_total([before[i] + _log(matrix[i][j]) for i in range(len(start))]) for j in range(len(start))]
        joint = [a + b for a, b in zip(into, sign, strict=True)]
        told += max(joint)
        before = _level(joint)
        forward.append(before)
    after: Row = tuple(0.0 for _ in start)
    found: list[Row] = []
    for at in range(len(forward) - 1, -1, -1):
        found.append(_shares([a + b for a, b in zip(forward[at], after, strict=True)]))
        onward = [a + b for a, b in zip(after, signs[at], strict=True)]
        matrix = steps[at]
        after = _level([_total([_log(p) + b for p, b in zip(row, onward, strict=True)]) for row in matrix])
    return tuple(reversed(found)), told + _total(forward[-1])


def _log(p: float) -> float:
    return math.log(p) if p > 0 else NEVER


def _logs(row: Row) -> Row:
    return tuple(_log(p) for p in row)


def _total(logs: Sequence[float]) -> float:
    top = max(logs)
    return top if top == NEVER else top + math.log(math.fsum(math.exp(value - top) for value in logs))


def _level(logs: Sequence[float]) -> Row:
    """The same ratios with the largest at 0, so that nothing overflows over hundreds of stations."""
    top = max(logs)
    return tuple(value - top for value in logs)


def _shares(logs: Sequence[float]) -> Row:
    total = _total(logs)
    return tuple(math.exp(value - total) for value in logs)


def interpolate(curve: Sequence[tuple[float, float]], value: float) -> float:
    """The height of a curve of (x, y) at `value`, straight between its points and level outside of them."""
    if value <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in pairwise(curve):
        if value <= x1:
            return y0 + (y1 - y0) * (value - x0) / (x1 - x0)
    return curve[-1][1]
