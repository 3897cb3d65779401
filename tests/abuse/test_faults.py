"""Kills, full disks and several readers at once: the right result or one clear line, and nothing half written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hndoctor.vitals import from_json
from tests.cli.conftest import write_network

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("HNDOCTOR_KILLS", "5"))  # `make stress` sets 200
CHECKPOINTS = 4
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills and limits are POSIX's")


def command(*words: str | Path) -> list[str]:
    """A process of its own."""
    return [sys.executable, "-m", "hndoctor", *map(str, words)]


def environment() -> dict[str, str]:
    """Such that the process finds this hndoctor."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def call(*words: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(command(*words), env=environment(), capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of some checkpoints."""
    folder = tmp_path / "run"
    for step in range(500, 500 * CHECKPOINTS + 1, 500):
        write_network(folder / "hypernetworks" / f"run-{step}.pt", step)
    return folder


def leftovers(folder: Path) -> set[str]:
    """What lies in a run beside its checkpoints."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".pt"}


def test_a_scan_killed_at_any_moment_leaves_whole_files_or_none(run: Path) -> None:
    began = time.monotonic()
    assert call("scan", run).returncode == 0
    whole, lasted = {name: (run / name).read_bytes() for name in leftovers(run)}, time.monotonic() - began
    moments = random.Random(8)
    for _ in range(KILLS):
        for name in leftovers(run):
            (run / name).unlink()
        process = subprocess.Popen(
            command("scan", run), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0, 1.1 * lasted))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (run / "vitals.json").exists():
            from_json((run / "vitals.json").read_bytes())
        if (run / "health.html").exists():
            assert (run / "health.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
        assert call("scan", run).returncode == 0
        after = {name: (run / name).read_bytes() for name in whole}
        assert {n: b for n, b in after.items() if n.endswith(".html")} == {
            n: b for n, b in whole.items() if n.endswith(".html")
        }


@pytest.mark.parametrize("limit", [0, 4096, 40_000])
def test_a_full_disk_is_one_line_and_the_old_files_stay(run: Path, limit: int) -> None:
    """A limit on the size of files is a disk that is full at that byte."""
    import resource

    assert call("scan", run).returncode == 0
    before = {name: (run / name).read_bytes() for name in leftovers(run)}
    write_network(run / "hypernetworks" / "run-9000.pt", 9000)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = call("scan", run, "--format", "json", preexec_fn=full)
    assert "Traceback" not in done.stderr
    assert "not written" in done.stderr
    assert json.loads(done.stdout)["runs"][0]["verdict"] == "healthy"
    assert {name: (run / name).read_bytes() for name in leftovers(run)} == before


def test_nowhere_to_print_is_one_line(run: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("gate", run, "--format", "json"),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_two_scans_at_once_agree(run: Path) -> None:
    both = [
        subprocess.Popen(command("scan", run, "--format", "json"), env=environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    assert leftovers(run) == {"vitals.json", "health.html"}
    from_json((run / "vitals.json").read_bytes())


def test_a_checkpoint_that_goes_away_or_grows_is_never_misjudged(run: Path) -> None:
    """While a scan runs, its files are truncated, replaced and removed."""
    body = (run / "hypernetworks" / "run-500.pt").read_bytes()
    process = subprocess.Popen(
        command("gate", run, "--format", "json"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    step = 0
    while process.poll() is None:
        victim = run / "hypernetworks" / f"run-{500 * (1 + step % CHECKPOINTS)}.pt"
        if step % 3 == 0:
            victim.write_bytes(body[: len(body) // 2])
        elif step % 3 == 1:
            victim.unlink(missing_ok=True)
        else:
            victim.write_bytes(body)
        step += 1
        time.sleep(0.01)
    out, err = process.communicate()
    assert "Traceback" not in err
    (judged,) = json.loads(out)["runs"]
    assert not [finding for finding in judged["findings"] if finding["code"].startswith("HN1")]


def test_the_clock_set_back_changes_nothing(run: Path) -> None:
    first = call("scan", run, "--format", "json")
    for path in run.rglob("*"):
        os.utime(path, (1, 1))
    again = call("scan", run, "--format", "json")
    assert first.stdout == again.stdout
