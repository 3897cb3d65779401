"""Full and read-only disks, several readers at once, files that go away: the right result or one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from hndoctor.vitals import from_json
from tests.abuse.processes import CHECKPOINTS, begin, beside, call, command, contents, environment, make_run, read_only
from tests.cli.conftest import write_network

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and permissions are POSIX's")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of some checkpoints."""
    return make_run(tmp_path / "run")


@pytest.mark.parametrize("limit", [0, 4096, 40_000])
def test_a_full_disk_is_one_line_and_the_old_files_stay(run: Path, limit: int) -> None:
    """A limit on the size of files is a disk that is full at that byte."""
    import resource

    assert call("scan", run).returncode == 0
    before = {name: (run / name).read_bytes() for name in beside(run)}
    write_network(run / "hypernetworks" / "run-9000.pt", 9000)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = call("scan", run, "--format", "json", before=full)
    assert "Traceback" not in done.stderr
    assert "not written" in done.stderr
    assert json.loads(done.stdout)["runs"][0]["verdict"] == "healthy"
    assert {name: (run / name).read_bytes() for name in beside(run)} == before


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
    assert beside(run) == {"vitals.json", "health.html"}
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


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_checkpoint_that_the_trainer_removes_meanwhile_fails_no_gate(run: Path, jobs: str) -> None:
    """Many keep the last few only.  Here one is away half of the time."""
    victim = run / "hypernetworks" / "run-500.pt"
    away = victim.with_suffix(".away")
    process = begin("gate", run, "--format", "json", "--jobs", jobs)
    while process.poll() is None:
        (victim if victim.exists() else away).rename(away if victim.exists() else victim)
        time.sleep(0.005)
    out, err = process.communicate()
    (judged,) = json.loads(out)["runs"]
    assert process.returncode == 0, judged["findings"]
    ours = {"HN120"}  # each of these files is drawn anew: of another network than the one before
    assert {finding["code"] for finding in judged["findings"]} - ours <= {"HN004"}
    assert "Traceback" not in err


def test_the_clock_set_back_changes_nothing(run: Path) -> None:
    first = call("scan", run, "--format", "json")
    for path in run.rglob("*"):
        os.utime(path, (1, 1))
    again = call("scan", run, "--format", "json")
    assert first.stdout == again.stdout


# --- every command that writes, where nothing can be written ---


WHY = ("File too large", "Read-only file system", "Permission denied")


def writers(run: Path, out: Path) -> dict[str, list[str | Path]]:
    """Commands by name, each with the file that it would write in `out`, a folder that is there."""
    first, second = (run / "hypernetworks" / f"run-{step}.pt" for step in (500, 1000))
    return {
        "scan": ["scan", run, "--out", out],
        "scan-file": ["scan", run, "--format", "json", "--out", out / "scan.json"],
        "gate-out": ["gate", run, "--out", out / "gate.txt"],
        "gate-also": ["gate", run, "--also", f"sarif={out / 'gate.sarif'}"],
        "gate-baseline": ["gate", run, "--baseline", out / "baseline.json", "--update-baseline"],
        "export": ["export", first, "--out", out / "made.pt"],
        "convert": ["convert", first, out / "made.safetensors"],
        "merge": ["merge", first, second, "--out", out / "made.pt"],
        "check": ["check", run.parent / "data", "--format", "html", "--out", out / "check.html"],
        "check-fix": ["check", run.parent / "data", "--fix", out / "mended"],
        "watch": ["watch", run, "--once"],
    }


def data_set(folder: Path) -> None:
    """Pictures with captions that `check --fix` would rewrite."""
    from PIL import Image

    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64), (number, 0, 99)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"red_hair, blue_eyes, number_{number}", encoding="utf-8")


