"""A checkpoint from the disk to its record, one after another as in a run."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import hndoctor
from hndoctor.collect import find_runs
from hndoctor.formats import checksum, hashes
from hndoctor.formats.write import write_hypernetwork, write_optimizer
from hndoctor.records import Checkpoint, CheckpointPath, Refusal, Unreadable, Verdict
from hndoctor.vitals import measure_run
from hndoctor.weights import measure_checkpoint
from hndoctor.weights.checkpoint import READ_AGAIN
from tests.formats.conftest import numpy_modules


def course(tmp_path, count=3):
    """Checkpoints of a run that walks straight on, each with its optimizer state."""
    rng = np.random.default_rng(1)
    start, step = numpy_modules(rng), numpy_modules(rng)
    for i in range(count):
        moved = [
            (size, *({n: a + i * 0.01 * d[n] for n, a in s.items()} for s, d in zip(pair, drift, strict=True)))
            for (size, *pair), (_, *drift) in zip(start, step, strict=True)
        ]
        path = tmp_path / "hypernetworks" / f"a-{500 * (i + 1)}.pt"
        path.parent.mkdir(exist_ok=True)
        write_hypernetwork(path, moved, {"step": 500 * (i + 1) - 1})
        optim = path.with_name(path.name + ".optim")
        state = {0: {"step": 500.0, "exp_avg": np.ones(4, np.float32), "exp_avg_sq": np.ones(4, np.float32)}}
        group = {"lr": 5e-6, "betas": (0.9, 0.999), "eps": 1e-8, "params": [0]}
        write_optimizer(optim, "AdamW", state, [group], hashes.short_hash(path))
        yield CheckpointPath(path, 500 * (i + 1), optim)


@pytest.mark.parametrize("settled", [True, False])
def test_a_run_is_measured_one_after_another(tmp_path, settled):
    memory, found = None, []
    for where in course(tmp_path):
        if settled:
            os.utime(where.path, (1e9, 1e9))
        checkpoint, memory = measure_checkpoint(where, tmp_path, memory)
        assert isinstance(checkpoint, Checkpoint)
        found.append(checkpoint)
    first, second, third = (c.modules[0] for c in found)
    assert (first.update_rms, first.travel_rms, first.update_cosine) == (None, None, None)
    assert second.update_rms == pytest.approx(second.travel_rms)
    assert second.update_cosine is None
    assert third.update_cosine == pytest.approx(1, abs=1e-3)
    assert third.travel_rms == pytest.approx(2 * third.update_rms, rel=1e-3)
    assert found[2].path == "hypernetworks/a-1500.pt"
    assert (found[2].step, found[2].stored_step) == (1500, 1499)
    assert found[2].optimizer.hash_matches is True
    assert found[2].optimizer.path == "hypernetworks/a-1500.pt.optim"
    assert found[0].tensors[0].name == "24.k.linear.0.weight"
    assert found[0].refused_by == ()


def test_a_checkpoint_overwritten_in_place_is_not_compared_with(tmp_path, monkeypatch):
    monkeypatch.setattr("hndoctor.formats.source.held", lambda descriptor: False)  # this process would wait for itself
    places = list(course(tmp_path))
    os.utime(places[0].path, (1e9, 1e9))
    _, memory = measure_checkpoint(places[0], tmp_path, None)
    with places[0].path.open("r+b") as file:
        file.truncate(100)
    checkpoint, _ = measure_checkpoint(places[1], tmp_path, memory)
    assert checkpoint.modules[0].update_rms is None


@pytest.mark.parametrize(("turns", "kind"), [(1, Checkpoint), (99, Unreadable)])
def test_a_file_that_is_being_written_is_read_again(tmp_path, monkeypatch, turns, kind):
    where = next(course(tmp_path))
    whole, left = where.path.read_bytes(), [turns]

    def grow(_):
        left[0] -= 1
        where.path.write_bytes(whole[: len(whole) // 2 + turns - left[0]] if left[0] > 0 else whole)

    where.path.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr("time.sleep", grow)
    found, _ = measure_checkpoint(where, tmp_path, None)
    assert isinstance(found, kind)
    assert kind is Checkpoint or found.kind is Refusal.WRITING


@pytest.mark.parametrize("rough", [False, True])
def test_nothing_is_counted_twice(tmp_path, monkeypatch, rough):
    """What was counted while the checksums were computed is not gone through again."""
    where = CheckpointPath(next(course(tmp_path)).path, 500)
    again = []
    monkeypatch.setattr("hndoctor.weights.tallies.tally", lambda array: again.append(array))
    found, _ = measure_checkpoint(where, tmp_path, None, None, rough)
    assert (again, len(found.tensors)) == ([], 16)
    assert all(tensor.rms > 0 for tensor in found.tensors if tensor.name.endswith("weight"))


def test_an_unreadable_file_leaves_the_memory_as_it_was(tmp_path):
    where = next(course(tmp_path))
    _, memory = measure_checkpoint(where, tmp_path, None)
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"nothing")
    found, same = measure_checkpoint(CheckpointPath(bad, 7), tmp_path, memory)
    assert isinstance(found, Unreadable)
    assert (found.kind, found.step, found.path, found.bytes) == (Refusal.FOREIGN, 7, "bad.pt", 7)
    assert same is memory
    missing, _ = measure_checkpoint(CheckpointPath(tmp_path / "none.pt", None), tmp_path, None)
    assert isinstance(missing, Unreadable)


def test_a_broken_optimizer_state_does_not_hide_the_network(tmp_path):
    where = next(course(tmp_path))
    where.optim.write_bytes(b"nothing")
    found, _ = measure_checkpoint(where, tmp_path, None)
    assert isinstance(found, Checkpoint)
    assert "not a checkpoint" in found.optimizer.unreadable
    as_network, _ = measure_checkpoint(CheckpointPath(where.path, 1, where.path), tmp_path, None)
    assert as_network.optimizer.unreadable == "not an optimizer state"


def test_an_optimizer_state_is_no_network(tmp_path):
    where = next(course(tmp_path))
    found, _ = measure_checkpoint(CheckpointPath(where.optim, None), tmp_path, None)
    assert isinstance(found, Unreadable)
    assert found.kind is Refusal.FOREIGN


def test_only_an_optimizer_of_the_second_generation_asks_for_sha256(tmp_path):
    where = next(course(tmp_path))
    whole = hashes.sha256(where.path)
    found, _ = measure_checkpoint(where, tmp_path, None)
    assert (found.sha256, found.optimizer.hash_matches) == (whole, True)
    alone, _ = measure_checkpoint(CheckpointPath(where.path, 500), tmp_path, None)
    assert (alone.sha256, alone.content) == ("", checksum.content_key_of(where.path))
    assert found.optimizer.content == checksum.content_key_of(where.optim)


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({"lora_unet_x.lora_up.weight": torch.ones(8, 4), "lora_unet_x.alpha": torch.tensor(4.0)}, "a LoRA"),
        ({"emb_params": torch.ones(2, 768, dtype=torch.bfloat16)}, "a textual-inversion embedding"),
        ({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}, "a textual-inversion embedding"),
    ],
)
def test_what_lies_beside_networks_is_examined_in_part(tmp_path, tensors, what):
    save_file(tensors, tmp_path / "a.safetensors")
    found, _ = measure_checkpoint(CheckpointPath(tmp_path / "a.safetensors", None), tmp_path, None)
    assert found.partial.startswith(what)
    assert {t.name: t.shape for t in found.tensors} == {n: tuple(t.shape) for n, t in tensors.items()}
    for measured in found.tensors:
        assert measured.frobenius == pytest.approx(float(tensors[measured.name].double().norm()))
    vitals = measure_run(find_runs(tmp_path / "a.safetensors")[0])
    assert hndoctor.judge(vitals).verdict is Verdict.UNEXAMINED


def test_other_tensors_are_examined_in_part(tmp_path):
    torch.save({"emb": {"string_to_param": torch.ones(3, 768)}}, tmp_path / "a.pt")
    found, memory = measure_checkpoint(CheckpointPath(tmp_path / "a.pt", None), tmp_path, None)
    assert isinstance(found, Checkpoint)
    assert found.partial
    assert found.modules == ()
    assert found.tensors[0].rms == pytest.approx(1)
    assert memory is None


def test_a_checkpoint_that_went_away_is_told_at_once(tmp_path):
    """A whole run may be removed while it is scanned: nobody waits a second for each of its files."""
    began = time.monotonic()
    found, _ = measure_checkpoint(CheckpointPath(tmp_path / "a-500.pt", 500, None), tmp_path)
    assert isinstance(found, Unreadable)
    assert (found.kind, found.step, found.bytes) == (Refusal.WRITING, 500, 0)
    assert time.monotonic() - began < READ_AGAIN[0]
