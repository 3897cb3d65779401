"""Counts and norms of one tensor: one pass over its elements in blocks that fit the cache.

Norms are over the finite values and cannot overflow; what is not finite is counted by kind.  The fast way (the largest
magnitude by the bits, a dot product in the elements' own precision) is taken wherever a block is finite and of ordinary
size, the careful way in float64 else.  Blocks are added up in float64, so that a norm is as exact as the dot product of
one block: a few parts in ten million.

Zeros are counted by themselves (`zeros`): only what is told of a tensor's structure needs them, and whoever wants to
know no more than whether a file is whole and finite, and how large its numbers are, need not pay for them.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

import numpy as np

from hndoctor.formats.checksum import BLOCK as BYTES
from hndoctor.formats.checksum import Seen
from hndoctor.formats.mapped import STRETCH, ease
from hndoctor.formats.types import Array

BLOCK = BYTES // 4  # elements
ORDINARY = (1e-12, 1e12)  # max |w| of a block between which float32 squares neither vanish nor overflow
MAGNITUDE = 0x7FFFFFFF  # all bits of a float32 but the sign
_BITS, _FLOAT = Struct("<I"), Struct("<f")
_SINGLE, _SIGNED, _UNSIGNED = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.uint32)
_ZERO = np.zeros((), np.float32)  # an array: a number is made one anew for every block
_largest = np.maximum.reduce  # without the detour that the method takes through Python


@dataclass(frozen=True)
class Tally:
    """The counts and norms of one tensor."""

    count: int
    nan: int
    posinf: int
    neginf: int
    max_abs: float
    norm: float
    signed: bool  # whether any has a minus sign: only then can one be below zero

    @property
    def finite(self) -> int:
        """How many elements are finite."""
        return self.count - self.nan - self.posinf - self.neginf

    @property
    def rms(self) -> float:
        """Root mean square over the finite elements."""
        return self.norm / math.sqrt(self.finite) if self.finite else 0.0


class Counter:
    """A tally in the making."""

    def __init__(self) -> None:
        self._count = self._nan = self._posinf = self._neginf = 0
        self._largest = 0.0
        self._signed = False
        self._norms: list[float] = []

    def add(self, block: Array) -> None:
        """Count and measure some elements: float32 or float64, in native byte order."""
        self._count += len(block)
        peak, signed = _peak(block)
        self._signed |= signed
        if not math.isfinite(peak):
            block = self._finite(block)
            peak = float(np.abs(block).max()) if len(block) else 0.0
        if peak > self._largest:
            self._largest = peak
        ordinary = ORDINARY[0] < peak < ORDINARY[1]
        self._norms.append(math.sqrt(block.dot(block)) if ordinary else _norm_of(block, peak))

    def add_bytes(self, block: memoryview) -> None:
        """The same of float32 as they lie in memory."""
        self.add(np.frombuffer(block, _SINGLE))

    def _finite(self, block: Array) -> Array:
        """Count what is not finite by kind; the rest."""
        self._nan += int(np.isnan(block).sum())
        self._posinf += int(np.isposinf(block).sum())
        self._neginf += int(np.isneginf(block).sum())
        return block[np.isfinite(block)]

    def tally(self) -> Tally:
        """What was counted so far."""
        found = (self._count, self._nan, self._posinf, self._neginf)
        return Tally(*found, self._largest, clamped(math.hypot(*self._norms)), self._signed)


class Tallies:
    """What was counted while a file was read: hand `watch` to `read`, then ask for the tallies of its arrays."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], tuple[Array, Counter]] = {}

    def watch(self, row: Array) -> Seen:
        """Begin to count a stored row of float32."""
        counter = Counter()
        self._rows[_place(row)] = row, counter  # the row too: as long as it is held, nothing else lies in its place
        return counter.add_bytes

    def of(self, array: Array) -> Tally:
        """The tally of an array: the one taken while it was read where it is just one stored row, else a new one."""
        whole = array.dtype == np.float32 and (array.flags.c_contiguous or array.flags.f_contiguous)
        known = self._rows[_place(array)][1].tally() if whole and _place(array) in self._rows else None
        return known if known and known.count == array.size else tally(array)  # a file without checksums shows nothing


def _place(array: Array) -> tuple[int, int]:
    """Where an array begins in memory, and how many elements it has: what tells it from every other in one file."""
    return array.__array_interface__["data"][0], array.size


def tally(array: Array) -> Tally:
    """Count and measure one tensor."""
    counter = Counter()
    for block in blocks(rows_of(array)):
        counter.add(block)
    return counter.tally()


def rows_of(array: Array) -> Array:
    """All elements as one row of real numbers; a view where that is possible."""
    flat = array.reshape(-1)
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    return flat


def blocks(flat: Array, size: int = BLOCK) -> Iterator[Array]:
    """The row in blocks of floats of at least single precision; pages of a large file are given back meanwhile."""
    stretch = max(1, STRETCH // (size * max(1, flat.itemsize)))
    for number, start in enumerate(range(0, len(flat), size), 1):
        if number % stretch == 0:
            ease()
        block = flat[start : start + size]
        if block.dtype.kind != "f":
            block = block.astype(np.float64)
        yield block.astype(np.float32) if block.dtype.itemsize < 4 else block


class _Flags(threading.local):
    """Room for a truth value per element of a block, used again for every block of a thread."""

    def __init__(self) -> None:
        self.raw = bytearray(BLOCK)
        self.array = np.frombuffer(self.raw, np.bool_)


_flags = _Flags()


def zeros(array: Array) -> int:
    """How many elements of a tensor are zero."""
    return sum(_zeros_of(block) for block in blocks(rows_of(array)))


def _zeros_of(block: Array) -> int:
    """Mostly there are none: that is found in half of the time that numpy's own search takes."""
    if len(block) != BLOCK:
        return int(np.count_nonzero(np.equal(block, _ZERO)))
    np.equal(block, _ZERO, _flags.array)
    return int(np.count_nonzero(_flags.array)) if 1 in _flags.raw else 0


def _peak(block: Array) -> tuple[float, bool]:
    """The largest magnitude of a block, not finite where anything in it is not; and whether anything has a minus sign.

    Single precision by its bits, which compare like integers of sign and magnitude: that is exact, and has no NaN to
    look out for.
    """
    if block.dtype != _SINGLE:
        with np.errstate(invalid="ignore"):  # of NaN
            return max(float(block.max()), -float(block.min())), bool(np.signbit(block).any())
    positive = int(_largest(block.view(_SIGNED)))
    negative = int(_largest(block.view(_UNSIGNED)))
    peak: float = _FLOAT.unpack(_BITS.pack(max(positive, negative & MAGNITUDE)))[0]
    return peak, negative > MAGNITUDE


def _norm_of(block: Array, peak: float) -> float:
    """The Euclidean norm of finite values of any size, the largest magnitude being `peak`."""
    if peak == 0:
        return 0.0
    scaled = block.astype(np.float64) / peak
    return peak * math.sqrt(float(np.dot(scaled, scaled)))


def clamped(value: float) -> float:
    """A float that is finite: records hold no other."""
    return min(value, sys.float_info.max)