@pytest.mark.parametrize("name", sorted(writers(Path("run"), Path("out"))))
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_where_nothing_can_be_written_it_says_so_in_one_line(run: Path, tmp_path: Path, name: str, fault: str) -> None:
    """Nothing is left half written, and what was there before stays as it was."""
    import resource

    out = tmp_path / "out"
    out.mkdir()
    data_set(tmp_path / "data")
    words = writers(run, out)[name]
    if name == "gate-baseline":
        assert call(*words).returncode == 0
        write_network(run / "hypernetworks" / "run-9000.pt", 9000, scale=3.0)
    before = contents(tmp_path)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))

    if fault == "full":
        done = call(*words, before=full)
    else:
        with read_only(run if name == "watch" else out) as inside:
            done = call(*words, inside=inside)
    assert "Traceback" not in done.stderr, done.stderr
    told = [line for line in done.stderr.splitlines() if any(why in line for why in WHY)]
    assert told, done.stderr
    written = {path: body for path, body in contents(tmp_path).items() if path not in before}
    # what can be written beside the run still is, where only the other place cannot
    assert set(written) <= ({"run/vitals.json", "run/health.html"} if name == "scan-file" else set())
    assert {path: body for path, body in contents(tmp_path).items() if path in before} == before
    if name not in ("scan", "watch"):  # these have judged and said so all the same
        assert done.returncode == 2


def test_captions_mended_in_place_are_all_there_when_the_disk_fills(tmp_path: Path) -> None:
    import resource

    folder = tmp_path / "data"
    data_set(folder)
    before = contents(folder)
    done = call("check", folder, "--fix-in-place", before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8)))
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert {name: body for name, body in contents(folder).items() if name in before} == before


def test_a_full_temporary_folder_keeps_nobody_from_his_result(run: Path, tmp_path: Path) -> None:
    """Nothing of what reads needs it: there is none at all here."""
    for words in (["gate", run], ["scan", run], ["watch", run, "--once"]):
        done = subprocess.run(
            command(*words),
            env={**environment(), "TMPDIR": "/proc", "TEMP": "/proc", "TMP": "/proc"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


# --- several at once ---


def test_two_scans_and_a_watch_on_one_growing_run(run: Path) -> None:
    """Each gives a right result of a state that there was; the files beside the run are whole all the time."""
    watching = begin("watch", run, "--interval", "0.1")
    try:
        for step in (5000, 5500, 6000):
            both = [begin("scan", run, "--format", "json") for _ in range(2)]
            write_network(run / "hypernetworks" / f"run-{step}.pt", step)
            for process in both:
                out, err = process.communicate(timeout=120)
                assert process.returncode == 0, err
                assert json.loads(out)["runs"][0]["verdict"] == "healthy"
                from_json((run / "vitals.json").read_bytes())
                assert (run / "health.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
        patience = time.monotonic() + 60
        while len(from_json((run / "vitals.json").read_bytes()).checkpoints) < CHECKPOINTS + 3:
            assert time.monotonic() < patience, "the watch does not follow"
            time.sleep(0.1)
        assert watching.poll() is None
    finally:
        watching.kill()
        err = watching.communicate()[1]
    assert "Traceback" not in err
    assert beside(run) == {"vitals.json", "health.html"}


def test_a_clock_set_back_while_a_run_is_watched_hides_nothing(run: Path) -> None:
    """Files that come later bear earlier times, and ones of the future."""
    assert call("scan", run).returncode == 0
    written = write_network(run / "hypernetworks" / "run-5000.pt", 5000, scale=3.0)
    for when in (1.0, time.time() + 10**8):
        os.utime(written, (when, when))
        done = call("scan", run, "--format", "json")
        assert json.loads(done.stdout)["runs"][0]["verdict"] == "broken"
    os.utime(run / "vitals.json", (time.time() + 10**8,) * 2)
    write_network(run / "hypernetworks" / "run-5000.pt", 5000)
    os.utime(run / "hypernetworks" / "run-5000.pt", (2.0, 2.0))
    done = call("scan", run, "--format", "json")
    assert json.loads(done.stdout)["runs"][0]["verdict"] == "healthy"
