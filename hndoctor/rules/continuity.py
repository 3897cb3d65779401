"""Whether checkpoints of one run are of one network (HN120)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hndoctor.records import Checkpoint, Severity, Vitals
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.stretches import called, label, networks

# RMS of a module's change over the larger of its RMS before and after.  Two networks that have nothing in common are
# 1.41 apart; in 778 intervals of the lab's runs, those that blew up within one too, it is at most 1.03
ELSEWHERE = 1.2


@rule("HN120", Severity.WARNING, needs="checkpoints")
def another_network(vitals: Vitals) -> Iterator[Sign]:
    """A checkpoint is of another network than the one before it.

    It has other layers, or weights that have nothing in common with those before: training moves weights away from
    where they were, even when they blow up, and never makes them forget it.  Two trainings under one name have been
    mixed in one folder, k and v were swapped, or a file was copied over another.  Nothing that compares checkpoints
    holds across this place.  Give each training a folder of its own.
    """
    for before, here in pairwise(networks(vitals)):
        if told := _other_layers(before, here) or _elsewhere(before, here):
            message, value, limit = told
            yield Sign(f"{message} {called(here)}", here.step, here.path, value, limit, 0.9)


def _other_layers(before: Checkpoint, here: Checkpoint) -> tuple[str, float | None, float | None] | None:
    shapes = [{tensor.name: tensor.shape for tensor in one.tensors} for one in (before, here)]
    if shapes[0] == shapes[1]:
        return None
    return "its layers are not those of the checkpoint before", None, None


def _elsewhere(before: Checkpoint, here: Checkpoint) -> tuple[str, float, float] | None:
    sizes = {label(module): module.rms for module in before.modules}
    moved = [
        (module.update_rms / largest, label(module))
        for module in here.modules
        if module.update_rms is not None and (largest := max(module.rms, sizes.get(label(module), 0.0))) > 0
    ]
    others = [name for ratio, name in moved if ratio >= ELSEWHERE]
    if not others:
        return None
    names = "all modules" if len(others) == len(here.modules) else ", ".join(others)
    return f"the weights of {names} have nothing in common with those before", max(moved)[0], ELSEWHERE


RULES_CONTINUITY: tuple[Rule, ...] = (another_network,)
"""The rules on what one run's checkpoints have in common."""
