"""How far the weights went: since the checkpoint before, since the first, and in which direction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from hndoctor.formats.types import Array, HypernetworkFile, Module
from hndoctor.weights.tensors import blocks, clamped, rows_of


@dataclass(frozen=True)
class Change:
    """Of one module.  None where there is nothing to compare with."""

    update_rms: float | None = None
    update_cosine: float | None = None
    travel_rms: float | None = None


def module_of(file: HypernetworkFile | None, like: Module) -> Module | None:
    """The same module of another checkpoint; None unless every tensor has the same name and shape."""
    for module in file.modules if file else ():
        if (module.size, module.side) == (like.size, like.side) and _shapes(module) == _shapes(like):
            return module
    return None


def _shapes(module: Module) -> Mapping[str, tuple[int, ...]]:
    return {name: array.shape for name, array in module.tensors.items()}


def change(now: Module, before: Module | None, earlier: Module | None, first: Module | None) -> Change:
    """Compare one module with its predecessors.

    The cosine is between (now - before) and (before - earlier), over all weights of the module together.
    """
    step, previous_step, both = _Sum(), _Sum(), 0.0
    travel = _Sum()
    with np.errstate(all="ignore"):
        for name in now.tensors:
            rows = [None if m is None else rows_of(m.tensors[name]) for m in (now, before, earlier, first)]
            for a, b, c, f in _together(rows):
                difference = step.add(a, b)
                earlier_difference = previous_step.add(b, c)
                travel.add(a, f)
                both += _dot(difference, earlier_difference)
    lengths = math.sqrt(step.squares) * math.sqrt(previous_step.squares)
    cosine = max(-1.0, min(1.0, both / lengths)) if lengths > 0 and math.isfinite(both / lengths) else None
    return Change(step.rms, cosine if earlier and before else None, travel.rms)


def _together(rows: list[Array | None]) -> Iterator[tuple[Array | None, ...]]:
    """The rows cut into blocks alike; a missing row (never the first) is None throughout."""
    cuts = [repeat(None) if row is None else blocks(row) for row in rows]
    return zip(*cuts, strict=False)


class _Sum:
    """The squares of a difference, summed over its finite elements."""

    def __init__(self) -> None:
        self.squares, self.count = 0.0, 0

    def add(self, a: Array | None, b: Array | None) -> Array | None:
        if a is None or b is None:
            return None
        difference: Array = a - b
        squares = float(np.dot(difference, difference))
        if not math.isfinite(squares):
            finite = np.isfinite(difference)
            difference = np.where(finite, difference, 0).astype(np.float64)
            self.count += int(finite.sum()) - len(difference)
            squares = float(np.dot(difference, difference))
        self.squares += squares
        self.count += len(difference)
        return difference

    @property
    def rms(self) -> float | None:
        if not self.count or not math.isfinite(self.squares):
            return None
        return clamped(math.sqrt(self.squares / self.count))


def _dot(a: Array | None, b: Array | None) -> float:
    return 0.0 if a is None or b is None else float(np.dot(a, b))
