"""What `scan` leaves behind: `vitals.json` and a page for each run, an index of several; and what it prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from hndoctor.cli.console import UsageError, error_console, say, write_file
from hndoctor.cli.sifting import Wanted, asked_for
from hndoctor.formats.names import fitting
from hndoctor.formats.run_files import PAGE, VITALS
from hndoctor.records import Diagnosis, PictureJudgement, Run, Severity, Vitals
from hndoctor.remote import RemoteError, url_of

if TYPE_CHECKING:
    from hndoctor.cli.examining import Examined
    from hndoctor.render import Digest
    from hndoctor.render.sarif import Suppressed

INDEX = "index.html"
PICTURES_PAGE, PICTURES_NUMBERS = "pictures.html", "pictures.json"


@dataclass
class Reports:
    """Files written as the runs come in.  Of each run only what the index will draw is kept, however many there are."""

    folder: Path | None = None  # where they go; None: into the runs themselves
    lang: str = "en"
    pages: dict[str, Path] = field(default_factory=dict)  # by run
    digests: dict[str, Digest] = field(default_factory=dict)
    only: Vitals | None = None  # of the one run, where there is one only

    def add(self, one: Examined) -> None:
        """Write one run's files into it, or below the folder.  What cannot be written is said."""
        from hndoctor.render import digest_of

        self.only = None if one.several else one.vitals
        self.digests[one.diagnosis.run] = digest_of(one.vitals)
        home = self.folder / folder_of(one) if self.folder and one.several else self.folder
        with what_fails_said(one.run.root):
            self.pages[one.diagnosis.run] = write_report(one.run, one.vitals, one.diagnosis, home, self.lang)

    def index(self, paths: Sequence[Path], diagnoses: Sequence[Diagnosis]) -> Path | None:
        """Write the page of all runs: in the folder, or in the one folder of runs that was named; else none."""
        from hndoctor.render import render_index

        home = self.folder or (paths[0] if len(paths) == 1 and paths[0].is_dir() else None)
        if home is None or len(self.pages) < 2:
            return None
        links = {run: PurePath(os.path.relpath(page, home)).as_posix() for run, page in self.pages.items()}
        drawn = tuple(self.digests.values())
        with what_fails_said(home / INDEX):
            write_file(home / INDEX, render_index(diagnoses, links, vitals=drawn, language=self.lang))
            return home / INDEX
        return None

    def add_pictures(self, pictures: Sequence[PictureJudgement]) -> None:
        """Write the page and the numbers of pictures judged alone, where a folder for them was named; else nowhere."""
        from hndoctor.render import render_json, render_pictures

        if self.folder is None:
            return
        with what_fails_said(self.folder):
            write_file(self.folder / PICTURES_NUMBERS, render_json((), pictures))
            write_file(self.folder / PICTURES_PAGE, render_pictures(pictures, language=self.lang))
            self.pages[PICTURES_PAGE] = self.folder / PICTURES_PAGE

    def page(self, diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement] = ()) -> str:
        """The HTML that `--format html` prints: the run's page, or the index of several, or the pictures' page."""
        from hndoctor.render import render_html, render_index, render_pictures
        from hndoctor.rules import RULES

        if not diagnoses:
            return render_pictures(pictures, language=self.lang)
        if self.only is not None:
            return render_html(diagnoses[0], self.only, RULES, language=self.lang, beside=False)
        return render_index(diagnoses, vitals=tuple(self.digests.values()), language=self.lang)

    def show(self, index: Path | None) -> None:
        """Say where the pages lie: the index if there is one."""
        for page in [index] if index else self.pages.values():
            say(f"report: {url_of(page) or page}")


@contextmanager
def what_fails_said(where: Path) -> Iterator[None]:
    """What cannot be written is said in one line, and the other reports are written all the same."""
    try:
        yield
    except OSError as error:
        say(f"not written: {error.filename or where}: {error.strerror or error}")
    except RemoteError as error:
        say(f"not written: {error}")


def folder_of(one: Examined) -> str:
    """The name of one of several runs' folders: what acts in a terminal or a shell's listing is left out."""
    return fitting("".join(sign if sign.isprintable() else "_" for sign in f"{one.place + 1:03d}-{one.run.name}"))


def write_report(run: Run, vitals: Vitals, diagnosis: Diagnosis, home: Path | None = None, lang: str = "en") -> Path:
    """Write `vitals.json` and `health.html` of one run; return the page's path.  Raises OSError and RemoteError."""
    from hndoctor.collect import beside
    from hndoctor.render import render_html
    from hndoctor.rules import RULES
    from hndoctor.vitals import to_json

    page = beside(run, PAGE) if home is None else home / PAGE
    numbers = beside(run, VITALS) if home is None else home / VITALS
    if run.vitals is None or home is not None:
        write_file(numbers, to_json(vitals))
    write_file(page, render_html(diagnosis, vitals, RULES, language=lang, beside=home is None))
    return page


def rendered(
    form: str,
    diagnoses: Sequence[Diagnosis],
    pictures: Sequence[PictureJudgement],
    wanted: Wanted | None = None,
    passed: Sequence[Suppressed] = (),
) -> str:
    """The text of one format; colours only for a terminal.  `wanted` says which rules were asked at all, `passed` what
    was found and may stand."""
    from hndoctor.render import RENDERERS, render_junit, render_sarif, render_text

    if form == "text" and sys.stdout.isatty():
        return render_text(diagnoses, pictures, colour=True, width=error_console().width)
    if form in ("junit", "sarif"):
        from hndoctor.rules import RULES

        asked = wanted or Wanted("error")
        laws = [law for law in RULES if asked_for(law.code, asked)]
        if form == "sarif":
            return render_sarif(diagnoses, pictures, rules=laws, suppressed=passed)
        return render_junit(diagnoses, pictures, rules=laws, fail_on=Severity(asked.fail_on))
    return {known.name: known.render for known in RENDERERS}[form](diagnoses, pictures)


def deliver(text: str, out: Path | None) -> None:
    """To stdout, or into a file.  Raises UsageError where a network or a picture would be written over."""
    from hndoctor.collect import CHECKPOINTS, PICTURES

    if out is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    elif out.suffix.lower() in (*CHECKPOINTS, *PICTURES, ".optim") and out.exists():
        raise UsageError(f"{out}: no report is written over a network or a picture; name another file")
    else:
        write_file(out, text)
