"""The CRC-32 of every byte, whoever computes it."""

from __future__ import annotations

import sys
import zlib

import numpy as np
import pytest

from hndoctor.formats.checksum import BLOCK, crc32, fastest

DATA = np.random.default_rng(5).bytes(3 * BLOCK + 17)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 4097, BLOCK - 1, BLOCK, BLOCK + 1, len(DATA)])
@pytest.mark.parametrize("names", [("isal.isal_zlib",), ("zlib_ng.zlib_ng",), ()])
def test_every_way_gives_the_checksum_of_zlib(names, size):
    way = fastest(names)
    part = memoryview(DATA)[:size]
    assert way(part, 0) == zlib.crc32(part)
    assert way(part[size // 3 :], way(part[: size // 3], 0)) == zlib.crc32(part), "in two goes"


@pytest.mark.parametrize("size", [0, 100, BLOCK, len(DATA)])
def test_whoever_looks_on_sees_every_byte_once_and_changes_nothing(size):
    part, seen = memoryview(DATA)[:size], []
    assert crc32(part, lambda block: seen.append(bytes(block))) == crc32(part) == zlib.crc32(part)
    assert b"".join(seen) == bytes(part)
    assert all(len(block) == BLOCK for block in seen[:-1])


def test_without_any_wheel_zlib_does_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    monkeypatch.setitem(sys.modules, "zlib_ng.zlib_ng", None)
    assert fastest() is zlib.crc32
