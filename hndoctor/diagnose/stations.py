"""The stops at which a run is judged, and the evidence that belongs to each: everything since the stop before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hndoctor.records import Checkpoint, LossPoint, Preview, Unreadable, ValidationPoint, Vitals
from hndoctor.rules.windows import FEWEST, WINDOW

WINDOWS_ALONE = 24  # stops when there is nothing but a loss log; guess


@dataclass(frozen=True)
class Stop:
    """One step and what is known of it."""

    step: int
    checkpoints: tuple[Checkpoint, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    previews: tuple[Preview, ...] = ()
    losses: tuple[LossPoint, ...] = ()  # since the stop before
    trailing: tuple[LossPoint, ...] = ()  # the last `WINDOW` up to this stop
    validation: tuple[ValidationPoint, ...] = ()


def step_of(checkpoint: Checkpoint) -> int:
    """The step that a file counts for: its name's number, or for the final file, which has none, the stored one."""
    return checkpoint.step if checkpoint.step is not None else checkpoint.stored_step


def living(vitals: Vitals) -> Vitals:
    """Without what a resumption left behind: files of later steps that are older than the resumed run's own.

    Only where the run says that it was resumed; file times alone prove nothing, as copying changes them.
    """
    cut = _first_left_behind(vitals)
    if cut is None:
        return vitals
    newest = max(checkpoint.modified for checkpoint in vitals.checkpoints if step_of(checkpoint) < cut)
    return replace(
        vitals,
        checkpoints=tuple(one for one in vitals.checkpoints if step_of(one) < cut or one.modified >= newest),
        unreadable=tuple(one for one in vitals.unreadable if (one.step or 0) < cut or one.modified >= newest),
        previews=tuple(one for one in vitals.previews if (one.step or 0) < cut or one.modified >= newest),
        losses=tuple(point for point in vitals.losses if point.step < cut),
        validation=tuple(point for point in vitals.validation if point.step < cut),
    )


def _first_left_behind(vitals: Vitals) -> int | None:
    back = max(vitals.settings.resumed_at, default=None)
    if back is None:
        return None
    newest = None
    for checkpoint in sorted(vitals.checkpoints, key=step_of):
        if step_of(checkpoint) <= back or checkpoint.step is None:
            continue
        if newest is not None and checkpoint.modified < newest:
            return checkpoint.step
        newest = checkpoint.modified
    return None


def stops_of(vitals: Vitals) -> tuple[Stop, ...]:
    """In order of step: wherever there is a checkpoint or a preview of the network, and where evidence ends."""
    steps = {step_of(checkpoint) for checkpoint in vitals.checkpoints}
    steps |= {one.step for one in vitals.unreadable if one.step is not None}
    steps |= {preview.step for preview in vitals.previews if preview.step}
    steps |= _ends(vitals, steps)
    ordered = sorted(steps)
    losses = sorted(vitals.losses, key=lambda point: point.step)
    logged = [point.step for point in losses]
    found, before = [], -1
    for step in ordered:
        begun, end = bisect_right(logged, before), bisect_right(logged, step)
        found.append(_stop(vitals, before, step, losses[begun:end], losses[max(0, end - WINDOW) : end]))
        before = step
    return tuple(found)


def _ends(vitals: Vitals, steps: set[int]) -> set[int]:
    """Stops for evidence beyond the last file, and for logs that stand alone."""
    logged = sorted({point.step for point in vitals.losses})
    validated = {point.step for point in vitals.validation if point.step}
    if not steps:
        every = max(1, -(-len(logged) // WINDOWS_ALONE))
        return validated or {*logged[every - 1 :: every], *logged[-1:]}
    last = max(steps)
    beyond = [point for point in vitals.losses if point.step > last]
    ends = {step for step in validated if step > last}
    if len(beyond) >= FEWEST or any(point.nonfinite for point in beyond):
        ends.add(max(point.step for point in beyond))
    return ends


def _stop(vitals: Vitals, before: int, step: int, since: list[LossPoint], trailing: list[LossPoint]) -> Stop:
    return Stop(
        step=step,
        checkpoints=_by_path(one for one in vitals.checkpoints if step_of(one) == step),
        unreadable=tuple(sorted((u for u in vitals.unreadable if u.step == step), key=lambda u: u.path)),
        previews=tuple(
            sorted((p for p in vitals.previews if p.step == step and p.unreadable is None), key=lambda p: p.path)
        ),
        losses=tuple(since),
        trailing=tuple(trailing),
        validation=tuple(
            sorted((p for p in vitals.validation if before < p.step <= step and p.step), key=lambda p: p.step)
        ),
    )


def _by_path(checkpoints: Iterable[Checkpoint]) -> tuple[Checkpoint, ...]:
    """The numbered file before the final one of the same step."""
    return tuple(sorted(checkpoints, key=lambda one: (one.step is None, one.path)))
