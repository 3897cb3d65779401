"""Small files read whole: never more than they may hold, never a pipe or a device."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises OSError, with a `strerror` for people, for what is larger, is not a regular file, or cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {_shown(limit)}, which no file of its kind is", str(path))
    return data


def read_text(path: Path, limit: int, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The same as text, line ends as they are.  Raises UnicodeDecodeError too."""
    return read_bounded(path, limit).decode(encoding, errors)


def _shown(limit: int) -> str:
    return f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
