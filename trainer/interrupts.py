"""Wishes to stop, and Ctrl-C kept out of the one place where it would tear: while the optimizer changes the weights."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class LeftError(Exception):
    """Long work that a resumed run does again was left, because a stop was wished for."""


@dataclass
class Stop:
    """A wish to stop after the step at hand.  Set it from anywhere."""

    requested: bool = False

    def __call__(self, *_: object) -> None:
        """As a signal handler: `signal.signal(signal.SIGINT, stop)`."""
        self.requested = True

    def heed(self) -> None:
        """Raise `LeftError` if it was set: called now and then by work that can be left."""
        if self.requested:
            raise LeftError


NEVER = Stop()


@contextmanager
def deferred() -> Iterator[None]:
    """Hold an interrupt back until the block is left.  Outside the main thread none can arrive."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, stack: held.append((number, stack)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
        if held and callable(before):
            before(*held[0])
        elif held and before == signal.SIG_DFL:
            raise KeyboardInterrupt
