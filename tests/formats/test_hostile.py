"""Files made to deceive: each class of attack in the advisories, remade here.  None runs, each is named."""

from __future__ import annotations

import base64
import collections
import os
import pickle
import struct
import sys
import zipfile
import zlib

import pytest
import torch

from hndoctor.formats import Refused, read
from hndoctor.records import Refusal
from tests.formats.conftest import torch_root
from tests.formats.makers import forge, rezip

_HOSTILE_EVENTS = {"os.system", "subprocess.Popen", "exec", "os.exec", "os.posix_spawn", "socket.connect", "pty.spawn"}
_seen: list[str] = []
_watching = False


def _hook(event, args):
    if _watching and (
        event in _HOSTILE_EVENTS or event.startswith("pickle.") or (event == "import" and args[0] == "nt")
    ):
        _seen.append(event)


sys.addaudithook(_hook)


@pytest.fixture
def canary(tmp_path):
    """A file that every payload would create."""
    return tmp_path / "canary"


def refusal(path):
    """Read under an audit hook: nothing may be executed, imported through a pickle, or raised except Refused."""
    global _watching
    _seen.clear()
    _watching = True
    try:
        with pytest.raises(Refused) as refused:
            read(path)
    finally:
        _watching = False
    assert _seen == []
    assert "\n" not in refused.value.reason
    return refused.value


