"""What every byte of a file passes through: the CRC-32 of its container, and a key that tells its content.

ISA-L (on x86) and zlib-ng (on ARM) compute the zip format's CRC-32 with carry-less multiplication, eight times as fast
as zlib, which does the same where neither has a wheel.  From memory ISA-L takes two thirds of zlib-ng's time; in the
cache, behind other passes, they are alike.  The content key is XXH3 (128 bits), about as fast as memory: it tells files
apart, it does not withstand a forger, and need not: who could forge it could write the cache that it guards.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import xxhash

from hndoctor.formats.mapped import STRETCH, ease

BLOCK = 1 << 19  # bytes: half of a core's second-level cache, and few calls (measured)
Seen = Callable[[memoryview], None]
Checksum = Callable[[memoryview, int], int]


def fastest(names: tuple[str, ...] = ("isal.isal_zlib", "zlib_ng.zlib_ng")) -> Checksum:
    """The first of these modules' CRC-32 that is installed, else zlib's."""
    for name in names:
        try:
            found: Checksum = import_module(name).crc32
        except ImportError:  # no wheel for this processor
            continue
        return found
    return zlib.crc32


_crc32 = fastest()


def stretches(data: memoryview) -> Iterator[memoryview]:
    """The bytes in large pieces; the pages of each are given back when the next is asked for."""
    for at in range(0, len(data), STRETCH):
        yield data[at : at + STRETCH]
        ease()


def crc32(data: memoryview, seen: Seen | None = None) -> int:
    """CRC-32 as in zip files (IEEE 802.3).

    `seen` gets the same bytes block by block while they are in the processor's cache, which spares whoever measures
    them a second way to memory (that way is half of the cost of both).
    """
    value = 0
    for stretch in stretches(data):
        if seen is None:
            value = _crc32(stretch, value)
            continue
        for start in range(0, len(stretch), BLOCK):
            block = stretch[start : start + BLOCK]
            seen(block)
            value = _crc32(block, value)
    return value


def content_key(data: memoryview) -> str:
    """XXH3, 128 bits, as 32 hex digits."""
    key = xxhash.xxh3_128()
    for part in stretches(data):
        key.update(part)
    return key.hexdigest()


def content_key_of(path: Path) -> str:
    """The content key of a whole file.  Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
