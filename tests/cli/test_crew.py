"""What others measure is what one process measures, byte by byte, also when a worker is killed or Ctrl-C is pressed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer

import pytest

from hndoctor.cli import crew as crews
from hndoctor.cli.console import UsageError
from hndoctor.cli.crew import Crew
from hndoctor.collect import find_runs
from hndoctor.records import Run, Vitals
from hndoctor.vitals import measure_run
from hndoctor.weights import CHUNK
from tests.cli.conftest import write_network

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A long run, which is cut into three, and two short ones; one of them is broken."""
    for number, count in enumerate((2 * CHUNK + 1, 2, 2)):
        folder = tmp_path / "runs" / f"r{number}" / "hypernetworks"
        for step in range(500, 500 * count + 1, 500):
            write_network(folder / f"r{number}-{step}.pt", step, 3.0 if (number, step) == (2, 1000) else 0.03)
    return tmp_path / "runs"


def measured(found: tuple[Run, ...], crew: Crew, asked: Event | None = None) -> dict[int, Vitals]:
    """Everything, by place."""
    return dict(crews.measured(found, crew, keep=True, show=lambda run, event: None, asked=asked or Event()))


def alone(found: tuple[Run, ...]) -> dict[int, Vitals]:
    """The same without a crew."""
    return {place: measure_run(run, cache=False) for place, run in enumerate(found)}


def test_processes_say_what_one_process_says(call, runs: Path) -> None:
    one = call("gate", runs, "--format", "json")
    several = call("gate", runs, "--format", "json", "--jobs", "2")
    assert one.code == several.code == 1
    assert one.out == several.out
    assert len(json.loads(one.out)["runs"]) == 3


def test_processes_write_the_same_files(call, runs: Path) -> None:
    call("scan", runs, "--jobs", "2")
    names = ("vitals.json", "health.html")
    several = {path: path.read_bytes() for name in names for path in runs.rglob(name)}
    index = (runs / "index.html").read_bytes()
    for path in several:
        path.unlink()
    call("scan", runs)
    assert {path: path.read_bytes() for path in several} == several
    assert len(several) == 6
    assert (runs / "index.html").read_bytes() == index


def there_or_killed(version: str, work: object, item: object) -> object:
    """A worker that is killed at the long run's second chunk, as by the kernel when memory is short."""
    if getattr(item, "begin", 0) == CHUNK:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(item)


def there_or_wrong(version: str, work: object, item: object) -> object:
    """A worker that cannot do it for some reason of its own."""
    raise RuntimeError("no disk")


