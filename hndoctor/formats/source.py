"""A file's bytes, mapped or copied, with proof that they did not change while they were read."""

from __future__ import annotations

import hashlib
import mmap
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hndoctor.formats.checksum import content_key, stretches
from hndoctor.formats.mapped import held, mapping
from hndoctor.formats.mounts import lies_on_this_machine
from hndoctor.formats.types import Refused
from hndoctor.records import Refusal

SETTLED = 10.0  # seconds since the last write before a file is mapped: one cut short kills us (guess)
COPY_LIMIT = 256 << 20  # bytes up to which a file is copied into memory: an optimizer's usual state has 176 MB
HASH_BESIDE = 1 << 22  # bytes from which a thread of its own is worth starting
GROWTH_WAIT = 1.0  # seconds to see whether a damaged file that was just written still grows: disks stall (guess)
GROWTH_LOOK = 0.05  # seconds between two looks
EMPTY_WAIT = 0.02  # seconds for an empty file of any date: it is cut first and dated a moment later
FRESH = 5.0  # seconds since the last write within which that is worth a look


@dataclass(frozen=True)
class Snapshot:
    """What tells one state of a file from another."""

    size: int
    modified: int  # nanoseconds
    inode: int


@dataclass(frozen=True)
class Source:
    """A whole file in memory, read-only: mapped or copied."""

    path: Path
    data: memoryview
    digest: Callable[[], str]  # SHA-256, 64 hex digits; empty where nobody asked for it

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.data)

    @property
    def content(self) -> str:
        """The content key of its bytes."""
        return content_key(self.data)


def snapshot(path: Path) -> Snapshot:
    """Size and time of a regular file.  Raises Refused for anything else, OSError where it cannot be seen."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise Refused(Refusal.FOREIGN, "not a regular file")
    return Snapshot(found.st_size, found.st_mtime_ns, found.st_ino)


@contextmanager
def opened(path: Path, sha256: bool = True) -> Iterator[Source]:
    """The file's bytes, and at the end the certainty that they are one state of it.

    Raises Refused(WRITING) if the file changed meanwhile.  Arrays made of the bytes stay valid afterwards.  SHA-256
    takes as long as all the rest of reading and measuring, so it is computed only for those who ask.
    """
    before = snapshot(path)
    if before.size == 0:
        _refuse_or_wait(path, before, Refused(Refusal.DAMAGED, "the file is empty"))
    data = _bytes_of(path, before)
    try:
        yield Source(path, data, _hashing(data) if sha256 else _unhashed)
    except Refused as refused:
        _refuse_or_wait(path, before, refused)
    if snapshot(path) != before:
        raise _writing()


def _bytes_of(path: Path, before: Snapshot) -> memoryview:
    with path.open("rb") as file:
        if _may_map(path, before, file.fileno()):
            data: bytes | mmap.mmap = mapping(file.fileno(), before.size)
        else:
            data = file.read()
    if len(data) != before.size:
        raise _writing()
    return memoryview(data)


def _may_map(path: Path, before: Snapshot, descriptor: int) -> bool:
    """Whether nobody writes the file, nobody can while it is mapped, and no other machine can.

    Never on Windows, where a mapped file cannot be replaced; elsewhere only where the kind of file system is known and
    the system holds writers off.  What is too large for a copy is mapped all the same.
    """
    settled = time.time() - before.modified / 1e9 > SETTLED and lies_on_this_machine(path)
    if before.size > COPY_LIMIT:
        held(descriptor)  # if it can be had
        return True
    return settled and held(descriptor)


def _hashing(data: memoryview) -> Callable[[], str]:
    """Begin to hash a large file beside whatever else is done with it; a small one when it is asked for."""
    digest = hashlib.sha256()
    if len(data) < HASH_BESIDE:
        return lambda: hashlib.sha256(data).hexdigest()

    def go_through() -> None:
        for part in stretches(data):
            digest.update(part)

    worker = threading.Thread(target=go_through, daemon=True)
    worker.start()

    def finish() -> str:
        worker.join()
        return digest.hexdigest()

    return finish


def _unhashed() -> str:
    return ""


def in_memory(data: bytes, path: Path) -> Source:
    """Bytes that lie in memory already, as the file `path`."""
    return Source(path, memoryview(data), _unhashed)


def _refuse_or_wait(path: Path, before: Snapshot, refused: Refused) -> None:
    """Raise the refusal; or WRITING, if a file that seems damaged was only not finished yet."""
    wait = 0.0
    if refused.kind is Refusal.DAMAGED:
        fresh = time.time() - before.modified / 1e9 < FRESH
        wait = GROWTH_WAIT if fresh else EMPTY_WAIT if before.size == 0 else 0.0
    until = time.monotonic() + wait
    while True:
        if refused.kind is not Refusal.UNSAFE and (not path.exists() or snapshot(path) != before):
            raise _writing() from None
        if time.monotonic() >= until:
            raise refused
        time.sleep(min(GROWTH_LOOK, wait))


def withheld(problem: Refused | OSError) -> Refused:
    """The refusal of a file that the system does not give: it went away, as a trainer removes old ones, or cannot."""
    if isinstance(problem, Refused):
        return problem
    if isinstance(problem, FileNotFoundError):
        return Refused(Refusal.WRITING, "it was removed or renamed while its run was read: look again later")
    return Refused(Refusal.DAMAGED, f"it cannot be read: {problem.strerror or problem}")


def _writing() -> Refused:
    return Refused(Refusal.WRITING, "it changed while it was read: still being written, look again later")
