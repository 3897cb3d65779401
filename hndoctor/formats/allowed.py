"""The globals that a state dict needs, and what each becomes here.  Nothing is imported, nothing is called in torch.

The list is that of the web UI's ``modules/safe.py`` and of ``torch.load(weights_only=True)``, less whatever could hold
state of its own.  Every other global makes the file unsafe, by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hndoctor.formats.dtypes import STORAGES, STORED
from hndoctor.formats.types import Array
from hndoctor.formats.unread import DTYPES, UNREAD, Unread

KEY_BITS = 64  # of a whole number as a key: any many longer ones may hash alike, which takes the square of their number


@dataclass(frozen=True)
class Global:
    """A name out of the short list.  `make` is None where it only ever stands as a value."""

    name: str
    make: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Storage:
    """A reference to stored elements."""

    key: str
    dtype: str
    count: int
    skip: int = 0  # elements of the stored run before the first of this view (very old legacy files)


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, as the pickle describes it: nothing has been looked at yet."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass
class NumpyType:
    """A numpy dtype under construction: its byte order comes with BUILD."""

    dtype: np.dtype[Any]

    def build(self, state: object) -> None:
        """Take the byte order out of numpy's state tuple."""
        if not (isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "|", "=") and state[2] is None):
            raise ValueError("a numpy type that is not a plain number")
        self.dtype = self.dtype.newbyteorder(state[1])


@dataclass
class NumpyArray:
    """A numpy array under construction: everything comes with BUILD."""

    array: Array | None = None

    def build(self, state: object) -> None:
        """(version, shape, dtype, is Fortran order, bytes) -> the array."""
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], NumpyType)):
            raise ValueError("a numpy array that is not plain")
        _, shape, kind, fortran, raw = state
        flat = np.frombuffer(_as_bytes(raw), kind.dtype)
        self.array = flat.reshape(_numbers(shape), order="F" if fortran else "C")


@dataclass
class Parameters:
    """A torch ParameterDict: its entries come with BUILD."""

    entries: dict[Any, Any] = field(default_factory=dict)

    def build(self, state: object) -> None:
        """Keep the parameters of a module's state, or of torch's newer plain dict."""
        if not isinstance(state, dict):
            raise ValueError("a ParameterDict without entries")
        inner = state.get("_parameters") or {k: v for k, v in state.items() if isinstance(v, Tensor)}
        self.entries.update(inner if isinstance(inner, dict) else {})


def _numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or len(value) > 32:
        raise ValueError("a shape or its strides are not a short list")
    for n in value:
        if type(n) is not int or not 0 <= n < 1 << 48:
            raise ValueError("a shape, offset or stride is not a plain number")
    return tuple(value)


def _as_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("latin-1")
    if not isinstance(value, bytes):
        raise ValueError("raw bytes expected")
    return value


def _tensor(storage: object, offset: object, shape: object, strides: object, *rest: object) -> Tensor | Unread:
    """``_rebuild_tensor`` and ``_rebuild_tensor_v2``; in ``_v3`` the third of `rest` is the dtype."""
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    sizes, steps = _numbers(shape), _numbers(strides)
    if len(sizes) != len(steps):
        raise ValueError("a tensor whose shape and strides differ in length")
    (start,) = _numbers((offset,))
    for extra in rest[2:]:
        if isinstance(extra, dict) and any(extra.values()):
            return Unread("a tensor that torch would still have to conjugate or negate")
    return Tensor(storage, storage.dtype, start, sizes, steps)


def _tensor_v3(storage: object, offset: object, shape: object, strides: object, *rest: object) -> Tensor | Unread:
    plain = _tensor(storage, offset, shape, strides, *rest[:2], *rest[3:])
    dtype = rest[2] if len(rest) > 2 else None
    if not isinstance(dtype, Global) or dtype.name not in (*STORED, *DTYPES):
        raise ValueError("a tensor of an unknown type")
    if isinstance(plain, Unread):
        return plain
    if dtype.name in DTYPES:
        return Unread(f"a tensor of {dtype.name}")
    return Tensor(plain.storage, dtype.name, plain.offset, plain.shape, plain.strides)


