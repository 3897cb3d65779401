"""The gate's settings: what a project may say, how it is told what is wrong, and who has the last word."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from typer.main import get_command

from hndoctor.cli import sifting
from hndoctor.cli.app import app
from hndoctor.cli.settings import Settings, SettingsError, load_settings
from hndoctor.records import Diagnosis, Finding, Severity, Verdict

TODAY = date(2026, 11, 23)
FOUND = (
    Finding("HN101", Severity.ERROR, 1.0, "nan", 500, "a-500.pt"),
    Finding("HN301", Severity.ERROR, 0.9, "noise", 500, "images/a-500.png"),
    Finding("HN309", Severity.WARNING, 1.0, "negative", None, None),
)
RUN = Diagnosis("runs/a", "a", Verdict.BROKEN, "Broken.", FOUND)


def settled(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "hndoctor.toml").write_text(text, encoding="utf-8")
    return load_settings(None, tmp_path)


def kept(settings: Settings, today: date = TODAY, **said: str) -> list[tuple[str, str]]:
    wanted = sifting.wanted_from(settings, today, **said)
    return [(f.code, f.severity.value) for f in sifting.sifted(RUN, wanted).kept.findings]


def test_severities_are_the_projects_and_the_longest_code_speaks_first(tmp_path: Path) -> None:
    told = settled(tmp_path, '[severity]\nHN3 = "info"\nHN309 = "error"\nHN101 = "off"\n')
    assert kept(told) == [("HN309", "error"), ("HN301", "info")]


def test_an_ignore_has_a_reason_a_scope_and_an_end(tmp_path: Path) -> None:
    text = '[[ignores]]\ncode = "HN3"\nreason = "confetti style"\nsubject = "images/*"\nrun = "runs/*"\nexpires = {}\n'
    told = settled(tmp_path, text.format("2026-11-23"))
    assert kept(told) == [("HN101", "error"), ("HN309", "warning")]  # HN309 is about no picture
    assert kept(told, date(2026, 11, 24)) == [("HN101", "error"), ("HN301", "error"), ("HN309", "warning")]
    wanted = sifting.wanted_from(told, date(2026, 11, 24), ignore="HN")
    only = sifting.sifted(RUN, wanted).kept
    assert sifting.exit_code([only], wanted) == sifting.FAIL  # an expired ignore fails by itself
    assert kept(settled(tmp_path, text.replace("runs/*", "other/*").format("2027-01-01")))[1] == ("HN301", "error")


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    told = settled(tmp_path, 'select = ["HN3"]\nignore = ["HN309"]\nfail-on = "warning"\nrequire = ["losses"]\n')
    assert kept(told) == [("HN301", "error")]
    assert kept(told, select="HN1") == [("HN101", "error")]
    assert kept(told, ignore="") == [("HN301", "error"), ("HN309", "warning")]
    wanted = sifting.wanted_from(told, TODAY, fail_on="error", require="")
    assert (wanted.fail_on, wanted.require) == ("error", ())
    assert sifting.wanted_from(told, TODAY).fail_on == "warning"


def test_settings_are_looked_for_upwards_and_pyproject_counts_only_with_our_table(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.hndoctor]\nfail-on = "warning"\n', encoding="utf-8")
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    assert load_settings(None, deep).source == tmp_path / "pyproject.toml"
    (tmp_path / "a" / "hndoctor.toml").write_text('baseline = "known.json"\n', encoding="utf-8")
    assert load_settings(None, deep).baseline == tmp_path / "a" / "known.json"  # beside the file that names it
    assert load_settings(None, Path(tmp_path.anchor)) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('fail_on = "error"', "no key 'fail_on'; did you mean 'fail-on'?"),
        ('fail-on = "fatal"', "'fatal' is not one of error, warning"),
        ('select = "HN1"', "write a list of texts"),
        ('ignore = ["HN999"]', "no rule's code begins with 'HN999'"),
        ('require = ["preview"]', "'preview' is no kind of evidence; did you mean 'previews'?"),
        ('[severity]\nHN101 = "fatal"', "'fatal' is not one of off, info, warning, error"),
        ('[severity]\nHN1O1 = "off"', "did you mean 'HN101'?"),
        ('[[ignores]]\ncode = "HN101"', "lacks reason"),
        ('[[ignores]]\ncode = "HN101"\nreason = "x"\nexpiry = 2027-01-01', "did you mean 'expires'?"),
        ('[[ignores]]\ncode = "HN101"\nreason = "x"\nexpires = "soon"', "write a day"),
        ('[ignores]\ncode = "HN101"', "write tables"),
        ("severity = 1", "write a table"),
        ('baseline = ""', "write a text"),
        ("= 1", "not TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_nearest_right_one(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settled(tmp_path, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value) or "not TOML" in said
    assert "hndoctor.toml" in str(caught.value)


# --- as scripts call it -----------------------------------------------------------------------------------------------


def test_a_misspelt_code_or_evidence_never_passes(call, dying: Path) -> None:
    for option, value in (("--select", "HN31O"), ("--ignore", "HM1"), ("--require", "preview")):
        result = call("gate", dying, option, value)
        assert (result.code, result.out) == (2, "")
        assert option in result.err
        assert len(result.err.strip().splitlines()) == 1


def test_an_expired_ignore_fails_loudly_even_when_quiet(call, healthy: Path, tmp_path: Path) -> None:
    settings = tmp_path / "hndoctor.toml"
    settings.write_text('[[ignores]]\ncode = "HN301"\nreason = "confetti"\nexpires = 2020-01-01\n', encoding="utf-8")
    result = call("gate", healthy, "--settings", settings, "--quiet")
    assert (result.code, result.out) == (1, "")
    assert "the ignore of HN301 (confetti) expired on 2020-01-01: renew or remove it" in result.err


def test_what_was_let_pass_is_said_on_stderr(call, dying: Path, tmp_path: Path) -> None:
    settings = tmp_path / "hndoctor.toml"
    settings.write_text('[[ignores]]\ncode = "HN"\nreason = "known to be dead"\n', encoding="utf-8")
    result = call("gate", dying, "--settings", settings)
    assert result.code == 0
    assert "(known to be dead)" in result.err
    assert "(known to be dead)" not in result.out


def test_sarif_holds_what_was_let_pass_with_its_reason(call, dying: Path, tmp_path: Path) -> None:
    settings, known = tmp_path / "hndoctor.toml", tmp_path / "known.json"
    ignore = '[[ignores]]\ncode = "HN102"\nreason = "dead on purpose"\nexpires = 2099-01-01\n'
    settings.write_text(ignore, encoding="utf-8")
    call("gate", dying, "--settings", settings, "--baseline", known, "--update-baseline")
    told = call("gate", dying, "--settings", settings, "--baseline", known, "--format", "sarif").out
    results = json.loads(told)["runs"][0]["results"]
    reasons = {(r["ruleId"], r["suppressions"][0]["justification"]) for r in results}
    assert ("HN102", "dead on purpose (until 2099-01-01)") in reasons
    assert ("HN402", "known from the baseline") in reasons
    plain = json.loads(call("gate", dying, "--format", "sarif").out)["runs"][0]["results"]
    assert len(plain) == len(results)
    assert all("suppressions" not in result for result in plain)


def test_every_option_has_its_variable() -> None:
    """HNDOCTOR_, the command, the option: one rule without an exception."""
    for command, known in get_command(app).commands.items():
        for option in known.params:
            if option.param_type_name == "argument" or option.name == "help":
                continue
            long = next(name for name in option.opts if name.startswith("--"))
            wanted = f"HNDOCTOR_{command}_{long.removeprefix('--').replace('-', '_')}".upper()
            assert option.envvar == wanted


def test_variables_are_read_and_the_command_line_beats_them(call, dying: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNDOCTOR_GATE_FORMAT", "json")
    monkeypatch.setenv("HNDOCTOR_GATE_IGNORE", "HN")
    result = call("gate", dying)
    assert result.code == 0
    assert result.out.startswith("{")
    assert call("gate", dying, "--ignore", "HN2").code == 1


def test_a_baseline_does_not_pass_what_has_become_worse() -> None:
    from hndoctor.cli.baselines import is_known, mark

    mild = Finding("HN103", Severity.WARNING, 0.8, "m", 500)
    grave = Finding("HN103", Severity.ERROR, 0.8, "m", 500)
    assert not is_known("a", grave, frozenset({mark("a", mild)}))
    assert is_known("a", mild, frozenset({mark("a", grave)}))


def test_a_baseline_forgets_what_is_gone(call, dying: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    call("gate", dying, "--baseline", known, "--update-baseline")
    (dying / "hypernetworks" / "dying-1500.pt").unlink()
    result = call("gate", dying, "--baseline", known)
    assert "are gone, --update-baseline forgets them" in result.err
    before = known.read_text(encoding="utf-8")
    call("gate", dying, "--baseline", known, "--update-baseline")
    assert len(known.read_text(encoding="utf-8")) < len(before)


def test_other_formats_are_written_from_the_same_measurement(call, dying: Path, tmp_path: Path) -> None:
    also = [f"--also=sarif={tmp_path / 'x' / 'a.sarif'}", f"--also=html={tmp_path / 'pages'}"]
    result = call("gate", dying, "--format", "github", *also, "--quiet")
    assert (result.code, result.out) == (1, "")
    assert '"2.1.0"' in (tmp_path / "x" / "a.sarif").read_text(encoding="utf-8")
    assert (tmp_path / "pages" / "health.html").exists()
    assert not (dying / "health.html").exists()
    wrong = call("gate", dying, "--also", "pdf=x")
    assert wrong.code == 2
    assert "FORMAT=FILE" in wrong.err


def test_junit_fails_what_the_gate_fails(call, dying: Path) -> None:
    strict = call("gate", dying, "--format", "junit", "--fail-on", "warning").out
    assert strict.count("<failure") >= call("gate", dying, "--format", "junit").out.count("<failure")
    assert "HN102" not in call("gate", dying, "--format", "junit", "--ignore", "HN102").out  # not asked: not passed
