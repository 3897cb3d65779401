"""A file that is read while others write; large ones, by limits made small; and what cannot be written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from hndoctor.formats import Refused, mapped, read, source
from hndoctor.formats.write import Container, write_hypernetwork
from hndoctor.records import Refusal


@pytest.fixture
def network(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A small hypernetwork that nobody has written to for long."""
    path = tmp_path / "a.pt"
    state = {"linear.0.weight": rng.normal(size=(64, 64)).astype(np.float32), "linear.0.bias": np.zeros(64, np.float32)}
    write_hypernetwork(path, [(64, state, state)], {"step": np.int64(41), "name": "a"})
    os.utime(path, (1.0, 1.0))
    return path


def test_a_file_replaced_while_it_is_read_is_refused(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "held", lambda descriptor: False)  # this very process would wait for itself
    with pytest.raises(Refused) as refused, source.opened(network):
        network.write_bytes(network.read_bytes() + b"\0")
    assert refused.value.kind is Refusal.WRITING


def test_a_file_that_shrinks_before_it_is_read_is_refused(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source.snapshot(network)
    monkeypatch.setattr(source, "_may_map", lambda path, before, descriptor: False)
    network.write_bytes(network.read_bytes()[:-1])
    with pytest.raises(Refused) as refused:
        source._bytes_of(network, before)
    assert refused.value.kind is Refusal.WRITING


def test_a_large_file_is_hashed_mapped_and_given_back_and_reads_the_same(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file of some hundred megabytes is, whose pages must not count as memory."""
    small = read(network)
    for module, name in ((source, "HASH_BESIDE"), (source, "COPY_LIMIT"), (mapped, "LARGE"), (mapped, "STRETCH")):
        monkeypatch.setattr(module, name, 1024)
    monkeypatch.setattr("hndoctor.formats.checksum.STRETCH", 1024, raising=False)
    now = network.stat()
    os.utime(network)  # just written: a small file would be copied
    with source.opened(network) as held:
        assert held.digest() == hashlib.sha256(network.read_bytes()).hexdigest()
        mapped.ease()
        assert bytes(held.data) == network.read_bytes()
    os.utime(network, ns=(now.st_atime_ns, now.st_mtime_ns))
    large = read(network)
    assert large.sha256 == small.sha256
    for one, other in zip(small.modules, large.modules, strict=True):
        assert all(np.array_equal(array, other.tensors[name]) for name, array in one.tensors.items())


def test_a_step_counted_by_numpy_is_stored_as_a_plain_number(network: Path) -> None:
    assert read(network).metadata.step == 41
    assert type(read(network).metadata.step) is int


@pytest.mark.parametrize(("container", "kind"), [("zip", "U8"), ("legacy", "U8"), ("safetensors", "complex64")])
def test_a_tensor_that_no_loader_knows_is_not_written(tmp_path: Path, container: Container, kind: str) -> None:
    state = {"linear.0.weight": np.zeros((4, 4), kind)}
    with pytest.raises(ValueError, match=f"a tensor of type {np.dtype(kind).name} cannot be written"):
        write_hypernetwork(tmp_path / "a.pt", [(4, state, state)], {}, container)
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_nothing_and_an_unknown_container_are_not_written(tmp_path: Path) -> None:
    state = {"linear.0.weight": np.zeros((4, 4), np.float32)}
    with pytest.raises(ValueError, match="without any size"):
        write_hypernetwork(tmp_path / "a.pt", [], {})
    with pytest.raises(ValueError, match='"tar" is none of zip, legacy, safetensors'):
        write_hypernetwork(tmp_path / "a.pt", [(4, state, state)], {}, "tar")  # type: ignore[arg-type]  # meant
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_went_away_is_not_called_damaged(network: Path) -> None:
    """A trainer that keeps the last few only has removed it since the folder was listed."""
    network.unlink()
    with pytest.raises(Refused) as refused:
        read(network)
    assert refused.value.kind is Refusal.WRITING
    assert refused.value.reason == "it was removed or renamed while its run was read: look again later"


def test_a_file_that_the_system_does_not_give_is_refused_with_its_reason(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> source.Snapshot:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(source, "snapshot", denied)
    with pytest.raises(Refused) as refused:
        read(network)
    assert (refused.value.kind, refused.value.reason) == (Refusal.DAMAGED, "it cannot be read: Permission denied")
