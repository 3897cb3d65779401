"""Whether checkpoints of one run are of one network (HN120)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from hndoctor.records import Checkpoint, Severity, Vitals
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.pace import rms_of
from hndoctor.rules.stretches import called, label, networks, stretches

# RMS of a module's change over the larger of its RMS before and after.  Two networks that have nothing in common are
# 1.41 apart; in 778 intervals of the lab's runs, those that blew up within one too, it is at most 1.03
ELSEWHERE = 1.2
# Where only some modules are beyond it, the others must be well below: at a ruinous rate all move nearly as far, and
# some come out just above (networks fitted with AdamW at 2e-2 to 1e-1: 95 intervals so, 5 where none lay between)
NEARLY = 0.9
# Cosine of a change with the one before it, median of all modules: in 757 intervals of the lab's runs never below -.18,
# and -1 where a checkpoint comes in twice.  Halfway, and only where the change is larger than any rounding could make
# it: float8's is .026 of the weights, and checkpoints that were rounded in turns go back and forth by that
UNDONE, MOVED = -0.5, 0.05
# Times the smallest RMS of the run's weights: beyond it a network has blown up, and swings to and fro or loses all that
# it was by itself (pocket model: AdamW at 1.5e-1, 70 times; RMSprop at 3e-2 and Adagrad at .3, 5 to 7 times).  Guess
VIOLENT = 2.0


@rule("HN120", Severity.WARNING, needs="checkpoints")
def another_network(vitals: Vitals) -> Iterator[Sign]:
    """A checkpoint is of another network than the one before it.

    It has other layers, or weights that have nothing in common with those before: training that is not violent moves
    weights away from where they were, and never makes them forget it.  Two trainings under one name have been
    mixed in one folder, k and v were swapped, or a file was copied over another.  Or its weights take back what they
    had just changed, which two trainings in turns do and one alone does not.  Nothing that compares checkpoints holds
    across this place.  Give each training a folder of its own.
    """
    course = networks(vitals)
    most = VIOLENT * min(map(rms_of, course), default=0.0)
    calm = {id(checkpoint) for checkpoint in course if rms_of(checkpoint) <= most}
    for before, here in pairwise(course):
        both = id(before) in calm and id(here) in calm
        if told := _other_layers(before, here) or (_elsewhere(before, here) if both else None):
            message, value, limit = told
            yield Sign(f"{message} {called(here)}", here.step, here.path, value, limit, 0.9)
    for stretch in stretches(course, lambda c: id(c) in calm and _turned(c) is not None):
        message = f"the weights go back the way they came {stretch.where}"
        yield Sign(message, stretch.first.step, stretch.first.path, _turned(stretch.first), UNDONE, 0.8)


def _turned(here: Checkpoint) -> float | None:
    """The cosine of its change with the one before, where it is that of going back.

    A file without a step in its name may be a copy of any before it: a best one, kept as the last.
    """
    if here.step is None:
        return None
    far = [m.update_cosine for m in here.modules if m.update_rms is not None and m.update_rms >= MOVED * m.rms]
    cosines = [cosine for cosine in far if cosine is not None]
    if not cosines or len(cosines) < len(here.modules):
        return None
    return middle if (middle := median(cosines)) <= UNDONE else None


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
    if any(NEARLY <= ratio < ELSEWHERE for ratio, _ in moved):
        return None
    names = "all modules" if len(others) == len(here.modules) else ", ".join(others)
    return f"the weights of {names} have nothing in common with those before", max(moved)[0], ELSEWHERE


RULES_CONTINUITY: tuple[Rule, ...] = (another_network,)
"""The rules on what one run's checkpoints have in common."""
