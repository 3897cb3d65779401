"""JUnit XML: a test case for each checkpoint and rule, so that a CI's table shows which file broke which law.

A suite is a run.  A finding at or above `fail_on` is a failure; one below passes and says so in its output; a rule
whose evidence is missing is skipped with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from hndoctor.records import Diagnosis, Finding, PictureJudgement, Severity, State, Verdict
from hndoctor.render.figures import clean, percent, steps
from hndoctor.rules.engine import Rule
from hndoctor.rules.spoken import spoken

PER_CHECKPOINT = frozenset({"checkpoints", "optimizers"})  # kinds of evidence of which every checkpoint has its own
_ORDER = list(Severity)


def render_junit(
    diagnoses: Sequence[Diagnosis],
    pictures: Sequence[PictureJudgement] = (),
    *,
    rules: Sequence[Rule] = (),
    fail_on: Severity = Severity.ERROR,
) -> str:
    """One `testsuites` document.  With `rules`, laws that were kept are there too, as test cases that pass."""
    suites = ElementTree.Element("testsuites", name="hndoctor")
    for diagnosis in diagnoses:
        suite = ElementTree.SubElement(suites, "testsuite", name=_text(diagnosis.run))
        _suite(suite, diagnosis, rules, fail_on)
        _sum_up(suite)
    for kind in ("tests", "failures", "errors", "skipped"):
        suites.set(kind, str(sum(int(s.get(kind, "0")) for s in suites)))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _suite(suite: ElementTree.Element, diagnosis: Diagnosis, rules: Sequence[Rule], fail_on: Severity) -> None:
    if diagnosis.verdict is Verdict.UNEXAMINED:
        case = _case(suite, diagnosis.run, "examined")
        ElementTree.SubElement(case, "error", type="unexamined", message=_text(diagnosis.summary))
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in diagnosis.findings:
        grouped.setdefault((finding.subject or diagnosis.run, finding.code), []).append(finding)
    names = {r.code: f"{r.code} {r.name}" for r in rules}
    for (subject, code), findings in grouped.items():
        _found(_case(suite, subject, names.get(code, code)), findings, fail_on)
    _kept(suite, diagnosis, rules, set(grouped))
    for skipped in diagnosis.not_examined:
        case = _case(suite, skipped.what, "not examined")
        ElementTree.SubElement(case, "skipped", message=_text(skipped.why))


def _found(case: ElementTree.Element, findings: Sequence[Finding], fail_on: Severity) -> None:
    """All sightings of one law in one file: one test case."""
    told = "\n".join(_told(f) for f in findings)
    worst = max((f.severity for f in findings), key=_ORDER.index)
    if _ORDER.index(worst) < _ORDER.index(fail_on):
        ElementTree.SubElement(case, "system-out").text = told
        return
    failure = ElementTree.SubElement(case, "failure", type=worst.value, message=_text(spoken(findings[0].message)))
    failure.text = told


def _kept(
    suite: ElementTree.Element, diagnosis: Diagnosis, rules: Sequence[Rule], broken: set[tuple[str, str]]
) -> None:
    """Laws that were asked and silent.  A law whose evidence is missing was not kept: it is not here."""
    missing = {s.what for s in diagnosis.not_examined}
    files = [s.checkpoint for s in diagnosis.course if s.checkpoint and s.state is not State.UNREADABLE]
    seen = {code for _, code in broken}
    for law in rules:
        if law.needs in missing or diagnosis.verdict is Verdict.UNEXAMINED or law.needs == "setup":
            continue
        if law.needs in PER_CHECKPOINT:
            for file in files:
                if (file, law.code) not in broken:
                    _case(suite, file, f"{law.code} {law.name}")
        elif law.code not in seen:
            _case(suite, diagnosis.run, f"{law.code} {law.name}")


def _told(finding: Finding) -> str:
    where = "" if finding.step is None else f"step {steps(finding.step)}: "
    sure = "" if finding.confidence >= 1 else f" ({percent(finding.confidence)} sure)"
    return _text(f"{finding.severity.value}: {where}{spoken(finding.message)}{sure}")


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_text(classname), name=_text(name), time="0")


def _text(text: str) -> str:
    """Text that XML 1.0 can hold: `clean` has shown controls and surrogates; two more code points are forbidden."""
    return clean(text).replace("\ufffe", "?").replace("\uffff", "?")


def _sum_up(suite: ElementTree.Element) -> None:
    counts = {"tests": len(suite)}
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        counts[kind] = sum(case.find(tag) is not None for case in suite)
    for kind, count in counts.items():
        suite.set(kind, str(count))
