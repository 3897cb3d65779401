"""The numbers of one tensor: one pass over its elements in blocks that fit the cache.

Norms are over the finite values, in float64, and cannot overflow; what is not finite is counted by kind.  The fast way
(four sweeps of a block: largest, smallest, equal to zero, dot product) is taken wherever a block is finite and of
ordinary size, the careful way else.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hndoctor.formats.types import Array
from hndoctor.records import TensorVitals
from hndoctor.weights.spectral import Spectral, largest_singular

BLOCK = 1 << 17  # elements: 512 KiB of float32: half of a core's second-level cache, and few calls (measured)
ORDINARY = (1e-12, 1e12)  # max |w| of a block between which float32 squares neither vanish nor overflow


@dataclass(frozen=True)
class Tally:
    """The counts and norms of one tensor."""

    count: int
    nan: int
    posinf: int
    neginf: int
    zeros: int
    max_abs: float
    norm: float

    @property
    def finite(self) -> int:
        """How many elements are finite."""
        return self.count - self.nan - self.posinf - self.neginf

    @property
    def rms(self) -> float:
        """Root mean square over the finite elements."""
        return self.norm / math.sqrt(self.finite) if self.finite else 0.0


def rows_of(array: Array) -> Array:
    """All elements as one row of floats; a view where that is possible."""
    flat = array.reshape(-1)
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    return flat if flat.dtype.kind == "f" else flat.astype(np.float64)


def blocks(flat: Array, size: int = BLOCK) -> Iterator[Array]:
    """The row in blocks of at least single precision."""
    for start in range(0, len(flat), size):
        block = flat[start : start + size]
        yield block.astype(np.float32) if block.dtype.itemsize < 4 else block


def tally(array: Array) -> Tally:
    """Count and measure one tensor."""
    nan = posinf = neginf = zeros = 0
    largest = 0.0
    norms: list[float] = []
    flat = rows_of(array)
    is_zero = np.empty(min(len(flat), BLOCK), np.bool_)
    with np.errstate(all="ignore"):
        for block in blocks(flat):
            zeros += int(np.count_nonzero(np.equal(block, 0, out=is_zero[: len(block)])))
            peak = max(float(block.max()), -float(block.min()))
            if not math.isfinite(peak):
                nan += int(np.isnan(block).sum())
                posinf += int(np.isposinf(block).sum())
                neginf += int(np.isneginf(block).sum())
                block = block[np.isfinite(block)]
                peak = float(np.abs(block).max()) if len(block) else 0.0
            largest = max(largest, peak)
            norms.append(norm_of(block, peak))
    return Tally(len(flat), nan, posinf, neginf, zeros, largest, clamped(math.hypot(*norms)))


def norm_of(block: Array, peak: float) -> float:
    """The Euclidean norm of finite values whose largest magnitude is `peak`."""
    if peak == 0:
        return 0.0
    if ORDINARY[0] < peak < ORDINARY[1]:
        return math.sqrt(float(np.dot(block, block)))
    scaled = block.astype(np.float64) / peak
    return peak * math.sqrt(float(np.dot(scaled, scaled)))


def clamped(value: float) -> float:
    """A float that is finite: records hold no other."""
    return min(value, sys.float_info.max)


def vitals_of(
    name: str, array: Array, dtype: str, start: Array | None = None, rough: bool = False
) -> tuple[TensorVitals, Spectral | None]:
    """All numbers of one tensor, and the direction of its largest singular value to start from next time.

    `rough`: the bracket of the spectral norm may be wide, and the ranks, which need it, are left out.
    """
    counted = tally(array)
    spectral = _spectral(array, counted, start, rough)
    bracket = None if spectral is None else (clamped(spectral.lower), clamped(spectral.upper))
    made = TensorVitals(
        name=name,
        shape=tuple(array.shape),
        dtype=dtype,
        count=counted.count,
        nan=counted.nan,
        posinf=counted.posinf,
        neginf=counted.neginf,
        zeros=counted.zeros,
        max_abs=counted.max_abs,
        rms=counted.rms,
        frobenius=counted.norm,
        spectral=bracket,
        stable_rank=(counted.norm / bracket[0]) ** 2 if bracket and bracket[0] > 0 and not rough else None,
        effective_rank=spectral.effective_rank if spectral and not rough else None,
        dead_rows=_dead_rows(array, counted) if array.ndim == 2 else None,
    )
    return made, spectral


def _spectral(array: Array, counted: Tally, start: Array | None, rough: bool) -> Spectral | None:
    """None for what is not a finite matrix; extreme values are scaled before, so that float32 can hold them."""
    if array.ndim != 2 or array.dtype.kind != "f" or counted.finite < counted.count or counted.count == 0:
        return None
    if counted.max_abs == 0:
        return Spectral(0.0, 0.0, np.zeros(array.shape[1], np.float32))
    if ORDINARY[0] < counted.max_abs < ORDINARY[1]:
        return largest_singular(array, start, rough, counted.norm)
    scaled = largest_singular(array.astype(np.float64) / counted.max_abs, start, rough)
    lower, upper = scaled.lower * counted.max_abs, scaled.upper * counted.max_abs
    return Spectral(lower, upper, scaled.direction, scaled.effective_rank)


def _dead_rows(array: Array, counted: Tally) -> int:
    """Rows that are exactly zero; looked for only where there are zeros enough for one."""
    if counted.zeros < array.shape[1] or array.size == 0:
        return 0
    return int((~array.any(axis=1)).sum())
