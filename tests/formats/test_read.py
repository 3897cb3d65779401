"""Reading what torch itself writes: every container, type and layout, compared bit by bit."""

from __future__ import annotations

import collections
import hashlib
import mmap
import os
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hndoctor.formats import (
    HypernetworkFile,
    OptimizerFile,
    Refused,
    TensorFile,
    checksum,
    mounts,
    read,
    read_bytes,
    source,
)
from hndoctor.records import Refusal
from tests.formats.conftest import assert_same, torch_root, torch_state

LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.mark.parametrize("options", [{}, LEGACY])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_hypernetwork_of_torch(tmp_path, dtype, options):
    path, root = tmp_path / "fischl-500.pt", torch_root(dtype)
    torch.save(root, path, **options)
    file = read(path)
    assert isinstance(file, HypernetworkFile)
    assert_same(file, root)
    assert file.container == ("legacy" if options else "zip")
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.bytes == path.stat().st_size
    assert (file.metadata.step, file.metadata.name) == (499, "fischl")
    assert file.metadata.layer_structure == (1, 2, 1)
    assert file.provenance == "web UI, since 10 January 2023"


@pytest.mark.parametrize("settled", [True, False])
def test_mapped_and_copied_are_the_same(tmp_path, settled):
    path, root = tmp_path / "a.pt", torch_root()
    torch.save(root, path)
    if settled:
        os.utime(path, (1e9, 1e9))
    assert_same(read(path), root)


def every_layout():
    base = torch.arange(24.0).reshape(4, 6)
    shared = torch.arange(40.0)
    return {
        "transposed": base.t(),
        "column": base[:, 2],
        "window": base[1:3, 2:5],
        "strided": shared[3::4],
        "first": shared[:10].reshape(2, 5),
        "second": shared[5:15].reshape(5, 2),
        "expanded": torch.ones(3, 1).expand(3, 7),
        "zero_size": torch.empty(0, 5),
        "scalar": torch.tensor(3.5),
        "whole": torch.arange(-3, 9, dtype=torch.int64),
        "bytes": torch.arange(9, dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "short": torch.arange(4, dtype=torch.int16),
        "unsigned": torch.arange(5).to(torch.uint16),
        "complex": torch.tensor([1 + 2j]),
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "permuted": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    }


@pytest.mark.parametrize("options", [{}, LEGACY])
def test_every_layout_and_type_of_torch(tmp_path, options):
    path, tensors = tmp_path / "a.pt", every_layout()
    torch.save({"nested": [tensors]}, path, **options)
    file = read(path)
    assert isinstance(file, TensorFile)
    assert set(file.tensors) == {f"nested.0.{name}" for name in tensors}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(file.tensors[f"nested.0.{name}"], tensor.detach().numpy())
        assert file.dtypes[f"nested.0.{name}"] == str(tensor.dtype).removeprefix("torch.")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_all_values_of_an_eight_bit_float(tmp_path, dtype):
    tensor = torch.arange(256, dtype=torch.uint8).view(dtype)
    torch.save({"a": tensor}, tmp_path / "a.pt")
    save_file({"a": tensor}, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        np.testing.assert_array_equal(read(tmp_path / name).tensors["a"], tensor.float().numpy())


DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8),
    *(torch.bool, torch.complex64, torch.complex128),
]


def views(dtype):
    """Every layout that a view of one storage can have, of one dtype."""
    whole = (torch.arange(48) % 7).to(dtype)
    grid = whole[:24].reshape(4, 6)
    return {
        "whole": whole,
        "transposed": grid.t(),
        "window": grid[1:3, 2:5],
        "strided": whole[3::4],
        "permuted": whole[:24].reshape(2, 3, 4).permute(2, 0, 1),
        "expanded": whole[2].expand(3, 2),
        "later": whole[40:],
        "zero_size": whole[:0].reshape(0, 5),
        "scalar": whole[5],
        "own": grid[:, 1].clone(),
    }


@pytest.mark.parametrize("options", [{}, LEGACY])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_layout_of_every_type(tmp_path, dtype, options):
    tensors = views(dtype)
    torch.save(tensors, tmp_path / "a.pt", **options)
    file = read(tmp_path / "a.pt")
    assert set(file.tensors) == set(tensors)
    for name, tensor in tensors.items():
        small = tensor.float() if dtype.is_floating_point and dtype.itemsize < 4 else tensor
        np.testing.assert_array_equal(file.tensors[name], small.numpy())
        assert file.dtypes[name] == str(dtype).removeprefix("torch.")


