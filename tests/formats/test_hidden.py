"""Files that are two things at once: what torch would run is named, however sound the rest is; chance makes none."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile

import numpy as np
import pytest
import torch
from safetensors import safe_open

from hndoctor.formats import Refused, read
from hndoctor.records import Refusal
from tests.formats.conftest import torch_root

IMPORT = b"cmath\nsqrt\n(K\x04tR."
FAMILIAR = b"(" + b"N" * 1000 + b"1" + IMPORT  # other opcodes before: the walk goes on
STACKED = b"\x8c\x04math\x8c\x04sqrt\x93K\x04\x85R."
INSTANCE = b"(K\x04imath\nsqrt\n."
LONG = b"V" + b"x" * 100_000 + b"\n" + IMPORT  # longer than any line that our interpreter takes
BUFFER = b"\x96" + struct.pack("<Q", 3) + b"abc" + IMPORT
BEGINNINGS = {"U": 2, "C": 2, "B": 5, "X": 5}  # opcode of a text -> bytes of it and of its length


def safetensors_and_pickle(payload: bytes, opcode: str = "U") -> bytes:
    """Safetensors, the header's length being the opcode of a text; texts within the header lead to the tensor."""
    tail = '"},"24.k.linear.0.bias":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}'
    end = (tail % (len(payload), len(payload))).encode()
    for text in range(0x20, 0x7F):
        length = ord(opcode) + 256 * text
        header = bytearray(b'{"__metadata__":{"a":"'.ljust(length - len(end), b"A") + end)
        at = BEGINNINGS[opcode] + text - 8
        while length - at - 2 > 126:
            header[at : at + 2] = b"U~"
            at += 128
        left = length - at - 2
        if at > 22 and len(end) < left and left not in b'"\\' and left >= 32:
            header[at : at + 2] = bytes([ord("U"), left])
            return struct.pack("<Q", length) + bytes(header) + payload
    raise AssertionError("no length fits")


@pytest.mark.parametrize("opcode", BEGINNINGS)
@pytest.mark.parametrize("payload", [IMPORT, FAMILIAR, STACKED, INSTANCE, LONG, BUFFER])
def test_safetensors_that_are_a_pickle_too_are_unsafe(tmp_path, payload, opcode):
    path = tmp_path / "a.pt"
    path.write_bytes(safetensors_and_pickle(payload, opcode))
    with safe_open(path, "np") as file:  # sound safetensors
        assert len(file.get_tensor("24.k.linear.0.bias")) == len(payload)
    assert pickle.loads(path.read_bytes(), encoding="latin-1") == 2.0  # and a pickle that imports and calls
    with pytest.raises(Refused, match="safetensors that are a pickle too: it would import") as found:
        read(path)
    assert found.value.kind is Refusal.UNSAFE


def test_a_walk_without_an_end_is_unsafe(tmp_path):
    (tmp_path / "a.pt").write_bytes(safetensors_and_pickle(b"N" * 1_100_000 + IMPORT))
    with pytest.raises(Refused, match="more than 1000000 opcodes"):
        read(tmp_path / "a.pt")


@pytest.mark.parametrize("low", range(256))
def test_no_length_of_a_header_makes_sound_safetensors_suspect(tmp_path, low):
    """Tensors of chance, of text and of zeros, behind headers of every length."""
    rng = np.random.default_rng(low)
    for kind, values in enumerate((rng.bytes(4096), bytes(4096), b"model.name\n" * 372 + b"....")):
        header = json.dumps({"a": {"dtype": "F32", "shape": [1024], "data_offsets": [0, 4096]}}).encode()
        length = 256 * (1 + kind) + low
        path = tmp_path / f"{kind}.safetensors"
        path.write_bytes(struct.pack("<Q", length) + header.ljust(length) + values)
        assert read(path).dtypes == {"a": "float32"}


def legacy_and_tar() -> bytes:
    """A legacy checkpoint whose first texts, thrown away at once, are a tar header."""
    held = io.BytesIO()
    torch.save(torch_root(), held, _use_new_zipfile_serialization=False)
    head = bytearray(b" " * 517)
    head[:4], head[259:262] = b"\x80\x02U\xff", b"0U\xff"
    for at, length in ((100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8)):
        head[at : at + length] = b"0" * (length - 1) + b" "
    head[156] = ord("0")
    head[148:156] = b"%06o\0 " % sum(head[:512])
    return bytes(head) + b"0" + held.getvalue()[2:]


def test_a_checkpoint_that_torch_would_open_as_a_tar_archive_is_unsafe(tmp_path):
    made = legacy_and_tar()
    with tarfile.open(fileobj=io.BytesIO(made), mode="r:") as archive:  # as torch asks
        assert archive.getnames()
    (tmp_path / "a.pt").write_bytes(made)
    with pytest.raises(Refused, match="a tar archive too") as found:
        read(tmp_path / "a.pt")
    assert found.value.kind is Refusal.UNSAFE
    spoilt = bytearray(made)
    spoilt[120] ^= 1  # no tar archive any more: the same network, read as ever
    (tmp_path / "b.pt").write_bytes(spoilt)
    assert read(tmp_path / "b.pt").container == "legacy"
