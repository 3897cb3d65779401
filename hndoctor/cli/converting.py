"""`convert`: one file into another generation's form; and the table of loaders that `export` prints too."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from hndoctor.cli.console import error_console, shown
from hndoctor.interop import fates
from hndoctor.interop.convert import convert as convert_file
from hndoctor.interop.fates import OTHER, REFUSES, SAME, ranged
from hndoctor.interop.reading import network

_INK = {SAME: "green", OTHER: "yellow", REFUSES: "red"}


def convert(source: Path, target: Path, to: str, *, legacy: bool, overwrite: bool) -> None:
    """Convert and tell: the file on stdout, what was lost and who loads it on stderr."""
    done = convert_file(source, target, to, container="legacy" if legacy else "zip", overwrite=overwrite)
    for path in (done.path, done.optim):
        if path is not None:
            print(shown(str(path)))
    tell(done.notes)
    show_fates(done.path)


def tell(notes: tuple[str, ...]) -> None:
    """One line for each note."""
    console = error_console()
    for note in notes:
        console.print(Text(f"- {shown(note)}"), soft_wrap=True)


def show_fates(path: Path) -> None:
    """What each loader does with a file that was written."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in ranged(fates(network(path))):
        table.add_row(row.loader, Text(row.outcome, _INK.get(row.outcome, "bright_black")), Text(shown(row.why)))
    console = error_console()
    console.print("what each loader does with it:")
    console.print(table)
