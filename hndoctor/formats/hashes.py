"""The two hashes by which the web UI ties an optimizer state to its network, and the SHA-256 they come from."""

from __future__ import annotations

import hashlib
from pathlib import Path

OLD_OFFSET, OLD_LENGTH = 0x100000, 0x10000  # the window that the web UI before 2023-01-14 hashed


def sha256(path: Path) -> str:
    """SHA-256 of a whole file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short_hash(path: Path) -> str:
    """The web UI's hash since 2023-01-14 (generation 2): the first 10 hex digits of the file's SHA-256."""
    return sha256(path)[:10]


def old_hash(path: Path) -> str:
    """The web UI's hash before 2023-01-14 (generation 1): 8 hex digits over 64 KiB from the first MiB on.

    A file below 1 MiB has nothing in that window: all such files share the hash ``e3b0c442``.
    """
    with path.open("rb") as file:
        file.seek(OLD_OFFSET)
        return hashlib.sha256(file.read(OLD_LENGTH)).hexdigest()[:8]


def generation(stored: str | None) -> int | None:
    """Which generation wrote a hash: 1 (8 hex digits), 2 (10 hex digits), None for anything else."""
    return {8: 1, 10: 2}.get(len(stored)) if stored else None
