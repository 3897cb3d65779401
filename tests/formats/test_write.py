"""What we write: torch and every web UI generation must take it, and the same input must give the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import pickletools
import re
import stat
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from hndoctor.formats import atomic, containers, hashes, read
from hndoctor.formats.emit import Emitter
from hndoctor.formats.plain import METADATA_KEYS
from hndoctor.formats.write import complete_metadata, write_hypernetwork, write_optimizer
from tests.formats.conftest import numpy_modules

METADATA = {"step": 499, "name": "フィッシュル", "layer_structure": (1, 2, 1), "activation_func": "relu"}

# modules/safe.py, by date: the member names it lets pass
WEB_UI_NAMES = {
    "2022-10-11": r"archive/.*",
    "2022-12-03 to 1.9.4": r"^([^/]+)/((data/\d+)|version|(data\.pkl))$",
    "1.10.0": r"^([^/]+)/((data/\d+)|version|byteorder|.data/serialization_id|(data\.pkl))$",
}
WEB_UI_GLOBALS = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage"}


def same_modules(modules, loaded):
    for size, *pair in modules:
        assert isinstance(loaded[size], tuple)
        for mine, theirs in zip(pair, loaded[size], strict=True):
            assert list(mine) == list(theirs)
            for name in mine:
                np.testing.assert_array_equal(mine[name], theirs[name].numpy())


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_torch_takes_it_with_weights_only(tmp_path, rng, container, dtype):
    modules = numpy_modules(rng, dtype=dtype)
    write_hypernetwork(tmp_path / "a.pt", modules, METADATA, container)
    loaded = torch.load(tmp_path / "a.pt", weights_only=True)
    same_modules(modules, loaded)
    assert [key for key in loaded if type(key) is int] == [24, 8]
    assert [key for key in loaded if type(key) is str] == list(METADATA_KEYS)
    assert loaded["layer_structure"] == [1.0, 2.0, 1.0]
    assert (loaded["step"], loaded["name"], loaded["activate_output"]) == (499, "フィッシュル", False)


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_we_read_back_what_we_wrote(tmp_path, rng, container):
    modules = numpy_modules(rng)
    write_hypernetwork(tmp_path / "a.pt", modules, {**METADATA, "hndoctor": "0.1"}, container)
    file = read(tmp_path / "a.pt")
    assert file.container == container
    assert [(m.size, m.side) for m in file.modules] == [(24, "k"), (24, "v"), (8, "k"), (8, "v")]
    for module, state in zip(file.modules, [s for _, *pair in modules for s in pair], strict=True):
        for name, array in state.items():
            np.testing.assert_array_equal(module.tensors[name], array)
    assert (file.metadata.step, file.metadata.name, file.metadata.activation_func) == (499, "フィッシュル", "relu")
    assert file.provenance == "hndoctor 0.1"


@pytest.mark.parametrize("webui", WEB_UI_NAMES)
def test_every_web_ui_lets_its_members_pass(tmp_path, rng, webui):
    write_hypernetwork(tmp_path / "a.pt", numpy_modules(rng), METADATA)
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            assert re.fullmatch(WEB_UI_NAMES[webui], info.filename)
            assert info.compress_type == zipfile.ZIP_STORED


def globals_of(pickled):
    return {arg for op, arg, _ in pickletools.genops(pickled) if op.name == "GLOBAL"}


def test_every_web_ui_allows_its_globals(tmp_path, rng):
    write_hypernetwork(tmp_path / "a.pt", numpy_modules(rng), METADATA)
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert globals_of(archive.read("archive/data.pkl")) <= WEB_UI_GLOBALS
    write_hypernetwork(tmp_path / "b.pt", numpy_modules(rng), METADATA, "legacy")
    stream = io.BytesIO((tmp_path / "b.pt").read_bytes())
    found = [globals_of(stream) for _ in range(5)]
    assert set().union(*found) <= WEB_UI_GLOBALS


def test_tensors_are_aligned(tmp_path, rng):
    write_hypernetwork(tmp_path / "a.pt", numpy_modules(rng), METADATA)
    data = (tmp_path / "a.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        for info in archive.infolist():
            at = info.header_offset
            start = at + 30 + int.from_bytes(data[at + 26 : at + 28], "little")
            start += int.from_bytes(data[at + 28 : at + 30], "little")
            assert start % 64 == 0


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_the_same_input_gives_the_same_bytes(tmp_path, container):
    for name in ("a", "b"):
        write_hypernetwork(tmp_path / name, numpy_modules(np.random.default_rng(3)), METADATA, container)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_safetensors_are_the_librarys(tmp_path, rng):
    modules = numpy_modules(rng)
    write_hypernetwork(tmp_path / "a.safetensors", modules, METADATA, "safetensors")
    with safe_open(tmp_path / "a.safetensors", "np") as file:
        np.testing.assert_array_equal(file.get_tensor("24.v.linear.1.weight"), modules[0][2]["linear.1.weight"])
        assert json.loads(file.metadata()["hypernetwork"])["name"] == "フィッシュル"


def trained():
    torch.manual_seed(1)
    weights = [torch.nn.Parameter(torch.randn(5, 3)), torch.nn.Parameter(torch.randn(3))]
    optimizer = torch.optim.AdamW(weights, lr=5e-6)
    for _ in range(4):
        sum((w**3).sum() for w in weights).backward()
        optimizer.step()
    return weights, optimizer


def test_an_optimizer_goes_on_as_if_it_had_never_stopped(tmp_path):
    weights, optimizer = trained()
    saved = optimizer.state_dict()
    state = {i: {k: v.numpy() if v.ndim else float(v) for k, v in s.items()} for i, s in saved["state"].items()}
    write_optimizer(tmp_path / "a.optim", "AdamW", state, saved["param_groups"], "0123456789")
    loaded = torch.load(tmp_path / "a.optim", weights_only=True)
    assert (loaded["optimizer_name"], loaded["hash"]) == ("AdamW", "0123456789")
    assert loaded["optimizer_state_dict"]["param_groups"] == saved["param_groups"]
    assert loaded["optimizer_state_dict"]["state"][0]["step"].dtype == torch.float32
    twins = [torch.nn.Parameter(w.detach().clone()) for w in weights]
    twin = torch.optim.AdamW(twins, lr=1.0)
    twin.load_state_dict(loaded["optimizer_state_dict"])
    for group, opt in ((weights, optimizer), (twins, twin)):
        opt.zero_grad()
        sum((w**3).sum() for w in group).backward()
        opt.step()
    assert all(torch.equal(a, b) for a, b in zip(weights, twins, strict=True))
    file = read(tmp_path / "a.optim")
    assert file.state[0]["step"] == 4
    assert file.param_groups[0]["betas"] == (0.9, 0.999)


def test_the_hash_a_web_ui_would_compute(tmp_path, rng):
    write_hypernetwork(tmp_path / "a.pt", numpy_modules(rng), METADATA)
    assert hashes.short_hash(tmp_path / "a.pt") == hashlib.sha256((tmp_path / "a.pt").read_bytes()).hexdigest()[:10]


def test_missing_metadata_is_filled_in():
    full = complete_metadata({"use_dropout": True, "layer_structure": (1, 2, 2, 1)}, "stem")
    assert tuple(full) == METADATA_KEYS
    assert full["dropout_structure"] == [0, 0.3, 0, 0]
    assert (full["name"], full["last_layer_dropout"]) == ("stem", False)


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({"layer_structure": (1, 2)}, "layer structure"),
        ({"dropout_structure": (0, 1.5, 0)}, "dropout"),
        ({"dropout_structure": (0, 0)}, "dropout"),
        ({"optional_info": object()}, "does not belong"),
    ],
)
def test_what_no_loader_could_take_is_refused(tmp_path, rng, metadata, complaint):
    with pytest.raises(ValueError, match=complaint):
        write_hypernetwork(tmp_path / "a.pt", numpy_modules(rng), metadata)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, rng, monkeypatch):
    path = tmp_path / "a.pt"
    write_hypernetwork(path, numpy_modules(rng), METADATA)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device; the file of before is untouched"):
        write_hypernetwork(path, numpy_modules(rng), {**METADATA, "step": 999})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def device(path):
    """A device like /dev/null, which only root can make."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except (AttributeError, OSError):
        pytest.skip("nobody but root makes devices")


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices as POSIX has them")
@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), device], ids=["pipe", "device"])
def test_pipes_and_devices_are_not_replaced(tmp_path, make):
    """Renamed over, a /dev/null would be an ordinary file for every program from then on."""
    path = tmp_path / "a.pt"
    make(path)
    before = path.lstat()
    with pytest.raises(OSError, match=r"cannot write .*a\.pt: a pipe or a device is there"):
        atomic.write_whole(path, [b"x"])
    assert (path.lstat().st_mode, path.lstat().st_rdev) == (before.st_mode, before.st_rdev)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="these devices are Linux's")