def _parameter(data: object, *rest: object) -> object:
    if not isinstance(data, (Tensor, NumpyArray, Unread)):
        raise ValueError("a parameter without a tensor")
    return data


def _from_type(function: object, kind: object, args: object, state: object) -> object:
    """``_rebuild_from_type_v2``: a tensor with attributes of its own, which are left out."""
    if not (isinstance(function, Global) and function.make and isinstance(args, tuple)):
        raise ValueError("a tensor made by something else than torch")
    return function.make(*args)


def _ordered(pairs: object = ()) -> dict[Any, Any]:
    if not isinstance(pairs, (list, tuple)):
        raise ValueError("an OrderedDict of something else than pairs")
    for pair in pairs:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
            raise ValueError("an OrderedDict of something else than pairs")
        check_key(pair[0])
    return dict(pairs)


def check_key(key: object) -> None:
    """Only plain keys, and names (old Stable Diffusion files list callbacks by class): deep tuples hash too deep."""
    if not isinstance(key, (str, int, float, bytes, type(None), Global)):
        raise ValueError("a dictionary key or set member that is not plain")
    if isinstance(key, int) and key.bit_length() > KEY_BITS:
        raise ValueError(f"a dictionary key or set member of more than {KEY_BITS} bits")


def _set(items: object = ()) -> set[Any]:
    if not isinstance(items, (list, tuple)):
        raise ValueError("a set of something else than a list")
    for item in items:
        check_key(item)
    return set(items)


_PLAIN_NUMPY = re.compile(r"[<>=|]?[biuf][1248]")


def _numpy_type(code: object, *rest: object) -> NumpyType:
    if not (isinstance(code, str) and _PLAIN_NUMPY.fullmatch(code)):
        raise ValueError("a numpy type that is not a plain number")
    return NumpyType(np.dtype(code))


def _numpy_scalar(kind: object, raw: object) -> Any:
    if not isinstance(kind, NumpyType):
        raise ValueError("a numpy number without a type")
    (value,) = np.frombuffer(_as_bytes(raw), kind.dtype)
    return value.item()


def _encode(text: object, codec: object = "latin1") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise ValueError("an encoding other than latin-1")
    return text.encode("latin-1")


def _shape(numbers: object = ()) -> tuple[int, ...]:
    return _numbers(numbers)


def _device(kind: object, *rest: object) -> str:
    return kind if isinstance(kind, str) else "?"


def _numpy() -> dict[tuple[str, str], Callable[..., Any] | None]:
    cores = ("numpy.core.multiarray", "numpy._core.multiarray")
    table: dict[tuple[str, str], Callable[..., Any] | None] = {
        ("numpy", "dtype"): _numpy_type,
        ("numpy", "ndarray"): None,
    }
    table |= {(core, "scalar"): _numpy_scalar for core in cores}
    table |= {(core, "_reconstruct"): lambda *_: NumpyArray() for core in cores}
    return table


def _torch() -> dict[tuple[str, str], Callable[..., Any] | None]:
    table: dict[tuple[str, str], Callable[..., Any] | None] = {
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        ("torch._utils", "_rebuild_device_tensor_from_numpy"): _parameter,
        ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
        ("torch.nn.parameter", "Parameter"): None,
        ("torch", "Tensor"): None,
        ("torch", "Size"): _shape,
        ("torch", "device"): _device,
        ("torch.nn.modules.container", "ParameterDict"): lambda *_: Parameters(),
    }
    table |= {("torch", dtype): None for dtype in STORED}
    table |= {("torch", storage): None for storage in STORAGES}
    table |= {("torch.cuda", storage): None for storage in STORAGES}
    table[("torch.storage", "UntypedStorage")] = None
    return table


ALLOWED: Mapping[tuple[str, str], Callable[..., Any] | None] = {
    ("collections", "OrderedDict"): _ordered,
    ("builtins", "bytes"): lambda: b"",  # so Python writes an empty run of bytes for protocols that have none
    ("__builtin__", "bytes"): lambda: b"",
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
    ("_codecs", "encode"): _encode,
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"): None,
    **_torch(),
    **_numpy(),
    **UNREAD,
}
"""(module, name) -> what makes its value here; None where it only stands as a value."""
