"""Everything that paths name, measured and judged run by run: what `scan` and `gate` both begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import hndoctor
from hndoctor.cli import crew as crews
from hndoctor.cli.console import StoppedError, escape, interruptible, progress_where_seen
from hndoctor.cli.crew import ALONE, Crew
from hndoctor.records import Diagnosis, PictureJudgement, Run, Vitals
from hndoctor.remote import Here, here

if TYPE_CHECKING:
    from rich.progress import Progress

    from hndoctor.vitals import Progress as Event


@dataclass(frozen=True)
class Examined:
    """One run, measured and judged."""

    place: int  # in the order of the runs
    run: Run
    vitals: Vitals
    diagnosis: Diagnosis
    several: bool = False  # it is one of several runs


def examined(
    paths: Sequence[Path], *, keep: bool, quiet: bool = False, crew: Crew = ALONE, shown: bool = False
) -> Iterator[Examined | PictureJudgement]:
    """Find and judge everything that the paths name, run by run; nothing is held of a run that was handed over.

    `keep`: what a `vitals.json` knows is not measured again.  Ctrl-C does not disturb whoever takes the runs: those
    under way come as far as they are measured, then StoppedError is raised.  `shown`: pictures with thumbnails.
    """
    with ExitStack() as copies:
        places = [copies.enter_context(here(path)) for path in paths]
        runs, pictures = found([place.path for place in places])
        with interruptible() as asked, progress_where_seen(quiet=quiet) as bar:
            for place, vitals in crews.measured(runs, crew, keep=keep, show=_shown(runs, bar), asked=asked):
                told = _told(vitals, places)
                yield Examined(place, runs[place], told, hndoctor.judge(told), len(runs) > 1)
            if asked.is_set():
                raise StoppedError
        if pictures:
            from hndoctor.metrics import judge_picture  # imported only where there are any

            yield from (judge_picture(path, shown=shown) for path in pictures)


def _told(vitals: Vitals, places: Sequence[Here]) -> Vitals:
    """Under the name that the user knows: a copy's run by its URL."""
    for place in places:
        vitals = replace(vitals, run=place.told(vitals.run))
    return vitals


def found(paths: Sequence[Path]) -> tuple[list[Run], list[Path]]:
    """The runs that the paths hold, and the pictures where a path holds nothing else."""
    from hndoctor.collect import find_pictures, find_runs

    runs: dict[tuple[Path, str], Run] = {}
    pictures: dict[Path, None] = {}
    for path in paths:
        alone = find_pictures(path)
        pictures.update(dict.fromkeys(alone))
        for run in () if alone else find_runs(path):
            runs.setdefault((run.root, run.name), run)  # named twice is examined once
    return list(runs.values()), list(pictures)


def _shown(runs: Sequence[Run], bar: Progress | None) -> Callable[[Run, Event], None]:
    """How the bar moves on: one for all runs, counted in files, so that the time left can be told."""
    if bar is None:
        return lambda run, event: None
    many = f"{len(runs)} runs" if len(runs) > 1 else "".join(escape(run.name) for run in runs)
    total = sum(len(run.checkpoints) + len(run.previews) for run in runs)
    task, done = bar.add_task(f"measuring {many}", total=total, note=""), dict[tuple[Path, str], int]()

    def show(run: Run, event: Event) -> None:
        before = done.get((run.root, run.name), 0)
        done[run.root, run.name] = event.done
        which = f"{run.name}: {PurePath(event.what).name}" if len(runs) > 1 else PurePath(event.what).name
        bar.update(task, advance=event.done - before, note=escape(which))

    return show
