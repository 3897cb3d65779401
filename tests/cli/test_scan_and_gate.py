"""`scan` and `gate` as scripts call them: files, formats, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hndoctor.cli.manual import wrapped
from tests.cli.conftest import write_network


def test_a_healthy_run_passes_and_gets_its_reports(call, healthy: Path) -> None:
    result = call("scan", healthy, "--format", "json")
    assert result.code == 0
    (run,) = json.loads(result.out)["runs"]
    assert run["run"] == str(healthy)
    assert run["verdict"] == "healthy"
    assert [station["step"] for station in run["course"]] == [500, 1000, 1500]
    assert [station["stored_step"] for station in run["course"]] == [499, 999, 1499]
    assert run["course"][0]["checkpoint"] == "hypernetworks/quiet-500.pt"
    assert (healthy / "vitals.json").exists()
    assert "<html" in (healthy / "health.html").read_text(encoding="utf-8")


def test_a_dying_run_fails_and_names_where_to_go_back_to(call, dying: Path) -> None:
    result = call("scan", dying, "--format", "json")
    assert result.code == 1
    (run,) = json.loads(result.out)["runs"]
    assert run["verdict"] == "broken"
    assert run["onset"]["broken"] == 1500
    assert run["prescription"]["action"] == "resume"
    assert run["prescription"]["resume_from"]["step"] in (500, 1000)


def test_a_folder_of_runs_gets_an_index(call, healthy: Path, dying: Path) -> None:
    result = call("scan", healthy.parent, "--format", "json")
    assert result.code == 1
    assert len(json.loads(result.out)["runs"]) == 2
    index = (healthy.parent / "index.html").read_text(encoding="utf-8")
    assert "quiet/health.html" in index
    assert "dying/health.html" in index


def test_a_run_is_a_run_though_it_holds_checkpoints_only(call, dying: Path) -> None:
    (run,) = json.loads(call("scan", dying, "--format", "json").out)["runs"]
    assert run["run"] == str(dying)
    assert {f["subject"] for f in run["findings"]} <= {f"hypernetworks/dying-{n}.pt" for n in (500, 1000, 1500)} | {
        None
    }


def test_vitals_alone_are_judged_the_same(call, dying: Path, tmp_path: Path) -> None:
    first = json.loads(call("scan", dying, "--format", "json").out)["runs"][0]
    alone = tmp_path / "elsewhere" / "vitals.json"
    alone.parent.mkdir()
    alone.write_bytes((dying / "vitals.json").read_bytes())
    again = json.loads(call("scan", alone, "--format", "json").out)["runs"][0]
    assert (again["verdict"], again["onset"], again["findings"]) == (
        first["verdict"],
        first["onset"],
        first["findings"],
    )


def test_out_takes_a_file_for_the_output_or_a_folder_for_the_reports(call, healthy: Path, tmp_path: Path) -> None:
    assert call("scan", healthy, "--format", "json", "--out", tmp_path / "said.json").out == ""
    assert json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))["runs"]
    (healthy / "health.html").unlink()
    call("scan", healthy, "--out", tmp_path / "reports")
    assert (tmp_path / "reports" / "health.html").exists()
    assert not (healthy / "health.html").exists()


def test_gate_writes_nothing(call, healthy: Path, dying: Path) -> None:
    before = sorted(p for p in healthy.parent.rglob("*"))
    assert call("gate", healthy).code == 0
    assert call("gate", dying).code == 1
    assert sorted(p for p in healthy.parent.rglob("*")) == before


def test_gate_does_not_believe_a_vitals_file_that_lies_beside(call, healthy: Path, dying: Path) -> None:
    call("scan", healthy)
    (dying / "vitals.json").write_bytes((healthy / "vitals.json").read_bytes())
    assert call("gate", dying).code == 1


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif", "github", "markdown"])
def test_gate_prints_every_format_the_same_twice(call, dying: Path, form: str) -> None:
    first, second = (call("gate", dying, "--format", form) for _ in range(2))
    assert first.out
    assert first.out == second.out
    assert "\x1b" not in first.out


def test_gate_can_select_ignore_and_be_quiet(call, dying: Path) -> None:
    assert call("gate", dying, "--select", "HN2").code == 0
    assert call("gate", dying, "--ignore", "HN").code == 0
    result = call("gate", dying, "--quiet")
    assert (result.code, result.out) == (1, "")


def test_gate_requires_what_it_is_told_to(call, healthy: Path) -> None:
    assert call("gate", healthy, "--require", "losses").code == 0
    assert call("gate", healthy, "--require", "previews").code == 2


def test_a_baseline_lets_known_findings_pass_and_new_ones_fail(call, dying: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    assert call("gate", dying, "--baseline", known).code == 2
    call("gate", dying, "--baseline", known, "--update-baseline")
    assert call("gate", dying, "--baseline", known).code == 0
    write_network(dying / "hypernetworks" / "dying-2000.pt", 2000, float("nan"))
    assert call("gate", dying, "--baseline", known).code == 1


def test_what_is_not_there_is_said_in_one_line(call, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        for command in ("scan", "gate"):
            result = call(command, path)
            assert result.code == 2
            assert str(path) in result.err
            assert len(result.err.strip().splitlines()) == 1


def test_an_unreadable_checkpoint_among_others_is_a_finding(call, healthy: Path) -> None:
    (healthy / "hypernetworks" / "quiet-1500.pt").write_bytes(b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00true\x85R.")
    result = call("scan", healthy, "--format", "json")
    assert result.code == 1
    (run,) = json.loads(result.out)["runs"]
    assert run["verdict"] != "healthy"
    assert any("system" in finding["message"] for finding in run["findings"])


def test_a_run_of_which_nothing_can_be_read_is_never_healthy(call, tmp_path: Path) -> None:
    (tmp_path / "run" / "hypernetworks").mkdir(parents=True)
    (tmp_path / "run" / "hypernetworks" / "x-500.pt").write_bytes(b"no checkpoint at all")
    result = call("gate", tmp_path / "run", "--format", "json")
    assert result.code in (1, 2)
    assert json.loads(result.out)["runs"][0]["verdict"] == "unexamined"


def test_explain_and_rules(call) -> None:
    assert "HN402" in call("explain", "hn402").out
    assert wrapped("a b c\nd\n\ne f\n", 4) == "a b\nc d\n\ne f\n"
    wrong = call("explain", "HN409")
    assert wrong.code == 2
    assert "HN40" in wrong.err
    assert call("rules").out.count("| HN") > 30


def test_watch_looks_once_and_sounds_the_alarm(call, dying: Path, healthy: Path, tmp_path: Path) -> None:
    result = call("watch", dying.parent, "--once", "--stop-file", tmp_path / "stop")
    assert result.code == 0
    assert "dying" in (tmp_path / "stop").read_text(encoding="utf-8")
    assert (healthy / "health.html").exists()


@pytest.mark.parametrize("name", ["\x1b[31mred", "[bold]markup", "\u202egnp"])
def test_names_reach_the_terminal_as_text(call, tmp_path: Path, name: str) -> None:
    """A folder's name may hold what a terminal or rich would obey; shown it is spelt out."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "x-500.pt").write_bytes(b"not a checkpoint")
    for path in (folder, tmp_path / f"absent{name}"):
        result = call("scan", path)
        said = "".join((result.out + result.err).split())
        assert not set("\x1b\u202e") & set(said)
        assert "bold" not in name or "[bold]markup" in said
