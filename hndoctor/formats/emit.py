"""A pickle written by hand: protocol 2 as torch writes it, the same bytes for the same values, always.

Only what a state dict needs: plain values, dictionaries, and tensors as references to storages.  Nothing is memoised,
so the bytes depend on the values alone and not on which objects happen to be the same.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from hndoctor.formats.dtypes import STORAGES
from hndoctor.formats.types import Array

_STORAGE_OF = {dtype: storage for storage, dtype in STORAGES.items() if storage != "UntypedStorage"}


def storage_class(array: Array) -> str:
    """The torch storage class of an array: ``FloatStorage`` for float32.  Raises ValueError if there is none."""
    name = str(array.dtype.name)
    if name not in _STORAGE_OF:
        raise ValueError(f"a tensor of type {name} cannot be written")
    return _STORAGE_OF[name]


class Emitter:
    """Collects the pickle of one root object, and the arrays that become its storages, in order."""

    def __init__(self, legacy: bool = False) -> None:
        self.storages: list[Array] = []
        self._legacy = legacy
        self._out: list[bytes] = []

    def pickled(self, root: Any) -> bytes:
        """The whole pickle of a value."""
        self._out = [b"\x80\x02"]
        self._value(root)
        self._out.append(b".")
        return b"".join(self._out)

    def _value(self, value: Any) -> None:
        if isinstance(value, np.ndarray):
            self._tensor(value)
        elif isinstance(value, Mapping):
            self._mapping(value)
        elif isinstance(value, tuple):
            self._tuple(value)
        elif isinstance(value, list):
            self._out.append(b"](")
            self._all(value)
            self._out.append(b"e")
        else:
            self._out.append(_scalar(value))

    def _all(self, values: Iterable[Any]) -> None:
        for value in values:
            self._value(value)

    def _mapping(self, value: Mapping[Any, Any]) -> None:
        ordered = isinstance(value, OrderedDict)
        self._out.append(b"ccollections\nOrderedDict\n)R" if ordered else b"}")
        if value:
            self._out.append(b"(")
            self._all(part for item in value.items() for part in item)
            self._out.append(b"u")

    def _tuple(self, value: tuple[Any, ...]) -> None:
        if not value:
            self._out.append(b")")
            return
        self._out.append(b"(")
        self._all(value)
        self._out.append(b"t")

    def _tensor(self, array: Array) -> None:
        key = str(len(self.storages))
        kind = storage_class(array)
        self.storages.append(array)
        self._out.append(b"ctorch._utils\n_rebuild_tensor_v2\n((" + _scalar("storage"))
        self._out.append(f"ctorch\n{kind}\n".encode("ascii") + _scalar(key) + _scalar("cpu") + _scalar(array.size))
        self._out.append(b"NtQ" if self._legacy else b"tQ")
        self._all((0, array.shape, _contiguous(array.shape), False, OrderedDict()))
        self._out.append(b"tR")


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a contiguous tensor, in elements, as torch counts them."""
    strides: list[int] = []
    step = 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


def _scalar(value: Any) -> bytes:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    raise ValueError(f"a value of type {type(value).__name__} does not belong into a checkpoint")


def _integer(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return b"K" + struct.pack("<B", value)
    if 0 <= value < 1 << 16:
        return b"M" + struct.pack("<H", value)
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + struct.pack("<B", len(raw)) + raw
