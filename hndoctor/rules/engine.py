"""What a rule is, and how the rules are asked.

A rule is a generator over evidence that yields `Sign`s; the engine adds code and severity.  A rule whose evidence is
missing is *not examined*, never passed.  The docstring is the manual page: the complaint, what it means, the remedy.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from hndoctor.records import Finding, Severity, Skipped


@dataclass(frozen=True)
class Sign:
    """One sighting, as the rule tells it."""

    message: str
    step: int | None = None
    subject: str | None = None
    value: float | None = None
    limit: float | None = None
    confidence: float = 1.0
    severity: Severity | None = None  # only where it differs from the rule's own
    subjects: tuple[str, ...] = ()  # all the files, where it tells of several at once


@dataclass(frozen=True)
class Rule:
    """A rule of the table: one code, one law."""

    code: str
    severity: Severity
    needs: str  # "checkpoints", "files", "optimizers", "previews", "losses", "validation", "course", "setup"
    look: Callable[[Any], Iterator[Sign]]

    @property
    def name(self) -> str:
        """The function's name with dashes: ``loss-over-the-cap``."""
        return self.look.__name__.replace("_", "-")

    @property
    def manual(self) -> str:
        """The whole docstring, dedented: what `hndoctor explain` prints."""
        lines = _docstring(self.look).strip().splitlines()
        return "\n".join(line.removeprefix("    ") for line in lines)

    @property
    def title(self) -> str:
        """The docstring's first line: the complaint."""
        return self.manual.splitlines()[0] if self.manual else ""


def _docstring(look: Callable[..., Any]) -> str:
    """A function's, from its source where Python has dropped it (-OO)."""
    if look.__doc__ is None:
        with suppress(OSError):  # no source either
            (function,) = ast.parse(inspect.getsource(look)).body
            return ast.get_docstring(cast("ast.FunctionDef", function), clean=False) or ""
    return look.__doc__ or ""


def rule(code: str, severity: Severity, needs: str) -> Callable[[Callable[[Any], Iterator[Sign]]], Rule]:
    """Make a rule of a generator function.  Registering it is one line in `RULES`."""

    def make(look: Callable[[Any], Iterator[Sign]]) -> Rule:
        return Rule(code, severity, needs, look)

    return make


def findings_of(law: Rule, evidence: object) -> Iterator[Finding]:
    """Everything one rule sees in the evidence (a `Vitals`, or a `Setup` for HN5xx)."""
    for sign in law.look(evidence):
        yield Finding(
            code=law.code,
            severity=sign.severity or law.severity,
            confidence=sign.confidence,
            message=sign.message,
            step=sign.step,
            subject=sign.subject,
            value=sign.value,
            limit=sign.limit,
            subjects=sign.subjects,
        )


def examine(
    rules: Iterable[Rule], evidence: object, missing: dict[str, str]
) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """Ask every rule.  `missing` maps a kind of evidence that is not there to the reason.

    Returns the findings, most severe first, and the kinds of evidence that rules asked for in vain.
    """
    found: list[Finding] = []
    lacking: dict[str, str] = {}
    for law in rules:
        if law.needs in missing:
            lacking[law.needs] = missing[law.needs]
        else:
            found.extend(findings_of(law, evidence))
    return sorted_by_need(found), tuple(Skipped(what, why) for what, why in lacking.items())


_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def sorted_by_need(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Most severe first, then by step, code and subject: the same input gives the same order."""
    return tuple(sorted(found, key=lambda f: (_ORDER[f.severity], f.step or 0, f.code, f.subject or "")))
