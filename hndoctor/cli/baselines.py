"""The baseline: findings that are known and pass, so that a gate can be switched on before everything is mended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from hndoctor.cli.console import write_file
from hndoctor.formats.bounded import read_text
from hndoctor.records import Finding, Severity

LIMIT = 8 << 20  # bytes: some 50,000 findings
Mark = tuple[str, str, str, str, str]
_FIELDS = ("run", "code", "subject", "step", "severity")
_ORDER = tuple(Severity)


class BaselineError(ValueError):
    """A baseline file that cannot be used; the message says why."""


def mark(run: str, finding: Finding) -> Mark:
    """What makes a finding the same one tomorrow: run, code, subject, step and severity, not its wording."""
    step = str(finding.step if finding.step is not None else "")
    return (run, finding.code, finding.subject or "", step, finding.severity.value)


def is_known(run: str, finding: Finding, known: frozenset[Mark]) -> bool:
    """Whether the baseline has it, at this severity or a worse one: what has become worse is new."""
    *place, severity = mark(run, finding)
    worse = _ORDER[_ORDER.index(Severity(severity)) :]
    return any((*place, level.value) in known for level in worse)


def read_baseline(path: Path) -> frozenset[Mark]:
    """The marks of known findings."""
    try:
        rows = json.loads(read_text(path, LIMIT))["known"]
        return frozenset(
            (str(r["run"]), str(r["code"]), str(r["subject"]), str(r["step"]), Severity(r["severity"]).value)
            for r in rows
        )
    except FileNotFoundError:
        raise BaselineError(f"{path}: no such baseline; make it with --update-baseline") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = type(error).__name__
        raise BaselineError(f"{path}: not a baseline ({said}); make it anew: --update-baseline") from None


def write_baseline(path: Path, marks: Iterable[Mark]) -> None:
    """Write today's findings as known ones."""
    rows = [dict(zip(_FIELDS, one, strict=True)) for one in sorted(marks)]
    write_file(path, json.dumps({"schema": 1, "known": rows}, indent=1) + "\n")
