"""The slow part: bytes and pixels to numbers, one file at a time, told event by event."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar

from hndoctor.formats import losslog
from hndoctor.formats import settings as settings_files
from hndoctor.records import (
    Checkpoint,
    CheckpointPath,
    LossPoint,
    Preview,
    PreviewPath,
    Run,
    Settings,
    Skipped,
    Unreadable,
    ValidationPoint,
    Vitals,
)
from hndoctor.version import __version__
from hndoctor.vitals.known import Known, known_of
from hndoctor.vitals.stored import load
from hndoctor.vitals.training import training_pictures

if TYPE_CHECKING:
    from hndoctor.weights import Memory

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Progress:
    """One file more is measured.  `vitals` holds everything up to here: stop at any time and keep it."""

    done: int
    total: int
    what: str
    vitals: Vitals


def measure_run(
    run: Run, progress: Callable[[Progress], None] | None = None, cache: bool = True, rough: bool = False
) -> Vitals:
    """Measure a run.  With `cache`, files that its `vitals.json` knows and that have not changed are not read again.
    `rough`: see `measuring`.

    What cannot be read is named in the vitals, never raised; VitalsError only where a run is nothing but a
    `vitals.json` that cannot be used.
    """
    vitals = Vitals(str(run.root), run.name)
    for event in measuring(run, cache, rough):
        vitals = event.vitals
        if progress is not None:
            progress(event)
    return vitals


def measuring(run: Run, cache: bool = True, rough: bool = False) -> Generator[Progress]:
    """The same as a generator: whoever drives it can stop it and keep the last event's vitals.

    `rough` leaves out the few slow numbers of the weights that no verdict depends on (sharp spectral norms, ranks):
    what a gate needs, and nothing to keep.
    """
    if run.vitals is not None:
        yield Progress(1, 1, run.vitals.name, replace(load(run.vitals), run=str(run.vitals)))
        return
    known = known_of(run) if cache else Known()
    total = len(run.checkpoints) + len(run.previews)
    vitals = _logs(run)
    yield Progress(0, total, "logs and settings", vitals)
    done = 0
    for checkpoint in _checkpoints(run, known, _held_out(run, vitals), rough):
        done += 1
        vitals = _with_checkpoint(vitals, checkpoint)
        yield Progress(done, total, checkpoint.path, vitals)
    from hndoctor.vitals.ahead import in_order

    for preview in in_order(lambda where: _preview(where, run.root, known), run.previews):
        done += 1
        vitals = replace(vitals, previews=(*vitals.previews, preview))
        yield Progress(done, total, preview.path, vitals)
    for picture in training_pictures(vitals.settings.data, run.root, vitals.previews, partial(_known_preview, known)):
        vitals = replace(vitals, training=(*vitals.training, picture))
        yield Progress(done, total, picture.path, vitals)


def relative(path: Path, root: Path) -> str:
    """POSIX, as seen from the run's folder; a resumed run's earlier days lie beside it (`../../2023-01-01/…`)."""
    try:
        return PurePath(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def called(run: Run) -> str:
    """How a run is called in reports: its folder; in a shared folder, its files."""
    if not run.shares_folder:
        return str(run.root)
    files = [part.path for part in run.checkpoints] + [*run.loss_logs, *run.validation_logs]
    return str(files[0]) if len(files) == 1 else str(run.root / f"{run.name}-*.pt")


# --- logs and settings ------------------------------------------------------------------------------------------------


def _logs(run: Run) -> Vitals:
    skipped = list(run.skipped)
    losses: dict[int, LossPoint] = {}
    points: dict[int, ValidationPoint] = {}
    parts: list[Settings] = []
    for path in run.loss_logs:
        losses |= {point.step: point for point in _read(losslog.read, path, run.root, skipped) or ()}
    for path in run.validation_logs:
        points |= {point.step: point for point in _read(settings_files.read_validation, path, run.root, skipped) or ()}
    for path in sorted(run.settings, key=lambda path: path.name == "run.json"):  # ours says most: it comes last
        part = _read(settings_files.read, path, run.root, skipped)
        parts += [part] if part else []
    return Vitals(
        run=called(run),
        name=run.name,
        losses=tuple(losses[step] for step in sorted(losses)),
        validation=tuple(points[step] for step in sorted(points)),
        settings=settings_files.merge(parts),
        skipped=tuple(skipped),
        measured_by=__version__,
    )


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
    run: Run, known: Known, losses: Mapping[Path, float], rough: bool
) -> Iterator[Checkpoint | Unreadable]:
    """In order of step.  What has not changed from the first on is taken over; from the first change on all is read.

    Updates are measured against the checkpoint before, so those that the first new one needs are read again.
    """
    before = _taken_over(run, known)
    yield from before
    memory: Memory | None = None
    if len(before) < len(run.checkpoints):
        again = [w for w, record in zip(run.checkpoints, before, strict=False) if isinstance(record, Checkpoint)]
        for where in _needed_again(again, losses):
            memory = _measured(where, run.root, memory, losses.get(where.path), rough)[1]
    for where in run.checkpoints[len(before) :]:
        record, memory = _measured(where, run.root, memory, losses.get(where.path), rough)
        yield record


def _held_out(run: Run, vitals: Vitals) -> dict[Path, float]:
    """The held-out loss of each checkpoint against the bare base model's, where it was measured at its step."""
    points = {p.step: p.held_out / p.held_out_base for p in vitals.validation if p.held_out_base > 0}
    found = ((where.path, points.get(where.step or 0)) for where in run.checkpoints)
    return {path: loss for path, loss in found if loss is not None and math.isfinite(loss)}


