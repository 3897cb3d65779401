"""How far the weights went: since the checkpoint before, since the first, from the best; and in which direction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hndoctor.formats.types import Array, HypernetworkFile, Module
from hndoctor.weights.tallies import blocks, clamped, rows_of

BLOCK = 1 << 16  # elements: smaller than a tally's, as up to five networks' blocks are in use at once (measured)


@dataclass(frozen=True)
class Past:
    """The checkpoints that one is compared with; None where there is none, or where it cannot be used any more."""

    before: HypernetworkFile | None = None
    earlier: HypernetworkFile | None = None  # the one before that, for the direction of the update
    first: HypernetworkFile | None = None
    best: HypernetworkFile | None = None


@dataclass(frozen=True)
class Change:
    """Of one module.  None where there is nothing to compare with."""

    update_rms: float | None = None
    update_cosine: float | None = None
    travel_rms: float | None = None
    best_rms: float | None = None


def module_of(file: HypernetworkFile | None, like: Module) -> Module | None:
    """The same module of another checkpoint; None unless every tensor has the same name and shape."""
    for module in file.modules if file else ():
        if (module.size, module.side) == (like.size, like.side) and _shapes(module) == _shapes(like):
            return module
    return None


def _shapes(module: Module) -> Mapping[str, tuple[int, ...]]:
    return {name: array.shape for name, array in module.tensors.items()}


def change(now: Module, past: Past) -> Change:
    """Compare one module with its predecessors.

    The cosine is between (now - before) and (before - earlier), over all weights of the module together.
    """
    before, earlier = module_of(past.before, now), module_of(past.earlier, now)
    first, best = module_of(past.first, now), module_of(past.best, now)
    step, previous_step, travel, way = _Sum(), _Sum(), _Sum(), _Sum()
    both = 0.0
    with np.errstate(all="ignore"):
        for name, array in now.tensors.items():
            others = [m.tensors[name] if m else None for m in (before, earlier, _other(first, before), best)]
            for a, (b, c, f, g) in _together(array, others):
                difference, earlier_difference = step.add(a, b), previous_step.add(b, c)
                both += _dot(difference, earlier_difference)
                travel.add(a, f)
                way.add(a, g)
    lengths = math.sqrt(step.squares) * math.sqrt(previous_step.squares)
    cosine = max(-1.0, min(1.0, both / lengths)) if lengths > 0 and math.isfinite(both / lengths) else None
    travelled = step.rms if first is not None and first is before else travel.rms
    return Change(step.rms, cosine if earlier and before else None, travelled, way.rms)


def _other(module: Module | None, known: Module | None) -> Module | None:
    """None where both are the same network: it need not be compared with twice."""
    return None if module is known else module


def _together(array: Array, others: list[Array | None]) -> Iterator[tuple[Array, list[Array | None]]]:
    """The elements cut into blocks alike; what is missing is None throughout."""
    rows = [None if other is None else blocks(rows_of(other), BLOCK) for other in others]
    for block in blocks(rows_of(array), BLOCK):
        yield block, [None if row is None else next(row) for row in rows]


class _Sum:
    """The squares of a difference, summed over its finite elements."""

    def __init__(self) -> None:
        self.squares, self.count = 0.0, 0
        self._room = np.empty(BLOCK, np.float32)  # used again for every block: fresh memory costs more than the sum

    def add(self, a: Array | None, b: Array | None) -> Array | None:
        """Count one block; returns the difference, valid until the next call."""
        if a is None or b is None:
            return None
        single = a.dtype == b.dtype == np.float32
        difference: Array = np.subtract(a, b, out=self._room[: len(a)]) if single else a - b
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
        """Root mean square of what was counted."""
        if not self.count or not math.isfinite(self.squares):
            return None
        return clamped(math.sqrt(self.squares / self.count))


def _dot(a: Array | None, b: Array | None) -> float:
    return 0.0 if a is None or b is None else float(np.dot(a, b))
