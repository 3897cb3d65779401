"""The three containers, as runs of bytes to be written one after another."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hndoctor.formats.dtypes import SAFETENSORS
from hndoctor.formats.emit import Emitter
from hndoctor.formats.types import Array

Part = bytes | memoryview

TOP = "archive"  # the only top folder that every web UI generation accepts (web UI modules/safe.py)
ALIGNMENT = 64  # bytes; as torch, so that a mapped tensor is aligned
ZIP_LIMIT = (1 << 32) - (1 << 20)  # bytes that fit a zip without 64-bit records, which old readers do not know
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
DOS_DATE = 0x0021  # 1 January 1980, the same in every file


def flat_bytes(array: Array) -> memoryview:
    """An array's little-endian bytes as one flat row."""
    contiguous = np.ascontiguousarray(array)
    if sys.byteorder == "big":
        contiguous = contiguous.astype(contiguous.dtype.newbyteorder("<"))
    return contiguous.reshape(-1).view(np.uint8).data


# --- zip --------------------------------------------------------------------------------------------------------------


def zip_parts(root: Any) -> Iterator[Part]:
    """A torch zip of nothing but ``archive/data.pkl``, ``archive/version`` and ``archive/data/<n>``, all stored."""
    emitter = Emitter()
    pickled = emitter.pickled(root)
    if len(pickled) + sum(array.nbytes for array in emitter.storages) > ZIP_LIMIT:
        raise ValueError("more than 4 GiB in one checkpoint: no web UI can have made that")
    members: list[tuple[str, Part]] = [("data.pkl", pickled), ("version", b"3\n")]
    members += [(f"data/{i}", flat_bytes(array)) for i, array in enumerate(emitter.storages)]
    at, directory = 0, b""
    for name, body in members:
        head, central = _headers(f"{TOP}/{name}".encode("ascii"), body, at)
        yield head
        yield body
        at, directory = at + len(head) + len(body), directory + central
    count = len(members)
    yield directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), at, 0)


def _headers(name: bytes, body: Part, at: int) -> tuple[bytes, bytes]:
    """The local header, padded so that the body begins at a multiple of 64, and its twin for the directory."""
    common = struct.pack("<5H3IH", 20, 0, 0, 0, DOS_DATE, zlib.crc32(body), len(body), len(body), len(name))
    gap = -(at + 30 + len(name) + 4) % ALIGNMENT
    extra = struct.pack("<2sH", b"FB", gap) + b"Z" * gap
    local = b"PK\3\4" + common + struct.pack("<H", len(extra)) + name + extra
    central = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<4H2I", 0, 0, 0, 0, 0, at) + name
    return local, central


# --- legacy -----------------------------------------------------------------------------------------------------------


def legacy_parts(root: Any) -> Iterator[Part]:
    """The stream of torch before 1.6: five pickles, then the storages, each behind its length in elements."""
    plain, emitter = Emitter(), Emitter(legacy=True)
    for value in (LEGACY_MAGIC, 1001, LEGACY_SYSTEM):
        yield plain.pickled(value)
    yield emitter.pickled(root)
    yield plain.pickled([str(i) for i in range(len(emitter.storages))])
    for array in emitter.storages:
        yield struct.pack("<q", array.size)
        yield flat_bytes(array)


# --- safetensors ------------------------------------------------------------------------------------------------------

_SAFE_NAME = {dtype: name for name, dtype in SAFETENSORS.items()}


def safetensors_parts(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> Iterator[Part]:
    """A safetensors file whose tensors lie in the order given and begin at a multiple of 64."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for name, array in tensors.items():
        if array.dtype.name not in _SAFE_NAME:
            raise ValueError(f"a tensor of type {array.dtype.name} cannot be written")
        offsets = [at, at + array.nbytes]
        header[name] = {"dtype": _SAFE_NAME[array.dtype.name], "shape": list(array.shape), "data_offsets": offsets}
        at += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    yield struct.pack("<Q", len(text)) + text
    for array in tensors.values():
        yield flat_bytes(array)
