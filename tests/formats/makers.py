"""Hands for making files that torch would not make: members re-zipped one by one."""

from __future__ import annotations

import struct
import types
import zipfile
import zlib


def _read(path):
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def _write(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in members:
            archive.writestr(zipfile.ZipInfo(name), body, method)


rezip = types.SimpleNamespace(read=_read, write=_write)


def forge(members, **changes):
    """A zip built by hand: each member is (name, body) or (name, body, dict of header fields to forge).

    Fields: local_name, flags, local_flags, method, crc, size, packed, local_size, offset.
    """
    out, central = b"", b""
    for name, body, *rest in members:
        say = rest[0] if rest else {}
        raw, local = name.encode(), say.get("local_name", name).encode()
        crc, size = say.get("crc", zlib.crc32(body)), say.get("size", len(body))
        packed, method = say.get("packed", len(body)), say.get("method", 0)
        flags = say.get("flags", 0)
        at = say.get("offset", len(out))
        local_size = say.get("local_size", size)
        head = (20, say.get("local_flags", flags), method, 0, 33, crc, packed, local_size, len(local), 0)
        out += b"PK\3\4" + struct.pack("<5H3I2H", *head) + local + body
        entry = (20, 20, flags, method, 0, 33, crc, packed, size, len(raw), 0, 0, 0, 0, 0, at)
        central += b"PK\1\2" + struct.pack("<6H3I5H2I", *entry) + raw
    count = changes.get("count", len(members))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(central), len(out), 0)
    return out + central + end + changes.get("tail", b"")
