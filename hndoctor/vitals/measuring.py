"""The slow part: bytes and pixels to numbers, one file at a time, told event by event."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hndoctor.collect.parts import PARTS
from hndoctor.formats import losslog
from hndoctor.formats import settings as settings_files
from hndoctor.formats.folders import relative
from hndoctor.formats.run_files import RUN_FILE, VALIDATED
from hndoctor.records import (
    Checkpoint,
    LossPoint,
    Refusal,
    Run,
    Settings,
    Skipped,
    Unreadable,
    ValidationPoint,
    Vitals,
)
from hndoctor.version import __version__
from hndoctor.vitals.ahead import Mapped
from hndoctor.vitals.known import Known, known_of
from hndoctor.vitals.previews import known_preview, measured_previews
from hndoctor.vitals.stored import load
from hndoctor.vitals.training import training_pictures

if TYPE_CHECKING:
    from hndoctor.weights import Chunk

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Progress:
    """One file more is measured.  `vitals` holds everything up to here: stop at any time and keep it."""

    done: int
    total: int
    what: str
    vitals: Vitals


def measure_run(
    run: Run,
    progress: Callable[[Progress], None] | None = None,
    cache: bool = True,
    rough: bool = False,
    known: Known | None = None,
) -> Vitals:
    """Measure a run.  With `cache`, files that its `vitals.json` knows and that have not changed are not read again;
    with `known`, those that are known from elsewhere.  `rough`: see `measuring`.

    What cannot be read is named in the vitals, never raised; VitalsError only where a run is nothing but a
    `vitals.json` that cannot be used.
    """
    vitals = Vitals(str(run.root), run.name)
    for event in measuring(run, cache, rough, known=known):
        vitals = event.vitals
        if progress is not None:
            progress(event)
    return vitals


def measuring(
    run: Run,
    cache: bool = True,
    rough: bool = False,
    mapped: Mapped | None = None,
    known: Known | None = None,
) -> Generator[Progress]:
    """The same as a generator: whoever drives it can stop it and keep the last event's vitals.

    `rough` leaves out the few slow numbers of the weights that no verdict depends on (sharp spectral norms, ranks):
    what a gate needs, and nothing to keep.  `mapped` does the work elsewhere (see `Mapped`); the numbers are the same.
    """
    if run.vitals is not None:
        yield Progress(1, 1, run.vitals.name, replace(load(run.vitals), run=str(run.vitals)))
        return
    known = known or (known_of(run) if cache else Known())
    total = len(run.checkpoints) + len(run.previews)
    vitals = _logs(run)
    yield Progress(0, total, "logs and settings", vitals)
    done = 0
    for checkpoint in _checkpoints(run, known, _held_out(run, vitals), rough, mapped):
        done += 1
        vitals = _with_checkpoint(vitals, checkpoint)
        yield Progress(done, total, checkpoint.path, vitals)
    for preview in measured_previews(run, known, mapped):
        done += 1
        vitals = replace(vitals, previews=(*vitals.previews, preview))
        yield Progress(done, total, preview.path, vitals)
    for picture in training_pictures(vitals.settings.data, run.root, vitals.previews, partial(known_preview, known)):
        vitals = replace(vitals, training=(*vitals.training, picture))
        yield Progress(done, total, picture.path, vitals)


def called(run: Run) -> str:
    """How a run is called in reports: its folder; in a shared folder, its files."""
    if not run.shares_folder:
        return str(run.root)
    files = [part.path for part in run.checkpoints] + [*run.loss_logs, *run.validation_logs]
    return str(files[0]) if len(files) == 1 else str((files[0].parent if files else run.root) / f"{run.name}-*.pt")


# --- logs and settings ------------------------------------------------------------------------------------------------


def _logs(run: Run) -> Vitals:
    skipped = list(run.skipped)
    losses: dict[int, LossPoint] = {}
    points: dict[int, ValidationPoint] = {}
    parts: list[Settings] = []
    for path in run.loss_logs:
        losses |= {point.step: point for point in _read(losslog.read, path, run.root, skipped) or ()}
    for path in run.validation_logs:
        told = _read(settings_files.read_validation, path, run.root, skipped) or ()
        if path.name.endswith(VALIDATED):
            points = _over(points, told, relative(path, run.root), skipped)
        else:
            points |= {point.step: point for point in told}
    for path in sorted(run.settings, key=lambda path: path.name == RUN_FILE):  # ours says most: it comes last
        part = _read(settings_files.read, path, run.root, skipped)
        parts += [part] if part else []
    return Vitals(
        run=called(run),
        name=run.name,
        unreadable=tuple(_shut(skipped)),
        losses=tuple(losses[step] for step in sorted(losses)),
        validation=tuple(points[step] for step in sorted(points)),
        settings=settings_files.merge(parts),
        skipped=tuple(skipped),
        measured_by=__version__,
    )


def _shut(skipped: Sequence[Skipped]) -> Iterator[Unreadable]:
    """The folder of checkpoints that could not be entered: what is in it counts as a file that cannot be read."""
    for one in skipped:
        if one.what == PARTS[0]:
            linked = one.why.startswith("a link")
            reason = f"{one.why}: name where it leads" if linked else one.why
            yield Unreadable(one.what, None, Refusal.FOREIGN if linked else Refusal.DAMAGED, reason)


def _over(
    before: dict[int, ValidationPoint], after: Sequence[ValidationPoint], name: str, skipped: list[Skipped]
) -> dict[int, ValidationPoint]:
    """What `hndoctor validate` measured afterwards, over the trainer's own from its first step to its last.

    They are of other pictures, so that both, in turns, could not be compared.  Where the run has gone on since, only
    its own follow it to its end.
    """
    if not after:
        return before
    if before and max(before) > after[-1].step:
        why = f"the run's own validation goes further, to step {max(before):,}; hndoctor validate measures the rest"
        skipped.append(Skipped(name, why))
        return before
    kept = {step: point for step, point in before.items() if step < after[0].step}
    return kept | {point.step: point for point in after}


def _read(reader: Callable[[Path], _Read], path: Path, root: Path, skipped: list[Skipped]) -> _Read | None:
    """What a reader gives; what it refuses is named among the skipped."""
    try:
        return reader(path)
    except OSError as problem:
        skipped.append(Skipped(relative(path, root), f"it cannot be read: {problem.strerror or problem}"))
    except ValueError as problem:
        skipped.append(Skipped(relative(path, root), str(problem).removeprefix(f"{path.name}: ")))
    return None


# --- checkpoints ------------------------------------------------------------------------------------------------------


def _checkpoints(
    run: Run, known: Known, losses: Mapping[Path, float], rough: bool, mapped: Mapped | None
) -> Iterator[Checkpoint | Unreadable]:
    """In order of step.  What has not changed from the first on is taken over; from the first change on all is read."""
    before = _taken_over(run, known)
    yield from before
    if len(before) == len(run.checkpoints):
        return
    from hndoctor.weights import Chunk

    rest = Chunk(run.root, run.checkpoints, len(before), losses, rough)
    if mapped is None:
        yield from rest.records()
    else:
        for records in mapped(_records, rest.cut()):
            yield from records


def _records(chunk: Chunk) -> list[Checkpoint | Unreadable]:
    return list(chunk.records())


def _held_out(run: Run, vitals: Vitals) -> dict[Path, float]:
    """The held-out loss of each checkpoint against the bare base model's, where it was measured at its step."""
    points = {p.step: p.held_out / p.held_out_base for p in vitals.validation if p.held_out_base > 0}
    found = ((where.path, points.get(where.step or 0)) for where in run.checkpoints)
    return {path: loss for path, loss in found if loss is not None and math.isfinite(loss)}


