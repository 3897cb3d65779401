"""No half files: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Put the parts, one after another, in place of `path`; until the last byte is safe the old file stays as it is.

    Raises OSError with one clear line (a full disk, a file that another program holds); nothing is left behind.
    """
    beside = path.with_name(f"{_short(path.name)}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as problem:
        kept = "the file of before is untouched" if path.exists() else "nothing was written"
        raise OSError(problem.errno, f"cannot write {path}: {problem.strerror or problem}; {kept}") from problem
    finally:
        beside.unlink(missing_ok=True)


def _short(name: str) -> str:
    """The name, or a number for one that leaves no room for an ending: most systems allow 255 bytes."""
    raw = os.fsencode(name)
    return name if len(raw) <= 200 else f"{zlib.crc32(raw):08x}"
