"""The legacy stream, part by part: five pickles and the storages, each of which must say what the others say."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from hndoctor.formats import Refused, read
from hndoctor.formats.torchfile import LEGACY_PROTOCOL, MAGIC
from hndoctor.records import Refusal

VALUES = np.arange(16, dtype="<f4")
SYSTEM = {"protocol_version": LEGACY_PROTOCOL, "little_endian": True, "type_sizes": {"short": 2}}


def named(name):
    return f"c{name.replace(':', chr(10))}\n".encode()


def tensor(key="5", count=16, view=None, kind="torch:FloatStorage", shape=(4, 4), stride=(4, 1)):
    """The opcodes of a tensor of these elements."""
    more = opcodes(view) if view != "none" else b""
    ident = b"(" + opcodes("storage") + named(kind) + opcodes(key) + opcodes("cpu") + opcodes(count) + more + b"tQ"
    rest = opcodes(0) + opcodes(shape) + opcodes(stride) + opcodes(False) + named("collections:OrderedDict") + b"(tR"
    return named("torch._utils:_rebuild_tensor_v2") + b"(" + ident + rest + b"tR"


def opcodes(value):
    return pickle.dumps(value, 2)[2:-1]


def root(*tensors):
    """A list of tensors, which is a file of tensors."""
    return b"\x80\x02](" + b"".join(tensors) + b"e."


def stream(tensors=None, magic=MAGIC, protocol=LEGACY_PROTOCOL, system=SYSTEM, keys=("5",), raw=None, tail=b""):
    parts = [pickle.dumps(part, 2) for part in (magic, protocol, system)]
    stored = struct.pack("<q", 16) + VALUES.tobytes() if raw is None else raw
    return b"".join(
        [
            *parts,
            root(*(tensors or [tensor()])),
            pickle.dumps(keys if isinstance(keys, int) else list(keys), 2),
            stored,
            tail,
        ]
    )


@pytest.fixture
def tried(tmp_path):
    def of(data):
        path = tmp_path / "a.pt"
        path.write_bytes(data)
        return read(path)

    return of


def test_a_sound_stream_is_read(tried):
    (found,) = tried(stream()).tensors.values()
    assert found.tolist() == VALUES.reshape(4, 4).tolist()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"magic": MAGIC + 1}, Refusal.FOREIGN),
        ({"protocol": LEGACY_PROTOCOL + 1}, Refusal.DAMAGED),
        ({"protocol": LEGACY_PROTOCOL - 1}, Refusal.DAMAGED),
        ({"system": [1]}, Refusal.DAMAGED),
        ({"keys": ()}, Refusal.DAMAGED),
        ({"keys": ("5", "5")}, Refusal.DAMAGED),
        ({"keys": ("6",)}, Refusal.DAMAGED),
        ({"keys": (5,)}, Refusal.DAMAGED),
        ({"keys": ([],)}, Refusal.DAMAGED),
        ({"keys": 5}, Refusal.DAMAGED),
        ({"raw": b""}, Refusal.DAMAGED),
        ({"raw": struct.pack("<q", 16)[:7]}, Refusal.DAMAGED),
        ({"raw": struct.pack("<q", 15) + VALUES.tobytes()[:-4]}, Refusal.DAMAGED),
        ({"raw": struct.pack("<q", 17) + VALUES.tobytes() + b"\0" * 4}, Refusal.DAMAGED),
        ({"raw": struct.pack("<q", -1) + VALUES.tobytes()}, Refusal.DAMAGED),
        ({"raw": struct.pack("<q", 16) + VALUES.tobytes()[:-1]}, Refusal.DAMAGED),
        ({"tail": b"x"}, Refusal.UNSAFE),
        ({"tail": b"\0"}, Refusal.DAMAGED),
        ({"tensors": [tensor(), tensor(count=17)]}, Refusal.DAMAGED),
        ({"tensors": [tensor(), tensor(kind="torch:IntStorage")]}, Refusal.DAMAGED),
    ],
)
def test_a_part_that_contradicts_the_others_is_refused(tried, changes, kind):
    with pytest.raises(Refused) as found:
        tried(stream(**changes))
    assert found.value.kind is kind


@pytest.mark.parametrize(("tail", "why"), [(b"x\0", "2 bytes follow"), (b"\0\0", "2 zeros follow")])
def test_what_follows_the_last_storage_is_told(tried, tail, why):
    with pytest.raises(Refused, match=why):
        tried(stream(tail=tail))


@pytest.mark.parametrize(
    ("view", "first"),
    [(None, 0.0), ("none", 0.0), (("v", 0, 16), 0.0), (("v", 8, 8), 8.0), (("v", 16, 0), None)],
)
def test_views_of_very_old_files_begin_where_they_say(tried, view, first):
    made = tensor(view=view, shape=(2, 2), stride=(2, 1)) if first is not None else None
    if made:
        (found,) = tried(stream([made])).tensors.values()
        assert found[0, 0] == first
    else:
        with pytest.raises(Refused):
            tried(stream([tensor(view=view, shape=(2, 2), stride=(2, 1))]))


@pytest.mark.parametrize("view", [("v", 17, 0), ("v", -1, 2), ("v", True, 2), ("v", 0), ["v", 0, 16], "v"])
def test_views_that_are_not_plain_are_refused(tried, view):
    with pytest.raises(Refused):
        tried(stream([tensor(view=view)]))


@pytest.mark.parametrize(
    "changes",
    [{"count": -1}, {"count": 1 << 48}, {"count": True}, {"key": 5}, {"kind": "torch:Size"}, {"kind": "torch:float32"}],
)
def test_storages_that_are_not_plain_are_refused(tried, changes):
    with pytest.raises(Refused):
        tried(stream([tensor(**changes)]))
