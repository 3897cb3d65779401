"""`gate`: from diagnoses to an exit code, written in the formats that machines read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hndoctor.cli.baselines import read_baseline, write_baseline
from hndoctor.cli.console import UsageError, say
from hndoctor.cli.crew import ALONE, Crew
from hndoctor.cli.examining import Examined, examined
from hndoctor.cli.reports import Reports, deliver, rendered
from hndoctor.cli.sifting import Sifted, Wanted, exit_code, missing, sifted, suppressed
from hndoctor.records import Diagnosis, PictureJudgement

HTML = "html"


@dataclass(frozen=True)
class Output:
    """What to print, and which files to write beside it."""

    form: str = "text"
    out: Path | None = None
    also: tuple[tuple[str, Path], ...] = ()  # (format, file); "html": a folder
    lang: str = "en"
    quiet: bool = False


def also_from(told: Sequence[str], formats: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """``sarif=gate.sarif`` -> ("sarif", Path("gate.sarif")).  Raises UsageError."""
    made = []
    for one in told:
        form, _, file = one.partition("=")
        if form not in formats or not file:
            raise UsageError(f"--also {one}: write FORMAT=FILE, with a format of {', '.join(formats)}")
        made.append((form, Path(file)))
    return tuple(made)


def gate(paths: Sequence[Path], wanted: Wanted, output: Output, *, update: bool = False, crew: Crew = ALONE) -> int:
    """Scan without writing beside the runs, keep what counts, print, and return the exit code."""
    if update and wanted.baseline is None:
        raise UsageError("--update-baseline needs --baseline FILE")
    known = read_baseline(wanted.baseline) if wanted.baseline is not None and not update else frozenset()
    pages = [Reports(file, output.lang) for form, file in output.also if form == HTML]
    found: dict[int, Diagnosis] = {}
    pictures: list[PictureJudgement] = []
    for one in examined(paths, keep=False, quiet=output.quiet, crew=crew):
        if isinstance(one, Examined):
            found[one.place] = one.diagnosis
            for reports in pages:
                reports.add(one)
        else:
            pictures.append(one)
    diagnoses = [found[place] for place in sorted(found)]
    for reports in pages:
        reports.index(paths, diagnoses)
    results = [sifted(d, wanted, known) for d in diagnoses]
    marks = frozenset().union(*(one.marks for one in results))
    if update and wanted.baseline is not None:
        write_baseline(wanted.baseline, marks)
        results = [sifted(d, wanted, marks) for d in diagnoses]
    kept = tuple(one.kept for one in results)
    emit(results, pictures, wanted, output)
    tell(results, wanted, len(known - marks), quiet=output.quiet)
    return exit_code(kept, wanted, pictures)


def emit(results: Sequence[Sifted], pictures: Sequence[PictureJudgement], wanted: Wanted, output: Output) -> None:
    """Print in the format asked for, to stdout or into a file, and write the others that were asked for."""
    kept, passed = tuple(one.kept for one in results), suppressed(results)
    for form, file in output.also:
        if form != HTML:
            deliver(rendered(form, kept, pictures, wanted, passed), file)
    if not output.quiet:
        deliver(rendered(output.form, kept, pictures, wanted, passed), output.out)


def tell(results: Sequence[Sifted], wanted: Wanted, gone: int, *, quiet: bool) -> None:
    """Say on stderr what passed although it was found, what is lacking, and, even when quiet, what has expired."""
    for one in wanted.expired:
        say(f"hndoctor: the ignore of {one.code} ({one.reason}) expired on {one.expires}: renew or remove it")
    if quiet:
        return
    for one, count in Counter(one for result in results for _, one in result.ignored).items():
        until = f", until {one.expires}" if one.expires else ""
        say(f"ignored: {count} of {one.code} ({one.reason}{until})")
    known = sum(len(result.known) for result in results)
    if known or gone:
        more = f"; {gone} of the baseline are gone, --update-baseline forgets them" if gone else ""
        say(f"known from the baseline: {known}{more}")
    for result in results:
        if lacking := missing(result.kept, wanted.require):
            say(f"required but not examined in {result.kept.run}: {', '.join(lacking)}")
