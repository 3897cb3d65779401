"""`gate`: from diagnoses to an exit code.  Also what `scan` and `check` share of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hndoctor.cli.console import UsageError, write_file
from hndoctor.records import Diagnosis, Finding, PictureJudgement, Severity, Verdict

if TYPE_CHECKING:
    from hndoctor.cli.scanning import Scanned

PASS, FAIL, UNEXAMINED = 0, 1, 2
RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class BaselineError(ValueError):
    """A baseline file that cannot be used; the message says why."""


@dataclass(frozen=True)
class Wanted:
    """What counts: the severity, the codes asked for and left out, the evidence that must be there."""

    fail_on: str
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    require: tuple[str, ...] = ()


def codes(text: str) -> tuple[str, ...]:
    """ "HN1, HN301" -> ("HN1", "HN301")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def counted(finding: Finding, wanted: Wanted) -> bool:
    """Whether a finding is among those asked for."""
    if wanted.select and not finding.code.startswith(wanted.select):
        return False
    return not (wanted.ignore and finding.code.startswith(wanted.ignore))


def narrowed(diagnosis: Diagnosis, wanted: Wanted, known: frozenset[tuple[str, ...]] = frozenset()) -> Diagnosis:
    """The diagnosis with only the findings that count and are not in the baseline."""
    found = tuple(f for f in diagnosis.findings if counted(f, wanted) and mark(diagnosis.name, f) not in known)
    return replace(diagnosis, findings=found)


def exit_code(diagnoses: Sequence[Diagnosis], wanted: Wanted, pictures: Sequence[PictureJudgement] = ()) -> int:
    """1: a finding is severe enough; else 2: a run, or required evidence, could not be examined; else 0."""
    limit = RANK[Severity(wanted.fail_on)]
    if any(RANK[f.severity] >= limit for d in diagnoses for f in d.findings):
        return FAIL
    if any((p.p.get(kind) or 0.0) >= 0.5 for p in pictures for kind in ("noise", "flat", "grey_noise")):
        return FAIL
    lacking = any(d.verdict is Verdict.UNEXAMINED or missing(d, wanted.require) for d in diagnoses)
    unread = any(p.unreadable for p in pictures)
    return UNEXAMINED if lacking or unread or not (diagnoses or pictures) else PASS


def missing(diagnosis: Diagnosis, require: Sequence[str]) -> bool:
    """Whether evidence that was required was not examined."""
    return any(skipped.what.startswith(tuple(require)) for skipped in diagnosis.not_examined) if require else False


def mark(run: str, finding: Finding) -> tuple[str, ...]:
    """What makes a finding the same one tomorrow: run, code, subject and step, not its wording."""
    return (run, finding.code, finding.subject or "", str(finding.step if finding.step is not None else ""))


def read_baseline(path: Path) -> frozenset[tuple[str, ...]]:
    """The marks of known findings."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["known"]
        return frozenset((str(r["run"]), str(r["code"]), str(r["subject"]), str(r["step"])) for r in rows)
    except FileNotFoundError:
        raise BaselineError(f"{path}: no such baseline; make it with --update-baseline") from None
    except (ValueError, KeyError, TypeError) as error:
        said = type(error).__name__
        raise BaselineError(f"{path}: not a baseline ({said}); make it anew: --update-baseline") from None


def write_baseline(path: Path, diagnoses: Sequence[Diagnosis]) -> None:
    """Write today's findings as known ones."""
    marks = sorted({mark(d.name, f) for d in diagnoses for f in d.findings})
    rows = [dict(zip(("run", "code", "subject", "step"), m, strict=True)) for m in marks]
    write_file(path, json.dumps({"schema": 1, "known": rows}, indent=1) + "\n")


def gate(
    paths: Sequence[Path],
    wanted: Wanted,
    form: str,
    baseline: Path | None,
    out: Path | None,
    *,
    update: bool,
    quiet: bool,
) -> int:
    """Scan without writing, keep what counts, print, and return the exit code."""
    from hndoctor.cli import scanning

    if update and baseline is None:
        raise UsageError("--update-baseline needs --baseline FILE")
    scanned = scanning.examine(paths, keep=False, quiet=quiet)
    if update and baseline is not None:
        write_baseline(baseline, scanned.diagnoses)
    known = read_baseline(baseline) if baseline is not None else frozenset()
    kept = tuple(narrowed(d, wanted, known) for d in scanned.diagnoses)
    if not quiet:
        emit(form, kept, scanned, out)
    return exit_code(kept, wanted, scanned.pictures)


def emit(form: str, kept: Sequence[Diagnosis], scanned: Scanned, out: Path | None) -> None:
    """Print in the format asked for, to stdout or into a file."""
    from hndoctor.cli import scanning

    scanning.deliver(scanning.rendered(form, kept, scanned.pictures), out)