@pytest.mark.parametrize("dtype", [d for d in DTYPES if not d.is_complex], ids=str)
def test_every_type_of_safetensors(tmp_path, dtype):
    tensors = {name: tensor.contiguous().clone() for name, tensor in views(dtype).items()}
    save_file(tensors, tmp_path / "a.safetensors")
    file = read(tmp_path / "a.safetensors")
    for name, tensor in tensors.items():
        small = tensor.float() if dtype.is_floating_point and dtype.itemsize < 4 else tensor
        np.testing.assert_array_equal(file.tensors[name], small.numpy())


def test_a_file_in_memory_is_read_like_one_on_disk(tmp_path):
    path, root = tmp_path / "a.pt", torch_root()
    torch.save(root, path)
    file = read_bytes(path.read_bytes(), path)
    assert_same(file, root)
    assert (file.sha256, file.content) == ("", checksum.content_key_of(path))
    assert read(path, sha256=False).content == file.content
    assert checksum.crc32(memoryview(path.read_bytes())) == zlib.crc32(path.read_bytes())


@pytest.mark.parametrize(
    "root",
    [
        {768: ({"linear.0.weight": torch.empty(0, 768)},) * 2, "step": 1},
        {"a": torch.empty(0, 4)},
        {},
    ],
)
def test_no_numbers_at_all_is_never_a_sound_file(tmp_path, root):
    torch.save(root, tmp_path / "a.pt")
    with pytest.raises(Refused, match="number"):
        read(tmp_path / "a.pt")


@pytest.mark.parametrize(("kind", "mapped"), [("ext4", True), ("nfs4", False), ("fuse.sshfs", False), (None, False)])
def test_only_files_of_this_machine_are_mapped(tmp_path, monkeypatch, kind, mapped):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    os.utime(path, (1e9, 1e9))
    place = os.path.realpath(tmp_path)
    table = (("/", "ext4"), (place, kind), (place + "/b", "nfs")) if kind else ()
    monkeypatch.setattr(mounts, "_mounts", lambda: table)
    with source.opened(path) as opened:
        assert isinstance(opened.data.obj, mmap.mmap) is mapped


def test_novelai_names_lists_of_kohya_and_state_dict_metadata(tmp_path):
    old = collections.OrderedDict(
        (k.replace("linear.0", "linear1").replace("linear.1", "linear2"), v) for k, v in torch_state(8).items()
    )
    torch.save({8: (old, old)}, tmp_path / "nai.pt")
    file = read(tmp_path / "nai.pt")
    assert_same(file, {8: (torch_state(8), torch_state(8))})
    assert file.provenance == "NovelAI"
    assert file.metadata.activate_output is True
    state = torch.nn.Sequential(torch.nn.Linear(3, 3)).state_dict()
    torch.save({8: [state, state]}, tmp_path / "kohya.pt")
    assert read(tmp_path / "kohya.pt").provenance == "kohya sd-scripts"


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (("layer_structure", "activation_func", "use_dropout", "dropout_structure"), "10 to 19 October"),
        (("activation_func", "use_dropout", "dropout_structure"), "19 to 21 October"),
        (("use_dropout", "weight_initialization", "dropout_structure"), "21 to 22 October"),
        (("weight_initialization", "activate_output", "dropout_structure"), "22 to 26 October"),
        (("activate_output", "dropout_structure"), "26 October to 4 November"),
        (("dropout_structure",), "4 November 2022 to 10 January 2023"),
    ],
)
def test_who_wrote_it(tmp_path, missing, expected):
    root = {key: value for key, value in torch_root().items() if key not in missing}
    torch.save(root, tmp_path / "a.pt")
    assert expected in read(tmp_path / "a.pt").provenance


def test_monkeypatch_and_malformed_metadata(tmp_path):
    torch.save(torch_root(skip_connection=True, upsample_linear=None), tmp_path / "a.pt")
    file = read(tmp_path / "a.pt")
    assert "MonkeyPatch" in file.provenance
    assert file.metadata.skip_connection
    torch.save(torch_root(step="many", layer_structure=["a"]), tmp_path / "b.pt")
    assert read(tmp_path / "b.pt").raw["malformed"] == ("step", "layer_structure")


@pytest.mark.parametrize(("stored", "meant"), [(0, False), (1, True), (None, False), (np.bool_(True), True)])
def test_yes_and_no_as_every_web_ui_takes_them(tmp_path, stored, meant):
    torch.save(torch_root(activate_output=stored, is_layer_norm=stored), tmp_path / "a.pt")
    file = read(tmp_path / "a.pt")
    assert (file.metadata.activate_output, file.metadata.is_layer_norm) == (meant, meant)
    assert "malformed" not in file.raw


def test_numpy_numbers_in_the_metadata(tmp_path):
    torch.save(torch_root(step=np.int64(12), optional_info=None, other=np.float64(2.5)), tmp_path / "a.pt")
    file = read(tmp_path / "a.pt")
    assert file.metadata.step == 12
    assert file.raw["other"] == 2.5


