"""Validation points compared item by item: the same pictures, timesteps and noise, so that only the network differs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from hndoctor.records import ValidationPoint

ERROR_FLOOR = 0.001  # relative; science.md §B.1: the noise floor of paired validation is about 1e-4 of a loss near .1
# of a loss, as a share of another: less is nothing, whose logarithm there is not, more is lost, however much more
LEAST, MOST = 1e-12, 1e12
ERROR_UNKNOWN = 0.01  # relative; where there is nothing to estimate it from; guess, untested
FEWEST_ITEMS = 3  # below this a spread over items means nothing
FEWEST_POINTS = 6  # below this the roughness of a curve means nothing
SAME_ITEMS = 0.01  # of an item's loss under the bare base model: what other arithmetic may make of it; guess


@dataclass(frozen=True)
class Drift:
    """How far the held-out loss lies above its best so far, relative to it, with the standard error of the pairs."""

    step: int
    best_step: int
    rise: float
    error: float
    gained: float = 0.0  # how far the best lies below the bare base model, relative to it
    shared: float = 0.0  # share of the rise that the training items' loss rose along: damage, no learning by heart


def drifts(points: Iterable[ValidationPoint], from_base: bool = False) -> tuple[Drift, ...]:
    """One for each point, in order of step; the best so far includes the point itself (rise 0).

    Where other pictures are held out from some point on, as of changed data, the best is looked for anew.
    `from_base`: the bare base model is the best until a point is better.
    """
    ordered = sorted((point for point in points if point.held_out > 0), key=lambda point: point.step)
    rough = roughness(ordered)
    found: list[Drift] = []
    best: ValidationPoint | None = None
    for point in ordered:
        if best is None or not comparable(point, best):
            best = _bare(point) if from_base and point.held_out_base > 0 else point
        if point.held_out < best.held_out:
            best = point
        error = relative_error(point.items, best.items, best.held_out, rough) if point is not best else rough
        gained = max(0.0, _share(best.held_out_base, best.held_out) - 1)
        rise = _share(point.held_out, best.held_out) - 1
        found.append(Drift(point.step, best.step, rise, error, gained, _shared(point, best, rise)))
    return tuple(found)


def comparable(one: ValidationPoint, other: ValidationPoint) -> bool:
    """Whether the same pictures were held out: under the bare base model every item has the same loss."""
    pairs = list(zip(one.base_items, other.base_items, strict=False))
    same = all(abs(a - b) <= SAME_ITEMS * max(abs(a), abs(b)) for a, b in pairs)
    return same and len(one.base_items) == len(other.base_items)


def _share(loss: float, other: float) -> float:
    """One loss as a share of another, both above 0."""
    return max(LEAST, min(MOST, loss / other))


def _bare(point: ValidationPoint) -> ValidationPoint:
    """The bare base model, measured as a point was."""
    return replace(point, step=0, held_out=point.held_out_base, train=point.train_base, items=point.base_items)


def _shared(point: ValidationPoint, best: ValidationPoint, rise: float) -> float:
    """0..1; 0 where training items were not measured."""
    if rise <= 0 or not point.train or not best.train or min(point.train, best.train) <= 0:
        return 0.0
    return min(1.0, max(0.0, (_share(point.train, best.train) - 1) / rise))


def roughness(ordered: Sequence[ValidationPoint]) -> float:
    """How far neighbouring points scatter around a smooth curve, relative to it: what fixed noise leaves of chance.

    From second differences, which a straight slope leaves at nothing; their spread is sqrt(6) times a point's.
    """
    values = [point.held_out for point in ordered]
    if len(values) < FEWEST_POINTS:
        return ERROR_UNKNOWN
    bends = [min(MOST, abs(a - 2 * b + c) / b) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return max(ERROR_FLOOR, 1.4826 * median(bends) / math.sqrt(6) * math.sqrt(2))


def against_base(point: ValidationPoint) -> Drift | None:
    """The same comparison with the bare base model."""
    if point.held_out_base <= 0 or point.held_out <= 0:
        return None
    error = relative_error(point.items, point.base_items, point.held_out_base)
    return Drift(point.step, 0, _share(point.held_out, point.held_out_base) - 1, error)


def relative_error(
    items: Sequence[float], others: Sequence[float], scale: float, otherwise: float = ERROR_UNKNOWN
) -> float:
    """Standard error of the mean paired difference, relative to `scale`; `otherwise` where items cannot be paired."""
    if len(items) != len(others) or len(items) < FEWEST_ITEMS or scale <= 0:
        return otherwise
    differences = [max(-MOST, min(MOST, (one - other) / scale)) for one, other in zip(items, others, strict=True)]
    mean = math.fsum(differences) / len(differences)
    variance = math.fsum((difference - mean) ** 2 for difference in differences) / (len(differences) - 1)
    return max(ERROR_FLOOR, math.sqrt(variance / len(differences)))


def gap(point: ValidationPoint) -> float | None:
    """How much more the training items improved than the held-out ones, as a difference of log ratios."""
    values = (point.held_out, point.held_out_base, point.train or 0.0, point.train_base or 0.0)
    if min(values) <= 0:
        return None
    held_out, base, train, train_base = map(math.log, values)
    return (held_out - base) - (train - train_base)
