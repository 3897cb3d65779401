"""`scan`: find, measure, judge, write the reports, print.  `gate` shares all of it but the writing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import hndoctor
from hndoctor.cli import crew as crews
from hndoctor.cli import gating
from hndoctor.cli.console import UsageError, error_console, escape, progress_where_seen, say, write_file
from hndoctor.cli.crew import ALONE, Crew
from hndoctor.records import Diagnosis, PictureJudgement, Run, Severity, Vitals
from hndoctor.remote import Here, here, url_of

if TYPE_CHECKING:
    from rich.progress import Progress

    from hndoctor.vitals import Progress as Event

PAGE, NUMBERS, INDEX = "health.html", "vitals.json", "index.html"


@dataclass(frozen=True)
class Scanned:
    """Everything that came out of the paths, in their order."""

    runs: tuple[Run, ...] = ()
    vitals: tuple[Vitals, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    pictures: tuple[PictureJudgement, ...] = ()
    stopped: bool = False  # by Ctrl-C: what was measured until then is here


def scan(
    paths: Sequence[Path],
    form: str,
    out: Path | None,
    fail_on: str,
    *,
    open_report: bool,
    lang: str = "en",
    crew: Crew = ALONE,
) -> int:
    """Measure and judge; write `vitals.json` and `health.html`; print; return the exit code."""
    folder = out if out is not None and (out.is_dir() or not out.suffix) else None
    if folder is None and (far := next(filter(None, map(url_of, paths)), None)):
        raise UsageError(f"{far}: nothing is written there; say where the report goes: --out DIR")
    scanned = examine(paths, keep=True, crew=crew)
    pages = write_reports(scanned, folder, lang)
    index = write_index(paths, scanned, pages, folder, lang)
    text = page_of(scanned, lang) if form == "html" else rendered(form, scanned.diagnoses, scanned.pictures)
    deliver(text, None if folder is not None else out)
    show_reports(index, pages)
    first = index or next(iter(pages.values()), None)
    if open_report and first is not None:
        import webbrowser

        webbrowser.open(first.resolve().as_uri())
    if scanned.stopped:
        raise KeyboardInterrupt
    return gating.exit_code(scanned.diagnoses, gating.Wanted(fail_on), scanned.pictures)


def examine(paths: Sequence[Path], *, keep: bool, quiet: bool = False, crew: Crew = ALONE) -> Scanned:
    """Find and judge everything that the paths name.

    `keep`: what a `vitals.json` knows is not measured again, and what is measured is kept there.
    """
    with ExitStack() as copies:
        return _examined([copies.enter_context(here(path)) for path in paths], keep=keep, quiet=quiet, crew=crew)


def _examined(places: Sequence[Here], *, keep: bool, quiet: bool, crew: Crew) -> Scanned:
    runs, pictures = found([place.path for place in places])
    with progress_where_seen(quiet=quiet) as bar:
        if crew.alone or len(runs) < 2:
            measured, stopped = _one_by_one(runs, bar, keep=keep)
        else:
            measured, stopped = crews.measured(runs, crew, keep=keep, bar=bar)
    told = {place: _told(vitals, places) for place, vitals in sorted(measured.items())}
    return Scanned(
        tuple(runs[place] for place in told),
        tuple(told.values()),
        tuple(hndoctor.judge(vitals) for vitals in told.values()),
        judged(pictures),
        stopped,
    )


def _one_by_one(runs: Sequence[Run], bar: Progress | None, *, keep: bool) -> tuple[dict[int, Vitals], bool]:
    """Vitals by the run's place; True: Ctrl-C stopped it, and the last are of what was measured until then."""
    measured: dict[int, Vitals] = {}
    for place, run in enumerate(runs):
        measured[place], stopped = measure(run, bar, keep=keep)
        if stopped:
            return measured, True
    return measured, False


def _told(vitals: Vitals, places: Sequence[Here]) -> Vitals:
    """Under the name that the user knows: a copy's run by its URL."""
    for place in places:
        vitals = replace(vitals, run=place.told(vitals.run))
    return vitals


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


def measure(run: Run, bar: Progress | None, *, keep: bool) -> tuple[Vitals, bool]:
    """Measure one run behind a progress bar; True: Ctrl-C stopped it, and the vitals hold what was measured."""
    from hndoctor.vitals import measuring

    show, hide = _shown(run, bar) if bar else (_nowhere, _gone)
    vitals = Vitals(str(run.root), run.name)
    with closing(measuring(run, cache=keep, rough=not keep)) as events:
        try:
            for event in events:
                vitals = event.vitals
                show(event)
        except KeyboardInterrupt:
            return vitals, True
    hide()
    return vitals, False


