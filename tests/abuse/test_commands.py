"""Every command that reads, over everything hostile: nothing runs, nothing reaches out, nothing else is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.abuse.corpus import HARM, forged_vitals, make
from tests.cli.conftest import write_network

ROOT = Path(__file__).parents[2]
LIMIT = 500 << 20  # bytes of resident memory, as SECURITY.md promises
PATIENCE = 120.0  # seconds until a command hangs; an idle machine takes about five
MEASURED = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module("tests.abuse.canary", run_name="__main__")
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus."""
    return make(tmp_path_factory.mktemp("hostile"))


def tree(root: Path) -> dict[str, float]:
    """Every name below a folder with the time of its change; links are not followed."""
    held = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            held[os.path.join(folder, name)] = os.lstat(os.path.join(folder, name)).st_mtime  # noqa: PTH118
    return held


def under_watch(tmp_path: Path, words: list[str], allowed: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run a command; assert that the canary lives, the memory is bounded, and errors are one line."""
    report, workplace = tmp_path / "canary.txt", tmp_path / "workplace"
    workplace.mkdir()
    done = subprocess.run(
        [sys.executable, "-B", "-c", MEASURED, "canary", str(report), *map(str, allowed), "--", *words],
        cwd=workplace,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=PATIENCE,
        check=False,
    )
    assert report.read_text(encoding="utf-8") == ""
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert not set("\x1b\u202e\x07") & set(done.stdout + done.stderr)
    assert int(done.stderr.rsplit("peak ", 1)[1]) < LIMIT
    assert list(workplace.iterdir()) == []
    return done


pytestmark = pytest.mark.skipif(os.name != "posix", reason="measures memory by POSIX means")


def test_the_canary_sings(tmp_path: Path) -> None:
    """What is written outside of the allowed folders is reported; else the other tests would prove nothing."""
    write_network(tmp_path / "runs" / "a" / "hypernetworks" / "a-500.pt", 500)
    with pytest.raises(AssertionError, match=r"vitals\.json"):
        under_watch(tmp_path, ["scan", str(tmp_path / "runs")], [])


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif", "github", "markdown"])
def test_the_gate_writes_nothing_and_fails(tmp_path: Path, hostile: Path, form: str) -> None:
    before = tree(hostile)
    done = under_watch(tmp_path, ["gate", str(hostile / "runs"), "--format", form], [])
    assert done.returncode == 1
    assert tree(hostile) == before
    assert "<script>" not in done.stdout or form != "junit"


def test_scan_writes_its_reports_and_no_more(tmp_path: Path, hostile: Path) -> None:
    before, out = set(tree(hostile)), tmp_path / "reports"
    done = under_watch(tmp_path, ["scan", str(hostile / "runs"), "--format", "json"], [hostile / "runs"])
    assert done.returncode == 1
    runs = {Path(run["run"]).name: run for run in json.loads(done.stdout)["runs"]}
    assert {name for name, run in runs.items() if run["verdict"] == "healthy"} <= set(runs) - {"pickles"}
    new = {Path(name).name.rsplit(".", 2)[-2:][0] for name in set(tree(hostile)) - before}
    assert new <= {"health", "vitals", "index"}
    assert not out.exists()
    assert not list(hostile.rglob(HARM))
    for page in hostile.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "onerror=alert(1)>" not in text.replace("&#34;", '"').replace("&gt;", "")
        assert "49" not in text.split("<title>")[1].split("</title>")[0]


def test_a_scan_below_another_folder_leaves_the_runs_alone(tmp_path: Path, hostile: Path) -> None:
    before = tree(hostile)
    out = tmp_path / "out"
    done = under_watch(tmp_path, ["scan", str(hostile / "runs" / "special"), "--out", str(out)], [out])
    assert done.returncode in (0, 1)
    assert {k: v for k, v in tree(hostile).items() if k in before} == before
    assert "secret" not in done.stdout


def test_check_reads_hostile_captions_and_pictures(tmp_path: Path, hostile: Path) -> None:
    before = tree(hostile)
    done = under_watch(tmp_path, ["check", str(hostile / "runs" / "pictures" / "images")], [])
    assert done.returncode in (0, 1, 2)
    assert tree(hostile) == before


@pytest.mark.parametrize("command", ["export", "convert", "merge"])
def test_carrying_over_hostile_files_executes_nothing(tmp_path: Path, hostile: Path, command: str) -> None:
    before, out = tree(hostile), tmp_path / "out"
    out.mkdir()
    evil = str(hostile / "runs" / "pickles" / "hypernetworks" / "evil-1.pt")
    words = {
        "merge": ["merge", evil, evil, "--out", str(out / "m.pt")],
        "convert": ["convert", evil, str(out / "c.pt")],
        "export": ["export", evil, "--out", str(out)],
    }
    done = under_watch(tmp_path, words[command], [out])
    assert done.returncode == 2
    assert tree(hostile) == before
    assert list(out.iterdir()) == []


def test_a_hostile_name_is_spelt_out_where_a_file_is_carried(tmp_path: Path, hostile: Path) -> None:
    found = sorted(path for path in (hostile / "runs").rglob("*-500.pt") if not path.stem.isprintable())
    out = tmp_path / "out"
    done = under_watch(tmp_path, ["export", str(found[0]), "--out", str(out)], [out])
    assert done.returncode == 0
    (made,) = out.iterdir()
    assert made.name.isprintable()


@pytest.mark.parametrize("place", ["pickles/hypernetworks/evil-1.pt", "pictures/images", "un\udcff\udcfedecodable"])
def test_single_places(tmp_path: Path, hostile: Path, place: str) -> None:
    done = under_watch(tmp_path, ["gate", str(hostile / "runs" / place), "--format", "json"], [])
    assert done.returncode == (0 if place.startswith("un") else 1)
    json.loads(done.stdout)


def test_forged_vitals_are_refused_in_one_line(tmp_path: Path) -> None:
    forged_vitals(tmp_path / "forged")
    done = under_watch(tmp_path, ["gate", str(tmp_path / "forged" / "vitals.json")], [])
    assert done.returncode == 2
    assert "vitals.json" in done.stderr.splitlines()[0]
    assert "scan the run again" in done.stderr.splitlines()[0]
