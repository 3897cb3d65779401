"""Storages of a file by their keys, and the tensors that are views of them: bounds proven first."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hndoctor.formats.allowed import NumpyArray, Storage, Tensor
from hndoctor.formats.dtypes import STORED, decode, itemsize
from hndoctor.formats.types import Array, Refused
from hndoctor.records import Refusal

UNPACKED = frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2"})  # numpy has none of them: they become float32
ROOM = 96 << 20  # bytes of memory that unpacked and realigned numbers may take in one file: four are held at once
VIEW_LIMIT = 1 << 24  # elements that expanded (stride 0) or overlapping views may add to what is really stored


class Shelf:
    """The storages of one file.  `array` makes numpy arrays of tensors: views where the bytes allow it, else copies."""

    def __init__(self, raw: Mapping[str, memoryview], big_endian: bool = False) -> None:
        self._raw = raw
        self._order = ">" if big_endian else "<"
        self._bases: dict[tuple[str, str], Array] = {}
        self._seen: dict[str, tuple[str, int]] = {}
        self._room = Room()
        self._budget = VIEW_LIMIT + sum(len(part) for part in raw.values())

    def array(self, tensor: Tensor | NumpyArray) -> Array:
        """A read-only array of the tensor's numbers in native byte order.  Raises Refused."""
        if isinstance(tensor, NumpyArray):
            if tensor.array is None or tensor.array.dtype.kind not in "biuf":
                raise Refused(Refusal.DAMAGED, "a numpy array that was never filled")
            return tensor.array.astype(tensor.array.dtype.newbyteorder("="), copy=False)
        base = self._base(tensor.storage, tensor.dtype)
        count = math.prod(tensor.shape)
        self._spend(count)
        if count == 0:
            return np.empty(tensor.shape, base.dtype)
        reach = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
        if tensor.offset + reach >= len(base):
            raise Refused(Refusal.UNSAFE, "a tensor reaches beyond its storage")
        steps = tuple(step * base.itemsize for step in tensor.strides)
        view: Array = np.ndarray(tensor.shape, base.dtype, base, tensor.offset * base.itemsize, steps)
        if not view.flags.c_contiguous:  # whoever goes through it in order makes a copy
            self._room.take(view.nbytes, "scattered")
        return view

    def _base(self, storage: Storage, dtype: str) -> Array:
        """All elements of a storage in one row, decoded once."""
        key = storage.key
        first = self._seen.setdefault(key, (storage.dtype, storage.count))
        if first != (storage.dtype, storage.count):
            raise Refused(Refusal.UNSAFE, f"storage {key[:24]} is claimed with two types or sizes")
        if key not in self._raw:
            raise Refused(Refusal.DAMAGED, f"storage {key[:24]} is missing from the file")
        raw = self._raw[key]
        if len(raw) != storage.count * itemsize(storage.dtype) or len(raw) % itemsize(dtype):
            raise Refused(Refusal.UNSAFE, f"storage {key[:24]} has {len(raw)} bytes, not its {storage.count} elements")
        if (key, dtype) not in self._bases:
            self._bases[(key, dtype)] = self._room.array(raw, dtype, self._order)
        return self._bases[(key, dtype)][storage.skip :]

    def _spend(self, count: int) -> None:
        self._budget -= count
        if self._budget < 0:
            raise Refused(Refusal.UNSAFE, "its tensors claim far more numbers than the file holds")


class Room:
    """The memory that one file's numbers may take beside the file itself, and the arrays that are made in it."""

    def __init__(self) -> None:
        self.left = ROOM

    def take(self, size: int, what: str) -> None:
        """Count so many bytes.  Raises Refused where there is no more room."""
        self.left -= size
        if self.left < 0:
            why = f"its {what} numbers take more than {ROOM >> 20} MiB of memory: save it in float32"
            raise Refused(Refusal.FOREIGN, why)

    def array(self, raw: memoryview, dtype: str, order: str = "<") -> Array:
        """Elements as they lie on disk -> native, decoded numbers in one read-only row; aligned while there is room.

        Raises Refused for a file whose numbers must be unpacked and are too many.
        """
        stored: Array = np.frombuffer(raw, np.dtype(order + STORED[dtype])) if len(raw) else np.empty(0, STORED[dtype])
        if dtype in UNPACKED or order == ">":
            self.take(stored.size * max(4, stored.itemsize), dtype)
        elif not stored.flags.aligned and stored.nbytes <= self.left:
            self.left -= stored.nbytes
            stored = np.require(stored, requirements="A")
        flat = decode(stored.astype(stored.dtype.newbyteorder("="), copy=False), dtype)
        flat.flags.writeable = False
        return flat
