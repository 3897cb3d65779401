"""The two generations of the web UI's hashes, against hashlib on the whole bytes."""

from __future__ import annotations

import hashlib

import pytest

from hndoctor.formats import hashes


@pytest.mark.parametrize("size", [0, 1000, 0x100000, 0x100001, 0x110000, 0x250000])
def test_both_hashes(tmp_path, size):
    data = bytes(i * 7 % 251 for i in range(size))
    path = tmp_path / "a.pt"
    path.write_bytes(data)
    assert hashes.short_hash(path) == hashlib.sha256(data).hexdigest()[:10]
    assert hashes.old_hash(path) == hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]


def test_small_files_share_one_old_hash(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"anything")
    assert hashes.old_hash(path) == "e3b0c442"


def test_generation_is_told_from_the_length():
    assert [hashes.generation(h) for h in ("e3b0c442", "0123456789", None, "", "xyz")] == [1, 2, None, None, None]