def _taken_over(run: Run, known: Known) -> list[Checkpoint | Unreadable]:
    found: list[Checkpoint | Unreadable] = []
    for where in run.checkpoints:
        name = relative(where.path, run.root)
        try:
            record = known.refused(name, where.path) or known.checkpoint(name, where.path, where.optim)
        except OSError:
            record = None
        if record is None:
            break
        found.append(record)
    return found


def _needed_again(before: Sequence[CheckpointPath], losses: Mapping[Path, float]) -> Sequence[CheckpointPath]:
    """The first, from which travel counts; the best; the last two, from which the change and its direction count."""
    best = min(before, key=lambda where: losses.get(where.path, math.inf)) if before else None
    wanted = {*before[:1], *before[-2:], *([best] if best and best.path in losses else [])}
    return [where for where in before if where in wanted]


def _measured(
    where: CheckpointPath, root: Path, memory: Memory | None, held_out: float | None, rough: bool
) -> tuple[Checkpoint | Unreadable, Memory | None]:
    from hndoctor.weights import measure_checkpoint

    record, kept = measure_checkpoint(where, root, memory, held_out, rough)
    name = relative(where.path, root)
    if isinstance(record, Unreadable) or record.optimizer is None or where.optim is None:
        return replace(record, path=name), kept or memory
    status = where.optim.stat() if where.optim.exists() else None
    optimizer = replace(
        record.optimizer,
        path=relative(where.optim, root),
        bytes=status.st_size if status else 0,
        modified=status.st_mtime if status else 0.0,
    )
    return replace(record, path=name, optimizer=optimizer), kept or memory


def _with_checkpoint(vitals: Vitals, record: Checkpoint | Unreadable) -> Vitals:
    if isinstance(record, Unreadable):
        return replace(vitals, unreadable=(*vitals.unreadable, record))
    return replace(vitals, checkpoints=(*vitals.checkpoints, record))


# --- previews ---------------------------------------------------------------------------------------------------------


def _preview(where: PreviewPath, root: Path, known: Known) -> Preview:
    from hndoctor.metrics import measure_preview

    name = relative(where.path, root)
    before = _known_preview(known, name, where.path)
    if before is not None:
        return before
    preview = replace(measure_preview(where, root), path=name, step=where.step)
    scores = {name: value for name, value in preview.scores.items() if math.isfinite(value)}
    return _told(replace(preview, scores=scores), where.path)


def _known_preview(known: Known, name: str, path: Path) -> Preview | None:
    try:
        return known.preview(name, path)
    except OSError:
        return None


def _told(preview: Preview, path: Path) -> Preview:
    """With how it was made, from the picture's own text."""
    from hndoctor.vitals.text import infotext_of

    text = infotext_of(path) if preview.unreadable is None else None
    if text is None:
        return preview
    return replace(
        preview,
        prompt=text.prompt,
        negative_prompt=text.negative_prompt,
        seed=text.seed,
        sampler=text.sampler,
        sampling_steps=text.steps,
        cfg_scale=text.cfg_scale,
        clip_skip=text.clip_skip or (1 if text.steps else None),  # the web UI does not write 1
        model_hash=text.model_hash,
    )
