"""The command as a process: what signals and closed pipes do to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hndoctor import __version__

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes as POSIX has them")


def start(*words: object) -> subprocess.Popen[str]:
    """hndoctor, with pipes for everything it says."""
    command = [sys.executable, "-m", "hndoctor", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_the_version_is_told(call) -> None:
    told = call("--version")
    assert (told.code, told.out.strip()) == (0, f"hndoctor {__version__}")


def test_a_python_that_drops_docstrings_still_prints_manual_pages(call) -> None:
    command = [sys.executable, "-OO", "-m", "hndoctor", "explain", "HN101"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert told.stdout == call("explain", "HN101").out
    assert "There are weights that are not numbers." in told.stdout


@pytest.mark.parametrize("words", [("rules",), ("gate", "RUN", "--format", "json"), ("gate", "RUN", "--jobs", "2")])
def test_a_reader_that_goes_away_is_no_verdict(healthy: Path, words: tuple[str, ...]) -> None:
    with start(*(healthy if word == "RUN" else word for word in words)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_watching_ends_with_ctrl_c_and_the_table_of_the_runs(healthy: Path) -> None:
    with start("watch", healthy.parent, "--interval", "0.1") as process:
        for _ in range(300):
            if (healthy / "health.html").exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "quiet" in said
    assert "healthy" in said
    assert "Traceback" not in said


def test_watching_a_url_is_refused_in_one_line(call) -> None:
    told = call("watch", "s3://bucket/runs", "--once")
    assert told.code == 2
    assert told.err == "hndoctor: s3://bucket/runs: only runs on this machine are followed; use scan with --out DIR\n"


def closed(*words: object) -> subprocess.CompletedProcess[str]:
    """hndoctor, started as some services do: without a stream to read or to write."""
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "hndoctor", *map(str, words)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, text=True)


def test_without_any_stream_the_verdict_is_the_same(healthy: Path, dying: Path, tmp_path: Path) -> None:
    assert closed("gate", healthy).returncode == 0
    assert closed("gate", dying).returncode == 1
    assert closed("gate", healthy, "--format", "json", "--out", tmp_path / "a.json").returncode == 0
    (judged,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["runs"]
    assert judged["verdict"] == "healthy"


@pytest.mark.parametrize("name", ["/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_stream_can_be_named_as_a_file(healthy: Path, name: str) -> None:
    if not Path(name).exists():
        pytest.skip(f"no {name} here")
    with start("gate", healthy, "--quiet", "--also", f"json={name}") as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(said)["runs"][0]["verdict"] == "healthy"


def test_a_folder_that_was_removed_is_said_in_one_line(healthy: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$0" && exec "$@"', str(gone), sys.executable, "-m", "hndoctor", "gate", str(healthy)]
    done = subprocess.run(
        command, cwd=gone, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "hndoctor: the folder that you are in has been removed; change to another\n"
