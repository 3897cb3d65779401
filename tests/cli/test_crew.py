"""Runs measured side by side give what one process gives, also when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hndoctor.cli import crew as crews
from hndoctor.cli.console import UsageError
from hndoctor.cli.crew import Crew
from hndoctor.collect import find_runs
from hndoctor.records import Run, Vitals
from tests.cli.conftest import write_network

ROOT = Path(__file__).parents[2]
RUNS = 4
MEASURE = crews.measure  # before a test replaces it


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of small runs, one of them broken."""
    for number in range(RUNS):
        folder = tmp_path / "runs" / f"r{number}" / "hypernetworks"
        for step in (500, 1000):
            write_network(folder / f"r{number}-{step}.pt", step, 3.0 if number == 2 and step == 1000 else 0.03)
    return tmp_path / "runs"


def test_processes_say_what_one_process_says(call, runs: Path) -> None:
    alone = call("gate", runs, "--format", "json")
    several = call("gate", runs, "--format", "json", "--jobs", "2")
    assert alone.code == several.code == 1
    assert alone.out == several.out
    assert len(json.loads(alone.out)["runs"]) == RUNS


def die_once(run: Run, keep: bool) -> Vitals:
    """A worker that is killed at its first run, as by the kernel when memory is short."""
    mark = run.root.parent / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return MEASURE(run, keep)


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_process_takes_nothing_with_it(runs: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    found = find_runs(runs)
    expected = {place: MEASURE(run, False) for place, run in enumerate(found)}
    monkeypatch.setattr(crews, "measure", die_once)
    assert crews.measured(found, Crew(2), keep=False, bar=None) == (expected, False)
    assert "was killed" in capfd.readouterr().err


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real scheduler with two workers, each a process; its address and the workers."""
    pytest.importorskip("distributed")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    file, environment = tmp_path / "scheduler.json", {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen(
        [*words, "--host", "127.0.0.1", "--scheduler-file", str(file)], env=environment, **quiet
    )
    words = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-nanny"]
    workers = [
        subprocess.Popen(
            [*words, "--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)], env=environment, **quiet
        )
        for _ in range(2)
    ]
    try:
        while not file.exists():
            time.sleep(0.1)
        yield json.loads(file.read_text(encoding="utf-8"))["address"], workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_a_cluster_says_what_one_process_says_and_loses_a_worker(call, runs: Path, cluster) -> None:
    address, workers = cluster
    alone = call("gate", runs, "--format", "json")
    whole = call("gate", runs, "--format", "json", "--dask", address)
    assert (whole.code, whole.out) == (alone.code, alone.out)
    workers[0].kill()
    again = call("gate", runs, "--format", "json", "--dask", address)
    assert (again.code, again.out) == (alone.code, alone.out)


def test_no_scheduler_is_one_line(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(crews, "PATIENCE", "0.3s")
    with pytest.raises(UsageError, match="no scheduler answers"):
        crews.measured(find_runs(runs), Crew(dask="tcp://127.0.0.1:9"), keep=False, bar=None)
