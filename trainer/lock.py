"""One training in a run's folder at a time: a lock that the system takes back when its owner dies, however it dies."""

from __future__ import annotations

import errno
import os
import platform
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from trainer.errors import TrainerError

NAME = ".training.lock"
_CANNOT = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # file systems that know no locks

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 20  # the byte that is locked: others can read the text before it

    def _lock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunLock:
    """The lock of a run's folder.  It holds until `release`, or until the process ends."""

    def __init__(self, root: Path) -> None:
        self.root, self.path = root, root / NAME
        self._file: int | None = None

    def take(self) -> None:
        """Take it, unless it is ours already.  Raises `TrainerError` while another training has it.

        A folder on a file system without locks is trained into as if there were none; OSError where it cannot be
        written.
        """
        while self._file is None:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(file)
            except OSError as error:
                os.close(file)
                if error.errno in _CANNOT:
                    return
                raise TrainerError(f"{self.root}: {self._owner()} trains into it; stop that one, or wait") from None
            if self._is_still(file):
                self._file = file
                self._sign(file)
            else:  # its owner removed it while we waited for nothing: the next one may have another
                os.close(file)

    def release(self) -> None:
        """Give it back; without it, nothing happens."""
        if self._file is None:
            return
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(self._file)
            with suppress(OSError):
                self.path.unlink()
        else:  # removed while it is still ours, so that nobody's new one is
            with suppress(OSError):
                self.path.unlink()
            os.close(self._file)
        self._file = None

    def _is_still(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self.path.stat())
        except OSError:
            return False

    def _sign(self, file: int) -> None:
        """Who we are: for whoever is refused.  A full disk costs the name, not the lock."""
        with suppress(OSError):
            os.ftruncate(file, 0)
            now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
            os.write(file, f"process {os.getpid()} on {platform.node()}, since {now},".encode())

    def _owner(self) -> str:
        try:
            told = self.path.read_bytes()[:200].decode("utf-8", "replace")
        except OSError:
            told = ""
        return told if told.isprintable() and told else "another process"