@POSIX
def test_a_killed_process_takes_nothing_with_it(runs: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    found = find_runs(runs)
    monkeypatch.setattr(crews, "there", there_or_killed)
    assert measured(found, Crew(2)) == alone(found)
    assert capfd.readouterr().err.count("was killed (out of memory?); going on with one here") == 1


def test_what_a_worker_cannot_do_is_done_here(runs: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    found = find_runs(runs)[1:]
    monkeypatch.setattr(crews, "there", there_or_wrong)
    assert measured(found, Crew(2)) == alone(found)
    assert "failed (RuntimeError); going on with one here" in capfd.readouterr().err


def test_a_worker_that_would_measure_something_else_is_not_believed(tmp_path: Path) -> None:
    item = Run(tmp_path / "elsewhere", "x")
    with pytest.raises(crews.UnlikeError, match="install the same"):
        crews.there("0.0.1", str, item)
    with pytest.raises(crews.UnlikeError, match=r"cannot see .*elsewhere"):
        crews.there(crews.__version__, str, item)


def there_but_blind(version: str, work: object, item: object) -> object:
    raise crews.UnlikeError("a worker cannot see it")


def test_that_a_cluster_sees_other_files_is_said_in_one_line(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "there", there_but_blind)
    with pytest.raises(UsageError, match="--dask: a worker cannot see it"):
        measured(find_runs(runs), Crew(2))


@pytest.mark.parametrize("crew", [Crew(), Crew(2)])
def test_once_asked_to_stop_what_is_measured_comes_and_nothing_new_begins(runs: Path, crew: Crew) -> None:
    found, asked = find_runs(runs), Event()
    seen: list[Run] = []

    def show(run: Run, event: object) -> None:
        seen.append(run)
        if len(seen) == 3:
            asked.set()

    told = dict(crews.measured(found, crew, keep=True, show=show, asked=asked))
    whole = alone(found)
    assert told
    assert sum(len(vitals.checkpoints) for vitals in told.values()) < 2 * CHUNK + 5
    for place, vitals in told.items():
        assert vitals.checkpoints == whole[place].checkpoints[: len(vitals.checkpoints)]


INTERRUPTED = """
import os, signal, sys
from hndoctor.cli import crew, main
driven, seen = crew.driven, []
def pressed(run, show, asked, mapped=None, **more):
    def showing(run, event):
        seen.append(event)
        if len(seen) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        show(run, event)
    return driven(run, showing, asked, mapped, **more)
crew.driven = pressed
main()
"""


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_was_measured_and_the_second_scan_goes_on(call, runs: Path, jobs: str) -> None:
    words = [sys.executable, "-c", INTERRUPTED, "scan", str(runs), "--jobs", jobs]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    stopped = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert stopped.returncode == 130
    assert "what was finished until then is kept" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    kept = {path: json.loads(path.read_bytes()) for path in runs.rglob("vitals.json")}
    assert kept
    assert sum(len(vitals["checkpoints"]) for vitals in kept.values()) < 2 * CHUNK + 5
    call("scan", runs)
    resumed = {path: path.read_bytes() for path in runs.rglob("vitals.json")}
    for path in resumed:
        path.unlink()
    call("scan", runs)
    assert {path: path.read_bytes() for path in resumed} == resumed


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
    one = call("gate", runs, "--format", "json")
    whole = call("gate", runs, "--format", "json", "--dask", address)
    assert (whole.code, whole.out) == (one.code, one.out)
    workers[0].kill()
    again = call("gate", runs, "--format", "json", "--dask", address)
    assert (again.code, again.out) == (one.code, one.out)


@POSIX
def test_a_worker_killed_in_the_middle_of_its_chunk_is_replaced(runs: Path, cluster, capfd) -> None:
    """One of the two dies while it works on a piece; the cluster gives that to the other, and nobody here need help."""
    address, workers = cluster
    found, asked = find_runs(runs), Event()
    seen: list[object] = []

    def show(run: Run, event: object) -> None:
        if not seen:
            workers[1].send_signal(signal.SIGSTOP)  # whatever it holds now, it will never hand in
            time.sleep(0.2)
            workers[1].kill()
        seen.append(event)

    told = dict(crews.measured(found, Crew(dask=address), keep=True, show=show, asked=asked))
    assert told == alone(found)
    assert "going on with one here" not in capfd.readouterr().err


def test_a_cluster_without_workers_is_waited_for_until_ctrl_c(runs: Path, cluster, capfd) -> None:
    address, workers = cluster
    for worker in workers:
        worker.kill()
        worker.wait()
    asked = Event()
    timer = Timer(1.0, asked.set)
    timer.start()
    told = measured(find_runs(runs), Crew(dask=address), asked)
    timer.cancel()
    assert all(not vitals.checkpoints for vitals in told.values())
    assert "has no workers yet; waiting for them" in capfd.readouterr().err


def test_no_scheduler_is_one_line(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(crews, "PATIENCE", "0.3s")
    with pytest.raises(UsageError, match="no scheduler answers"):
        measured(find_runs(runs), Crew(dask="tcp://127.0.0.1:9"))


@pytest.mark.parametrize("address", ["nonsense", "tcp://10.0.0.1", "tcp://10.0.0.1:port", "10.0.0.1:8786/x"])
def test_an_address_without_a_port_is_refused_at_once(runs: Path, address: str) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="write the scheduler's address as tcp://HOST:PORT"):
        measured(find_runs(runs), Crew(dask=address))
