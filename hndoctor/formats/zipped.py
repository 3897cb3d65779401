"""The zip container of a torch file, read strictly: two readers of the same bytes must never see different things.

Rules after the known attacks on scanners (local and central headers that differ, flag bits, duplicate members,
overlaps, forged sizes, CRC errors): whatever torch, Python's zipfile and this reader could disagree on is refused.
Sources: PKWARE APPNOTE 6.3.10; torch's ``caffe2/serialize/inline_container.cc``, which writes zip64 end records, the
data descriptor flag and 64-byte alignment.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from hndoctor.formats.checksum import Seen, crc32
from hndoctor.formats.directory import Entry, entries
from hndoctor.formats.types import Refused, shown
from hndoctor.records import Refusal

INFLATED_LIMIT = 96 << 20  # bytes that all deflated members together may claim: they are unpacked into memory
MEMBER = re.compile(
    r"data\.pkl|data/[0-9]+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)
HEADER = struct.Struct("<6x2H4x3I2H")  # flags, method, CRC, packed and whole size, lengths of name and extra fields
FOLDERS = ("", "data/", ".data/")  # as members of their own: zip programs write them, torch does not
DESCRIPTOR = 0x0008  # flag: CRC and sizes follow the data
ALLOWED_FLAGS = DESCRIPTOR | 0x0800 | 0x0006  # and UTF-8 names, deflate's speed hints; above all not encryption


class Member(NamedTuple):
    """One file of the archive: where its bytes lie, and how."""

    name: str  # below the top folder
    start: int
    packed: int
    size: int
    crc: int
    deflated: bool


def members(data: memoryview) -> dict[str, Member]:
    """Every member of a torch zip by its name below the top folder.  Raises Refused."""
    found = entries(data)
    tops = _check_names(found)
    ranges = [_extent(data, entry) for entry in found]
    _check_ranges(ranges)
    if sum(entry.size for entry in found if entry.method == 8) > INFLATED_LIMIT:
        raise Refused(Refusal.UNSAFE, f"its packed members claim more than {INFLATED_LIMIT >> 20} MiB")
    return {
        name: Member(name, start, entry.packed, entry.size, entry.crc, entry.method == 8)
        for name, entry, (_, start, _) in zip(tops, found, ranges, strict=True)
    }


def top_folder(data: memoryview) -> str:
    """The one folder of an archive whose `members` were found: its first member begins the file."""
    (length,) = struct.unpack("<H", data[26:28])
    return bytes(data[30 : 30 + length]).decode().partition("/")[0]


def _is_folder(entry: Entry) -> bool:
    return entry.name.endswith("/") and entry.size == 0 and entry.packed == 0


def _check_names(found: list[Entry]) -> list[str]:
    """The names below the one top folder, all of them expected, none twice."""
    names = [entry.name for entry in found]
    if not any(re.search(r"(^|/)data\.pkl$", name) for name in names):
        if any(name.lower().endswith((".pt", ".safetensors", ".ckpt", ".optim")) for name in names):
            raise Refused(Refusal.FOREIGN, "a zip archive with checkpoints in it: unpack it first")
        raise Refused(Refusal.FOREIGN, "a zip archive, but without the data.pkl of a torch file")
    parts = [name.partition("/") for name in names]
    if len({top for top, _, _ in parts}) != 1 or not parts[0][0]:
        raise Refused(Refusal.UNSAFE, "its members do not lie in one top folder")
    below = [rest for _, _, rest in parts]
    for entry, name in zip(found, below, strict=True):
        if name == "constants.pkl" or name.startswith("code/"):
            raise Refused(Refusal.UNSAFE, "a TorchScript archive: it holds program code")
        if not MEMBER.fullmatch(name) and not (name in FOLDERS and _is_folder(entry)):
            raise Refused(Refusal.UNSAFE, f'unexpected member "{shown(name)}" in the archive')
    if len(set(below)) != len(below):
        twice = next(name for name in below if below.count(name) > 1)
        raise Refused(Refusal.UNSAFE, f'duplicate member "{shown(twice)}" in the archive')
    return below


def _extent(data: memoryview, entry: Entry) -> tuple[int, int, int]:
    """(header, start of data, end with descriptor) of one member, its local header being the central one's twin."""
    if entry.flags & ~ALLOWED_FLAGS:
        what = "encrypted" if entry.flags & 1 else f"unexpected flag bits {entry.flags & ~ALLOWED_FLAGS:#06x}"
        raise Refused(Refusal.UNSAFE, f'member "{shown(entry.name)}": {what}')
    if entry.method not in (0, 8):
        raise Refused(Refusal.UNSAFE, f'member "{shown(entry.name)}": packing method {entry.method}')
    if entry.method == 0 and entry.packed != entry.size:
        raise Refused(Refusal.UNSAFE, f'member "{shown(entry.name)}": its two sizes differ')
    start = _check_local(data, entry)
    end = start + entry.packed
    if end > len(data):
        raise Refused(Refusal.DAMAGED, f'member "{shown(entry.name)}" reaches beyond the end of the file')
    return entry.offset, start, end + _descriptor(data, entry, end)


