"""`scan`: find, measure, judge, write the reports, print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hndoctor.cli.console import StoppedError, UsageError
from hndoctor.cli.crew import ALONE, Crew
from hndoctor.cli.examining import Examined, examined
from hndoctor.cli.reports import Reports, deliver, rendered
from hndoctor.cli.sifting import Wanted, exit_code
from hndoctor.records import Diagnosis, PictureJudgement
from hndoctor.remote import url_of


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
        raise UsageError(f"{far}: nothing is written there unasked; say where the report goes: --out DIR, or a URL")
    reports = Reports(folder, lang)
    found: dict[int, Diagnosis] = {}
    pictures: list[PictureJudgement] = []
    stopped: StoppedError | None = None
    try:
        shown = form == "html" or folder is not None
        for one in examined(paths, keep=True, crew=crew, shown=shown):
            if isinstance(one, Examined):
                found[one.place] = one.diagnosis
                reports.add(one)
            else:
                pictures.append(one)
    except StoppedError as wish:
        stopped = wish
    diagnoses = [found[place] for place in sorted(found)]
    index = reports.index(paths, diagnoses)
    if pictures:
        reports.add_pictures(pictures)
    if stopped and not diagnoses:
        raise stopped
    told = reports.page(diagnoses, pictures) if form == "html" else rendered(form, diagnoses, pictures)
    deliver(told, None if folder else out)
    reports.show(index)
    first = index or next(iter(reports.pages.values()), None)
    if open_report and first is not None:
        import webbrowser

        webbrowser.open(url_of(first) or first.resolve().as_uri())
    if stopped:
        raise stopped
    return exit_code(diagnoses, Wanted(fail_on), pictures)
