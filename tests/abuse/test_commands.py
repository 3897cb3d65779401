"""Every command that reads, over everything hostile: nothing runs, nothing reaches out, nothing else is written."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.abuse.corpus import HARM, NAMES, forged_vitals, make
from tests.abuse.measured import LIMIT, Measured, measured
from tests.cli.conftest import write_network
from trainer.pocket import datasets

PATIENCE = 120.0  # seconds until a command hangs; an idle machine takes about five


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus."""
    return make(tmp_path_factory.mktemp("hostile"))


def tree(root: Path) -> dict[str, float]:
    """Every name below a folder with the time of its change; links are not followed."""
    held = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = f"{folder}/{name}"
            held[path] = os.lstat(path).st_mtime
    return held


# what torch and urllib3 do when they are imported: is there IPv6, can a temporary file be made, a folder of their own
IMPORTED = (
    "socket.__new__ ", "socket.bind (<socket.socket fd=", "open ('/tmp/", "os.remove ('/tmp/", "os.mkdir ('/tmp/torch",
)  # fmt: skip


def under_watch(
    tmp_path: Path, words: list[str], allowed: list[Path], limit: int = LIMIT, known: tuple[str, ...] = ()
) -> Measured:
    """Run a command; assert that the canary lives, the memory is bounded, and errors are one line.

    `known`: beginnings of what it may report all the same.
    """
    report, workplace, tools = (tmp_path / name for name in ("canary.txt", "workplace", "tools"))
    workplace.mkdir()
    tools.mkdir()
    for name in ("gs", "gswin64c"):  # Ghostscript, which Pillow would start for an EPS picture
        (tools / name).write_text(f"#!/bin/sh\ntouch {workplace / HARM}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"
    done = measured(
        "tests.abuse.canary", report, *allowed, "--", *words, patience=PATIENCE, cwd=workplace, more={"PATH": path}
    )
    told = report.read_text(encoding="utf-8").splitlines(keepends=True)
    assert "".join(line for line in told if not line.startswith(known)) == ""
    assert "Traceback" not in done.err, done.err[-3000:]
    assert not set("\x1b\u202e\x07") & set(done.out + done.err)
    assert done.peak < limit
    assert list(workplace.iterdir()) == []
    return done


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory by what Linux tells")


def test_the_canary_sings(tmp_path: Path) -> None:
    """What is written outside of the allowed folders is reported; else the other tests would prove nothing."""
    write_network(tmp_path / "runs" / "a" / "hypernetworks" / "a-500.pt", 500)
    with pytest.raises(AssertionError, match=r"vitals\.json"):
        under_watch(tmp_path, ["scan", str(tmp_path / "runs")], [])


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif", "github", "markdown"])
def test_the_gate_writes_nothing_and_fails(tmp_path: Path, hostile: Path, form: str) -> None:
    before = tree(hostile)
    done = under_watch(tmp_path, ["gate", str(hostile / "runs"), "--format", form], [])
    assert done.code == 1
    assert tree(hostile) == before
    assert "<script>" not in done.out or form != "junit"


def test_scan_writes_its_reports_and_no_more(tmp_path: Path, hostile: Path) -> None:
    before, out = set(tree(hostile)), tmp_path / "reports"
    done = under_watch(tmp_path, ["scan", str(hostile / "runs"), "--format", "json"], [hostile / "runs"])
    assert done.code == 1
    runs = {Path(run["run"]).name: run for run in json.loads(done.out)["runs"]}
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
    assert done.code in (0, 1)
    assert {k: v for k, v in tree(hostile).items() if k in before} == before
    assert "secret" not in done.out


def test_reports_below_another_folder_have_names_that_fit_and_do_nothing(tmp_path: Path, hostile: Path) -> None:
    out = tmp_path / "out"
    done = under_watch(tmp_path, ["scan", str(hostile / "runs"), "--out", str(out)], [out])
    assert "not written" not in done.err
    runs = [folder for folder in out.iterdir() if folder.is_dir()]
    assert len(runs) > len(NAMES)
    for folder in runs:
        assert folder.name.isprintable()
        assert {path.name for path in folder.iterdir()} == {"vitals.json", "health.html"}


def test_check_reads_hostile_captions_and_pictures(tmp_path: Path, hostile: Path) -> None:
    before = tree(hostile)
    done = under_watch(tmp_path, ["check", str(hostile / "runs" / "pictures" / "images")], [])
    assert done.code in (0, 1, 2)
    assert tree(hostile) == before


@pytest.mark.parametrize("command", ["export", "convert", "merge"])
def test_carrying_over_hostile_files_executes_nothing(tmp_path: Path, hostile: Path, command: str) -> None:
    """Every hostile checkpoint, one after another."""
    before, out = tree(hostile), tmp_path / "out"
    out.mkdir()
    words: list[str] = []
    for evil in sorted((hostile / "runs" / "pickles" / "hypernetworks").glob("evil-*.pt")):
        if evil.name != "evil-999.pt":  # the sound one
            words += {
                "merge": ["--", "merge", str(evil), str(evil), "--out", str(out / "m.pt")],
                "convert": ["--", "convert", str(evil), str(out / "c.pt")],
                "export": ["--", "export", str(evil), "--out", str(out)],
            }[command]
    done = under_watch(tmp_path, words[1:], [out])
    assert done.code == 2
    assert tree(hostile) == before
    assert list(out.iterdir()) == []


def test_a_hostile_name_is_spelt_out_where_a_file_is_carried(tmp_path: Path, hostile: Path) -> None:
    found = sorted(path for path in (hostile / "runs").rglob("*-500.pt") if not path.stem.isprintable())
    out = tmp_path / "out"
    done = under_watch(tmp_path, ["export", str(found[0]), "--out", str(out)], [out])
    assert done.code == 0
    (made,) = out.iterdir()
    assert made.name.isprintable()


@pytest.mark.parametrize("place", ["pickles/hypernetworks/evil-1.pt", "pictures/images", "un\udcff\udcfedecodable"])
def test_single_places(tmp_path: Path, hostile: Path, place: str) -> None:
    done = under_watch(tmp_path, ["gate", str(hostile / "runs" / place), "--format", "json"], [])
    assert done.code == (0 if place.startswith("un") else 1)
    json.loads(done.out)


def test_forged_vitals_are_refused_in_one_line(tmp_path: Path) -> None:
    forged_vitals(tmp_path / "forged")
    done = under_watch(tmp_path, ["gate", str(tmp_path / "forged" / "vitals.json")], [])
    assert done.code == 2
    assert "vitals.json" in done.err.splitlines()[0]
    assert "scan the run again" in done.err.splitlines()[0]


def test_validate_measures_no_hostile_checkpoint(tmp_path: Path, hostile: Path) -> None:
    """The corpus has no network of the pocket model's sizes: each is named and left out, then the sizes are."""
    before, run = set(tree(hostile)), hostile / "runs" / "pickles"
    datasets.write("amberglass", tmp_path / "held-out", 1)
    words = ["validate", str(run), "--held-out", str(tmp_path / "held-out"), "--base-model", "pocket"]
    done = under_watch(tmp_path, words, [], 1 << 31, IMPORTED)
    assert done.code == 2
    assert "the base model pocket has 64, 80, 96, 112" in done.err.splitlines()[-1]
    assert done.err.count("left out") >= len(list(run.glob("*/evil-*.pt")))
    assert set(tree(hostile)) == before
    (run / "config.toml").write_text('data = "x"\nbase_model = "hub:nobody/nothing"\n', encoding="utf-8")
    (tmp_path / "again").mkdir()
    done = under_watch(tmp_path / "again", words[:-2], [], 1 << 31, IMPORTED)
    (run / "config.toml").unlink()
    assert (done.code, len(done.err.splitlines())) == (2, 1), "a stranger's run fetches nothing"
    assert "--base-model hub:nobody/nothing" in done.err


def test_watch_looks_at_hostile_runs(tmp_path: Path, hostile: Path) -> None:
    done = under_watch(tmp_path, ["watch", str(hostile / "runs"), "--once"], [hostile / "runs"])
    assert done.code == 0
    assert not list(hostile.rglob(HARM))


SETTINGS = {
    "config": ["check", "{data}", "--config", "{settings}/train.toml"],
    "config-device": ["check", "{data}", "--config", "{settings}/device.toml"],
    "config-deep": ["check", "{data}", "--config", "{settings}/deep.toml"],
    "config-pipe": ["check", "{data}", "--config", "{settings}/pipe.toml"],
    "webui": ["check", "{data}", "--webui", "{settings}/webui", "--format", "html"],
    "gate-settings": ["gate", "{runs}/loose", "--settings", "{settings}/gate.toml"],
    "gate-settings-deep": ["gate", "{runs}/loose", "--settings", "{settings}/deep.toml"],
    "gate-settings-pipe": ["gate", "{runs}/loose", "--settings", "{settings}/pipe.toml"],
    "baseline": ["gate", "{runs}/loose", "--baseline", "{settings}/baseline.json"],
    "baseline-deep": ["gate", "{runs}/loose", "--baseline", "{settings}/deep.json"],
    "baseline-pipe": ["gate", "{runs}/loose", "--baseline", "{settings}/pipe.json"],
    "baseline-device": ["gate", "{runs}/loose", "--baseline", "/dev/zero"],
    "vitals-pipe": ["gate", "{runs}/special/vitals.json"],
    "explain": ["explain", "\x1b[2J{{7*7}}"],
    "export-webui": ["export", "{runs}/logs", "--webui", "{settings}/webui"],
    "train-config": ["train", "{settings}/train.toml", "--plan"],
    "train-config-deep": ["train", "{settings}/deep.toml"],
    "train-config-pipe": ["train", "{settings}/pipe.toml"],
}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_what_the_command_line_names_is_hostile_too(tmp_path: Path, hostile: Path, name: str) -> None:
    before = tree(hostile)
    places = {"data": hostile / "data", "settings": hostile / "settings", "runs": hostile / "runs"}
    words = [word.format(**places) if word.startswith("{") else word for word in SETTINGS[name]]
    torch = (1 << 31) if name.startswith("train") else LIMIT  # torch alone takes most of the limit
    done = under_watch(tmp_path, words, [], torch)
    assert done.code in (0, 1, 2)
    assert tree(hostile) == before
    if done.code == 2:
        assert len(done.err.splitlines()) == 1, done.err
    assert ">49<" not in done.out


def test_marked_vitals_are_shown_as_text(tmp_path: Path, hostile: Path) -> None:
    forged, page = hostile / "runs" / "marked" / "vitals.json", tmp_path / "o.html"
    done = under_watch(tmp_path, ["scan", str(forged), "--format", "html", "--out", str(page)], [tmp_path, hostile])
    assert done.code in (0, 1, 2)
    text = page.read_text(encoding="utf-8")
    for harmful in ("<script>alert", "<img src=x", "onerror='alert", 'href="javascript', "\u202e"):
        assert harmful not in text


def test_every_command_stands_under_the_canary() -> None:
    """A command that is new is missing here, until it is tried above."""
    from hndoctor.cli.app import app

    tried = {"gate", "scan", "check", "watch", "explain", "export", "convert", "merge", "train", "validate"}
    read_nothing = {"rules", "demo"}
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names == tried | read_nothing
