"""Many runs: memory stays what one run takes, and the bar tells how much is left."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from rich.console import Console

from benchmarks.processes import COMMAND
from hndoctor.cli import crew as crews
from hndoctor.cli import examining
from hndoctor.cli.console import progress_bar
from hndoctor.cli.crew import Crew
from hndoctor.collect import find_runs
from hndoctor.records import Run
from hndoctor.vitals import Progress
from tests.cli.conftest import write_network

EACH = 20
HELD = 4  # MB that 25 further runs may add; holding their vitals until the end added 7, this adds 1 (measured)


def runs_of(folder: Path, count: int, models: Path) -> Path:
    """So many runs of twenty checkpoints, linked to two files."""
    for number in range(count):
        inside = folder / f"run{number:02d}" / "hypernetworks"
        inside.mkdir(parents=True)
        for step in range(EACH):
            (inside / f"run{number:02d}-{500 * (step + 1)}.pt").hardlink_to(models / f"{step % 2}.pt")
    return folder


def peak_of(folder: Path) -> int:
    """MB at the peak of a scan."""
    words = [sys.executable, "-c", COMMAND, "scan", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-2])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_runs(tmp_path: Path) -> None:
    for number in range(2):
        write_network(tmp_path / f"{number}.pt", 500 + number)
    few, many = runs_of(tmp_path / "few", 5, tmp_path), runs_of(tmp_path / "many", 30, tmp_path)
    assert peak_of(many) - peak_of(few) < HELD
    assert len(list(many.rglob("health.html"))) == 30
    assert (many / "index.html").exists()


@pytest.mark.parametrize("crew", [Crew(), Crew(2)])
def test_the_bar_counts_the_files_of_all_runs_and_tells_the_time_left(tmp_path: Path, crew: Crew) -> None:
    for number in range(2):
        write_network(tmp_path / f"{number}.pt", 500 + number)
    found = find_runs(runs_of(tmp_path / "runs", 3, tmp_path))
    terminal = Console(file=io.StringIO(), force_terminal=True, width=160)
    with progress_bar(terminal) as bar:
        show, left = examining._shown(found, bar), []

        def noted(run: Run, event: Progress) -> None:
            show(run, event)
            left.append(bar.tasks[0].time_remaining)

        told = crews.measured(found, crew, keep=True, show=noted, asked=Event())
        assert sorted(place for place, _ in told) == [0, 1, 2]
        (task,) = bar.tasks
        assert (task.completed, task.total) == (3 * EACH, 3 * EACH)
        bar.refresh()
    assert len([seconds for seconds in left if seconds is not None]) > EACH
    assert left[-1] == 0
    drawn = terminal.file.getvalue()
    assert "measuring 3 runs" in drawn
    assert f"{3 * EACH}/{3 * EACH}" in drawn
