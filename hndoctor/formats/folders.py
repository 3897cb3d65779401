"""What lies in a folder, without following links out of the tree and without opening pipes or devices."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from hndoctor.records import Skipped

_SYSTEMS = frozenset({"lost+found", "System Volume Information", "$RECYCLE.BIN"})  # on every disk, and closed
# "set-aside" gets what a resumed run of ours has left behind: no part of the run any more
SKIPPED_FOLDERS = _SYSTEMS | {"__pycache__", "node_modules", "set-aside", "site-packages", "tensorboard", "venv"}


@dataclass(frozen=True)
class Folder:
    """The entries of one folder, by kind, in order of name (x-500 before x-1000)."""

    path: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    closed: bool = False  # it could not be listed; `skipped` says why

    def ending(self, suffixes: Iterable[str]) -> tuple[Path, ...]:
        """The files with one of these suffixes, in either case."""
        return tuple(file for file in self.files if file.suffix.lower() in suffixes)


def listed(path: Path, top: Path) -> Folder:
    """A folder's plain files and own subfolders.  `top`, resolved, is what links must not lead out of.

    Never fails: what cannot be listed or is not a plain file is named in `skipped`.  Hidden folders are left out.
    """
    files: list[Path] = []
    folders: list[Path] = []
    skipped: list[Skipped] = []
    try:
        entries = sorted(path.iterdir(), key=lambda entry: natural(entry.name))
    except OSError as problem:
        return Folder(path, (), (), (Skipped(path.name, f"the folder cannot be read ({problem.strerror})"),), True)
    for entry in entries:
        kind, why = _kind(entry, top)
        if kind == "file":
            files.append(entry)
        elif kind == "folder" and not entry.name.startswith(".") and entry.name not in SKIPPED_FOLDERS:
            folders.append(entry)
        elif why:
            skipped.append(Skipped(entry.name, why))
    return Folder(path, tuple(files), tuple(folders), tuple(skipped))


def is_plain(path: Path) -> bool:
    """A regular file (or a link to one) that can be reached."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, RuntimeError):
        return False


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers inside names by value."""
    pieces = re.split(r"([0-9]{1,18})", name)
    return tuple((0, int(piece), "") if at % 2 else (1, 0, piece) for at, piece in enumerate(pieces) if piece)


def _kind(entry: Path, top: Path) -> tuple[str, str | None]:
    """("file" | "folder" | "", why it is neither)."""
    try:
        if entry.is_symlink():
            if not entry.resolve().is_relative_to(top):
                return "", "a link that leads out of the folder; it was not followed"
            if not is_plain(entry):  # a folder inside is visited by its own path
                return "", None if entry.is_dir() else "a link to nothing that could be read"
            return "file", None
        mode = entry.lstat().st_mode
    except (OSError, RuntimeError) as problem:  # RuntimeError: a ring of links, before Python 3.13
        return "", f"it cannot be reached ({getattr(problem, 'strerror', None) or problem})"
    if stat.S_ISREG(mode):
        return "file", None
    return ("folder", None) if stat.S_ISDIR(mode) else ("", "a pipe, socket or device; it was not opened")


def relative(path: Path, root: Path) -> str:
    """A path as records hold it: POSIX, as seen from the run's folder.

    A resumed run's earlier days lie beside it (`../../2023-01-01/…`).
    """
    try:
        return PurePath(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()
