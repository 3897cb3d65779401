"""Pictures alone, pages on stdout, and wrong ways to call a command: each says in one line what it is."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndoctor.cli import demonstration, healing, main, training
from hndoctor.cli.console import interruptible
from hndoctor.records import Action, Prescription
from tests.cli.conftest import write_network
from trainer.config import load_config


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A picture of colourful noise."""
    path = tmp_path / "pictures" / "noise.png"
    path.parent.mkdir()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8)).save(path)
    return path


def test_a_picture_alone_is_judged_and_noise_fails_the_gate(call, noise: Path) -> None:
    told = json.loads(call("scan", noise, "--format", "json").out)
    assert told["runs"] == []
    (judged,) = told["pictures"]
    assert judged["p"]["noise"] > 0.9
    assert call("gate", noise).code == 1
    assert sorted(path.name for path in noise.parent.iterdir()) == ["noise.png"]


def test_a_flat_grey_picture_is_no_pass_either(call, tmp_path: Path) -> None:
    Image.new("RGB", (256, 256), (90, 90, 90)).save(tmp_path / "flat.png")
    assert call("gate", tmp_path / "flat.png").code == 1


def test_pictures_alone_have_a_page_too(call, noise: Path) -> None:
    result = call("scan", noise, "--format", "html")
    assert result.code == 1
    assert "<html" in result.out
    assert "noise.png" in result.out


