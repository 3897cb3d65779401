"""Who measures: this process, several processes of this machine, or a Dask cluster that is there already.

The last two are reached through the standard `concurrent.futures.Executor`.  What is handed over is a chunk of a run's
checkpoints or a batch of its previews, so that one long run is spread as well as many short ones; the numbers are the
same whoever measures.  A worker that dies takes nothing with it: a cluster gives its work to another, and what nobody
else can do is done here.  For a cluster, paths must mean the same on its machines (a shared folder).
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

from hndoctor.cli.console import UsageError, say
from hndoctor.records import Run, Skipped, Vitals
from hndoctor.version import __version__

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from hndoctor.vitals import Mapped, Piece
    from hndoctor.vitals import Progress as Measured

PATIENCE = "10s"  # for a scheduler to answer
LOOK = 0.2  # seconds between two looks whether Ctrl-C was pressed
MOST_RUNS = 64  # runs under way at once, however large the cluster: their vitals are held here
Show = Callable[[Run, "Measured"], None]
_In = TypeVar("_In", bound="Piece")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Crew:
    """Who measures."""

    jobs: int = 1  # processes on this machine
    dask: str = ""  # address of a scheduler, "tcp://10.0.0.1:8786"; empty: none

    @property
    def alone(self) -> bool:
        """Whether everything is done in this process."""
        return self.jobs <= 1 and not self.dask


ALONE = Crew()


class UnlikeError(Exception):
    """A worker would measure something else than we; the message says why."""


def there(version: str, work: Callable[[_In], _Out], item: _In) -> _Out:
    """What a worker does.  Raises UnlikeError where its answer could not be believed."""
    if version != __version__:
        raise UnlikeError(f"a worker has hndoctor {__version__}, here it is {version}: install the same on both")
    if not item.root.exists():
        raise UnlikeError(f"a worker cannot see {item.root}: the runs must lie in a folder that it shares with us")
    return work(item)


@dataclass
class Pool:
    """An executor, and what is under way in it."""

    executor: Executor
    runs: int  # that are measured at a time
    asked: Event  # by Ctrl-C
    ended: bool = False  # nothing new is begun
    waiting: set[Future[Any]] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)
    failed: bool = False

    def mapped(self, work: Callable[[_In], _Out], items: Sequence[_In]) -> Iterator[_Out]:
        """See `hndoctor.vitals.Mapped`.  Ends early where Ctrl-C was pressed."""
        futures = [] if self.ended else [self._submitted(work, item) for item in items]
        for future, item in zip(futures, items, strict=False):
            try:
                yield self._here(work, item, None) if future is None else future.result()
            except UnlikeError as problem:
                raise UsageError(f"--dask: {problem}") from None
            except Exception as problem:  # noqa: BLE001  (whatever befell the worker: here it is found out, or done)
                if self.ended:
                    return
                yield self._here(work, item, problem)
            finally:
                self.waiting.discard(future) if future else None

    def _submitted(self, work: Callable[[_In], _Out], item: _In) -> Future[_Out] | None:
        """None where the executor takes nothing more."""
        try:
            future = self.executor.submit(there, __version__, work, item)
        except RuntimeError:
            return None
        self.waiting.add(future)
        return future

    def _here(self, work: Callable[[_In], _Out], item: _In, problem: Exception | None) -> _Out:
        """One at a time: memory may be what was lacking."""
        from concurrent.futures.process import BrokenProcessPool

        with self.lock:
            if problem is not None and not self.failed:
                self.failed = True
                killed = isinstance(problem, BrokenProcessPool)
                why = "was killed (out of memory?)" if killed else f"failed ({type(problem).__name__})"
                say(f"a process that measured {why}; going on with one here")
            return work(item)

    def stop(self) -> None:
        """Begin nothing new."""
        self.ended = True
        for future in tuple(self.waiting):
            future.cancel()


def measured(runs: Sequence[Run], crew: Crew, *, keep: bool, show: Show, asked: Event) -> Iterator[tuple[int, Vitals]]:
    """Vitals with the run's place in `runs`, as they come.  Once `asked`, what was measured until then, and the end."""
    if crew.alone:
        for place, run in enumerate(runs):
            yield place, driven(run, show, asked, keep=keep, among=len(runs) > 1)
            if asked.is_set():
                return
        return
    from concurrent.futures import ThreadPoolExecutor

    with _pool(crew, asked) as pool, ThreadPoolExecutor(pool.runs, "hndoctor-runs") as drivers:
        among = len(runs) > 1

        def drive(run: Run) -> Vitals:
            return driven(run, show, asked, pool.mapped, keep=keep, among=among)

        try:
            yield from _side_by_side(runs, pool, drivers, drive)
        finally:
            pool.stop()


def driven(
    run: Run, show: Show, asked: Event, mapped: Mapped | None = None, *, keep: bool, among: bool = False
) -> Vitals:
    """Measure one run, to its end or until `asked`.  `among` others, measurements that cannot be used end nothing."""
    from hndoctor.vitals import VitalsError, measuring

    vitals = Vitals(str(run.root), run.name)
    with closing(measuring(run, keep, not keep, mapped)) as events:
        try:
            for event in events:
                vitals = event.vitals
                show(run, event)
                if asked.is_set():
                    break
        except VitalsError as refused:
            if not among:
                raise
            why = str(refused).removeprefix(f"{run.vitals}: ")
            return Vitals(str(run.vitals), run.name, skipped=(Skipped("vitals.json", why),))
    return vitals


def _side_by_side(
    runs: Sequence[Run], pool: Pool, drivers: Executor, drive: Callable[[Run], Vitals]
) -> Iterator[tuple[int, Vitals]]:
    """A thread for each run that is under way: it hands out the pieces and puts the answers together."""
    from concurrent.futures import FIRST_COMPLETED, wait

    waiting = iter(enumerate(runs))
    under_way: dict[Future[Vitals], int] = {}
    while True:
        while len(under_way) < pool.runs and not pool.asked.is_set() and (following := next(waiting, None)):
            under_way[drivers.submit(drive, following[1])] = following[0]
        if pool.asked.is_set():
            pool.stop()
        if not under_way:
            return
        for future in wait(under_way, LOOK, FIRST_COMPLETED).done:
            yield under_way.pop(future), future.result()


@contextmanager
def _pool(crew: Crew, asked: Event) -> Iterator[Pool]:
    if crew.dask:
        with _cluster(crew.dask) as (executor, cores):
            if not cores:
                say(f"--dask {crew.dask}: the cluster has no workers yet; waiting for them (Ctrl-C ends it)")
            yield Pool(executor, min(cores or MOST_RUNS, MOST_RUNS), asked)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # fresh processes: a fork would inherit whatever threads and locks BLAS has by now.  Ctrl-C reaches them too, and
    # is ours to answer
    ours = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(crew.jobs, get_context("spawn"), signal.signal, ours) as executor:
        yield Pool(executor, crew.jobs + 1, asked)


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError('--dask needs Dask: pip install "hndoctor[dask]"') from None
    if not re.search(r":\d+$", address):  # dask would look for it for long, and then say why over many lines
        raise UsageError(f"--dask {address}: write the scheduler's address as tcp://HOST:PORT")
    try:
        client: Any = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]  # dask's
    except (OSError, ValueError) as error:
        raise UsageError(f"--dask {address}: no scheduler answers there ({type(error).__name__})") from None
    with client, client.get_executor(pure=False, retries=3) as executor:
        yield executor, sum(client.nthreads().values())
