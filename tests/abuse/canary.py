"""Runs hndoctor commands under an audit hook and says what it did that reading a file does not need.

    python -m tests.abuse.canary REPORT ALLOWED... -- COMMAND... [-- COMMAND...]

Allowed are reading, importing, and writing below the ALLOWED folders.  New processes, sockets, pickles, browsers and
changes of any other file are written to REPORT, a line each, as they happen; the command goes on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

RUNNING = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "pty.spawn",
    "subprocess.Popen",
    "webbrowser.open",
    "pickle.find_class",
)
CHANGING = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.utime",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(report: Path, allowed: list[Path]) -> None:
    """Install the hook.  It cannot be removed: one process, one command."""
    out = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    roots = [os.path.realpath(folder) for folder in allowed]

    def inside(path: object) -> bool:
        if not isinstance(path, (str, bytes)):
            return True  # a descriptor: it was opened, and judged, before
        place = os.path.realpath(os.fsdecode(path))
        return any(place == root or place.startswith(root + os.sep) for root in roots)

    def hook(event: str, args: tuple[object, ...]) -> None:
        bad = event in RUNNING or (event.startswith("socket.") and event != "socket.gethostname")
        if event in CHANGING:
            paths = args[:2] if event in ("os.rename", "os.link", "os.symlink") else args[:1]
            bad = not all(inside(path) for path in paths)
        elif event == "open" and isinstance(args[2], int) and args[2] & WRITING:
            bad = not inside(args[0]) and os.fsdecode(args[0]) != os.devnull
        if bad:
            os.write(out, f"{event} {args!r}\n".encode("utf-8", "backslashreplace"))

    sys.addaudithook(hook)


def main() -> None:
    """The command line."""
    given, *commands = split(sys.argv[1:])
    report, *allowed = (Path(word) for word in given)
    import hndoctor.cli as cli

    watch(report, allowed)
    codes = set()
    for command in commands:
        sys.argv = ["hndoctor", *command]
        try:
            cli.main()
            codes.add(0)
        except SystemExit as stop:
            codes.add(stop.code)
    (code,) = codes  # all of them alike: the tests say which
    raise SystemExit(code)


def split(words: list[str]) -> list[list[str]]:
    """At every `--`."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


if __name__ == "__main__":
    main()