def command(canary):
    return f"echo harm > {canary}"


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def short(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


class Evil:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def payloads(canary):
    do = command(canary)
    return {
        "reduce": b"\x80\x02cos\nsystem\n" + text(do) + b"\x85R.",
        "posix": b"\x80\x02cposix\nsystem\n" + text(do) + b"\x85R.",
        "eval": b"\x80\x02c__builtin__\neval\n" + text("1+1") + b"\x85R.",
        "import only": b"\x80\x02cos\nsystem\n.",
        "stack global": b"\x80\x04" + short("os") + short("system") + b"\x93" + short(do) + b"\x85R.",
        "stack global from memo": b"\x80\x04" + short("os") + b"\x94" + short("system") + b"\x94h\x00h\x01\x93.",
        "dotted stack global": b"\x80\x04"
        + short("torch")
        + short("storage.os.system")
        + b"\x93"
        + short(do)
        + b"\x85R.",
        "inst": b"(S'" + do.encode() + b"'\nios\nsystem\n.",
        "obj": b"\x80\x02(cos\nsystem\n" + text(do) + b"o.",
        "newobj": b"\x80\x02cos\nsystem\n" + text(do) + b"\x85\x81.",
        "newobj ex": b"\x80\x04" + short("os") + short("system") + short(do) + b"\x85}\x92.",
        "submodule of a listed module": b"\x80\x02ctorch.hub\nload\n" + text("a/b") + b"\x85R.",
        "pip": b"\x80\x02cpip\nmain\n(X\x07\x00\x00\x00installtR.",
        "getattr": b"\x80\x02c__builtin__\ngetattr\n" + text("a") + text("b") + b"\x86R.",
        "protocol 0": pickle.dumps(Evil(os.system, do), protocol=0),
        "protocol 1": pickle.dumps(Evil(os.system, do), protocol=1),
        "protocol 5": pickle.dumps(Evil(os.system, do), protocol=5),
        "broken tail": b"\x80\x02cos\nsystem\n" + text(do) + b"\x85R\xff\xff\xff",
        "nested": pickle.dumps({"a": [Evil(exec, "1"), Evil(os.system, do)]}, protocol=2),
        "build on a class": b"\x80\x02ccollections\nOrderedDict\n}" + text("__setstate__") + b"cos\nsystem\nsb.",
        "allowed name, foreign module": b"\x80\x02cevil\nOrderedDict\n)R.",
        "extension 1": b"\x80\x02\x82\x01.",
        "extension 2": b"\x80\x02\x83\x01\x00.",
        "extension 4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "buffer": b"\x80\x05\x97.",
        "call of a text": b"\x80\x02" + text("os.system") + text(do) + b"\x85R.",
        "call of a type": b"\x80\x02ctorch\nFloatStorage\nK\x01\x85R.",
        "frame across an opcode": b"\x80\x04\x95\x03" + bytes(7) + short("collections") + b".",
        "frame in a frame": b"\x80\x04\x95\x20" + bytes(7) + b"\x95\x02" + bytes(7) + b"N0" + b"N0" * 10 + b"N.",
    }


NAMES = sorted(payloads("x"))


@pytest.mark.parametrize("name", NAMES)
def test_a_raw_pickle_under_any_name(tmp_path, canary, name):
    for suffix in (".pt", ".bin", ".optim", ".safetensors", ".txt"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(payloads(canary)[name])
        assert refusal(path).kind is Refusal.UNSAFE
    assert not canary.exists()


@pytest.mark.parametrize("name", NAMES)
def test_inside_a_torch_zip(tmp_path, canary, name):
    path = tmp_path / "a.pt"
    path.write_bytes(forge([("archive/data.pkl", payloads(canary)[name]), ("archive/version", b"3\n")]))
    assert refusal(path).kind is Refusal.UNSAFE
    assert not canary.exists()


@pytest.mark.parametrize("name", NAMES)
def test_in_each_pickle_of_a_legacy_stream(tmp_path, canary, name):
    path = tmp_path / "a.pt"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    cuts = [0]
    for _ in range(5):
        rest = whole[cuts[-1] :]
        import pickletools

        cuts.append(cuts[-1] + next(at for op, _, at in pickletools.genops(rest) if op.name == "STOP") + 1)
    for cut in cuts[:-1]:
        path.write_bytes(whole[:cut] + payloads(canary)[name] + whole[cut:])
        assert refusal(path).kind is Refusal.UNSAFE
    assert not canary.exists()


def test_the_global_is_named(tmp_path, canary):
    path = tmp_path / "a.pt"
    torch.save({"a": Evil(os.system, command(canary))}, path)
    reason = refusal(path).reason
    assert "posix.system" in reason or "nt.system" in reason
    path.write_bytes(b"\x80\x02cos\nsys\x1b[31m\ntem\n.")
    assert "\x1b" not in refusal(path).reason


def test_several_streams_in_one_file(tmp_path, canary):
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps({"a": 1}, 2) + pickle.dumps([1], 2) + pickle.dumps(Evil(os.system, "x"), 2))
    assert refusal(path).kind is Refusal.UNSAFE


def test_a_second_pickle_behind_the_first_in_the_zip(tmp_path, canary):
    path = tmp_path / "a.pt"
    path.write_bytes(forge([("a/data.pkl", pickle.dumps({}, 2) + payloads(canary)["reduce"]), ("a/version", b"3")]))
    assert "follow the end" in refusal(path).reason


@pytest.mark.parametrize("wrap", [bytes, base64.b64encode, bytes.hex, lambda b: base64.b64encode(b).decode()])
def test_a_pickle_hidden_in_a_value(tmp_path, canary, wrap):
    path = tmp_path / "a.pt"
    torch.save(torch_root(optional_info=[wrap(payloads(canary)["reduce"])]), path)
    assert "in disguise" in refusal(path).reason


def plain_pickle():
    return pickle.dumps(collections.OrderedDict(), 2)


def good(*extra):
    return [("archive/data.pkl", plain_pickle()), ("archive/version", b"3\n"), *extra]


def zips(canary):
    evil = payloads(canary)["reduce"]
    pkl = plain_pickle()
    deflated = zlib.compress(pkl, 9)[2:-4]
    return {
        "names differ": forge(
            [("archive/data.pkl", pkl, {"local_name": "archive/data.pk1"}), ("archive/version", b"3")]
        ),
        "encrypted": forge([("archive/data.pkl", pkl, {"flags": 1}), ("archive/version", b"3")]),
        "encrypted in the local header": forge(
            [("archive/data.pkl", pkl, {"local_flags": 1}), ("archive/version", b"3")]
        ),
        "strong encryption": forge([("archive/data.pkl", pkl, {"flags": 0x40}), ("archive/version", b"3")]),
        "duplicate pickle": forge([("archive/data.pkl", pkl), ("archive/data.pkl", evil), ("archive/version", b"3")]),
        "duplicate data": forge(good(("archive/data/0", b"1234"), ("archive/data/0", b"4321"))),
        "two pickles": forge(good(("archive/x/data.pkl", evil))),
        "two tops": forge(good(("other/data/0", b"1234"))),
        "traversal": forge(good(("archive/../../evil", b"1234"))),
        "absolute": forge(good(("/archive/data/0", b"1234"))),
        "program code": forge(good(("archive/code/__torch__.py", b"import os"))),
        "unexpected member": forge(good(("archive/evil.py", b"import os"))),
        "overlap": forge(good(("archive/data/0", b"1234", {"offset": 0, "local_name": "archive/data.pkl"}))),
        "bytes behind": forge(good(), tail=evil),
        "bytes before": evil[:3] + forge(good()),
        "count": forge(good(), count=1),
        "odd method": forge([("archive/data.pkl", pkl, {"method": 12}), ("archive/version", b"3")]),
        "deflated, forged size": forge(
            [
                ("archive/data.pkl", deflated, {"method": 8, "size": 1 << 20, "crc": zlib.crc32(pkl)}),
                ("archive/version", b"3"),
            ]
        ),
        "deflated, size too small": forge(
            [
                ("archive/data.pkl", deflated, {"method": 8, "size": 3, "crc": zlib.crc32(pkl)}),
                ("archive/version", b"3"),
            ]
        ),
        "deflated, claims terabytes": forge(
            [("archive/data.pkl", deflated, {"method": 8, "size": 0xFFFFFFF0}), ("archive/version", b"3")]
        ),
        "stored, sizes differ": forge([("archive/data.pkl", pkl, {"size": 1}), ("archive/version", b"3")]),
        "local size differs": forge([("archive/data.pkl", pkl, {"local_size": 1}), ("archive/version", b"3")]),
    }


@pytest.mark.parametrize("name", sorted(zips("x")))
def test_a_container_made_to_deceive(tmp_path, canary, name):
    path = tmp_path / "a.pt"
    path.write_bytes(zips(canary)[name])
    assert refusal(path).kind is Refusal.UNSAFE
    assert not canary.exists()


def test_a_wrong_checksum(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(forge([("archive/data.pkl", plain_pickle(), {"crc": 1}), ("archive/version", b"3")]))
    assert refusal(path).kind is Refusal.DAMAGED


def test_a_zip_behind_other_bytes(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"GIF89a" + forge(good()))
    assert refusal(path).kind is Refusal.UNSAFE


def test_deflated_weights_give_the_right_numbers(tmp_path):
    """torch.load(mmap=True) gives garbage here, without a word."""
    from tests.formats.conftest import assert_same

    path, root = tmp_path / "a.pt", torch_root()
    torch.save(root, path)
    rezip.write(path, rezip.read(path), zipfile.ZIP_DEFLATED)
    assert_same(read(path), root)


def test_a_zip_that_is_not_torchs(tmp_path):
    path = tmp_path / "a.pt"
    rezip.write(path, [("word/document.xml", b"<xml/>")])
    assert refusal(path).kind is Refusal.FOREIGN


def with_tensor(storage_count=4, offset=0, shape=(2, 2), strides=(2, 1), body=bytes(16), key=b"0"):
    def num(n):
        return b"\x8a\x08" + struct.pack("<q", n)

    def tup(values):
        return b"(" + b"".join(num(v) for v in values) + b"t"

    ident = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key.decode()) + text("cpu") + num(storage_count)
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + ident + b"tQ" + num(offset) + tup(shape) + tup(strides)
    root = b"\x80\x02}" + text("a") + tensor + b"\x89)tRs."
    return forge([("archive/data.pkl", root), ("archive/version", b"3"), ("archive/data/0", body)])


def test_the_tensor_maker_is_sound(tmp_path):
    (tmp_path / "a.pt").write_bytes(with_tensor())
    assert read(tmp_path / "a.pt").tensors["a"].shape == (2, 2)


@pytest.mark.parametrize(
    "forged",
    [
        {"storage_count": 8},
        {"storage_count": 2},
        {"offset": 1},
        {"offset": 1 << 40},
        {"offset": -1},
        {"shape": (2, 3)},
        {"strides": (3, 1)},
        {"strides": (-2, 1)},
        {"shape": (1 << 40, 1), "strides": (0, 0)},
        {"shape": (1 << 30, 1 << 30), "strides": (0, 0)},
        {"shape": (2,)},
        {"shape": (1,) * 40, "strides": (1,) * 40},
        {"key": b"7"},
        {"key": b"../0"},
    ],
)
def test_forged_sizes_of_a_tensor(tmp_path, forged):
    (tmp_path / "a.pt").write_bytes(with_tensor(**forged))
    assert refusal(tmp_path / "a.pt").kind in (Refusal.UNSAFE, Refusal.DAMAGED)


def bombs():
    laughs = b"\x80\x02]q\x00" + b"".join(b"](" + (b"h" + bytes([i])) * 10 + b"eq" + bytes([i + 1]) for i in range(40))
    return {
        "billion laughs": laughs + b".",
        "memo bomb": b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i) for i in range(200_002)) + b".",
        "stack bomb": b"\x80\x02" + b"N" * 210_000 + b".",
        "deep tuples": b"\x80\x02N" + b"\x85" * 190_000 + b".",
        "deep tuple as a key": b"\x80\x02}N" + b"\x85" * 190_000 + b"Ns.",
        "the same dictionary over and over": b"\x80\x02]("
        + b"KaKb\x86" * 9000
        + b"eq\x00ccollections\nOrderedDict\nq\x010"
        + b"h\x01h\x00\x85R0" * 9000
        + b".",
        "deep lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "a list in itself": b"\x80\x02]q\x00h\x00a.",
        "a dictionary in itself": b"\x80\x02}q\x00K\x01h\x00s.",
        "huge number": b"\x80\x02L" + b"9" * 60_000 + b"L\n.",
        "huge binary number": b"\x80\x02\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + b".",
        "huge text": b"\x80\x02X\xff\xff\xff\xffabc.",
        "persistent id": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "persistent line": b"\x80\x02Pmodule\n.",
        "module persistent id": b"\x80\x02(" + text("module") + text("a") + text("b") + text("c") + b"tQ.",
        "pop from nothing": b"\x80\x020.",
        "mark only": b"\x80\x02(.",
        "nothing": b"\x80\x02.",
        "negative memo": b"\x80\x02Np-1\n.",
        "unknown memo": b"\x80\x02h\x07.",
    }


@pytest.mark.parametrize("name", sorted(bombs()))
def test_bombs_end_soon_and_quietly(tmp_path, name):
    path = tmp_path / "a.pt"
    path.write_bytes(forge([("archive/data.pkl", bombs()[name]), ("archive/version", b"3")]))
    refusal(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b'{"a":1}',
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"__metadata__":{"a":1}}',
        b"{" * 100_000,
    ],
)
def test_forged_safetensors(tmp_path, header):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    refusal(tmp_path / "a.safetensors")
