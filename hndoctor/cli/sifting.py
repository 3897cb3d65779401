"""What counts: the severity, the rules asked for and ignored, what a baseline knows; and the exit code that follows.

`scan`, `gate`, `check` and `merge` share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from hndoctor.calibration.looks import is_spoilt
from hndoctor.cli.baselines import Mark, is_known, mark
from hndoctor.cli.console import UsageError
from hndoctor.cli.settings import Ignore, Settings, checked_codes, checked_evidence, load_settings
from hndoctor.records import Diagnosis, Finding, PictureJudgement, Severity, Verdict

if TYPE_CHECKING:
    from hndoctor.render.sarif import Suppressed

PASS, FAIL, UNEXAMINED = 0, 1, 2
RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclass(frozen=True)
class Wanted:
    """What counts: the severity, the codes asked for and left out, the evidence that must be there."""

    fail_on: str
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    severity: tuple[tuple[str, Severity | None], ...] = ()
    ignores: tuple[Ignore, ...] = ()
    expired: tuple[Ignore, ...] = ()
    baseline: Path | None = None


@dataclass(frozen=True)
class Sifted:
    """One diagnosis with the findings that count, and what became of the others."""

    kept: Diagnosis
    ignored: tuple[tuple[Finding, Ignore], ...] = ()  # each finding that an ignore let pass
    known: tuple[Finding, ...] = ()  # from the baseline
    marks: frozenset[Mark] = field(default_factory=frozenset)  # of all findings, before the baseline


def codes(text: str | None) -> tuple[str, ...] | None:
    """ "HN1, HN301" -> ("HN1", "HN301"); None where nothing was said."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def wanted_from(
    settings: Settings,
    today: date,
    *,
    fail_on: str | None = None,
    select: str | None = None,
    ignore: str | None = None,
    require: str | None = None,
    baseline: Path | None = None,
) -> Wanted:
    """What the command line says; where it is silent, what the settings say; else everything, from errors on."""
    chosen, left, needed = codes(select), codes(ignore), codes(require)
    return Wanted(
        fail_on=fail_on or settings.fail_on or "error",
        select=(settings.select or ()) if chosen is None else checked_codes(chosen, "--select"),
        ignore=(settings.ignore or ()) if left is None else checked_codes(left, "--ignore"),
        require=(settings.require or ()) if needed is None else checked_evidence(needed, "--require"),
        severity=settings.severity,
        ignores=tuple(one for one in settings.ignores if one.expires is None or today <= one.expires),
        expired=tuple(one for one in settings.ignores if one.expires is not None and today > one.expires),
        baseline=baseline or settings.baseline,
    )


def asked_for(code: str, wanted: Wanted) -> bool:
    """Whether a rule is among those asked for."""
    if wanted.select and not code.startswith(wanted.select):
        return False
    if wanted.ignore and code.startswith(wanted.ignore):
        return False
    return next((level is not None for prefix, level in wanted.severity if code.startswith(prefix)), True)


def graded(finding: Finding, wanted: Wanted) -> Finding:
    """The finding at the severity that the settings give its rule."""
    level = next((level for prefix, level in wanted.severity if finding.code.startswith(prefix)), None)
    return finding if level is None else replace(finding, severity=level)


def pardon(diagnosis: Diagnosis, finding: Finding, ignores: Iterable[Ignore]) -> Ignore | None:
    """The first ignore that lets a finding pass."""
    run = diagnosis.run.replace("\\", "/")
    for one in ignores:
        here = fnmatchcase(run, one.run) or fnmatchcase(diagnosis.name, one.run)
        if finding.code.startswith(one.code) and here and fnmatchcase(finding.subject or "", one.subject):
            return one
    return None


def sifted(diagnosis: Diagnosis, wanted: Wanted, known: frozenset[Mark] = frozenset()) -> Sifted:
    """Keep what counts: rules asked for, not ignored, not in the baseline."""
    counted = [graded(f, wanted) for f in diagnosis.findings if asked_for(f.code, wanted)]
    pardons = [(f, pardon(diagnosis, f, wanted.ignores)) for f in counted]
    standing = [f for f, one in pardons if one is None]
    old = tuple(f for f in standing if is_known(diagnosis.name, f, known))
    new = (f for f in standing if f not in old)
    return Sifted(
        replace(diagnosis, findings=tuple(sorted(new, key=lambda f: -RANK[f.severity]))),  # settings change the order
        tuple((f, one) for f, one in pardons if one is not None),
        old,
        frozenset(mark(diagnosis.name, f) for f in standing),
    )


def suppressed(results: Iterable[Sifted]) -> tuple[Suppressed, ...]:
    """What was let pass, with the reason: SARIF tells it too."""
    from hndoctor.render.sarif import Suppressed

    passed = []
    for one in results:
        passed += [Suppressed(one.kept, f, _because(ignore)) for f, ignore in one.ignored]
        passed += [Suppressed(one.kept, f, "known from the baseline") for f in one.known]
    return tuple(passed)


def _because(ignore: Ignore) -> str:
    return f"{ignore.reason} (until {ignore.expires})" if ignore.expires else ignore.reason


def exit_code(diagnoses: Sequence[Diagnosis], wanted: Wanted, pictures: Sequence[PictureJudgement] = ()) -> int:
    """1: a finding is severe enough, or an ignore has expired; else 2: a run, or required evidence, could not be
    examined; else 0."""
    limit = RANK[Severity(wanted.fail_on)]
    if wanted.expired or any(RANK[f.severity] >= limit for d in diagnoses for f in d.findings):
        return FAIL
    if any(map(is_spoilt, pictures)):
        return FAIL
    lacking = any(d.verdict is Verdict.UNEXAMINED or missing(d, wanted.require) for d in diagnoses)
    unread = any(p.unreadable for p in pictures)
    return UNEXAMINED if lacking or unread or not (diagnoses or pictures) else PASS


def missing(diagnosis: Diagnosis, require: Sequence[str]) -> tuple[str, ...]:
    """Which of the evidence that was required was not examined."""
    return tuple(kind for kind in require if any(s.what == kind for s in diagnosis.not_examined))


def today() -> date:
    """The day by which ignores expire: the same all over the world."""
    return datetime.now(UTC).date()


def settled(path: Path | None) -> Settings:
    """The project's settings: of `path`, or the nearest from here upwards."""
    try:
        return load_settings(path, Path.cwd())
    except FileNotFoundError:
        raise UsageError("the folder that you are in has been removed; change to another") from None
