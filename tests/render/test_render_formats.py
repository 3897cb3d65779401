"""Text, JSON, JUnit, SARIF, GitHub, Markdown: golden files, and what each format's readers rely on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import render_examples as examples

from hndoctor.records import Diagnosis, Finding, Severity, Verdict
from hndoctor.render import RENDERERS
from hndoctor.render.figures import clean, number, percent, plain, rate
from hndoctor.render.github import SHOWN_OF_A_TYPE, render_github, render_step_summary
from hndoctor.render.json import render_json
from hndoctor.render.junit import render_junit
from hndoctor.render.manual import render_rule, render_rules
from hndoctor.render.markdown import SUMMARY_LIMIT, escape, render_markdown
from hndoctor.render.sarif import Suppressed, render_sarif, uri
from hndoctor.render.text import render_text

Golden = Callable[[str, str], None]
Runs = dict[str, examples.Example]
HOSTILE_ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def diagnoses(runs: Runs) -> list[Diagnosis]:
    return [diagnosis for diagnosis, _ in runs.values()]


@pytest.mark.parametrize("name", [r.name for r in RENDERERS])
def test_golden(name: str, runs: Runs, golden: Golden) -> None:
    render = next(r for r in RENDERERS if r.name == name)
    golden(f"runs.{render.suffix}", render.render(diagnoses(runs), examples.PICTURES))


@pytest.mark.parametrize("name", [r.name for r in RENDERERS])
def test_same_input_same_bytes(name: str, runs: Runs, twins: Runs) -> None:
    render = next(r for r in RENDERERS if r.name == name).render
    assert render(diagnoses(runs), ()) == render(diagnoses(twins), ())


@pytest.mark.parametrize("name", [r.name for r in RENDERERS])
def test_nothing_that_acts_comes_through(name: str, runs: Runs) -> None:
    text = next(r for r in RENDERERS if r.name == name).render(diagnoses(runs), examples.PICTURES)
    assert not HOSTILE_ACTS.search(text)
    text.encode("utf-8")


@pytest.mark.parametrize("name", [r.name for r in RENDERERS])
def test_no_run_at_all(name: str) -> None:
    assert next(r for r in RENDERERS if r.name == name).render((), ()) is not None


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_keeps_the_contract(runs: Runs) -> None:
    told = json.loads(render_json(diagnoses(runs)))
    assert set(told) == {"hndoctor", "schema", "runs"}
    dying = told["runs"][1]
    assert dying["prescription"]["resume_from"] == {"checkpoint": "hypernetworks/fischl-1750.pt", "step": 1750}
    assert dying["course"][0]["stored_step"] == 249
    assert dying["onset"] == {"overtrained": None, "broken": 2500}
    assert dying["course"][-1]["p"] == {}
    assert set(dying["findings"][0]) == {
        "code",
        "severity",
        "confidence",
        "step",
        "subject",
        "message",
        "value",
        "limit",
    }
    assert told["runs"][3]["prescription"] is None


def test_json_tells_of_pictures_only_when_judged(runs: Runs) -> None:
    told = json.loads(render_json([], examples.PICTURES))
    assert told["runs"] == []
    assert told["pictures"][0]["p"] == {"noise": 0.99, "flat": 0.0, "fried": None, "repetition": 0.01}
    assert "pictures" not in json.loads(render_json(diagnoses(runs)))


def test_json_keeps_names_as_they_are(runs: Runs) -> None:
    assert json.loads(render_json([runs["hostile"][0]]))["runs"][0]["name"] == examples.HOSTILE


def test_json_refuses_what_is_not_a_number(runs: Runs) -> None:
    sick = replace(runs["healthy"][0], findings=(Finding("HN101", Severity.ERROR, 1.0, "x", value=float("nan")),))
    with pytest.raises(ValueError, match="JSON"):
        render_json([sick])


# --- text -------------------------------------------------------------------------------------------------------------


def test_text_is_plain_when_piped_and_coloured_when_asked(runs: Runs) -> None:
    assert "\x1b" not in render_text(diagnoses(runs))
    assert "\x1b[" in render_text([runs["dying"][0]], colour=True)


def test_text_never_breaks_a_command(runs: Runs) -> None:
    command = runs["dying"][0].prescription.how_hndoctor[0]
    assert f"    $ {command}\n" in render_text([runs["dying"][0]], width=40)
    bare = re.sub("\x1b\\[[0-9;]*m", "", render_text([runs["dying"][0]], colour=True, width=40))
    assert f"$ {command}\n" in bare


def test_a_terminal_sets_a_finding_beside_its_code_and_a_remedys_command_on_a_line_of_its_own(runs: Runs) -> None:
    diagnosis = runs["dying"][0]
    assert diagnosis.prescription is not None
    remedy = "average them: hndoctor merge runs/fischl/hypernetworks/fischl-1500.pt runs/fischl --out merged.pt"
    advised = replace(diagnosis, prescription=replace(diagnosis.prescription, free_remedies=(remedy,)))
    told = re.sub("\x1b\\[[0-9;]*m", "", render_text([advised], colour=True, width=60)).splitlines()
    at = next(i for i, line in enumerate(told) if "HN301" in line)
    assert told[at].startswith("  error   HN301  step 3,000")
    assert told[at + 1].startswith(" " * 17)
    assert told[told.index("    also: average them") + 1].endswith(f"$ {remedy.partition(': ')[2]}")


def test_text_counts_what_repeats(runs: Runs) -> None:
    many = tuple(Finding("HN101", Severity.ERROR, 1.0, "NaN", step) for step in range(100, 2100, 100))
    text = render_text([replace(runs["dying"][0], findings=many)])
    assert text.count("HN101  step") == 5
    assert "and 15 more of HN101" in text


# --- JUnit ------------------------------------------------------------------------------------------------------------


def test_junit_fails_at_the_severity_asked_for(runs: Runs) -> None:
    strict = ElementTree.fromstring(render_junit([runs["dying"][0]], fail_on=Severity.WARNING))
    usual = ElementTree.fromstring(render_junit([runs["dying"][0]]))
    assert (usual.get("failures"), strict.get("failures")) == ("3", "5")


def test_junit_has_a_case_for_each_checkpoint_and_rule(runs: Runs) -> None:
    suite = ElementTree.fromstring(render_junit([runs["dying"][0]], rules=examples.RULES))[0]
    cases = [(c.get("classname"), c.get("name")) for c in suite]
    assert len(cases) == len(set(cases))
    assert ("hypernetworks/fischl-250.pt", "HN101 weights-not-finite") in cases
    assert ("hypernetworks/fischl-4500.pt", "HN101 weights-not-finite") not in cases  # it could not be read
    assert ("runs/fischl", "HN402 overtrained") not in cases  # validation is missing: not examined, never passed
    assert suite.get("tests") == str(len(cases))
    assert suite.get("skipped") == "2"


def test_junit_never_passes_an_unexamined_run(runs: Runs) -> None:
    suites = ElementTree.fromstring(render_junit([runs["unexamined"][0]], rules=examples.RULES))
    assert suites.get("errors") == "1"


# --- SARIF ------------------------------------------------------------------------------------------------------------


def test_sarif_points_at_rules_and_files(runs: Runs) -> None:
    log = json.loads(render_sarif(diagnoses(runs), rules=examples.RULES))["runs"][0]
    rules = log["tool"]["driver"]["rules"]
    for result in log["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert re.fullmatch(
            r"[A-Za-z0-9._~/%:-]+", result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        )
    levels = [result["level"] for result in log["results"]]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert log["invocations"][0]["executionSuccessful"] is False  # one run was not examined


def test_sarif_tells_what_may_stand_and_why(runs: Runs) -> None:
    diagnosis = runs["dying"][0]
    first, *rest = diagnosis.findings
    passed = Suppressed(diagnosis, first, "known to be dead\u202e (until 2027-03-31)")
    log = json.loads(render_sarif([replace(diagnosis, findings=tuple(rest))], suppressed=[passed]))["runs"][0]
    *standing, last = log["results"]
    assert [result["suppressions"] for result in standing] == [[]] * len(rest)  # all or none have to tell
    told = {"kind": "external", "status": "accepted", "justification": "known to be dead\\u202e (until 2027-03-31)"}
    assert (last["ruleId"], last["suppressions"]) == (first.code, [told])
    assert "suppressions" not in json.loads(render_sarif([diagnosis]))["runs"][0]["results"][0]


@pytest.mark.parametrize("form", ["text", "markdown", "github", "junit", "sarif"])
def test_people_read_words_and_tools_read_names(form: str, runs: Runs) -> None:
    message = "the gain of 768.v is 5.68e+04 at step 9,000"
    diagnosis = replace(runs["dying"][0], findings=(Finding("HN102", Severity.ERROR, 1.0, message, step=9000),))
    told = {r.name: r.render for r in RENDERERS}[form]([diagnosis], [])
    assert "the gain of the value network of size 768 is 56,800 at step 9,000" in told
    assert message in render_json([diagnosis])


def test_sarif_fingerprints_outlive_wording(runs: Runs) -> None:
    def prints(diagnosis: Diagnosis) -> Iterator[str]:
        for result in json.loads(render_sarif([diagnosis]))["runs"][0]["results"]:
            yield result["partialFingerprints"]["hndoctor/v1"]

    diagnosis = runs["dying"][0]
    reworded = replace(diagnosis, findings=tuple(replace(f, message="other words") for f in diagnosis.findings))
    assert list(prints(diagnosis)) == list(prints(reworded))
    assert len(set(prints(diagnosis))) == len(diagnosis.findings)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("runs/a b/x-5.pt", "runs/a%20b/x-5.pt"),
        ("/tmp/x.pt", "file:///tmp/x.pt"),
        ("C:\\runs\\x.pt", "file:///C:/runs/x.pt"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("名.pt", "%E5%90%8D.pt"),
    ],
)
def test_uri(path: str, address: str) -> None:
    assert uri(path) == address


# --- GitHub and Markdown ----------------------------------------------------------------------------------------------


def test_github_stays_within_the_limits(runs: Runs) -> None:
    many = tuple(Finding("HN101", Severity.ERROR, i / 100, f"number {i}", i) for i in range(40))
    lines = render_github([replace(runs["dying"][0], findings=many)]).splitlines()
    assert sum(line.startswith("::error ") for line in lines) == SHOWN_OF_A_TYPE
    assert "number 39" in lines[0]
    assert lines[-1] == "hndoctor: 30 more of type error are not shown as annotations"


def test_github_escapes(runs: Runs) -> None:
    evil = Finding("HN101", Severity.ERROR, 1.0, "50 %\n::error::forged", 1, "a,b:c.pt")
    text = render_github([replace(runs["healthy"][0], findings=(evil,))])
    assert text == "::error file=runs/klimt-style/a%2Cb%3Ac.pt,title=HN101 at step 1::50 %25 ::error::forged\n"


def test_github_tells_of_unexamined_runs(runs: Runs) -> None:
    assert "title=not examined::" in render_github([runs["unexamined"][0]])


def test_summary_is_never_too_large(runs: Runs) -> None:
    long = Finding("HN101", Severity.ERROR, 1.0, "x" * 5000)
    many = [replace(runs["dying"][0], run=f"runs/{i}", findings=(long,) * 20) for i in range(15)]
    text = render_step_summary(many)
    assert len(text.encode()) < SUMMARY_LIMIT
    assert "do not fit" in text.splitlines()[-1]


def test_markdown_escapes() -> None:
    assert escape("a|b <img> [x](y) @me http://x #1 `c`") == (
        "a\\|b \\<img\\> \\[x\\](y) @\u200bme http\\://x \\#1 \\`c\\`"
    )


def test_markdown_has_the_verdict_and_the_next_step(runs: Runs) -> None:
    text = render_markdown([runs["dying"][0]])
    assert "❌ runs/fischl: broken" in text
    assert "**Go back to step 1,750 and continue at 5e-6.**" in text


# --- rules, figures ---------------------------------------------------------------------------------------------------


def test_rules_golden(golden: Golden) -> None:
    golden("rules.md", render_rules(examples.RULES))
    golden("rule.txt", render_rule(examples.RULES[1]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (37, "37"),
        (0.42, "0.42"),
        (12_400.4, "12,400"),
        (5e-7, "5e-7"),
        (0, "0"),
        (None, "–"),
        (1e7, "1e7"),
        (-0.5, "-0.5"),
        (9.996e-7, "1e-6"),
    ],
)
def test_number(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_rates_in_powers_and_in_words() -> None:
    assert (rate(5e-7), plain(5e-7)) == ("5e-7", "0.0000005")
    assert (rate(1.5e-6), plain(1.5e-6)) == ("1.5e-6", "0.0000015")


@pytest.mark.parametrize(
    ("share", "shown"), [(0.984, "98%"), (0.999, ">99%"), (1.0, "100%"), (0.001, "<1%"), (0.0, "0%")]
)
def test_percent_never_rounds_to_certainty(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_clean_shows_what_acts() -> None:
    assert clean("a\u202eb\x1b[0m\n\udcffc") == "a\\u202eb\\x1b[0m \\udcffc"
    assert clean("日本語 é") == "日本語 é"


def test_verdicts_all_have_marks() -> None:
    for verdict in Verdict:
        assert verdict.value in render_markdown([Diagnosis("r", "r", verdict, "s")])
