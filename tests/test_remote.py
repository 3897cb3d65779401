"""Runs that lie elsewhere: fsspec's store in memory stands for all the others."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

import hndoctor
from hndoctor.cli import main
from hndoctor.formats.write import write_hypernetwork, write_optimizer
from hndoctor.records import Verdict
from hndoctor.remote import RemoteError, here, url_of
from tests.formats.conftest import numpy_modules


@pytest.fixture
def store(tmp_path):
    """A run in memory: three checkpoints, an optimizer state, a loss log, and what does not belong."""
    memory = fsspec.filesystem("memory")
    rng = np.random.default_rng(0)
    for step in (500, 1000, 1500):
        write_hypernetwork(tmp_path / "x.pt", numpy_modules(rng), {"step": step - 1, "name": "x"})
        memory.pipe(f"/bucket/x/hypernetworks/x-{step}.pt", (tmp_path / "x.pt").read_bytes())
    state = {0: {"step": 9.0, "exp_avg": np.ones(4, np.float32), "exp_avg_sq": np.ones(4, np.float32)}}
    write_optimizer(tmp_path / "x.optim", "AdamW", state, [{"lr": 5e-6, "params": [0]}], None)
    memory.pipe("/bucket/x/hypernetworks/x-1500.pt.optim", (tmp_path / "x.optim").read_bytes())
    log = b"step,epoch,epoch_step,loss,learn_rate\r\n500,0,1,0.1,5e-06\r\n"
    memory.pipe("/bucket/x/hypernetwork_loss.csv", log)
    memory.pipe("/bucket/x/huge.bin.parts", b"never copied")
    memory.pipe("/bucket/x/.hidden/a.pt", b"never copied")
    yield memory
    memory.rm("/bucket", recursive=True)


def command(*words):
    sys.argv = ["hndoctor", *words]
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://runs/x", "s3://runs/x"),
        (Path("s3://runs/x/"), "s3://runs/x"),
        (Path("gs://a/b.pt"), "gs://a/b.pt"),
        (Path("file:///a/b"), "file:///a/b"),
        ("C:/runs", None),
        ("runs/x", None),
        ("a:b", None),
    ],
)
def test_what_is_a_url(path, url):
    assert url_of(path) == url


def test_only_what_belongs_to_a_run_is_copied(store):
    with here("memory://bucket/x") as place:
        names = sorted(p.relative_to(place.path).as_posix() for p in place.path.rglob("*") if p.is_file())
        kept = place.path
    assert names == [
        "hypernetwork_loss.csv",
        "hypernetworks/x-1000.pt",
        "hypernetworks/x-1500.pt",
        "hypernetworks/x-1500.pt.optim",
        "hypernetworks/x-500.pt",
    ]
    assert not kept.exists()


def test_a_remote_run_is_judged_like_one_here(store):
    (diagnosis,) = hndoctor.scan("memory://bucket")
    assert diagnosis.run == "memory://bucket/x"
    assert [station.step for station in diagnosis.course] == [500, 1000, 1500]
    assert diagnosis.verdict is not Verdict.UNEXAMINED
    vitals = hndoctor.measure(Path("memory://bucket/x/hypernetworks/x-1500.pt"))
    assert vitals.run == "memory://bucket/x/hypernetworks/x-1500.pt"
    assert vitals.checkpoints[0].optimizer is not None


def test_gate_and_scan_take_urls(store, tmp_path, capsys):
    assert command("gate", "memory://bucket/x", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs"][0]["run"] == "memory://bucket/x"
    store.pipe("/bucket/x/hypernetworks/x-1500.pt", b"PK\3\4 cut short")
    assert command("gate", "memory://bucket/x", "-q") == 1
    assert command("scan", "memory://bucket/x", "--out", str(tmp_path / "report")) == 1
    assert (tmp_path / "report" / "health.html").exists()
    assert not store.exists("/bucket/x/vitals.json")


def test_what_cannot_be_examined_is_said_in_one_line(store, capsys):
    for words, said in [
        (("gate", "memory://bucket/none"), "no such file or folder there"),
        (("gate", "nonsense://a/b"), "nonsense"),
        (("scan", "memory://bucket/x"), "--out DIR"),
        (("watch", "memory://bucket/x", "--once"), "on this machine"),
    ]:
        assert command(*words) == 2
        error = capsys.readouterr().err
        assert said in error
        assert len(error.strip().splitlines()) == 1


def test_a_file_that_changes_while_it_is_copied_is_not_judged(store, monkeypatch):
    real = type(store).get_file

    def growing(self, name, place, **more):
        real(self, name, place, **more)
        self.pipe(name, self.cat(name) + b"more")

    monkeypatch.setattr(type(store), "get_file", growing)
    with pytest.raises(RemoteError, match="still being written"), here("memory://bucket/x"):
        pass
