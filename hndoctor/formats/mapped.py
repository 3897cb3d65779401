"""Mapped files and the memory they seem to take: pages of a large file are given back while it is gone through.

The system would take them back by itself when it needs them; but until then they count as this process's memory, and
a limit on that (a container's, a CI runner's) does not ask whose pages they are.
"""

from __future__ import annotations

import mmap
import weakref

LARGE = 128 << 20  # bytes from which a file's pages are given back: four usual networks (88 MB) may stay
STRETCH = 32 << 20  # bytes gone through before

_large: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def known(mapped: mmap.mmap) -> mmap.mmap:
    """Remember a large mapping; gives it back."""
    if len(mapped) >= LARGE and hasattr(mapped, "madvise"):
        _large.add(mapped)
    return mapped


def ease() -> None:
    """Give back the pages of all large mappings; whoever reads on gets them again from the file."""
    for mapped in tuple(_large):
        mapped.madvise(mmap.MADV_DONTNEED)
