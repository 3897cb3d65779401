"""`watch` among files that are half written, folders that vanish and clocks that jump."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from hndoctor.cli import watching
from hndoctor.cli.console import UsageError, error_console
from hndoctor.cli.stopping import STOPPING
from hndoctor.cli.telling import say
from tests.cli.conftest import write_network


@pytest.fixture
def known() -> watching.Watched:
    return watching.Watched()


def look(path: Path, known: watching.Watched, **alarm: object) -> None:
    watching.look(path, known, error_console(), watching.Alarm(**alarm), "en")


def verdicts(known: watching.Watched) -> dict[str, str]:
    return {diagnosis.name: diagnosis.verdict.value for diagnosis in known.diagnoses.values()}


def test_a_run_that_grows_is_reported_anew(known: watching.Watched, healthy: Path, dying: Path) -> None:
    look(healthy.parent, known)
    assert verdicts(known) == {"quiet": "healthy", "dying": "broken"}
    page = healthy / "health.html"
    before = page.read_bytes()
    write_network(healthy / "hypernetworks" / "quiet-2000.pt", 2000, 0.03)
    look(healthy.parent, known)
    assert page.read_bytes() != before
    assert "quiet/health.html" in (healthy.parent / "index.html").read_text(encoding="utf-8")
    assert not [p for p in healthy.parent.rglob("*") if p.name.endswith((".tmp", ".part"))]


def test_nothing_is_measured_that_has_not_changed(
    known: watching.Watched, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(healthy, known)
    monkeypatch.setattr(watching, "measure_run", lambda *a, **k: pytest.fail("measured again"))
    look(healthy, known)


def test_a_file_half_written_is_no_breakage_and_is_seen_when_whole(known: watching.Watched, healthy: Path) -> None:
    look(healthy, known)
    whole = write_network(healthy / "elsewhere.pt", 2000, 0.03)
    part = healthy / "hypernetworks" / "quiet-2000.pt"
    part.write_bytes(whole.read_bytes()[:5000])
    look(healthy, known)
    assert verdicts(known)["quiet"] != "broken"
    shutil.move(whole, part)
    look(healthy, known)
    assert verdicts(known) == {"quiet": "healthy"}
    (diagnosis,) = known.diagnoses.values()
    assert diagnosis.course[-1].step == 2000


def test_what_stays_half_written_is_damaged(known: watching.Watched, healthy: Path) -> None:
    look(healthy, known)
    part = healthy / "hypernetworks" / "quiet-2000.pt"
    part.write_bytes(write_network(healthy / "elsewhere.pt", 2000, 0.03).read_bytes()[:5000])

    def codes() -> set[str]:
        look(healthy, known)
        (diagnosis,) = known.diagnoses.values()
        return {finding.code for finding in diagnosis.findings}

    assert "HN002" not in codes()  # the first look cannot know
    assert verdicts(known)["quiet"] == "healthy"
    assert "HN002" in codes()  # nobody has written to it since
    assert not known.unsettled


def test_a_clock_that_jumps_back_hides_no_change(known: watching.Watched, healthy: Path) -> None:
    look(healthy, known)
    late = write_network(healthy / "hypernetworks" / "quiet-1500.pt", 1500, 3.0)
    os.utime(late, (1e9, 1e9))  # older than everything that was seen before
    look(healthy, known)
    assert verdicts(known) == {"quiet": "broken"}


def test_folders_that_come_and_go(known: watching.Watched, healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = healthy.parent
    look(runs / "later", known)
    assert known.diagnoses == {}
    look(runs, known)
    shutil.rmtree(healthy)
    look(runs, known)
    assert known.diagnoses == {}
    assert "is no longer there" in capsys.readouterr().err
    shutil.rmtree(runs)
    look(runs, known)


def test_a_folder_that_is_removed_while_it_is_measured(
    known: watching.Watched, healthy: Path, dying: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = watching.measure_run

    def removed(run, *arguments, **options):
        if run.name == "dying":
            shutil.rmtree(dying)
            raise FileNotFoundError(2, "No such file or directory", str(dying))
        return measure(run, *arguments, **options)

    monkeypatch.setattr(watching, "measure_run", removed)
    look(healthy.parent, known)
    assert verdicts(known) == {"quiet": "healthy"}


def test_a_web_uis_dated_folders_are_followed(known: watching.Watched, tmp_path: Path) -> None:
    home = tmp_path / "textual_inversion" / "2023-01-02" / "style" / "hypernetworks"
    write_network(home / "style-500.pt", 500, 0.03)
    look(tmp_path / "textual_inversion", known)
    write_network(home / "style-1000.pt", 1000, 0.03)
    look(tmp_path / "textual_inversion", known)
    (diagnosis,) = known.diagnoses.values()
    assert [station.step for station in diagnosis.course] == [500, 1000]
    assert (home.parent / "health.html").exists()


def test_the_alarm_sounds_once_and_waits_for_nobody(known: watching.Watched, dying: Path, tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    write = f"pathlib.Path({str(said)!r}).open('a').write(os.environ['HNDOCTOR_RUN'])"
    note = f"import os, pathlib, time; time.sleep(1); {write}"
    command = f'"{sys.executable}" -c "{note}"'
    begun = time.monotonic()
    look(dying, known, command=command, file=tmp_path / "deep" / "stop")
    assert not said.exists()
    write_network(dying / "hypernetworks" / "dying-2000.pt", 2000, 3.0)
    look(dying, known, command=command, file=tmp_path / "deep" / "stop")
    for started in known.commands:
        started.wait()
    assert time.monotonic() - begun < 60
    assert said.read_text(encoding="utf-8") == str(dying)  # once
    assert "dying" in (tmp_path / "deep" / "stop").read_text(encoding="utf-8")


def test_what_can_never_be_followed_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "a-500.png"
    picture.write_bytes(b"")
    with pytest.raises(UsageError, match=r"a-500\.png: a picture, not a run; give its run's folder"):
        watching.watch(picture, 1, watching.Alarm(), once=True)


def test_a_folder_that_is_not_there_is_not_waited_for_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    watching.watch(tmp_path / "mistyped", 1, watching.Alarm(), once=True)
    assert "mistyped: no such file or folder" in " ".join(capsys.readouterr().err.split())


def test_the_live_view_says_what_there_is(known: watching.Watched, dying: Path) -> None:
    empty = error_console()
    with empty.capture() as nothing:
        empty.print(watching.view(known, 10))
    assert "nothing to follow yet" in nothing.get()
    look(dying, known)
    with empty.capture() as shown:
        empty.print(watching.view(known, 10), width=200)
    assert "dying" in shown.get()
    assert "broken" in shown.get()
    assert "Ctrl-C ends" in shown.get()
    assert "X broken" in shown.get()  # what the letters of the course mean


def test_the_report_is_opened_where_that_was_asked(call, dying: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    call("scan", dying)
    assert opened == []
    call("scan", dying, "--open", "--lang", "ja")
    assert opened == [(dying / "health.html").resolve().as_uri()]
    assert '<html lang="ja">' in (dying / "health.html").read_text(encoding="utf-8")


def test_looking_costs_at_most_a_hundredth_of_a_core() -> None:
    for cost in (0.001, 0.1, 0.5):
        assert cost / watching.pause(10, cost) <= watching.IDLE_SHARE
    assert watching.pause(10, 0.001) == 10


def test_in_a_log_a_line_stays_one_line(
    known: watching.Watched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a terminal's lines are broken at its width; what reads a log would find half a sentence."""
    name = "a run with a long name, " * 6 + "x"
    write_network(tmp_path / "x" / "hypernetworks" / f"{name}-500.pt", 500)
    look(tmp_path / "x", known)
    (diagnosis,) = known.diagnoses.values()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f" {name}: {diagnosis.summary}")


def test_in_a_log_the_answer_to_a_wish_to_stop_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(error_console(), STOPPING)
    assert capsys.readouterr().err == f"{STOPPING}\n"
