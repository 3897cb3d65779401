"""One checkpoint from the disk to its record, and what must be remembered for the next one."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hndoctor.formats import HypernetworkFile, OptimizerFile, Refused, TensorFile, read
from hndoctor.formats.folders import relative
from hndoctor.formats.hashes import generation, sha256
from hndoctor.formats.loaders import misread_by, refused_by
from hndoctor.formats.source import Snapshot, snapshot, withheld
from hndoctor.formats.types import Array
from hndoctor.records import Checkpoint, CheckpointPath, NetworkMetadata, OptimizerVitals, Refusal, Unreadable
from hndoctor.weights.changes import Past
from hndoctor.weights.measure import Directions, measure, measure_tensors
from hndoctor.weights.optimizer import Shape, measure_optimizer
from hndoctor.weights.tallies import Tallies

READ_AGAIN = (0.2, 0.8)  # seconds to wait for a trainer that is saving: 88 MB take it about half of one (guess)
PARTIAL = {
    "embedding": "a textual-inversion embedding: only integrity and norms were examined",
    "lora": "a LoRA: only integrity and norms were examined",
    "model": "a Stable Diffusion model: only integrity and norms were examined",
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
    best: Kept | None = None
    best_loss: float = math.inf  # held-out loss of `best`

    def past(self) -> Past:
        """What the next checkpoint can still be compared with."""
        kept = (self.before, self.earlier, self.first, self.best)
        return Past(*(one.still() if one else None for one in kept))


def kept(path: Path) -> Kept | None:
    """A network read for comparisons only; None where the file is something else.  Raises Refused and OSError."""
    state, file = snapshot(path), read(path, sha256=False, content=False)
    return Kept(file, state) if isinstance(file, HypernetworkFile) else None


def measure_checkpoint(
    where: CheckpointPath,
    root: Path,
    before: Memory | None = None,
    held_out: float | None = None,
    rough: bool = False,
) -> tuple[Checkpoint | Unreadable, Memory | None]:
    """Read and measure one checkpoint, and the optimizer state beside it.

    `root` is the run's folder, to which paths are recorded.  `before` is what the call for the checkpoint before
    returned; hand the second result to the next call.  `held_out` is its validation loss, which says whether it is the
    best so far; `rough` leaves out numbers that no verdict depends on.  Never raises for what is in the files: that
    becomes an `Unreadable` with its reason.
    """
    try:
        state, file, counted = _read(where.path, rough)
        if isinstance(file, OptimizerFile):
            raise Refused(Refusal.FOREIGN, "an optimizer state, not a network")
        if isinstance(file, TensorFile):
            return _partial(file, where, root, state, rough, counted), before
        return _whole(file, where, root, Kept(file, state), before, held_out, rough, counted)
    except (Refused, OSError) as problem:
        return _unreadable(where, root, withheld(problem)), before


Found = tuple[Snapshot, HypernetworkFile | OptimizerFile | TensorFile, Tallies]


def _read(path: Path, rough: bool) -> Found:
    """Read a network; one that was just being written a little later again."""
    for wait in READ_AGAIN:
        try:
            return _read_once(path, rough)
        except Refused as refused:
            if refused.kind is not Refusal.WRITING or not path.exists():
                raise
            time.sleep(wait)
    return _read_once(path, rough)


def _read_once(path: Path, rough: bool) -> Found:
    state, counted = snapshot(path), Tallies()
    return state, read(path, sha256=False, content=not rough, watch=counted.watch), counted


def _whole(
    file: HypernetworkFile,
    where: CheckpointPath,
    root: Path,
    kept: Kept,
    memory: Memory | None,
    held_out: float | None,
    rough: bool,
    counted: Tallies,
) -> tuple[Checkpoint, Memory]:
    past, warm = (memory.past(), memory.directions) if memory else (Past(), None)
    tensors, modules, directions = measure(file, past, warm, rough, counted)
    optimizer, hashed = _optimizer(where, root, rough, [tensor.shape for tensor in tensors])
    made = Checkpoint(
        path=relative(where.path, root),
        step=where.step,
        stored_step=file.metadata.step,
        bytes=file.bytes,
        modified=kept.state.modified / 1e9,
        sha256=hashed,
        container=file.container,
        provenance=file.provenance,
        metadata=file.metadata,
        tensors=tensors,
        modules=modules,
        optimizer=optimizer,
        refused_by=refused_by(file),
        misread_by=misread_by(file),
        content=file.content,
    )
    return made, _remembered(kept, memory, directions, held_out)


def _remembered(kept: Kept, memory: Memory | None, directions: Directions, held_out: float | None) -> Memory:
    loss = math.inf if held_out is None else held_out
    if memory is None:
        return Memory(kept, kept, None, directions, None if held_out is None else kept, loss)
    best, least = (kept, loss) if loss < memory.best_loss else (memory.best, memory.best_loss)
    return Memory(memory.first, kept, memory.before, directions, best, least)


def _partial(
    file: TensorFile, where: CheckpointPath, root: Path, state: Snapshot, rough: bool, counted: Tallies
) -> Checkpoint:
    optimizer, hashed = _optimizer(where, root, rough, None)
    return Checkpoint(
        path=relative(where.path, root),
        step=where.step,
        stored_step=0,
        bytes=file.bytes,
        modified=state.modified / 1e9,
        sha256=hashed,
        container=file.container,
        provenance=file.kind,
        metadata=NetworkMetadata(name=where.path.stem),
        tensors=measure_tensors(file, rough, counted),
        modules=(),
        optimizer=optimizer,
        partial=PARTIAL[file.kind],
        content=file.content,
    )


def _optimizer(
    where: CheckpointPath, root: Path, rough: bool, shapes: Sequence[Shape] | None
) -> tuple[OptimizerVitals | None, str]:
    """The optimizer state beside a network, and the network's SHA-256 where the state is tied to it by that."""
    if where.optim is None:
        return None, ""
    name, size, modified = relative(where.optim, root), 0, 0.0
    try:
        found = where.optim.stat()
        size, modified = found.st_size, found.st_mtime
        file = read(where.optim, sha256=False, content=not rough)
        if not isinstance(file, OptimizerFile):
            raise Refused(Refusal.FOREIGN, "not an optimizer state")
        hashed = sha256(where.path) if generation(file.hash) == 2 else ""
        made = measure_optimizer(file, where.path, hashed, name, shapes)
        return replace(made, bytes=size, modified=modified, content=file.content), hashed
    except (Refused, OSError) as problem:
        refused = withheld(problem)
    unknown = OptimizerVitals(name, None, None, None, None, None, None)
    told = replace(unknown, unreadable=refused.reason, refusal=refused.kind)
    return replace(told, bytes=size, modified=modified), ""


def _unreadable(where: CheckpointPath, root: Path, refused: Refused) -> Unreadable:
    try:
        found = where.path.stat()
        size, modified = found.st_size, found.st_mtime
    except OSError:
        size, modified = 0, 0.0
    return Unreadable(relative(where.path, root), where.step, refused.kind, refused.reason, size, modified)
