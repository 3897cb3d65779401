"""SARIF 2.1.0, for GitHub's code scanning and other viewers of findings.

Checkpoints are binary: a location is a file without lines.  Fingerprints are made from run, rule, file and step, so
that the same finding of the next night is recognised as the same, whatever its wording.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hndoctor import __version__
from hndoctor.records import Diagnosis, Finding, PictureJudgement, Severity, Verdict
from hndoctor.render.figures import clean, percent, steps
from hndoctor.render.github import path_of
from hndoctor.rules.engine import Rule, sorted_by_need
from hndoctor.rules.spoken import spoken

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
RESULTS = 25_000  # as many as GitHub takes in one run
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


@dataclass(frozen=True)
class Suppressed:
    """A finding that may stand, and why: the reason of an ignore, or that the baseline knows it."""

    diagnosis: Diagnosis
    finding: Finding
    reason: str


def render_sarif(
    diagnoses: Sequence[Diagnosis],
    pictures: Sequence[PictureJudgement] = (),
    *,
    rules: Sequence[Rule] = (),
    suppressed: Sequence[Suppressed] = (),
) -> str:
    """One SARIF log with one run.  With `rules`, each result's rule carries its manual page; what is `suppressed` comes
    last, as results that viewers show as dismissed."""
    found = _in_order(diagnoses)[:RESULTS]
    passed = suppressed[: RESULTS - len(found)]
    codes = sorted({f.code for _, f in found} | {one.finding.code for one in passed} | {r.code for r in rules})
    index = {code: i for i, code in enumerate(codes)}
    pages = {r.code: r for r in rules}
    run = {
        "tool": {
            "driver": {"name": "hndoctor", "version": __version__, "rules": [_rule(c, pages.get(c)) for c in codes]}
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(diagnoses)],
        "results": [_result(d, f, index[f.code]) | ({"suppressions": []} if passed else {}) for d, f in found]
        + [_result(s.diagnosis, s.finding, index[s.finding.code]) | _suppression(s) for s in passed],
    }
    return json.dumps({"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"


def _in_order(diagnoses: Sequence[Diagnosis]) -> list[tuple[Diagnosis, Finding]]:
    """Most severe first over all runs, so that a limit cuts the least."""
    order = list(_LEVELS)
    pairs = [(d, f) for d in diagnoses for f in sorted_by_need(d.findings)]
    return sorted(pairs, key=lambda pair: order.index(pair[1].severity))


def _rule(code: str, page: Rule | None) -> dict[str, Any]:
    if page is None:
        return {"id": code}
    return {
        "id": code,
        "name": page.name,
        "shortDescription": {"text": page.title or code},
        "fullDescription": {"text": page.manual or code},
        "help": {"text": page.manual or code},
        "defaultConfiguration": {"level": _LEVELS[page.severity]},
    }


def _invocation(diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """What was not examined is told as notifications; a run of which nothing was examined is a failed one."""
    told = [(d, s.what, s.why, "note") for d in diagnoses for s in d.not_examined]
    told += [(d, "run", d.summary, "error") for d in diagnoses if d.verdict is Verdict.UNEXAMINED]
    notes = [
        {"level": level, "message": {"text": clean(f"{d.run}: not examined: {what}: {why}")}}
        for d, what, why, level in told
    ]
    good = all(d.verdict is not Verdict.UNEXAMINED for d in diagnoses)
    return {"executionSuccessful": good, "toolExecutionNotifications": notes}


def _result(diagnosis: Diagnosis, finding: Finding, index: int) -> dict[str, Any]:
    where = "" if finding.step is None else f"step {steps(finding.step)}: "
    sure = "" if finding.confidence >= 1 else f" ({percent(finding.confidence)} sure)"
    path = path_of(diagnosis, finding.subject)
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": clean(where + spoken(finding.message)) + sure},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(path)}}}],
        "partialFingerprints": {"hndoctor/v1": _fingerprint(diagnosis, finding)},
        "properties": {
            "confidence": finding.confidence,
            "step": finding.step,
            "value": finding.value,
            "limit": finding.limit,
        },
    }


def _suppression(passed: Suppressed) -> dict[str, Any]:
    """Where one result tells of suppressions, all have to: an empty list says that it is not suppressed."""
    return {"suppressions": [{"kind": "external", "status": "accepted", "justification": clean(passed.reason)}]}


def _fingerprint(diagnosis: Diagnosis, finding: Finding) -> str:
    told = json.dumps([diagnosis.name, finding.code, finding.subject, finding.step])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def uri(path: str) -> str:
    """A path as a URI reference: relative ones stay relative, absolute ones become ``file:///``."""
    escaped = quote(path.replace("\\", "/").encode("utf-8", "surrogatepass"), safe="/._-~")
    if re.match(r"[A-Za-z]%3A/", escaped):
        return f"file:///{escaped[0]}:{escaped[4:]}"
    return f"file://{escaped}" if escaped.startswith("/") else escaped
