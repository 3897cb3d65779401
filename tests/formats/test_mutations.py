"""Thousands of spoilt files: each gives the right numbers or a refusal with its reason, never another exception.

`HNDOCTOR_FUZZ=100000` runs a longer hunt than the usual one; `HNDOCTOR_SEED` starts it elsewhere.
"""

from __future__ import annotations

import os
import random
import struct
import zlib

import numpy as np
import pytest
import torch

from hndoctor.formats import HypernetworkFile, OptimizerFile, Refused, TensorFile, read, read_bytes
from hndoctor.formats.write import write_hypernetwork, write_optimizer
from hndoctor.records import Checkpoint, CheckpointPath, Unreadable
from hndoctor.weights import measure_checkpoint
from tests.formats.conftest import numpy_modules, torch_root
from tests.formats.makers import forge, rezip

COUNT = int(os.environ.get("HNDOCTOR_FUZZ", "20000"))  # of both kinds together
IN_FULL = 200  # of the files that could be read, one in so many is also measured, from the disk
SEED = int(os.environ.get("HNDOCTOR_SEED", "1"))
EXTREMES = [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 1 << 40]


def originals(folder):
    rng = np.random.default_rng(3)
    modules = numpy_modules(rng, (6, 4))
    torch.save(torch_root(), folder / "torch.pt")
    torch.save(torch_root(torch.bfloat16), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    write_hypernetwork(folder / "ours.pt", modules, {"step": 9})
    write_hypernetwork(folder / "ours.safetensors", modules, {"step": 9}, "safetensors")
    state = {0: {"step": 3.0, "exp_avg": np.ones((3, 2), np.float32), "exp_avg_sq": np.ones((3, 2), np.float32)}}
    group = {"lr": 1e-5, "betas": (0.9, 0.999), "params": [0]}
    write_optimizer(folder / "ours.optim", "AdamW", state, [group], "0" * 10)
    return sorted(path for path in folder.iterdir() if path.is_file())


def spot(chance, length):
    """Anywhere, but mostly where structure is: near the beginning and near the end."""
    near = min(length, 1500)
    return chance.choice([chance.randrange(length), chance.randrange(near), length - 1 - chance.randrange(near)])


def flip(chance, data):
    for _ in range(chance.randint(1, 6)):
        data[spot(chance, len(data))] = chance.choice([chance.randrange(256), 0, 0x7F, 0x80, 0xFF])


def truncate(chance, data):
    del data[spot(chance, len(data)) :]


def remove(chance, data):
    at = spot(chance, len(data))
    del data[at : at + chance.choice([1, 2, 7, 64])]


def insert(chance, data):
    at = spot(chance, len(data))
    data[at:at] = chance.randbytes(chance.choice([1, 2, 7, 64]))


def double(chance, data):
    at, length = spot(chance, len(data)), chance.choice([1, 8, 46, 200])
    data[at:at] = data[at : at + length]


def swap(chance, data):
    a, b, length = spot(chance, len(data)), spot(chance, len(data)), chance.choice([1, 4, 30])
    data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]


def extreme(chance, data):
    at, layout = spot(chance, len(data)), chance.choice("BHIQ")
    value = chance.choice(EXTREMES) & ((1 << 8 * struct.calcsize(layout)) - 1)
    data[at : at + struct.calcsize(layout)] = struct.pack("<" + layout, value)


MUTATIONS = [flip, flip, truncate, remove, insert, double, swap, extreme]


def numbers(file):
    if isinstance(file, HypernetworkFile):
        return [
            (m.size, m.side, name, a.tobytes()) for m in file.modules for name, a in m.tensors.items()
        ], file.metadata
    if isinstance(file, OptimizerFile):
        return [(i, k, np.asarray(v).tobytes()) for i, s in file.state.items() for k, v in s.items()], file.param_groups
    assert isinstance(file, TensorFile)
    return [(name, a.tobytes()) for name, a in file.tensors.items()], None


def attempt(data, path):
    try:
        return read_bytes(data, path)
    except Refused as refused:
        reason = refused.reason
    assert "\n" not in reason
    assert len(reason) < 300
    return None


def measured(path):
    record, _ = measure_checkpoint(CheckpointPath(path, 500, path), path.parent, None)
    assert isinstance(record, (Checkpoint, Unreadable))


@pytest.mark.filterwarnings("error")
def test_spoilt_bytes(tmp_path):
    chance = random.Random(SEED)
    files = [(path.read_bytes(), numbers(read(path))) for path in originals(tmp_path)]
    target = tmp_path / "spoilt"
    passed = 0
    for _ in range(COUNT * 3 // 5):
        whole, right = chance.choice(files)
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 1, 2, 4])):
            if data:
                chance.choice(MUTATIONS)(chance, data)
        file = attempt(bytes(data), target)
        if file is None:
            continue
        passed += 1
        if whole[:2] == b"PK":
            found = numbers(file)
            assert found[0] == right[0], "a zip with good checksums must give the numbers that were written"
            assert replace_name(found[1], right[1]) == right[1]
        if passed % IN_FULL == 0:
            target.write_bytes(data)
            measured(target)
    assert passed > COUNT // 100


def replace_name(found, right):
    """The file's stem is the default name; the spoilt file has another."""
    import dataclasses

    return dataclasses.replace(found, name=right.name) if dataclasses.is_dataclass(found) else found


def spoil_members(chance, members):
    """Members of a sound zip, spoilt one by one, with checksums that fit all the same."""
    members = [(name, bytearray(body), {}) for name, body in members]
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(members))
        name, body, say = members[at]
        action = chance.choice(["body", "body", "body", "drop", "twice", "rename", "deflate", "field"])
        if action == "body" and body:
            chance.choice(MUTATIONS)(chance, body)
        elif action == "drop" and len(members) > 1:
            del members[at]
        elif action == "twice":
            members.append((name, body, dict(say)))
        elif action == "rename":
            members[at] = (chance.choice(["archive/data/9", "archive/x", "x/version", "archive/data.pkl"]), body, say)
        elif action == "deflate" and "method" not in say:
            say |= {"method": 8, "size": len(body), "crc": zlib.crc32(body)}
            body[:] = zlib.compress(bytes(body))[2:-4]
        elif action == "field":
            say[chance.choice(["size", "crc", "packed", "flags", "local_size", "offset", "method"])] = chance.choice(
                [0, 1, 8, len(body), 0xFFFF]
            )
    return [
        (name, bytes(body), {k: v & (0xFFFF if k in ("flags", "method") else 0xFFFFFFFF) for k, v in say.items()})
        for name, body, say in members
    ]


@pytest.mark.filterwarnings("error")
def test_spoilt_archives_with_good_checksums(tmp_path):
    chance = random.Random(SEED)
    sources = [rezip.read(path) for path in originals(tmp_path) if path.read_bytes()[:2] == b"PK"]
    target = tmp_path / "spoilt"
    passed = 0
    for _ in range(COUNT * 2 // 5):
        data = forge(spoil_members(chance, chance.choice(sources)))
        if attempt(data, target) is None:
            continue
        passed += 1
        if passed % IN_FULL == 0:
            target.write_bytes(data)
            measured(target)
    assert passed > COUNT // 100
