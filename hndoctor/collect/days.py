"""One run over several days, in a folder of each day, as the web UI spreads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from hndoctor.collect.parts import in_order
from hndoctor.records import CheckpointPath, PreviewPath, Run, Skipped

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def joined(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Join what the web UI spread over dates: `2023-01-01/x` and `2023-01-02/x`, where the later goes on.

    A later folder that begins no later than the earlier one began is another run of the same name.
    """
    found: list[Run] = []
    for run in sorted(runs, key=lambda run: run.root.as_posix()):
        at = next((at for at in range(len(found) - 1, -1, -1) if _goes_on(found[at], run)), None)
        if at is None:
            found.append(run)
        else:
            found[at] = _join(found[at], run)
    return tuple(sorted(found, key=lambda run: run.root.as_posix()))


def _goes_on(before: Run, after: Run) -> bool:
    if before.name != after.name or before.root.parents[1:2] != after.root.parents[1:2]:
        return False
    if not (_DATE.fullmatch(before.root.parent.name) and _DATE.fullmatch(after.root.parent.name)):
        return False
    begun, goes_on = _steps(before), _steps(after)
    return not begun or not goes_on or min(goes_on) > min(begun)


def _parts(run: Run) -> tuple[CheckpointPath | PreviewPath, ...]:
    return (*run.checkpoints, *run.previews)


def _steps(run: Run) -> list[int]:
    return [part.step for part in _parts(run) if part.step is not None]


def _join(before: Run, after: Run) -> Run:
    """The later folder is the run's root; what the earlier one did beyond the point of return was left behind."""
    back = min(_steps(after), default=None)
    kept = [part for part in before.checkpoints if part.step is not None and (back is None or part.step < back)]
    shown = [part for part in before.previews if part.step is not None and (back is None or part.step < back)]
    left = [part.path for part in _parts(before) if part not in kept and part not in shown]
    why = f"left behind: {after.root.parent.name} goes on from before it"
    return replace(
        after,
        checkpoints=in_order((*kept, *after.checkpoints)),
        previews=in_order((*shown, *after.previews)),
        loss_logs=(*before.loss_logs, *after.loss_logs),
        validation_logs=(*before.validation_logs, *after.validation_logs),
        settings=(*before.settings, *after.settings),
        skipped=(*before.skipped, *(Skipped(path.name, why) for path in left), *after.skipped),
    )