def _check_local(data: memoryview, entry: Entry) -> int:
    head = data[entry.offset : entry.offset + HEADER.size]
    if len(head) < HEADER.size or bytes(head[:4]) != b"PK\3\4":
        raise Refused(Refusal.DAMAGED, f'member "{shown(entry.name)}" has no header where the directory says')
    flags, method, crc, packed, size, name_length, extra_length = HEADER.unpack(head)
    start = int(entry.offset + 30 + name_length + extra_length)
    name = bytes(data[entry.offset + 30 : entry.offset + 30 + name_length])
    if name != entry.raw_name or flags != entry.flags or method != entry.method:
        raise _differs(entry)
    if 0xFFFFFFFF in (packed, size):
        packed, size = _local_zip64(bytes(data[start - extra_length : start]), packed, size)
    given = (crc, packed, size)
    if given != (entry.crc, entry.packed, entry.size) and not (flags & DESCRIPTOR and not any(given)):
        raise _differs(entry)
    return start


def _local_zip64(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    while len(extra) >= 4:
        tag, length = struct.unpack("<2H", extra[:4])
        if tag == 1 and length >= 16:
            size, packed = struct.unpack("<2Q", extra[4:20])
            break
        extra = extra[4 + length :]
    return packed, size


def _differs(entry: Entry) -> Refused:
    return Refused(Refusal.UNSAFE, f'member "{shown(entry.name)}": local and central header differ')


def _descriptor(data: memoryview, entry: Entry, end: int) -> int:
    """The length of the data descriptor behind a member, which must say what the directory says."""
    if not entry.flags & DESCRIPTOR:
        return 0
    for layout in ("<4s3I", "<4sI2Q"):
        length = struct.calcsize(layout)
        if end + length <= len(data):
            try:
                said = struct.pack(layout, b"PK\7\b", entry.crc, entry.packed, entry.size)
            except struct.error:
                continue
            if said == data[end : end + length]:
                return length
    raise Refused(Refusal.DAMAGED, f'member "{shown(entry.name)}": its data descriptor is missing or differs')


def _check_ranges(ranges: list[tuple[int, int, int]]) -> None:
    ordered = sorted(ranges)
    if ordered[0][0] != 0:
        raise Refused(Refusal.UNSAFE, "the archive does not begin with its first member")
    for (_, _, end), (header, _, _) in pairwise(ordered):
        if header < end:
            raise Refused(Refusal.UNSAFE, "members of the archive overlap")


def content(data: memoryview, member: Member) -> memoryview:
    """A member's bytes: a view where it is stored, a copy where it is deflated.  Raises Refused."""
    packed = data[member.start : member.start + member.packed]
    if not member.deflated:
        return packed
    inflater = zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(packed, member.size + 1)
    except zlib.error:
        raise Refused(Refusal.DAMAGED, f'member "{member.name}" cannot be unpacked') from None
    if len(plain) != member.size or not inflater.eof or inflater.unused_data:
        raise Refused(Refusal.UNSAFE, f'member "{member.name}": its unpacked size is not the one it claims')
    return memoryview(plain)


def check_sums(found: Mapping[str, Member], contents: Mapping[str, memoryview], seen: Mapping[str, Seen]) -> None:
    """Compare every member's CRC.  torch never does; a file that it wrote with checksums off has zeros throughout.

    `seen` names those who look at a member's blocks meanwhile; with checksums off nobody does.
    """
    if not any(member.crc for member in found.values()):
        return
    for name, plain in contents.items():
        if crc32(plain, seen.get(name)) != found[name].crc:
            raise Refused(Refusal.DAMAGED, f'member "{name}" does not match its checksum: its bytes have changed')