@pytest.mark.parametrize("options", [{}, LEGACY])
def test_an_optimizer_state(tmp_path, options):
    weights = [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(3))]
    optimizer = torch.optim.AdamW(weights, lr=5e-6)
    for _ in range(3):
        sum((w**2).sum() for w in weights).backward()
        optimizer.step()
    saved = {"optimizer_name": "AdamW", "hash": "0123456789", "optimizer_state_dict": optimizer.state_dict()}
    torch.save(saved, tmp_path / "a.pt.optim", **options)
    file = read(tmp_path / "a.pt.optim")
    assert isinstance(file, OptimizerFile)
    assert (file.optimizer_name, file.hash) == ("AdamW", "0123456789")
    assert file.param_groups[0]["lr"] == 5e-6
    assert file.param_groups[0]["params"] == [0, 1]
    assert file.state[1]["step"] == 3
    np.testing.assert_array_equal(file.state[0]["exp_avg"], optimizer.state[weights[0]]["exp_avg"].numpy())


def test_a_learning_rate_that_torch_holds_as_a_tensor(tmp_path):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=torch.tensor(0.5), foreach=False)
    torch.save(optimizer.state_dict(), tmp_path / "a.pt.optim")
    assert read(tmp_path / "a.pt.optim").param_groups[0]["lr"] == 0.5


def test_embeddings_and_loras_are_tensors(tmp_path):
    root = {"string_to_token": {"*": 265}, "string_to_param": torch.nn.ParameterDict({"*": torch.ones(2, 768)})}
    torch.save(root, tmp_path / "a.pt")
    assert read(tmp_path / "a.pt").kind == "embedding"
    assert next(iter(read(tmp_path / "a.pt").tensors.values())).shape == (2, 768)
    save_file({"emb_params": torch.ones(2, 768)}, tmp_path / "b.safetensors")
    assert read(tmp_path / "b.safetensors").kind == "embedding"
    lora = {"lora_unet_x.lora_up.weight": torch.ones(4, 2, dtype=torch.bfloat16), "y.alpha": torch.tensor(1.0)}
    save_file(lora, tmp_path / "c.safetensors")
    file = read(tmp_path / "c.safetensors")
    assert file.kind == "lora"
    assert file.dtypes["lora_unet_x.lora_up.weight"] == "bfloat16"
    np.testing.assert_array_equal(file.tensors["lora_unet_x.lora_up.weight"], np.ones((4, 2), np.float32))


