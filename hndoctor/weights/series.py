"""A run's checkpoints one after the other, in chunks that can be measured apart and give the same numbers.

A checkpoint's numbers depend on the files alone: on its own, on those that it is compared with, and, in the last
digits of its spectral norms, on the warm starts since its chunk began.  Every chunk begins cold, so who measures it,
with which others, and after how many interruptions makes no difference, not in a single bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from hndoctor.formats import Refused
from hndoctor.records import Checkpoint, CheckpointPath, Unreadable
from hndoctor.weights.checkpoint import Kept, Memory, kept, measure_checkpoint

CHUNK = 10  # checkpoints; a cold start costs 1.7 warm ones more: 17 % here, 34 % with 5 (measured on 88 MB files)


@dataclass(frozen=True)
class Chunk:
    """Consecutive checkpoints of a run, and all that is needed to measure them anywhere."""

    root: Path
    checkpoints: tuple[CheckpointPath, ...]  # of the whole run up to the last that is wanted
    begin: int  # place of the first that is wanted
    losses: Mapping[Path, float]  # held-out losses, which say which checkpoint is the best so far
    rough: bool = False

    def records(self) -> Iterator[Checkpoint | Unreadable]:
        """The records of the checkpoints that are wanted, in order."""
        start = self.begin if self.rough else self.begin - self.begin % CHUNK
        memory = _memory(self.checkpoints[:start], self.losses) if self.begin < len(self.checkpoints) else None
        for place, where in enumerate(self.checkpoints[start:], start):
            if memory is not None and place % CHUNK == 0:
                memory = replace(memory, directions={})
            held_out = self.losses.get(where.path)
            record, memory = measure_checkpoint(where, self.root, memory, held_out, self.rough)
            if place >= self.begin:
                yield record

    def cut(self) -> list[Chunk]:
        """The same as chunks that can be measured side by side."""
        ends = [*range(self.begin - self.begin % CHUNK + CHUNK, len(self.checkpoints), CHUNK), len(self.checkpoints)]
        begins = [self.begin, *ends[:-1]]
        return [
            replace(self, checkpoints=self.checkpoints[:end], begin=begin)
            for begin, end in zip(begins, ends, strict=True)
            if begin < end
        ]


def _memory(before: Sequence[CheckpointPath], losses: Mapping[Path, float]) -> Memory | None:
    """What measuring all of these would have left behind, without the directions: they are only read."""
    first = next(_read(before), None)
    if first is None:
        return None
    last, *earlier = islice(_read(reversed(before)), 2)
    told = sorted((where for where in before if where.path in losses), key=lambda where: losses[where.path])
    best = next(_read(told), None)
    least = losses[best.file.path] if best else math.inf
    earliest = earlier[0] if earlier else None
    return Memory(first, last, earliest, {}, best, least)


def _read(files: Iterable[CheckpointPath]) -> Iterator[Kept]:
    """Those that are whole networks."""
    for where in files:
        try:
            found = kept(where.path)
        except (Refused, OSError):
            continue
        if found is not None:
            yield found
