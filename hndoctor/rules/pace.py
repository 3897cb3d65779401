"""How fast weights move for their size: per step, and per unit of learning-rate dose.

Adam moves each weight by about the rate in every step, whatever the gradient; so the movement per dose (sum of rate x
sqrt(batch)) is what tells a network in trouble from one whose rate was raised on purpose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from hndoctor.records import Checkpoint, Vitals
from hndoctor.rules.dose import clock_of
from hndoctor.rules.stretches import networks


@dataclass(frozen=True)
class Pace:
    """The update of one checkpoint since the one before, over all modules together."""

    checkpoint: Checkpoint
    ratio: float  # RMS of the change over RMS of the weights
    per_step: float
    per_dose: float | None  # None where no file tells the rate
    speed: float  # RMS of the change per step, not divided by the weights


def paces(vitals: Vitals) -> tuple[Pace, ...]:
    """Of every checkpoint that has one before it and later steps than that one."""
    clock = clock_of(vitals)
    course = networks(vitals)
    found: list[Pace] = []
    for before, here in pairwise(course):
        steps, moved, size = here.stored_step - before.stored_step, _update(here), rms_of(here)
        if moved is None or steps <= 0:
            continue
        dose = clock.at(here.stored_step) - clock.at(before.stored_step) if clock.told else 0.0
        ratio = moved / size if size > 0 else 0.0
        found.append(Pace(here, ratio, ratio / steps, ratio / dose if dose > 0 else None, moved / steps))
    return tuple(found)


def _update(checkpoint: Checkpoint) -> float | None:
    updates = [module.update_rms for module in checkpoint.modules if module.update_rms is not None]
    return math.hypot(*updates) / math.sqrt(len(updates)) if updates else None


def rms_of(checkpoint: Checkpoint) -> float:
    """RMS over a network's modules."""
    lengths = [module.rms for module in checkpoint.modules]
    return math.hypot(*lengths) / math.sqrt(len(lengths)) if lengths else 0.0