def test_the_page_of_one_run_and_the_index_of_two_can_be_printed(call, healthy: Path, dying: Path) -> None:
    one = call("scan", healthy, "--format", "html").out
    both = call("scan", healthy.parent, "--format", "html").out
    assert "<html" in one
    assert "dying" not in one
    assert "dying" in both
    assert "quiet" in both


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gate", "{run}", "--update-baseline"], "--update-baseline needs --baseline FILE"),
        (["gate", "{run}", "--settings", "{pyproject}"], "has no [tool.hndoctor] table"),
        (["gate", "{run}", "--settings", "{expires}"], "expires: write a day: expires = 2027-03-31"),
        (
            ["merge", "{run}/hypernetworks/quiet-500.pt", "--steps", "500,1000", "--out", "m.pt"],
            "name the run's folder",
        ),
        (["merge", "{runs}", "--steps", "500,1000", "--out", "m.pt"], "holds several runs; name one of them"),
        (["merge", "{run}/none.pt", "{run}/none.pt", "--out", "m.pt"], "there is no such file"),
        (["convert", "{run}/hypernetworks/quiet-500.pt", "{run}/made.pt"], "made.pt: is a folder"),
        (["gate", ""], "an empty path was given"),
        (["scan", "{run}", ""], "an empty path was given"),
        (["check", ""], "an empty path was given"),
        (["watch", "", "--once"], "an empty path was given"),
        (["export", ""], "an empty path was given"),
        (["train", "{expires}", "--set", "steps"], "--set steps: write it as KEY=VALUE"),
    ],
)
def test_what_cannot_be_carried_out_is_one_line(
    call, healthy: Path, dying: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    assert dying.parent == healthy.parent
    (healthy / "made.pt").mkdir()
    pyproject, expires = tmp_path / "pyproject.toml", tmp_path / "hndoctor.toml"
    pyproject.write_text("[project]\nname = 'x'\n", encoding="utf-8")
    expires.write_text("[[ignores]]\ncode = 'HN301'\nreason = 'art'\nexpires = 2027-03-31T10:00:00\n", encoding="utf-8")
    places = {"run": healthy, "runs": healthy.parent, "pyproject": pyproject, "expires": expires}
    result = call(*(word.format(**places) for word in words))
    assert result.code == 2
    assert said in result.err
    assert len(result.err.splitlines()) == 1
    assert not Path("m.pt").exists()


@pytest.mark.parametrize("name", ["hypernetworks/quiet-500.pt", "hypernetworks/quiet-500.pt.optim", "images/a.PNG"])
@pytest.mark.parametrize("words", [["gate", "--out"], ["scan", "--format", "json", "--out"], ["gate", "--also"]])
def test_no_report_is_written_over_a_network_or_a_picture(call, healthy: Path, words: list[str], name: str) -> None:
    place = healthy / name
    place.parent.mkdir(exist_ok=True)
    if not place.exists():
        place.write_bytes(b"what somebody made")
    before = place.read_bytes()
    result = call(*words, f"json={place}" if words[-1] == "--also" else place, healthy)
    assert result.code == 2
    assert f"{place}: no report is written over a network or a picture" in result.err
    assert place.read_bytes() == before


@pytest.mark.parametrize("runs", [1, 2])
def test_measurements_that_cannot_be_used_end_only_their_own_run(
    call, healthy: Path, tmp_path: Path, runs: int
) -> None:
    forged = tmp_path / "forged" / "vitals.json"
    forged.parent.mkdir()
    forged.write_text("{", encoding="utf-8")
    result = call("gate", forged, *([healthy] if runs == 2 else []), "--format", "json")
    assert result.code == 2
    if runs == 1:
        assert "scan the run again" in result.err
    else:
        verdicts = {Path(run["run"]).name: run["verdict"] for run in json.loads(result.out)["runs"]}
        assert verdicts == {"vitals.json": "unexamined", "quiet": "healthy"}


def test_our_own_mistake_is_not_called_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback is what a maintainer needs then."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("hndoctor.cli.gating.gate", broken)
    monkeypatch.setattr("sys.argv", ["hndoctor", "gate", "."])
    with pytest.raises(ZeroDivisionError, match="ours"):
        main()


def test_from_a_thread_no_signal_is_touched() -> None:
    """Only the main thread may: a server that scans in a thread keeps its Ctrl-C."""
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with interruptible() as asked:
            seen.append((asked.is_set(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


def test_one_look_waits_for_the_command_that_it_started(call, dying: Path, tmp_path: Path) -> None:
    done = tmp_path / "done"
    slow = f'"{sys.executable}" -c "import time, pathlib; time.sleep(0.3); pathlib.Path({os.fspath(done)!r}).touch()"'
    assert call("watch", dying, "--once", "--on-broken", slow).code == 0
    assert done.exists()


# --- train, heal, demo ---


def test_without_torch_it_says_what_to_install(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    result = call("train", tmp_path / "x.toml")
    assert result.code == 2
    assert "pip install 'hndoctor[train]'" in result.err


def test_healing_is_for_one_process(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    config = tmp_path / "x.toml"
    config.write_text(f"name = 'x'\ndata = {os.fspath(tmp_path)!r}\nout = {os.fspath(tmp_path)!r}\n", encoding="utf-8")
    result = call("train", config, "--heal")
    assert result.code == 2
    assert "start without torchrun, or without --heal" in result.err


def test_a_treatment_resumes_or_starts_anew_with_a_gentler_network(tmp_path: Path) -> None:
    config = load_config(None, {"name": "x", "data": tmp_path, "out": tmp_path, "layer_norm": True})
    again = Prescription(Action.RESTART, "start again", learning_rate=5e-7)
    treated, how = healing.treated_config(config, again)
    assert (treated.learn_rate, treated.weight_init, treated.layer_norm) == ("5e-07", "Normal", False)
    assert how == {"overwrite": True}
    back = replace(again, action=Action.RESUME, checkpoint="hypernetworks/x-500.pt", schedule="1e-6:900")
    treated, how = healing.treated_config(config, back)
    assert (treated.learn_rate, treated.layer_norm) == ("1e-6:900", True)
    assert how == {"resume": tmp_path / "x" / "hypernetworks" / "x-500.pt"}


def test_the_demo_trains_both_and_ends_with_the_index(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainings are stood in for by networks on disk: they take minutes."""

    def perform(folder: Path, act: demonstration.Act) -> None:
        networks = folder / "runs" / act.name / "hypernetworks"
        for step in (500, 1000, 1500):
            scale = 3.0 if (act.name, step) == ("ruined", 1500) else 0.03
            write_network(networks / f"{act.name}-{step}.pt", step, scale)

    monkeypatch.setattr(demonstration, "perform", perform)
    monkeypatch.setattr(demonstration, "PICTURES", 2)
    for _ in range(2):  # its own folder it takes again
        result = call("demo", tmp_path / "demo")
        assert result.code == 0, result.err
        assert result.out.splitlines()[-1] == str(tmp_path / "demo" / "runs" / "index.html")
        assert "ruined" in (tmp_path / "demo" / "runs" / "index.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "demo" / "data").glob("*.png"))) == 2
