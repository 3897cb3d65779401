"""kill -9 at random moments: whole files or none, and the next call gives the right result."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hndoctor.formats import read
from hndoctor.vitals import from_json
from tests.abuse.processes import begin, beside, call, contents, make_run
from tests.cli.conftest import write_network
from trainer.network import Hypernetwork
from trainer.pocket import datasets

KILLS = int(os.environ.get("HNDOCTOR_KILLS", "4"))  # of each kind; `make stress` sets 50
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of some checkpoints."""
    return make_run(tmp_path / "run")


def lasted(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def whole(run: Path) -> None:
    """Nothing half written lies in a run."""
    if (run / "vitals.json").exists():
        from_json((run / "vitals.json").read_bytes())
    if (run / "health.html").exists():
        assert (run / "health.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_scan_killed_at_any_moment_leaves_whole_files_or_none(run: Path) -> None:
    seconds = lasted(lambda: call("scan", run))
    page, moments = (run / "health.html").read_bytes(), random.Random(8)
    for _ in range(KILLS):
        for name in beside(run):
            (run / name).unlink()
        process = begin("scan", run)
        time.sleep(moments.uniform(0, 1.1 * seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        whole(run)
        assert call("scan", run).returncode == 0
        assert (run / "health.html").read_bytes() == page


def test_a_watch_killed_at_any_moment_leaves_whole_files_or_none(run: Path, tmp_path: Path) -> None:
    """While the run grows; the watch after it tells what the run has come to."""
    seconds = lasted(lambda: call("watch", run, "--once"))
    moments = random.Random(9)
    for number in range(KILLS):
        stop = tmp_path / "stop"
        process = begin("watch", run, "--interval", "0.1", "--stop-file", stop)
        time.sleep(moments.uniform(0, seconds))
        write_network(run / "hypernetworks" / f"run-{3000 + 500 * number}.pt", 3000 + 500 * number)
        time.sleep(moments.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        whole(run)
        assert not stop.exists()
    assert call("watch", run, "--once").returncode == 0
    assert call("scan", run, "--out", tmp_path / "fresh").returncode == 0
    assert (run / "vitals.json").read_bytes() == (tmp_path / "fresh" / "vitals.json").read_bytes()
    assert beside(run) - {"vitals.json", "health.html"} <= {n for n in beside(run) if n.endswith(".tmp")}


@pytest.mark.parametrize("words", [["export"], ["convert"], ["merge"]], ids=lambda words: words[0])
def test_carrying_killed_at_any_moment_leaves_a_whole_file_or_none(run: Path, tmp_path: Path, words: list[str]) -> None:
    """An export of a network and its optimizer state, a conversion, a merge."""
    first, second = (run / "hypernetworks" / f"run-{step}.pt" for step in (500, 1000))
    made = tmp_path / "made.pt"
    arguments = {
        "export": ["export", first, "--out", made],
        "convert": ["convert", first, made],
        "merge": ["merge", first, second, "--out", made],
    }[words[0]]
    before = contents(run)
    seconds, moments = lasted(lambda: call(*arguments)), random.Random(10)
    right = made.read_bytes()
    for _ in range(KILLS):
        made.unlink(missing_ok=True)
        process = begin(*arguments)
        time.sleep(moments.uniform(0.3 * seconds, seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if made.exists():
            read(made)
            assert made.read_bytes() == right
            made.unlink()
        assert call(*arguments).returncode == 0
        assert made.read_bytes() == right
        assert contents(run) == before


def test_a_validation_killed_at_any_moment_goes_on_where_it_was(tmp_path: Path) -> None:
    """Each checkpoint that it has measured stays measured; the figures are those of one that nobody killed."""
    run, others, moments = tmp_path / "run", tmp_path / "others", random.Random(11)
    (run / "hypernetworks").mkdir(parents=True)
    for step in (50, 100, 150, 200):
        network = Hypernetwork.create((80, 64), seed=step)
        network.step = step - 1
        network.save(run / "hypernetworks" / f"run-{step}.pt")
    datasets.write("amberglass", others, 3)
    words = ("validate", run, "--held-out", others, "--base-model", "pocket")
    log = run / "validated.jsonl"
    seconds = lasted(lambda: call(*words))
    right = log.read_bytes()
    assert len(right.splitlines()) == 4
    for _ in range(max(1, KILLS // 4)):  # each takes seconds: torch is read, and pictures are encoded
        log.unlink()
        process = begin(*words)
        time.sleep(moments.uniform(0.4 * seconds, seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = log.read_bytes() if log.exists() else b""
        assert right.startswith(kept)
        assert call(*words).returncode == 0
        assert log.read_bytes() == right
