"""One checkpoint from the disk to its record, and what must be remembered for the next one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from hndoctor.formats import HypernetworkFile, OptimizerFile, Refused, TensorFile, read
from hndoctor.formats.loaders import misread_by, refused_by
from hndoctor.formats.source import Snapshot, snapshot
from hndoctor.formats.types import Array
from hndoctor.records import Checkpoint, CheckpointPath, NetworkMetadata, OptimizerVitals, Refusal, Unreadable
from hndoctor.weights.measure import measure, measure_tensors
from hndoctor.weights.optimizer import measure_optimizer

PARTIAL = {
    "embedding": "a textual-inversion embedding: only integrity and norms were examined",
    "lora": "a LoRA: only integrity and norms were examined",
    "tensors": "tensors of no known kind: only integrity and norms were examined",
}


@dataclass(frozen=True)
class Kept:
    """A network that was read, and the state its file was in."""

    file: HypernetworkFile
    state: Snapshot

    def still(self) -> HypernetworkFile | None:
        """The network, unless its file was overwritten in place: then its mapped weights are no longer its own."""
        try:
            now = snapshot(self.file.path)
        except (OSError, Refused):
            return self.file  # gone or replaced by name: the mapped bytes stay what they were
        return None if now.inode == self.state.inode and now != self.state else self.file


@dataclass(frozen=True)
class Memory:
    """What the next checkpoint's comparison needs.  Weights are mapped where that is safe, so this costs little."""

    first: Kept
    before: Kept
    earlier: Kept | None = None
    directions: Mapping[str, Array] = field(default_factory=dict)


def measure_checkpoint(
    where: CheckpointPath, root: Path, before: Memory | None = None
) -> tuple[Checkpoint | Unreadable, Memory | None]:
    """Read and measure one checkpoint, and the optimizer state beside it.

    `root` is the run's folder, to which paths are recorded.  `before` is what the call for the checkpoint before
    returned; hand the second result to the next call.  Never raises for what is in the files: that becomes an
    `Unreadable` with its reason.
    """
    try:
        state = snapshot(where.path)
        file = read(where.path)
        if isinstance(file, OptimizerFile):
            raise Refused(Refusal.FOREIGN, "an optimizer state, not a network")
        if isinstance(file, TensorFile):
            return _partial(file, where, root, state), before
        return _whole(file, where, root, Kept(file, state), before)
    except Refused as refused:
        return _unreadable(where, root, refused.kind, refused.reason), before
    except OSError as problem:
        reason = f"it cannot be read: {problem.strerror or problem}"
        return _unreadable(where, root, Refusal.DAMAGED, reason), before


def _whole(
    file: HypernetworkFile, where: CheckpointPath, root: Path, kept: Kept, memory: Memory | None
) -> tuple[Checkpoint, Memory]:
    first = memory.first.still() if memory else None
    before = memory.before.still() if memory else None
    earlier = memory.earlier.still() if memory and memory.earlier else None
    tensors, modules, directions = measure(file, before, first, earlier, memory.directions if memory else None)
    made = Checkpoint(
        path=relative(where.path, root),
        step=where.step,
        stored_step=file.metadata.step,
        bytes=file.bytes,
        modified=kept.state.modified / 1e9,
        sha256=file.sha256,
        container=file.container,
        provenance=file.provenance,
        metadata=file.metadata,
        tensors=tensors,
        modules=modules,
        optimizer=_optimizer(where, root, file.sha256),
        refused_by=refused_by(file),
        misread_by=misread_by(file),
    )
    first_kept = memory.first if memory else kept
    return made, Memory(first_kept, kept, memory.before if memory else None, directions)


def _partial(file: TensorFile, where: CheckpointPath, root: Path, state: Snapshot) -> Checkpoint:
    return Checkpoint(
        path=relative(where.path, root),
        step=where.step,
        stored_step=0,
        bytes=file.bytes,
        modified=state.modified / 1e9,
        sha256=file.sha256,
        container=file.container,
        provenance=file.kind,
        metadata=NetworkMetadata(name=where.path.stem),
        tensors=measure_tensors(file),
        modules=(),
        optimizer=_optimizer(where, root, file.sha256),
        partial=PARTIAL[file.kind],
    )


def _optimizer(where: CheckpointPath, root: Path, sha256: str) -> OptimizerVitals | None:
    if where.optim is None:
        return None
    name, size, modified = relative(where.optim, root), 0, 0.0
    try:
        found = where.optim.stat()
        size, modified = found.st_size, found.st_mtime
        file = read(where.optim)
        if not isinstance(file, OptimizerFile):
            raise Refused(Refusal.FOREIGN, "not an optimizer state")
        return replace(measure_optimizer(file, where.path, sha256, name), bytes=size, modified=modified)
    except Refused as refused:
        reason = refused.reason
    except OSError as problem:
        reason = f"it cannot be read: {problem.strerror or problem}"
    unknown = OptimizerVitals(name, None, None, None, None, None, None)
    return replace(unknown, unreadable=reason, bytes=size, modified=modified)


def _unreadable(where: CheckpointPath, root: Path, kind: Refusal, reason: str) -> Unreadable:
    try:
        found = where.path.stat()
        size, modified = found.st_size, found.st_mtime
    except OSError:
        size, modified = 0, 0.0
    return Unreadable(relative(where.path, root), where.step, kind, reason, size, modified)


def relative(path: Path, root: Path) -> str:
    """A path as records hold it: POSIX, as seen from the run's folder."""
    try:
        return PurePath(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()
