"""How a training is asked to end: Ctrl-C, or a polite kill."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.session import Stop

STOPPING = "stopping after the step at hand, with everything saved; Ctrl-C again does not wait for it"


@contextmanager
def wishes_to_stop(told: Callable[[str], object] | None = None, saying: str = STOPPING) -> Iterator[Stop]:
    """A `Stop` that Ctrl-C and SIGTERM set, and say so.  The second Ctrl-C interrupts as usual."""
    from trainer.session import Stop

    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def wish(number: int, frame: FrameType | None) -> None:
        if told is not None and not stop.requested:
            told(saying)
        stop.requested = True
        if os.environ.get("WORLD_SIZE", "1") != "1":
            return  # launchers pass a Ctrl-C on that the terminal has sent already, and end what does not end
        for known, handler in before.items():
            signal.signal(known, handler)

    for number in before:
        signal.signal(number, wish)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
