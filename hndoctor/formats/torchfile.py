"""What torch.save writes, in both its containers, as plain values in which tensors are still references."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hndoctor.formats.allowed import Global, Storage
from hndoctor.formats.checksum import Seen
from hndoctor.formats.dtypes import STORAGES, itemsize
from hndoctor.formats.shelf import Shelf
from hndoctor.formats.types import Array, Refused, more_after
from hndoctor.formats.unpickle import PICKLE_LIMIT, unpickle
from hndoctor.formats.zipped import check_sums, content, members, top_folder
from hndoctor.records import Refusal

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a legacy file
LEGACY_PROTOCOL = 1001
SINGLE = np.dtype("<f4")
STREAM_LIMIT = 64  # pickles looked at one after another in a file that is only a pickle

Watch = Callable[[Array], Seen]
"""Is shown a stored row of float32 and gives who looks at its blocks while their checksum is computed."""


@dataclass(frozen=True)
class Loaded:
    """A file's root object, with the storages that its tensors refer to."""

    root: Any
    shelf: Shelf
    container: str
    members: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()
    top: str = ""  # the zip's one folder


def _storage(ident: Any, length: int) -> tuple[Storage, Any]:
    """A persistent id of torch -> the storage, and the view metadata of legacy files."""
    if not (isinstance(ident, tuple) and len(ident) in (length, length + 1) and ident[0] == "storage"):
        raise ValueError("a persistent id that is not a torch storage")
    kind, key, _, count = ident[1:5]
    if not (isinstance(kind, Global) and kind.name in STORAGES):
        raise ValueError("a storage of an unknown type")
    if not (isinstance(key, str) and type(count) is int and 0 <= count < 1 << 48):
        raise ValueError("a storage whose key or size is not plain")
    return Storage(key, STORAGES[kind.name], count), ident[5] if len(ident) > 5 else None


# --- zip --------------------------------------------------------------------------------------------------------------


def read_zip(data: memoryview, watch: Watch | None = None) -> Loaded:
    """The zip container, every member checked against its checksum.  Raises Refused."""
    found = members(data)
    if found["data.pkl"].size > PICKLE_LIMIT:
        raise Refused(Refusal.UNSAFE, f"its data.pkl claims {found['data.pkl'].size} bytes")
    pickled = content(data, found["data.pkl"])
    used: set[str] = set()
    storages: dict[str, Storage] = {}

    def stored(ident: Any) -> Storage:
        storage, _ = _storage(ident, 5)
        storages[storage.key] = storage
        return storage

    root, end = unpickle(bytes(pickled), 0, stored, used)
    if end != len(pickled):
        rest = len(pickled) - end
        raise Refused(Refusal.UNSAFE, f"{rest} bytes follow the end of the pickle: a second one may hide there")
    contents = {name: content(data, member) for name, member in found.items()}
    big = _is_big(contents.get("byteorder"))
    raw = {name.removeprefix("data/"): part for name, part in contents.items() if name.startswith("data/")}
    check_sums(found, contents, {} if big or watch is None else _watched(storages, raw, watch))
    return Loaded(root, Shelf(raw, big), "zip", tuple(found), tuple(sorted(used)), top_folder(data))


def _watched(storages: Mapping[str, Storage], raw: Mapping[str, memoryview], watch: Watch) -> dict[str, Seen]:
    """Whoever looks at the single-precision storages, by the names of their members."""
    seen: dict[str, Seen] = {}
    for key, storage in storages.items():
        part = raw.get(key, memoryview(b""))
        if storage.dtype == "float32" and len(part) == 4 * storage.count > 0 and SINGLE.isnative:
            seen[f"data/{key}"] = watch(np.frombuffer(part, SINGLE))
    return seen


def _is_big(byteorder: memoryview | None) -> bool:
    said = b"little" if byteorder is None else bytes(byteorder[:8])
    if said in (b"little", b"big"):
        return said == b"big"
    raise Refused(Refusal.DAMAGED, "its byteorder is neither little nor big")


# --- legacy stream ----------------------------------------------------------------------------------------------------


def read_legacy(data: memoryview) -> Loaded:
    """The stream of five pickles and raw storages that torch wrote before 1.6.  Raises Refused."""
    storages: dict[str, Storage] = {}
    magic, at = unpickle(data, 0, _no_storage)
    if magic != MAGIC or type(magic) is not int:
        raise _only_a_pickle(data, at)
    protocol, at = unpickle(data, at, _no_storage)
    if protocol != LEGACY_PROTOCOL:
        raise Refused(Refusal.DAMAGED, "a legacy torch file of an unknown protocol")
    system, at = unpickle(data, at, _no_storage)
    if not isinstance(system, dict):
        raise Refused(Refusal.DAMAGED, "a legacy torch file without its system record")
    used: set[str] = set()
    root, at = unpickle(data, at, lambda ident: _legacy_storage(ident, storages), used)
    keys, at = unpickle(data, at, _no_storage)
    raw = _raw_storages(data, at, keys, storages)
    return Loaded(root, Shelf(raw), "legacy", (), tuple(sorted(used)))


def _no_storage(ident: Any) -> Any:
    raise ValueError("a persistent id where none belongs")


def _legacy_storage(ident: Any, storages: dict[str, Storage]) -> Storage:
    storage, view = _storage(ident, 5)
    known = storages.setdefault(storage.key, storage)
    if known != storage:
        raise ValueError("a storage claimed with two types or sizes")
    if view is None:
        return storage
    if not (isinstance(view, tuple) and len(view) == 3 and type(view[1]) is int and 0 <= view[1] <= storage.count):
        raise ValueError("a storage view that is not plain")
    return Storage(storage.key, storage.dtype, storage.count, view[1])


def _raw_storages(data: memoryview, at: int, keys: Any, storages: dict[str, Storage]) -> dict[str, memoryview]:
    listed = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not listed or set(keys) != set(storages) or len(keys) != len(storages):
        raise Refused(Refusal.DAMAGED, "the legacy file's list of storages does not fit its tensors")
    raw: dict[str, memoryview] = {}
    for key in keys:
        if at + 8 > len(data):
            raise Refused(Refusal.DAMAGED, "the file was cut short: a storage is missing")
        (count,) = struct.unpack("<q", data[at : at + 8])
        end = at + 8 + count * itemsize(storages[key].dtype)
        if count != storages[key].count:
            raise Refused(Refusal.DAMAGED, "a storage has another size than its tensor says")
        if end > len(data):
            raise Refused(Refusal.DAMAGED, "the file was cut short: a storage is not whole")
        raw[key], at = data[at + 8 : end], end
    if at != len(data):
        raise more_after(data[at:], "storage")
    return raw


def _only_a_pickle(data: memoryview, at: int) -> Refused:
    """Not torch's.  Look through the pickles that follow, so that what a loader of pickles would run is named."""
    for _ in range(STREAM_LIMIT):
        if at >= len(data):
            break
        try:
            _, at = unpickle(data, at, lambda ident: None)
        except Refused as refused:
            if refused.kind is Refusal.UNSAFE:
                return refused
            break
    return Refused(Refusal.FOREIGN, "a pickle, but not one that torch wrote")
