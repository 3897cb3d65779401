"""Checkpoints in order, and the stretches of them that share a sign: one finding tells of one stretch, not of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hndoctor.records import Checkpoint, ModuleVitals, TensorVitals, Vitals


@dataclass(frozen=True)
class Stretch:
    """Consecutive checkpoints that share a sign."""

    members: tuple[Checkpoint, ...]
    to_the_end: bool

    @property
    def first(self) -> Checkpoint:
        """Where it begins."""
        return self.members[0]

    @property
    def where(self) -> str:
        """``at step 9000``, ``from step 9000 to the end (3 checkpoints)``."""
        count = len(self.members)
        if count == 1:
            return called(self.first)
        until = "to the end" if self.to_the_end else f"to {place(self.members[-1])}"
        return f"from {place(self.first)} {until} ({count} checkpoints)"


def place(checkpoint: Checkpoint) -> str:
    """``step 9000``, or the file's name where it has no step."""
    return f"step {checkpoint.step:,}" if checkpoint.step is not None else checkpoint.path.rpartition("/")[2]


def called(checkpoint: Checkpoint) -> str:
    """``at step 9000`` or ``in fischl.pt``."""
    return f"{'at' if checkpoint.step is not None else 'in'} {place(checkpoint)}"


_WITHOUT_STEP = ("NovelAI", "kohya")  # provenances of files that store no step at all


def is_ageless(checkpoint: Checkpoint) -> bool:
    """Whether neither its name nor its content tells how many steps it was trained."""
    return checkpoint.step is None and not stores_step(checkpoint)


def stores_step(checkpoint: Checkpoint) -> bool:
    """Whether the file has a step in it that a training can reach."""
    return not checkpoint.provenance.startswith(_WITHOUT_STEP) and "step" not in checkpoint.metadata.odd


def networks(vitals: Vitals) -> tuple[Checkpoint, ...]:
    """The checkpoints that are networks and were examined whole, in order."""
    return tuple(checkpoint for checkpoint in vitals.checkpoints if not checkpoint.partial)


def stretches(checkpoints: tuple[Checkpoint, ...], shows: Callable[[Checkpoint], bool]) -> Iterator[Stretch]:
    """The longest runs of consecutive checkpoints that show a sign."""
    found: list[Checkpoint] = []
    for checkpoint in checkpoints:
        if shows(checkpoint):
            found.append(checkpoint)
        elif found:
            yield Stretch(tuple(found), False)
            found = []
    if found:
        yield Stretch(tuple(found), True)


def label(module: ModuleVitals) -> str:
    """``768.k``."""
    return f"{module.size}.{module.side}"


def nonfinite(tensor: TensorVitals) -> int:
    """How many of its elements are NaN or infinite."""
    return tensor.nan + tensor.posinf + tensor.neginf


def gains_of(checkpoint: Checkpoint) -> list[float]:
    """The gains of its modules, as far as they can be computed."""
    return [module.gain for module in checkpoint.modules if module.gain is not None]


def gain_of(checkpoint: Checkpoint) -> float | None:
    """The largest gain of any module; None where none can be computed."""
    return max(gains_of(checkpoint), default=None)


def largest_gain(checkpoint: Checkpoint, side: str = "kv") -> tuple[str, float] | None:
    """The module of the largest gain, of keys or of values only if `side` says so, and that gain."""
    of_side = (module for module in checkpoint.modules if module.side in side)
    known = [(module.gain, label(module)) for module in of_side if module.gain is not None]
    return (max(known)[1], max(known)[0]) if known else None
