"""The central directory of a zip archive, as entries, with both forms of its end record."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from hndoctor.formats.types import Refused
from hndoctor.records import Refusal

ENTRY_LIMIT = 100_000  # members; a hypernetwork has some dozens
HEADER = struct.Struct("<6xBx2H4x3I4H6xI")  # version needed, ..., offset; what is left out says nothing about bytes
NEWEST = 63  # ten times the newest version of the format (APPNOTE 6.3): what asks for more means what nobody can read


class Entry(NamedTuple):
    """One central header."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def entries(data: memoryview) -> list[Entry]:
    """All entries of the central directory, in its order.  Raises Refused."""
    start, length, count = _end_record(data)
    if count > ENTRY_LIMIT:
        raise Refused(Refusal.UNSAFE, f"the archive claims {count} members")
    found = list(_walk(data[start : start + length], start))
    if len(found) != count:
        raise Refused(Refusal.UNSAFE, f"the archive's directory lists {len(found)} members but claims {count}")
    return found


def _end_record(data: memoryview) -> tuple[int, int, int]:
    """(offset, length, count) of the central directory, which must end where its end record begins."""
    at = len(data) - 22
    if at < 0 or bytes(data[at : at + 4]) != b"PK\5\6":
        raise _no_end(data)
    this, disk, here, count, length, start, comment = struct.unpack("<4H2IH", data[at + 4 :])
    if comment or this or disk or here != count:
        raise Refused(Refusal.UNSAFE, "the archive's end record claims a comment or further disks")
    ends = at
    if at >= 20 and bytes(data[at - 20 : at - 16]) == b"PK\6\7":
        ends, wide = _zip64(data, at - 20)
        for narrow, full, most in zip((count, length, start), wide, (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True):
            if narrow not in (full, most):
                raise Refused(Refusal.UNSAFE, "the archive's two end records differ")
        count, length, start = wide
    if start + length != ends:
        raise Refused(Refusal.UNSAFE, "the archive's directory is not where its end record says")
    return start, length, count


def _no_end(data: memoryview) -> Refused:
    """The last end record, if there is one, is cut short itself, or something follows it."""
    tail = bytes(data[-65_557:])
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at > len(tail) - 22:
        return Refused(Refusal.DAMAGED, "the end of the archive is missing: the file was cut short")
    if not any(tail[at + 22 :]):
        return Refused(Refusal.DAMAGED, f"{len(tail) - at - 22} zeros follow the end of the archive: a copy went wrong")
    return Refused(Refusal.UNSAFE, "there are bytes after the end of the archive")


def _zip64(data: memoryview, locator: int) -> tuple[int, tuple[int, int, int]]:
    disk, at, disks = struct.unpack("<IQI", data[locator + 4 : locator + 20])
    if disk or disks > 1 or at + 56 > locator or bytes(data[at : at + 4]) != b"PK\6\6":
        raise Refused(Refusal.UNSAFE, "the archive's 64-bit end record is not where it should be")
    record, _, _, this, first, here, count, length, start = struct.unpack("<Q2H2I4Q", data[at + 4 : at + 56])
    if record + 12 != locator - at or this or first or here != count:
        raise Refused(Refusal.UNSAFE, "the archive's 64-bit end record contradicts itself")
    return at, (count, length, start)


def _walk(table: memoryview, base: int) -> Iterator[Entry]:
    at = 0
    while at < len(table):
        if len(table) - at < HEADER.size or bytes(table[at : at + 4]) != b"PK\1\2":
            raise Refused(Refusal.DAMAGED, f"the archive's directory is damaged at byte {base + at}")
        newest, flags, method, crc, packed, size, name, extra, comment, disk, offset = HEADER.unpack_from(table, at)
        if newest > NEWEST:
            raise Refused(Refusal.UNSAFE, f"the archive asks for version {newest / 10} of the zip format")
        tail = at + 46 + name + extra + comment
        if tail > len(table) or comment or disk:
            raise Refused(Refusal.UNSAFE, f"the archive's directory is not sound at byte {base + at}")
        raw = bytes(table[at + 46 : at + 46 + name])
        wide = [size, packed, offset]
        if extra:
            wide = _wide(bytes(table[at + 46 + name : at + 46 + name + extra]), wide)
        yield Entry(_name(raw, flags), raw, flags, method, crc, wide[1], wide[0], wide[2])
        at = tail


def _wide(extra: bytes, fields: list[int]) -> list[int]:
    """Sizes and offset with the 64-bit extra field filled in where the 32-bit fields are saturated."""
    while len(extra) >= 4:
        tag, length = struct.unpack("<2H", extra[:4])
        body = extra[4 : 4 + length]
        if tag == 1:
            for i, value in enumerate(fields):
                if value == 0xFFFFFFFF:
                    if len(body) < 8:
                        raise Refused(Refusal.UNSAFE, "a 64-bit size in the archive's directory is missing")
                    fields[i], body = struct.unpack("<Q", body[:8])[0], body[8:]
            return fields
        extra = extra[4 + length :]
    return fields


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & 0x0800 else "ascii")
    except UnicodeDecodeError:
        raise Refused(Refusal.UNSAFE, "a member's name in the archive cannot be decoded") from None
    if "\\" in name or "\0" in name or name.startswith("/") or ".." in name.split("/"):
        raise Refused(Refusal.UNSAFE, "a member's name in the archive leads out of it")
    return name
