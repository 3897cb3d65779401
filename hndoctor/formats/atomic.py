"""No half files: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hndoctor.formats.names import fitting


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Put the parts, one after another, in place of `path`; until the last byte is safe the old file stays as it is.

    Who may read and write it stays as it was, too.  What is no file is never replaced: the system's own streams and
    devices (/dev/stdout, /dev/null) are written to, all others refused.  Raises OSError with one clear line (a full
    disk, a file that another program holds); nothing is left behind.
    """
    if _leads_to_a_stream(path):
        _append(path, parts)
        return
    beside = path.with_name(fitting(path.name, f".{os.getpid()}.tmp"))
    try:
        _replaceable(path)
        with beside.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if _kind(path) == stat.S_IFREG:
            with suppress(OSError):  # a disk that knows no permissions
                shutil.copymode(path, beside)
        beside.replace(path)
    except OSError as problem:
        kept = "the file of before is untouched" if _kind(path) else "nothing was written"
        raise OSError(problem.errno, f"cannot write {path}: {problem.strerror or problem}; {kept}") from problem
    finally:
        with suppress(OSError):  # in a folder that may not be entered there is none, and that cannot be told
            beside.unlink(missing_ok=True)


def _append(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    try:
        with path.open("ab") as stream:
            stream.writelines(parts)
    except BrokenPipeError:
        raise  # whoever read it went away: that is no fault
    except OSError as problem:
        raise OSError(problem.errno, f"cannot write {path}: {problem.strerror or problem}") from problem


def _kind(path: Path) -> int:
    """What lies there: a file type of `stat`, the link's own where it is one; 0 for nothing."""
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return 0


def _leads_to_a_stream(path: Path) -> bool:
    """Whether it is of the system's own: /dev/null, /dev/stdout, /dev/fd/3.  A device anywhere else is not."""
    if _kind(path) not in (stat.S_IFCHR, stat.S_IFLNK):
        return False
    home = path.parent.resolve()
    return home == Path("/dev") or Path("/proc") in home.parents


def _replaceable(path: Path) -> None:
    """Raise OSError for a pipe, a socket or a device: renamed over, it would be gone, for every program."""
    if _kind(path) not in (0, stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR):  # a folder refuses by itself
        raise OSError(errno.EINVAL, "a pipe or a device is there")
