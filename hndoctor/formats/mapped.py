"""Mapped files: writers are held off while they are mapped, and pages of a large one are given back meanwhile.

A page of a file that was cut short kills whoever reads it (SIGBUS), and no program can catch that.  Linux lets a reader
take a lease: whoever opens the file for writing, or cuts it short, then waits until the lease is given back, for 45
seconds at most (fcntl(2), "Leases"; /proc/sys/fs/lease-break-time).

The system would take pages back by itself when it needs them; but until then they count as this process's memory, and
a limit on that (a container's, a CI runner's) does not ask whose pages they are.
"""

from __future__ import annotations

import mmap
import signal
import weakref

LARGE = 128 << 20  # bytes from which a file's pages are given back: four usual networks (88 MB) may stay
STRETCH = 32 << 20  # bytes gone through before

_large: set[weakref.ref[mmap.mmap]] = set()  # a WeakSet takes longer to be gone through, though mostly it is empty


def held(descriptor: int) -> bool:
    """Hold writers off a file that is open for reading; True where that is granted.

    The lease lasts as long as any duplicate of the descriptor is open: mapping it makes one, which lives as long as the
    mapping.  Refused for another user's file, one that is open for writing, and where the system has no leases.
    """
    try:
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # a writer's coming is told by a signal: an ignored one
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except (ImportError, AttributeError, OSError):
        return False
    return True


def mapping(descriptor: int, size: int) -> mmap.mmap:
    """All bytes of a file that is open for reading, read-only; a large one is remembered for `ease`.

    Every byte will be read, so the pages of a smaller one are mapped at once where the system knows how to: one by one,
    as they are met, costs another tenth of the whole way through the file.
    """
    if size < LARGE and hasattr(mmap, "MAP_POPULATE"):
        return mmap.mmap(descriptor, 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    if len(mapped) >= LARGE and hasattr(mapped, "madvise"):
        _large.add(weakref.ref(mapped, _large.discard))
    return mapped


def ease() -> None:
    """Give back the pages of all large mappings; whoever reads on gets them again from the file."""
    for reference in tuple(_large):
        if (mapped := reference()) is not None:
            mapped.madvise(mmap.MADV_DONTNEED)
