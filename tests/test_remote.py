"""Runs that lie elsewhere: fsspec's store in memory stands for all the others."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

import hndoctor
from hndoctor import remote
from hndoctor.cli import main
from hndoctor.formats.write import write_hypernetwork, write_optimizer
from hndoctor.records import Verdict
from hndoctor.remote import RemoteError, here, send, url_of
from tests.formats.conftest import numpy_modules


def learned(modules):
    """The same, away from where an initialisation leaves them."""
    return [
        (size, *({name: array * np.float32(3) for name, array in side.items()} for side in pair))
        for size, *pair in modules
    ]


@pytest.fixture
def store(tmp_path):
    """A run in memory: three checkpoints, an optimizer state, a loss log, and what does not belong."""
    memory = fsspec.filesystem("memory")
    rng = np.random.default_rng(0)
    for step in (500, 1000, 1500):
        write_hypernetwork(tmp_path / "x.pt", learned(numpy_modules(rng)), {"step": step - 1, "name": "x"})
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


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), lambda path: os.mkfifo(path)])
def test_links_and_pipes_of_a_mounted_store_are_not_copied(tmp_path, capsys, make):
    """/dev/zero would never end, and a link may lead to what is nobody's business."""
    write_hypernetwork(tmp_path / "x-500.pt", learned(numpy_modules(np.random.default_rng(0))), {"step": 499})
    make(tmp_path / "x-1000.pt")
    assert command("gate", f"file://{tmp_path}") == 2
    said = f"{tmp_path}/x-1000.pt: a link, a pipe or a device is not copied; take it out of the run"
    assert capsys.readouterr().err == f"hndoctor: {said}\n"


def test_a_file_that_changes_while_it_is_copied_is_not_judged(store, monkeypatch):
    real = type(store).get_file

    def growing(self, name, place, **more):
        real(self, name, place, **more)
        self.pipe(name, self.cat(name) + b"more")

    monkeypatch.setattr(type(store), "get_file", growing)
    with pytest.raises(RemoteError, match="still being written"), here("memory://bucket/x"):
        pass


def test_reports_are_written_to_urls(store, tmp_path):
    assert command("scan", "memory://bucket/x", "--out", "memory://bucket/reports/x") == 0
    assert sorted(store.ls("/bucket/reports/x", detail=False)) == [
        "/bucket/reports/x/health.html", "/bucket/reports/x/vitals.json",
    ]  # fmt: skip
    assert store.cat("/bucket/reports/x/health.html").startswith(b"<!doctype html>")
    (again,) = hndoctor.scan("memory://bucket/reports/x/vitals.json")
    assert again.course == hndoctor.scan("memory://bucket/x")[0].course
    assert command("gate", "memory://bucket/x", "--out", "memory://bucket/gate.txt", "--also",
                   "json=memory://bucket/deep/down/gate.json") == 0  # fmt: skip
    assert json.loads(store.cat("/bucket/deep/down/gate.json"))["runs"][0]["run"] == "memory://bucket/x"
    assert b"HEALTHY" in store.cat("/bucket/gate.txt")


def test_several_runs_are_reported_below_a_url_with_their_index(store, capsys):
    store.cp("/bucket/x", "/bucket/y", recursive=True)
    assert command("scan", "memory://bucket", "--out", "memory://bucket/reports") == 0
    assert "report: memory://bucket/reports/index.html" in capsys.readouterr().err
    page = store.cat("/bucket/reports/index.html").decode()
    for number, name in ((1, "x"), (2, "x")):  # named by its files
        assert store.exists(f"/bucket/reports/{number:03d}-{name}/health.html")
        assert f'href="./{number:03d}-{name}/health.html"' in page


def test_a_report_goes_to_a_store_with_folders_that_are_not_there_yet(store, tmp_path):
    assert command("scan", "memory://bucket/x", "--out", (tmp_path / "new" / "deep").as_uri()) == 0
    assert sorted(path.name for path in (tmp_path / "new" / "deep").iterdir()) == ["health.html", "vitals.json"]


def test_a_write_that_fails_leaves_the_object_as_it_was(store, monkeypatch):
    store.pipe("/bucket/report.txt", b"of before")
    monkeypatch.setattr(fsspec.implementations.memory.MemoryFile, "write", full)
    with pytest.raises(RemoteError, match=r"memory://bucket/report.txt: the store is full"):
        send(b"of now", "memory://bucket/report.txt")
    monkeypatch.undo()
    assert store.cat("/bucket/report.txt") == b"of before"
    send(b"of now", "memory://bucket/report.txt")
    assert store.cat("/bucket/report.txt") == b"of now"


def full(self, data):
    raise OSError("the store is full")


def test_a_report_that_cannot_be_sent_is_said_and_the_others_are_written(store, monkeypatch, capsys):
    store.cp("/bucket/x", "/bucket/y", recursive=True)
    real = remote.send

    def refused(data, url):
        if "001-x" in url or url.endswith("index.html"):
            raise RemoteError(f"{url}: access denied")
        real(data, url)

    monkeypatch.setattr(remote, "send", refused)
    command("scan", "memory://bucket", "--out", "memory://bucket/reports")
    said = capsys.readouterr().err
    assert "not written: memory://bucket/reports/001-x/vitals.json: access denied" in said
    assert store.exists("/bucket/reports/002-x/health.html")


def test_no_bucket_is_made_for_a_misspelt_url(store, monkeypatch):
    def nowhere(*words, **more):
        raise FileNotFoundError("the bucket does not exist")

    monkeypatch.setattr(type(store), "open", nowhere)
    made = []
    monkeypatch.setattr(type(store), "makedirs", lambda self, path, **more: made.append(path))
    with pytest.raises(RemoteError, match="the bucket does not exist"):
        send(b"x", "memory://bukcet/deep/report.txt")
    assert made == []
