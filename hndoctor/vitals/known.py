"""What was measured before and need not be measured again: records of files that have not changed since."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from hndoctor.calibration import whole
from hndoctor.collect import beside
from hndoctor.formats.checksum import content_key_of
from hndoctor.formats.run_files import VITALS
from hndoctor.records import Checkpoint, Preview, Refusal, Run, Unreadable, Vitals
from hndoctor.version import __version__
from hndoctor.vitals.stored import VitalsError, load

SETTLED = (
    2.0  # seconds that a file must be older than the measurement: within less a clock cannot tell two writes apart
)
TICK = 1e-6  # seconds; finer differences are rounding of the same file time
State = tuple[int, int, int, int]  # what tells one state of a file from another: see `states_of`


@dataclass(frozen=True)
class Known:
    """Records by path, and when they were taken."""

    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    previews: dict[str, Preview] = field(default_factory=dict)
    taken: float = 0.0
    unreadable: dict[str, Unreadable] = field(default_factory=dict)
    order: tuple[str, ...] = ()  # of the checkpoints: each was compared with those before it
    states: Mapping[Path, State] = field(default_factory=dict)  # from before the measurement; nobody wrote meanwhile

    @classmethod
    def of(cls, vitals: Vitals, taken: float, states: Mapping[Path, State] | None = None) -> Known:
        """What vitals tell that were taken at that time (seconds since 1970)."""
        records: list[Checkpoint | Unreadable] = [*vitals.checkpoints, *vitals.unreadable]
        return cls(
            {checkpoint.path: checkpoint for checkpoint in vitals.checkpoints},
            {preview.path: preview for preview in (*vitals.previews, *vitals.training) if preview.unreadable is None},
            taken,
            {refused.path: refused for refused in vitals.unreadable},
            tuple(one.path for one in sorted(records, key=_place)),
            states or {},
        )

    def refused(self, name: str, path: Path) -> Unreadable | None:
        """The refusal of a checkpoint, if its file is as it was; one still being written is looked at again."""
        before = self.unreadable.get(name)
        if before is None or before.kind is Refusal.WRITING:
            return None
        return before if self._unchanged(path, before.bytes, before.modified) else None

    def checkpoint(self, name: str, path: Path, optim: Path | None) -> Checkpoint | None:
        """The record of a checkpoint and of its optimizer state, if both files are as they were."""
        before = self.checkpoints.get(name)
        if before is None or not self._same(path, before.bytes, before.modified, before.content):
            return None
        optimizer = before.optimizer
        if optimizer is None or optim is None:
            if optimizer is not None or optim is not None:
                return None
        elif self._same(optim, optimizer.bytes, optimizer.modified, optimizer.content):
            optimizer = replace(optimizer, modified=optim.stat().st_mtime)
        else:
            return None
        return replace(before, modified=path.stat().st_mtime_ns / 1e9, optimizer=optimizer)

    def preview(self, name: str, path: Path) -> Preview | None:
        """The record of a preview, if its file is as it was and nothing is measured today that it lacks."""
        before = self.previews.get(name)
        if before is None or not whole(before.scores):
            return None
        return before if self._unchanged(path, before.bytes, before.modified) else None

    def _same(self, path: Path, size: int, modified: float, content: str) -> bool:
        """Untouched; or touched, or copied, and still the same bytes."""
        if self._unchanged(path, size, modified):
            return True
        return path.stat().st_size == size and content_key_of(path) == content

    def _unchanged(self, path: Path, size: int, modified: float) -> bool:
        """By its size and times: other bytes may be given the old time of writing, but not the old time of change."""
        now = path.stat()
        if path in self.states:
            return self.states[path] == _state(now)
        if now.st_ctime > self.taken:  # on Windows, the time when it was made
            return False
        return now.st_size == size and abs(now.st_mtime - modified) < TICK and modified < self.taken - SETTLED


def known_of(run: Run) -> Known:
    """From the `vitals.json` of the run, if this version of hndoctor wrote it; otherwise nothing is known."""
    path = beside(run, VITALS)
    try:
        taken = path.stat().st_mtime
        vitals = load(path)
    except (OSError, VitalsError):
        return Known()
    return Known.of(vitals, taken) if vitals.measured_by == __version__ else Known()


def states_of(run: Run) -> dict[Path, State]:
    """Of every file of a run that is measured: its size, its times of writing and of change, which file it is."""
    files = [*(one.path for one in run.checkpoints), *(one.path for one in run.previews)]
    files += [checkpoint.optim for checkpoint in run.checkpoints if checkpoint.optim]
    found = {}
    for path in files:
        with suppress(OSError):  # gone: nothing will be known of it
            found[path] = _state(path.stat())
    return found


def _state(found: os.stat_result) -> State:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _place(one: Checkpoint | Unreadable) -> tuple[bool, int, str]:
    return one.step is None, one.step or 0, one.path
