"""The safetensors container: an 8-byte length, a JSON header, and the tensors back to back.

Read here and not by the library, so that the file's own order, mapped views, bfloat16 and float8 come the same way as
from a ``.pt``, and every refusal has its reason.  Source: the format's specification in huggingface/safetensors.

Nothing in it can run, and the library refuses gaps, overlaps and what follows the last tensor as well: they are damage.
What could be a danger, a file that is a pickle too, `reading` looks for.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

from hndoctor.formats.dtypes import SAFETENSORS, itemsize
from hndoctor.formats.shelf import Room
from hndoctor.formats.types import Array, Refused, more_after, shown
from hndoctor.records import Refusal

UNREAD = frozenset({"C64", "F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})  # known, not read
HEADER_LIMIT = 8 << 20  # bytes; a hypernetwork's has some kB, a whole model's 200 (the reference takes 100 MB)


@dataclass(frozen=True)
class Flat:
    """Named tensors in the file's order, and the header's text metadata."""

    tensors: dict[str, Array]
    dtypes: dict[str, str]
    metadata: dict[str, str]


def looks_like(data: memoryview) -> bool:
    """Whether the file begins as safetensors do: a plausible header length, and an opening brace."""
    return len(data) >= 10 and bytes(data[8:9]) == b"{" and struct.unpack("<Q", data[:8])[0] <= HEADER_LIMIT


def read_safetensors(data: memoryview) -> Flat:
    """Every tensor of the file; the ranges must cover it without gap or overlap.  Raises Refused."""
    header, start = _header(data)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise Refused(Refusal.DAMAGED, "the safetensors header's metadata is not plain text")
    places = sorted((_place(name, entry) for name, entry in header.items()), key=lambda place: place[2])
    at, room = 0, Room()
    tensors: dict[str, Array] = {}
    dtypes: dict[str, str] = {}
    for name, dtype, (begin, end), shape in places:
        if begin != at:
            raise Refused(Refusal.DAMAGED, "the safetensors header leaves a gap between tensors, or lets them overlap")
        if start + end > len(data):
            raise Refused(Refusal.DAMAGED, "the file was cut short: a tensor is not whole")
        array = room.array(data[start + begin : start + end], dtype).reshape(shape)
        tensors[name], dtypes[name], at = array, dtype, end
    if start + at != len(data):
        raise Refused(Refusal.DAMAGED, more_after(data[start + at :], "tensor").reason)
    return Flat(tensors, dtypes, metadata)


def _header(data: memoryview) -> tuple[dict[str, Any], int]:
    (length,) = struct.unpack("<Q", data[:8])
    if 8 + length > len(data):
        raise Refused(Refusal.DAMAGED, "the file was cut short: its safetensors header is not whole")
    try:
        header = json.loads(bytes(data[8 : 8 + length]).decode("utf-8"), object_pairs_hook=_no_twins)
    except (ValueError, RecursionError):
        raise Refused(Refusal.DAMAGED, "its safetensors header is not JSON") from None
    if not isinstance(header, dict):
        raise Refused(Refusal.DAMAGED, "its safetensors header is not an object")
    return header, 8 + length


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused(Refusal.UNSAFE, "the safetensors header names something twice")
    return found


def _place(name: str, entry: Any) -> tuple[str, str, tuple[int, int], tuple[int, ...]]:
    """One tensor's (name, dtype, byte range, shape), its shape filling its range exactly."""
    kind = entry.get("dtype") if isinstance(entry, dict) else None
    if isinstance(kind, str) and kind in UNREAD:
        raise Refused(Refusal.FOREIGN, f'"{shown(name)}" is of type {kind}: save it as an ordinary one of float32')
    try:
        dtype, shape, (begin, end) = SAFETENSORS[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
        plain = all(type(n) is int and 0 <= n < 1 << 48 for n in (*shape, begin, end)) and len(shape) <= 32
    except (KeyError, TypeError, ValueError):
        plain = False
    if not plain:
        raise Refused(Refusal.DAMAGED, f'the safetensors header describes "{shown(name)}" in no known way')
    count = 1
    for n in shape:
        count *= n
    if end - begin != count * itemsize(dtype):
        raise Refused(Refusal.DAMAGED, f'the safetensors header gives "{shown(name)}" a range its shape does not fill')
    return name, dtype, (begin, end), shape
