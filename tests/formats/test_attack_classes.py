"""Every class of attack that advisories on checkpoint scanners document, remade: none runs, each is named.

One row a class, with the advisory it is known by.  `test_hostile` has more of each kind.
"""

from __future__ import annotations

import base64
import io
import os
import pickle
import tarfile
import zlib

import numpy as np
import pytest
import torch

from hndoctor.formats import read
from hndoctor.records import Refusal
from tests.formats.conftest import assert_same, torch_root
from tests.formats.makers import forge, rezip
from tests.formats.test_hostile import Evil, bombs, command, payloads, plain_pickle, refusal, with_tensor, zips


def archive(pickled, *members):
    return forge([("a/data.pkl", pickled), ("a/version", b"3\n"), *members])


def wrapped(data):
    """A sound network that carries `data` as a value."""
    held = io.BytesIO()
    torch.save(torch_root(optional_info=[data]), held)
    return held.getvalue()


def tar(body):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as made:
        info = tarfile.TarInfo("data.pkl")
        info.size = len(body)
        made.addfile(info, io.BytesIO(body))
    return held.getvalue()


def objects(canary):
    """numpy would unpickle what lies in an array of objects."""
    made = np.empty(1, object)
    made[0] = Evil(os.system, command(canary))
    return pickle.dumps({"a": made}, protocol=2)


CLASSES = {
    "REDUCE (GHSA samples of picklescan)": (lambda c, p: p["reduce"], "os.system"),
    "GLOBAL by the stack (denylist gaps)": (lambda c, p: p["stack global from memo"], "os.system"),
    "INST (denylist gaps)": (lambda c, p: p["inst"], "os.system"),
    "OBJ (denylist gaps)": (lambda c, p: p["obj"], "os.system"),
    "a file's extension (CVE-2025-1889, CVE-2025-10155)": (lambda c, p: p["protocol 4"], "os.system"),
    "names that differ (CVE-2025-1944)": (lambda c, p: zips(c)["names differ"], "local and central header differ"),
    "flag bits (CVE-2025-1945)": (lambda c, p: zips(c)["encrypted in the local header"], "header differ"),
    "a wrong CRC (CVE-2025-10156)": (
        lambda c, p: forge([("a/data.pkl", p["reduce"], {"crc": 1}), ("a/version", b"3")]),
        "os.system",
    ),
    "a submodule of a listed module (CVE-2025-10157)": (lambda c, p: p["submodule of a listed module"], "torch.hub"),
    "pip.main (CVE-2025-1716)": (lambda c, p: p["pip"], "pip.main"),
    "several streams in one file": (lambda c, p: plain_pickle() + p["reduce"], "os.system"),
    "several streams in the archive": (lambda c, p: archive(plain_pickle() + p["reduce"]), "follow the end"),
    "a broken tail": (lambda c, p: p["broken tail"], "os.system"),
    "nested: raw": (lambda c, p: wrapped(p["reduce"]), "in disguise"),
    "nested: base64": (lambda c, p: wrapped(base64.b64encode(p["reduce"]).decode()), "in disguise"),
    "nested: hexadecimal": (lambda c, p: wrapped(p["reduce"].hex()), "in disguise"),
    "nested: an array of objects": (lambda c, p: objects(c), "would import|not a plain number|system"),
    "a polyglot": (lambda c, p: b"GIF89a" + archive(p["reduce"]), "hidden behind other bytes"),
    "a tar archive": (lambda c, p: tar(p["reduce"]), "tar archive"),
    "TorchScript (CVE-2025-32434)": (lambda c, p: archive(plain_pickle(), ("a/constants.pkl", b"x")), "program code"),
    "code in the archive (CVE-2025-32434)": (
        lambda c, p: archive(plain_pickle(), ("a/code/x.py", b"import os")),
        "program code",
    ),
    "legacy stream": (lambda c, p: legacy(p["reduce"]), "os.system"),
    "a billion laughs": (lambda c, p: archive(bombs()["billion laughs"]), "values"),
    "a bomb for the memory": (lambda c, p: archive(bombs()["stack bomb"]), "bomb"),
    "frames (CPython 154848)": (lambda c, p: archive(p["frame across an opcode"]), "frame ends inside an opcode"),
    "items for a tensor (CVE-2026-24747)": (
        lambda c, p: archive(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nK\x01K\x02s."),
        "not a dictionary",
    ),
    "a storage of another size (CVE-2026-24747)": (lambda c, p: with_tensor(storage_count=8), "not its 8 elements"),
    "a tensor beyond its storage": (lambda c, p: with_tensor(offset=1), "beyond its storage"),
    "duplicate pickles": (lambda c, p: zips(c)["duplicate pickle"], "duplicate member"),
    "sizes that only mapping believes": (lambda c, p: zips(c)["stored, sizes differ"], "its two sizes differ"),
    "a deflated bomb": (lambda c, p: deflated_bomb(), "claim|unpacked size"),
    "a build on a class": (lambda c, p: p["build on a class"], "os.system"),
}


def legacy(payload):
    held = io.BytesIO()
    torch.save({"a": torch.ones(2)}, held, _use_new_zipfile_serialization=False)
    return payload + held.getvalue()


def deflated_bomb():
    body = zlib.compress(bytes(1 << 20))[2:-4]
    return forge([("a/data.pkl", body, {"method": 8, "size": 0xFFFFFFF0}), ("a/version", b"3")])


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".optim"])
@pytest.mark.parametrize("name", CLASSES)
def test_it_is_named_and_does_not_run(tmp_path, name, suffix):
    canary = tmp_path / "canary"
    made = payloads(canary) | {"protocol 4": pickle.dumps(Evil(os.system, command(canary)), protocol=4)}
    path = tmp_path / f"a{suffix}"
    path.write_bytes(CLASSES[name][0](canary, made))
    refused = refusal(path)
    reason = refused.reason.replace("posix.", "os.").replace("nt.", "os.")
    assert any(word in reason for word in CLASSES[name][1].split("|")), reason
    assert refused.kind in (Refusal.UNSAFE, Refusal.FOREIGN if name == "a tar archive" else Refusal.DAMAGED)
    assert not canary.exists()


def test_the_canary_sings_where_a_pickle_is_executed(tmp_path):
    """The payload is a real one: the tests above could fail."""
    pickle.loads(payloads(tmp_path / "canary")["reduce"])
    assert (tmp_path / "canary").read_text() == "harm\n"


def test_no_weaker_reader_is_tried_after_a_refusal(tmp_path, monkeypatch):
    """The unsafe fallback (Stanza's advisory): neither pickle nor torch is ever asked."""
    path, asked = tmp_path / "a.pt", []
    path.write_bytes(payloads(tmp_path / "canary")["reduce"])
    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, lambda *_, **__: asked.append(1))
    refusal(path)
    assert asked == []


def test_deflated_weights_are_never_mapped_as_they_lie(tmp_path):
    """torch.load(mmap=True) gives garbage here, without a word."""
    import zipfile

    path, root = tmp_path / "a.pt", torch_root()
    torch.save(root, path)
    rezip.write(path, rezip.read(path), zipfile.ZIP_DEFLATED)
    os.utime(path, (1e9, 1e9))
    assert_same(read(path), root)
