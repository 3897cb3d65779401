"""Work done a little ahead, on two threads, in order: decoding and numpy leave Python's lock to the other one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")

THREADS = 2  # more gain nothing: what is left in Python holds the lock
AHEAD = 4  # pieces of work under way or waiting: memory stays that of four pictures


def in_order(work: Callable[[_In], _Out], items: Iterable[_In]) -> Generator[_Out]:
    """What `work` makes of each item, in the order of the items.  Closing it drops what has not begun."""
    waiting = iter(items)
    with ThreadPoolExecutor(THREADS, "hndoctor-pictures") as pool:
        ahead: deque[Future[_Out]] = deque(pool.submit(work, item) for item in islice(waiting, AHEAD))
        try:
            while ahead:
                done = ahead.popleft().result()
                ahead.extend(pool.submit(work, item) for item in islice(waiting, 1))
                yield done
        finally:
            for future in ahead:
                future.cancel()