def test_the_systems_own_devices_are_written_to(monkeypatch):
    def replaced(*_):
        pytest.fail("a device would have been replaced")

    monkeypatch.setattr(Path, "replace", replaced)  # root could do it
    atomic.write_whole(Path("/dev/null"), [b"x"])
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError, match=r"cannot write /dev/full: No space left on device"):
        atomic.write_whole(Path("/dev/full"), [b"x"])
    assert Path("/dev/full").is_char_device()


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_who_may_read_a_file_stays_as_it_was(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    atomic.write_whole(path, [b"new"])
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (0o640, b"new")


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "x"])
def test_the_longest_names_can_be_written(tmp_path, name):
    atomic.write_whole(tmp_path / name, [b"a", b"b"])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"ab")]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    aim, link = tmp_path / "aim", tmp_path / "link"
    aim.write_bytes(b"precious")
    link.symlink_to(aim)
    atomic.write_whole(link, [b"new"])
    assert (link.is_symlink(), link.read_bytes(), aim.read_bytes()) == (False, b"new", b"precious")


@pytest.mark.parametrize("number", [0, 255, 256, 65535, 65536, 2**31 - 1, -1, -(2**31), 2**31, 2**40, -(2**40), 2**70])
def test_integers_of_every_length(number):
    import pickle

    assert pickle.loads(Emitter().pickled({"a": [number, (), (1,), {}, [], None, True, 0.1, "ü"]})) == {
        "a": [number, (), (1,), {}, [], None, True, 0.1, "ü"]
    }


