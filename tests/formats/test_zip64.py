"""Sizes in 64 bits, as every writer uses them from 4 GB on and some always: read right, and no way to deceive."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from hndoctor.formats import Refused, read
from hndoctor.records import Refusal
from tests.formats.conftest import assert_same, torch_root


def rezipped(path: Path, *, local: bool, central: bool, monkeypatch: pytest.MonkeyPatch) -> dict[object, object]:
    """A network whose archive says its sizes in 64 bits in the local headers, in the central directory, or in both."""
    root = torch_root()
    held = io.BytesIO()
    torch.save(root, held)
    with zipfile.ZipFile(held) as old, zipfile.ZipFile(path, "w") as new:
        if central:
            monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 8)
        for member in old.infolist():
            with new.open(zipfile.ZipInfo(member.filename), "w", force_zip64=local or central) as file:
                file.write(old.read(member))
    return root


@pytest.mark.parametrize(("local", "central"), [(True, False), (True, True)])
def test_an_archive_with_64_bit_sizes_is_read(tmp_path, monkeypatch, local, central):
    path = tmp_path / "x.pt"
    root = rezipped(path, local=local, central=central, monkeypatch=monkeypatch)
    with zipfile.ZipFile(path) as told:
        assert told.testzip() is None
    assert (struct.pack("<2H", 1, 16) in path.read_bytes()) is local
    assert_same(read(path), root)


def test_a_local_header_that_claims_another_64_bit_size_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    rezipped(path, local=True, central=False, monkeypatch=monkeypatch)
    data = path.read_bytes()
    at = data.index(struct.pack("<2H", 1, 16)) + 4
    (size,) = struct.unpack("<Q", data[at : at + 8])
    path.write_bytes(data[:at] + struct.pack("<Q", size + 1) + data[at + 8 :])
    with pytest.raises(Refused, match="local and central header differ") as refused:
        read(path)
    assert refused.value.kind is Refusal.UNSAFE


def test_a_directory_that_promises_a_64_bit_size_and_has_none_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    rezipped(path, local=True, central=True, monkeypatch=monkeypatch)
    data = path.read_bytes()
    directory = data.index(b"PK\1\2")
    extra = data.index(struct.pack("<H", 1), directory + 46)
    path.write_bytes(data[: extra + 2] + struct.pack("<H", 4) + data[extra + 4 :])
    with pytest.raises(Refused, match="64-bit size"):
        read(path)