def _shown(run: Run, bar: Progress) -> tuple[Callable[[Event], None], Callable[[], None]]:
    """How to move a run's bar on, and how to take it away."""

    task = bar.add_task(f"measuring {escape(run.name)}", total=None, note="")

    def show(event: Event) -> None:
        bar.update(task, completed=event.done, total=event.total, note=escape(PurePath(event.what).name))

    return show, lambda: bar.remove_task(task)


def _nowhere(event: Event) -> None: ...


def _gone() -> None: ...


# --- writing ----------------------------------------------------------------------------------------------------------


def write_reports(scanned: Scanned, folder: Path | None, lang: str = "en") -> dict[str, Path]:
    """Write each run's files into it, or below `folder`; returns the pages by run.  What cannot be written is said."""
    pages: dict[str, Path] = {}
    for run, vitals, diagnosis in zip(scanned.runs, scanned.vitals, scanned.diagnoses, strict=True):
        several = len(scanned.runs) > 1
        home = folder / f"{len(pages) + 1:03d}-{run.name}" if folder and several else folder
        try:
            pages[diagnosis.run] = write_report(run, vitals, diagnosis, home, lang)
        except OSError as error:
            say(f"not written: {error.filename or run.root}: {error.strerror or error}")
    return pages


def write_report(run: Run, vitals: Vitals, diagnosis: Diagnosis, home: Path | None = None, lang: str = "en") -> Path:
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
    write_file(page, render_html(diagnosis, vitals, RULES, language=lang, beside=home is None))
    return page


def write_index(
    paths: Sequence[Path], scanned: Scanned, pages: dict[str, Path], folder: Path | None, lang: str = "en"
) -> Path | None:
    """The page of all runs: in `folder`, or in the one folder of runs that was named; else there is none."""
    from hndoctor.render import render_index

    home = folder or (paths[0] if len(paths) == 1 and paths[0].is_dir() else None)
    if home is None or len(pages) < 2:
        return None
    links = {run: PurePath(os.path.relpath(page, home)).as_posix() for run, page in pages.items()}
    try:
        write_file(home / INDEX, render_index(scanned.diagnoses, links, vitals=scanned.vitals, language=lang))
    except OSError as error:
        say(f"not written: {home / INDEX}: {error.strerror or error}")
        return None
    return home / INDEX


def show_reports(index: Path | None, pages: dict[str, Path]) -> None:
    """Say where the pages lie: the index if there is one."""
    for page in [index] if index else pages.values():
        say(f"report: {page}")


# --- printing ---------------------------------------------------------------------------------------------------------


def page_of(scanned: Scanned, lang: str = "en") -> str:
    """The HTML that `--format html` prints: the run's page, or the index of several."""
    from hndoctor.render import render_html, render_index
    from hndoctor.rules import RULES

    if not scanned.diagnoses:
        raise UsageError("pictures alone have no HTML page; use --format json or text")
    if len(scanned.diagnoses) == 1:
        return render_html(scanned.diagnoses[0], scanned.vitals[0], RULES, language=lang, beside=False)
    return render_index(scanned.diagnoses, vitals=scanned.vitals, language=lang)


def rendered(
    form: str,
    diagnoses: Sequence[Diagnosis],
    pictures: Sequence[PictureJudgement],
    wanted: gating.Wanted | None = None,
) -> str:
    """The text of one format; colours only for a terminal.  `wanted` says which rules were asked at all."""
    from hndoctor.render import RENDERERS, render_junit, render_sarif, render_text

    if form == "text" and sys.stdout.isatty():
        return render_text(diagnoses, pictures, colour=True, width=error_console().width)
    if form in ("junit", "sarif"):
        from hndoctor.rules import RULES

        asked = wanted or gating.Wanted("error")
        laws = [law for law in RULES if gating.asked_for(law.code, asked)]
        if form == "sarif":
            return render_sarif(diagnoses, pictures, rules=laws)
        return render_junit(diagnoses, pictures, rules=laws, fail_on=Severity(asked.fail_on))
    return {known.name: known.render for known in RENDERERS}[form](diagnoses, pictures)


def deliver(text: str, out: Path | None) -> None:
    """To stdout, or into a file."""
    if out is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    else:
        write_file(out, text)