def test_checksums_switched_off_in_torch(tmp_path):
    path, root = tmp_path / "a.pt", torch_root()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(root, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same(read(path), root)


def test_big_endian_zip(tmp_path):
    from tests.formats.makers import rezip

    path = tmp_path / "a.pt"
    torch.save({"a": torch.arange(5.0)}, path)
    members = [(n, b"big" if n.endswith("byteorder") else b) for n, b in rezip.read(path)]
    members = [(n, np.frombuffer(b, "<f4").astype(">f4").tobytes() if "/data/" in n else b) for n, b in members]
    rezip.write(path, members)
    np.testing.assert_array_equal(read(path).tensors["a"], np.arange(5.0))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello world",
        b"nothing",
        b"cat and\ndog\n",
        b"step,loss\n1,0.1\n",
        b"\x89PNG\r\n\x1a\n" + b"0" * 99,
        b"PK\3\4",
        b"\x80\x02",
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(Refused) as refused:
        read(tmp_path / "a.pt")
    assert refused.value.kind in (Refusal.FOREIGN, Refusal.DAMAGED)
    assert "\n" not in refused.value.reason


UNREAD = {
    "conjugate": lambda: torch.view_as_complex(torch.ones(3, 2)).conj(),
    "negate": lambda: torch._neg_view(torch.ones(3)),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "sparse tensor": lambda: torch.eye(3).to_sparse_csr(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "without numbers": lambda: torch.empty(3, device="meta"),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "quantised tensor": lambda: torch.quantize_per_channel(
        torch.ones(3), torch.ones(3), torch.zeros(3), 0, torch.quint8
    ),
    "float8_e4m3fnuz": lambda: torch.ones(3).to(torch.float8_e4m3fnuz),
    "float8_e8m0fnu": lambda: torch.nn.Parameter(torch.ones(3).to(torch.float8_e8m0fnu), False),
    "complex32": lambda: torch.ones(3, dtype=torch.complex32),
}


@pytest.mark.filterwarnings("ignore")  # of torch, which makes such tensors only under protest
@pytest.mark.parametrize("what", UNREAD)
def test_tensors_whose_numbers_are_not_read_are_named_and_no_danger(tmp_path, what):
    torch.save({"a": torch.ones(2), "b": UNREAD[what]()}, tmp_path / "a.pt")
    with pytest.raises(Refused, match=f'"b" is a .*{what}') as refused:
        read(tmp_path / "a.pt")
    assert refused.value.kind is Refusal.FOREIGN
    torch.save({"b": UNREAD[what](), "c": torch.nn.Linear(2, 2)}, tmp_path / "a.pt")
    with pytest.raises(Refused, match=r"import .*Linear") as refused:
        read(tmp_path / "a.pt")  # the rest is looked through all the same
    assert refused.value.kind is Refusal.UNSAFE


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.pt"):
        with pytest.raises(Refused):
            read(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("options", [{}, LEGACY])
def test_a_file_cut_short_is_damaged(tmp_path, share, options):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path, **options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    os.utime(path, (1e9, 1e9))
    with pytest.raises(Refused) as refused:
        read(path)
    assert refused.value.kind is Refusal.DAMAGED


@pytest.mark.parametrize("missing", [1, 10, 21])
def test_an_archive_cut_short_within_its_last_record_is_damaged(tmp_path, missing):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    path.write_bytes(path.read_bytes()[:-missing])
    os.utime(path, (1e9, 1e9))
    with pytest.raises(Refused, match="cut short") as refused:
        read(path)
    assert refused.value.kind is Refusal.DAMAGED


@pytest.mark.parametrize("options", [{}, LEGACY])
@pytest.mark.parametrize(("tail", "kind"), [(bytes(512), Refusal.DAMAGED), (bytes(511) + b"x", Refusal.UNSAFE)])
def test_zeros_at_the_end_are_damage_and_anything_else_is_suspect(tmp_path, options, tail, kind):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path, **options)
    path.write_bytes(path.read_bytes() + tail)
    os.utime(path, (1e9, 1e9))
    with pytest.raises(Refused) as refused:
        read(path)
    assert refused.value.kind is kind


def test_a_file_that_grows_is_still_being_written(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(source, "FRESH", 5.0)
    monkeypatch.setattr(source.time, "sleep", lambda _: path.write_bytes(whole))
    with pytest.raises(Refused) as refused:
        read(path)
    assert refused.value.kind is Refusal.WRITING
    assert_same(read(path), torch_root())


def test_a_writer_that_pauses_is_waited_for(tmp_path, monkeypatch):
    """Half a second without a byte, as on a busy disk."""
    monkeypatch.setattr(source, "FRESH", 5.0)
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    whole = path.read_bytes()
    path.write_bytes(b"")
    writer = threading.Timer(0.5, lambda: path.write_bytes(whole))
    writer.start()
    try:
        with pytest.raises(Refused) as refused:
            read(path)
    finally:
        writer.join()
    assert refused.value.kind is Refusal.WRITING
    assert_same(read(path), torch_root())


def test_an_empty_file_of_old_date_is_looked_at_once_more_and_no_longer(tmp_path, monkeypatch):
    """A writer empties a file first and dates it a moment later; but a folder may be full of empty files."""
    path = tmp_path / "a.pt"
    path.touch()
    os.utime(path, (1e9, 1e9))
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        read(path)
    assert refused.value.kind is Refusal.DAMAGED
    assert time.monotonic() - began < source.GROWTH_WAIT / 2
    monkeypatch.setattr(source.time, "sleep", lambda _: os.utime(path))
    with pytest.raises(Refused) as refused:
        read(path)
    assert refused.value.kind is Refusal.WRITING


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no file leases here: every file is copied")
def test_a_writer_waits_while_the_file_is_mapped(tmp_path):
    """Else it would cut the file short under the reader, whom the system then kills (SIGBUS)."""
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    os.utime(path, (1e9, 1e9))
    overwrite = [sys.executable, "-c", "import sys; open(sys.argv[1], 'wb').write(b'new')", str(path)]
    with source.opened(path, sha256=False) as opened:
        assert isinstance(opened.data.obj, mmap.mmap)
        writer = subprocess.Popen(overwrite)
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(1.0)
        assert len(bytes(opened.data)) == opened.size > 1000
        del opened
    assert writer.wait(30) == 0
    assert path.read_bytes() == b"new"


def test_a_file_that_somebody_has_open_for_writing_is_copied(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    os.utime(path, (1e9, 1e9))
    with path.open("ab"), source.opened(path) as opened:
        assert isinstance(opened.data.obj, bytes)


def test_one_flipped_bit_of_a_weight_is_found(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, (1e9, 1e9))
    with pytest.raises(Refused, match="checksum"):
        read(path)


def test_reading_imports_neither_torch_nor_scipy(tmp_path):
    torch.save(torch_root(), tmp_path / "a.pt")
    program = (
        "import sys, pathlib; from hndoctor.formats import read; read(pathlib.Path(sys.argv[1]));"
        "sys.exit(any(m in sys.modules for m in ('torch', 'scipy', 'pickle_compat', 'safetensors')))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.pt")], check=False).returncode == 0
