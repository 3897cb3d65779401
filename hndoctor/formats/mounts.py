"""Whether a file lies on a disk of this machine: elsewhere another machine may cut short what we have mapped.

Whoever reads a mapped page that is gone is killed (SIGBUS), and no program can catch that; so what is not known to be
local counts as remote, and is copied.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")  # Linux only; its fields: proc_pid_mountinfo(5)
LOCAL = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "reiserfs", "overlay", "tmpfs", "ramfs"}
)
"""Kinds of file systems whose files no other machine can change.  FUSE, 9p, NFS and SMB are not among them."""


def lies_on_this_machine(path: Path) -> bool:
    """True only where that is certain."""
    whole = os.path.realpath(path)
    kinds = [(len(point), kind) for point, kind in _mounts() if _holds(point, whole)]
    return bool(kinds) and max(kinds)[1] in LOCAL


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


@lru_cache(maxsize=1)
def _mounts() -> tuple[tuple[str, str], ...]:
    """(mount point, kind of file system), the later ones over the earlier."""
    try:
        lines = TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    fields = [line.split() for line in lines]
    return tuple((_plain(f[4]), f[f.index("-") + 1]) for f in fields if "-" in f and f.index("-") + 1 < len(f))


def _plain(escaped: str) -> str:
    """Blanks and backslashes are written as octal numbers."""
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        escaped = escaped.replace(code, sign)
    return escaped