def _taken_over(run: Run, known: Known) -> list[Checkpoint | Unreadable]:
    found: list[Checkpoint | Unreadable] = []
    for where, same in zip(run.checkpoints, known.order, strict=False):
        name = relative(where.path, run.root)
        if name != same:
            break  # something before it came or went
        try:
            record = known.refused(name, where.path) or known.checkpoint(name, where.path, where.optim)
        except OSError:
            record = None
        if record is None:
            break
        found.append(record)
    return found


def _with_checkpoint(vitals: Vitals, record: Checkpoint | Unreadable) -> Vitals:
    if isinstance(record, Unreadable):
        return replace(vitals, unreadable=(*vitals.unreadable, record))
    return _as_validated(replace(vitals, checkpoints=(*vitals.checkpoints, record)), record)


def _as_validated(vitals: Vitals, record: Checkpoint) -> Vitals:
    """Without what `hndoctor validate` measured of another file in this one's place."""
    step = record.stored_step if record.step is None else record.step
    if any(one.step == step for one in vitals.checkpoints[:-1]):
        return vitals  # the point is of the numbered file, or of the one whose copy this is
    kept = tuple(p for p in vitals.validation if p.step != step or p.content in ("", record.content))
    if len(kept) == len(vitals.validation):
        return vitals
    why = "it was replaced since hndoctor validate measured it; run that again"
    return replace(vitals, validation=kept, skipped=(*vitals.skipped, Skipped(record.path, why)))
