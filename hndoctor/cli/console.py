"""Printing, and turning errors that a person can mend into one line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console
    from rich.progress import Progress

# Errors whose message is already one clear line.  By name, so that no command imports more than it needs.
MENDABLE = {
    "CollectError",
    "VitalsError",
    "SetupError",
    "ScheduleError",
    "TrainerError",
    "Refused",
    "UsageError",
    "BaselineError",
    "SettingsError",
    "InteropError",
    "RemoteError",
}


class UsageError(Exception):
    """A command was called in a way that cannot be carried out; the message says how to mend it."""


class ReaderGoneError(Exception):
    """Whoever read our output went away.  Not an OSError, as the library of commands would make an exit code 1 of it,
    which says that something is wrong with a run."""


class StoppedError(Exception):
    """Ctrl-C was pressed, and what was under way has been brought to an end."""


def shown(text: str) -> str:
    """Text that came from outside, with its control and direction marks spelt out: a terminal obeys none of them."""
    from hndoctor.render.figures import clean

    return clean(text)


def escape(text: str) -> str:
    """The same for rich's `print`, which takes square brackets for markup."""
    from rich import markup

    return markup.escape(shown(text))


def error_console() -> Console:
    """Prose and progress: stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def mendable(error: BaseException) -> str | None:
    """The one line to show for an error that a person can mend; None for our own mistakes."""
    if {kind.__name__ for kind in type(error).__mro__} & MENDABLE:
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        said = str(error.strerror or error)
        return said if error.filename is None else f"{error.filename}: {said}"
    return None


def fail(message: str, code: int = 2) -> NoReturn:
    """Say what is wrong in one line on stderr, and stop."""
    print(f"hndoctor: {shown(message)}", file=sys.stderr)
    raise SystemExit(code)


def say(line: str) -> None:
    """One line of prose to stderr."""
    print(shown(line), file=sys.stderr)


def progress_where_seen(*, quiet: bool = False) -> AbstractContextManager[Progress | None]:
    """The bar that every long command shows; None, and nothing loaded, where stderr is not a terminal."""
    return nullcontext() if quiet or not sys.stderr.isatty() else progress_bar(error_console())


def progress_bar(console: Console, *, quiet: bool = False) -> Progress:
    """The bar that every long command shows.  Silent where stderr is not a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )


def write_file(path: Path, held: str | bytes) -> None:
    """Write a file, here or where its URL says, whole or not at all, with the same bytes on every system.

    Raises OSError, or RemoteError for a URL.
    """
    from hndoctor.formats.atomic import write_whole
    from hndoctor.remote import send, url_of

    data = held.encode("utf-8") if isinstance(held, str) else held
    url = url_of(path)
    if url is not None:
        send(data, url)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, [data])


@contextmanager
def interruptible() -> Iterator[Event]:
    """The event that Ctrl-C sets: what is being written is finished first.  The second Ctrl-C interrupts at once."""
    asked = Event()
    before = signal.getsignal(signal.SIGINT)
    if current_thread() is not main_thread() or before in (signal.SIG_IGN, None):
        yield asked
        return

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
