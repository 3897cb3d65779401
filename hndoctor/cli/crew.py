"""Runs measured side by side: in processes of this machine, or on a Dask cluster that is there already.

Both are reached through the standard `concurrent.futures.Executor`; what is handed over is one run, for a checkpoint is
measured against the one before it.  Paths must mean the same where the work is done (a shared folder, for a cluster).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hndoctor.cli.console import UsageError, say
from hndoctor.records import Run, Vitals

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from rich.progress import Progress


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
PATIENCE = "10s"  # for a scheduler to answer


def measure(run: Run, keep: bool) -> Vitals:
    """What a worker does: measure one run, from the start or from what its `vitals.json` knows."""
    from hndoctor.vitals import measure_run

    return measure_run(run, cache=keep, rough=not keep)


def measured(runs: Sequence[Run], crew: Crew, *, keep: bool, bar: Progress | None) -> tuple[dict[int, Vitals], bool]:
    """Vitals by the run's place in `runs`, and whether Ctrl-C stopped it: then of those that were finished.

    A worker that dies takes nothing with it: a cluster gives its run to another; on this machine what is left is
    measured here.
    """
    from concurrent.futures.process import BrokenProcessPool

    done: dict[int, Vitals] = {}
    with _executor(crew) as pool:
        futures = {pool.submit(measure, run, keep): place for place, run in enumerate(runs)}
        try:
            for future in _shown(futures, bar):
                done[futures[future]] = future.result()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            return done, True
        except BrokenProcessPool:
            say("a process that measured was killed (out of memory?); going on with one")
    for place, run in enumerate(runs):
        if place not in done:
            done[place] = measure(run, keep)
    return done, False


def _shown(futures: dict[Future[Vitals], int], bar: Progress | None) -> Iterator[Future[Vitals]]:
    from concurrent.futures import as_completed

    task = bar.add_task("measuring runs", total=len(futures), note="") if bar else None
    for future in as_completed(futures):
        if bar and task is not None:
            bar.advance(task)
        yield future


@contextmanager
def _executor(crew: Crew) -> Iterator[Executor]:
    if crew.dask:
        with _cluster(crew.dask) as pool:
            yield pool
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # fresh processes: a fork would inherit whatever threads and locks BLAS has by now
    with ProcessPoolExecutor(crew.jobs, mp_context=get_context("spawn")) as pool:
        yield pool


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError('--dask needs Dask: pip install "hndoctor[dask]"') from None
    try:
        client: Any = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(f"--dask {address}: no scheduler answers there ({type(error).__name__})") from None
    with client, client.get_executor(pure=False, retries=3) as pool:
        yield pool