def test_zero_size_and_scalar_tensors(tmp_path):
    modules = [(4, {"a": np.empty((0, 3), np.float32), "b": np.float32(2.5)}, {"a": np.ones((2, 3), np.float32).T})]
    write_hypernetwork(tmp_path / "a.pt", modules, {})
    loaded = torch.load(tmp_path / "a.pt", weights_only=True)
    assert loaded[4][0]["a"].shape == (0, 3)
    assert loaded[4][0]["b"].shape == ()
    assert loaded[4][1]["a"].shape == (3, 2)


def test_the_archives_directory_is_plain_and_has_one_date(tmp_path, rng):
    path = tmp_path / "x.pt"
    write_hypernetwork(path, numpy_modules(rng), {"step": 1})
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        assert archive.testzip() is None
        assert archive.comment == b""
        assert archive.read("archive/version") == b"3\n"
    assert {m.date_time for m in members} == {(1980, 1, 1, 0, 0, 0)}
    told = {(m.compress_type, m.flag_bits, m.volume, m.internal_attr, m.external_attr, m.comment) for m in members}
    assert told == {(zipfile.ZIP_STORED, 0, 0, 0, 0, b"")}
    assert {(m.create_version, m.extract_version, m.create_system) for m in members} == {(20, 20, 0)}
    end = path.read_bytes()[-22:]
    assert end[:8] == b"PK\5\6\0\0\0\0"
    assert struct.unpack("<2H", end[8:12]) == (len(members), len(members))


def test_a_legacy_file_begins_as_torchs_do(tmp_path, rng):
    ours, torchs = tmp_path / "ours.pt", tmp_path / "torchs.pt"
    write_hypernetwork(ours, numpy_modules(rng), {"step": 1}, container="legacy")
    torch.save({}, torchs, _use_new_zipfile_serialization=False)
    with ours.open("rb") as one, torchs.open("rb") as other:
        for _ in range(3):
            assert pickle.load(one) == pickle.load(other)


def test_more_than_a_zip_holds_is_refused_before_anything_is_written(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(containers, "ZIP_LIMIT", 1000)
    with pytest.raises(ValueError, match="more than 4 GiB"):
        write_hypernetwork(tmp_path / "x.pt", numpy_modules(rng), {"step": 1})
    assert list(tmp_path.iterdir()) == []
    assert containers.flat_bytes(np.arange(3, dtype="<i2")).tobytes() == b"\0\0\1\0\2\0"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *((0, "K"), (255, "K"), (256, "M"), (65535, "M"), (65536, "J"), (-1, "J"), (2**31 - 1, "J"), (-(2**31), "J")),
        *((2**31, "\x8a"), (-(2**31) - 1, "\x8a")),
    ],
)
def test_an_integer_takes_the_shortest_code(number, code):
    """As Python's own pickles: loaders that count bytes see nothing unusual."""
    written, own = Emitter().pickled(number), pickle.dumps(number, 2)
    assert written == own
    assert written[2:3] == code.encode("latin-1")
