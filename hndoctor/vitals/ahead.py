"""Work done a little ahead, on two threads, in order: decoding and numpy leave Python's lock to the other one.

Linear algebra has threads of its own, which wait for each other by spinning: beside ours they took twice the time and
twice the processor (200 previews on two cores: 5.3 s and 10 s of CPU, 2.8 s and 5 s without).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_In = TypeVar("_In")
_Out = TypeVar("_Out")


THREADS = 2  # more gain nothing: what is left in Python holds the lock
AHEAD = 4  # pieces of work under way or waiting: memory stays that of four pictures


def in_order(work: Callable[[_In], _Out], items: Iterable[_In]) -> Generator[_Out]:
    """What `work` makes of each item, in the order of the items.  Closing it drops what has not begun."""
    from concurrent.futures import ThreadPoolExecutor  # a gate on one checkpoint needs no threads

    from threadpoolctl import threadpool_limits

    waiting = iter(items)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS, "hndoctor-pictures") as pool:
        ahead: deque[Future[_Out]] = deque(pool.submit(work, item) for item in islice(waiting, AHEAD))
        try:
            while ahead:
                done = ahead.popleft().result()
                ahead.extend(pool.submit(work, item) for item in islice(waiting, 1))
                yield done
        finally:
            for future in ahead:
                future.cancel()


class Piece(Protocol):
    """A piece of the measuring of a run."""

    @property
    def root(self) -> Path:
        """The run's folder."""
        ...


_Piece = TypeVar("_Piece", bound=Piece)


class Mapped(Protocol):
    """Work that is done elsewhere, by other processes or other machines: `work` and the items must be picklable."""

    def __call__(self, work: Callable[[_Piece], _Out], items: Sequence[_Piece]) -> Iterator[_Out]:
        """What `work` makes of each item, in the order of the items."""
        ...
