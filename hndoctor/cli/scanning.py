"""`scan`: find, measure, judge, write the reports, print.  `gate` shares all of it but the writing."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath

from rich.progress import Progress

import hndoctor
from hndoctor.cli import gating
from hndoctor.cli.console import UsageError, error_console, escape, progress_bar, write_file
from hndoctor.records import Diagnosis, PictureJudgement, Run, Vitals

PAGE, NUMBERS, INDEX = "health.html", "vitals.json", "index.html"


@dataclass(frozen=True)
class Scanned:
    """Everything that came out of the paths, in their order."""

    runs: tuple[Run, ...] = ()
    vitals: tuple[Vitals, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    pictures: tuple[PictureJudgement, ...] = ()
    stopped: bool = False  # by Ctrl-C: what was measured until then is here


def scan(paths: Sequence[Path], form: str, out: Path | None, fail_on: str, *, open_report: bool) -> int:
    """Measure and judge; write `vitals.json` and `health.html`; print; return the exit code."""
    folder = out if out is not None and (out.is_dir() or not out.suffix) else None
    scanned = examine(paths, keep=True)
    pages = write_reports(scanned, folder)
    index = write_index(paths, scanned, pages, folder)
    text = page_of(scanned) if form == "html" else rendered(form, scanned.diagnoses, scanned.pictures)
    deliver(text, None if folder is not None else out)
    show_reports(index, pages)
    first = index or next(iter(pages.values()), None)
    if open_report and first is not None:
        webbrowser.open(first.resolve().as_uri())
    if scanned.stopped:
        raise KeyboardInterrupt
    return gating.exit_code(scanned.diagnoses, gating.Wanted(fail_on), scanned.pictures)


def examine(paths: Sequence[Path], *, keep: bool, quiet: bool = False) -> Scanned:
    """Find and judge everything that the paths name.

    `keep`: what a `vitals.json` knows is not measured again, and what is measured is kept there.
    """
    runs, pictures = found(paths)
    measured: list[Vitals] = []
    stopped = False
    with progress_bar(error_console(), quiet=quiet) as bar:
        for run in runs:
            vitals, stopped = measure(run, bar, keep=keep)
            measured.append(vitals)
            if stopped:
                break
    return Scanned(
        tuple(runs[: len(measured)]),
        tuple(measured),
        tuple(hndoctor.judge(vitals) for vitals in measured),
        judged(pictures),
        stopped,
    )


def judged(pictures: Sequence[Path]) -> tuple[PictureJudgement, ...]:
    """Pictures judged alone.  What that needs is imported only where there are any."""
    if not pictures:
        return ()
    from hndoctor.metrics import judge_picture

    return tuple(judge_picture(path) for path in pictures)


def found(paths: Sequence[Path]) -> tuple[list[Run], list[Path]]:
    """The runs that the paths hold, and the pictures where a path holds nothing else."""
    from hndoctor.collect import find_pictures, find_runs

    runs: dict[tuple[Path, str], Run] = {}
    pictures: dict[Path, None] = {}
    for path in paths:
        alone = find_pictures(path)
        pictures.update(dict.fromkeys(alone))
        for run in () if alone else find_runs(path):
            runs.setdefault((run.root, run.name), run)  # named twice is examined once
    return list(runs.values()), list(pictures)


def measure(run: Run, bar: Progress, *, keep: bool) -> tuple[Vitals, bool]:
    """Measure one run behind a progress bar; True: Ctrl-C stopped it, and the vitals hold what was measured."""
    from hndoctor.vitals import measuring

    task = bar.add_task(f"measuring {escape(run.name)}", total=None, note="")
    vitals = Vitals(str(run.root), run.name)
    with closing(measuring(run, cache=keep)) as events:
        try:
            for event in events:
                vitals = event.vitals
                bar.update(task, completed=event.done, total=event.total, note=escape(PurePath(event.what).name))
        except KeyboardInterrupt:
            return vitals, True
    bar.remove_task(task)
    return vitals, False


# --- writing ----------------------------------------------------------------------------------------------------------


def write_reports(scanned: Scanned, folder: Path | None) -> dict[str, Path]:
    """Write each run's files into it, or below `folder`; returns the pages by run.  What cannot be written is said."""
    pages: dict[str, Path] = {}
    for run, vitals, diagnosis in zip(scanned.runs, scanned.vitals, scanned.diagnoses, strict=True):
        several = len(scanned.runs) > 1
        home = folder / f"{len(pages) + 1:03d}-{run.name}" if folder and several else folder
        try:
            pages[diagnosis.run] = write_report(run, vitals, diagnosis, home)
        except OSError as error:
            error_console().print(f"not written: {escape(str(error.filename or run.root))}: {error.strerror or error}")
    return pages


def write_report(run: Run, vitals: Vitals, diagnosis: Diagnosis, home: Path | None = None) -> Path:
    """Write `vitals.json` and `health.html` of one run; return the page's path."""
    from hndoctor.collect import beside
    from hndoctor.render import render_html
    from hndoctor.rules import RULES
    from hndoctor.vitals import save

    page = beside(run, PAGE) if home is None else home / PAGE
    numbers = beside(run, NUMBERS) if home is None else home / NUMBERS
    page.parent.mkdir(parents=True, exist_ok=True)
    if run.vitals is None or home is not None:
        save(vitals, numbers)
    write_file(page, render_html(diagnosis, vitals, RULES, beside=home is None))
    return page


def write_index(paths: Sequence[Path], scanned: Scanned, pages: dict[str, Path], folder: Path | None) -> Path | None:
    """The page of all runs: in `folder`, or in the one folder of runs that was named; else there is none."""
    from hndoctor.render import render_index

    home = folder or (paths[0] if len(paths) == 1 and paths[0].is_dir() else None)
    if home is None or len(pages) < 2:
        return None
    links = {run: PurePath(os.path.relpath(page, home)).as_posix() for run, page in pages.items()}
    try:
        write_file(home / INDEX, render_index(scanned.diagnoses, links))
    except OSError as error:
        error_console().print(f"not written: {escape(str(home / INDEX))}: {error.strerror or error}")
        return None
    return home / INDEX


def show_reports(index: Path | None, pages: dict[str, Path]) -> None:
    """Say where the pages lie: the index if there is one."""
    for page in [index] if index else pages.values():
        error_console().print(f"report: {escape(str(page))}", soft_wrap=True)


# --- printing ---------------------------------------------------------------------------------------------------------


def page_of(scanned: Scanned) -> str:
    """The HTML that `--format html` prints: the run's page, or the index of several."""
    from hndoctor.render import render_html, render_index
    from hndoctor.rules import RULES

    if not scanned.diagnoses:
        raise UsageError("pictures alone have no HTML page; use --format json or text")
    if len(scanned.diagnoses) == 1:
        return render_html(scanned.diagnoses[0], scanned.vitals[0], RULES, beside=False)
    return render_index(scanned.diagnoses)


def rendered(form: str, diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement]) -> str:
    """The text of one format; colours only for a terminal."""
    from hndoctor.render import RENDERERS, render_junit, render_sarif, render_text

    if form == "text" and sys.stdout.isatty():
        return render_text(diagnoses, pictures, colour=True, width=error_console().width)
    if form in ("junit", "sarif"):
        from hndoctor.rules import RULES

        told = render_junit if form == "junit" else render_sarif
        return told(diagnoses, pictures, rules=RULES)
    return {known.name: known.render for known in RENDERERS}[form](diagnoses, pictures)


def deliver(text: str, out: Path | None) -> None:
    """To stdout, or into a file."""
    if out is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    else:
        write_file(out, text)
