"""The command line: the only place that prints, and the only one that exits.

Exit codes of `scan`, `gate` and `check`: 0 nothing at or above ``--fail-on``; 1 something is; 2 it could not examine.
Machine output goes to stdout, prose to stderr.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hndoctor.cli import quick
from hndoctor.cli.console import ReaderGoneError, StoppedError, fail, mendable


def main() -> None:
    """Run the command line; whatever a person can mend becomes one line and exit code 2."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console may not know the signs we print
            stream.reconfigure(errors="replace")
    try:
        try:
            _run(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except (KeyboardInterrupt, StoppedError):
        fail("stopped by Ctrl-C; what was finished until then is kept", code=130)
    except (BrokenPipeError, ReaderGoneError):
        # nobody is left to tell; what is still held back must not be written when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        line = mendable(error)
        if line is None:
            raise
        fail(line)


def _open_what_is_closed() -> None:
    """A service may start us without streams (`>&-`): what is said then goes nowhere."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r+", encoding="utf-8"))  # noqa: SIM115  # open to the end


def _run(args: list[str]) -> None:
    code = quick.run(args)
    if code is not None:
        raise SystemExit(code)
    from hndoctor.cli.app import app

    app()
