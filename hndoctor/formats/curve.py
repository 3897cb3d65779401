"""The rate of every step: the web UI's schedule, times a shape over the whole course, times a warm-up.

The factors follow from the step's number alone, so that a resumed run has the rates of an uninterrupted one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from hndoctor.formats.schedule import Segment, effective_ends, parse_schedule

# What is left of the rate after a share of the course (0 to 1), with so many cycles.
SHAPES: Mapping[str, Callable[[float, int], float]] = MappingProxyType(
    {
        "constant": lambda share, cycles: 1.0,
        "linear": lambda share, cycles: 1.0 - share,
        "cosine": lambda share, cycles: 0.5 * (1.0 + math.cos(math.pi * share)),
        "cosine_with_restarts": lambda share, cycles: 0.5 * (1.0 + math.cos(math.pi * ((share * cycles) % 1.0))),
    }
)
"""The shapes by diffusers' and kohya's names for them."""


@dataclass(frozen=True)
class Curve:
    """A schedule's segments under a shape.  Steps count from 0, as `rate_at` counts them."""

    segments: tuple[Segment, ...]
    shape: str = "constant"
    warmup: int = 0  # steps over which the rate rises evenly from almost nothing
    cycles: int = 1  # of "cosine_with_restarts"
    floor: float = 0.0  # share of the rate that the shape never goes below

    @classmethod
    def parse(cls, text: str, max_steps: int, start: int = 0) -> Curve:
        """A plain web UI schedule; raises `ScheduleError` as `parse_schedule` does."""
        return cls(parse_schedule(text, max_steps, start))

    @classmethod
    def of(
        cls, segments: tuple[Segment, ...], shape: str, warmup: int | None, cycles: int | None, floor: float | None
    ) -> Curve:
        """Under a shape whose terms are as somebody wrote them: brought to where they mean something."""
        return cls(segments, shape, max(0, warmup or 0), max(1, cycles or 1), min(1.0, max(0.0, floor or 0.0)))

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The step at which each segment really ends."""
        return effective_ends(self.segments)

    @property
    def end(self) -> int:
        """The step at which the schedule is finished."""
        return self.ends[-1]

    def at(self, step: int) -> float | None:
        """The rate of a step; None: the schedule is finished."""
        place = bisect_right(self.ends, step)
        return None if place == len(self.segments) else self.segments[place].rate * self.factor(step)

    def factor(self, step: int) -> float:
        """What the shape and the warm-up leave of the schedule's rate."""
        if step < self.warmup:
            return (step + 1) / self.warmup  # not 0 at first: a step at rate 0 is a step for nothing
        share = min(1.0, (step - self.warmup) / max(1, self.end - self.warmup))
        return self.floor + (1.0 - self.floor) * SHAPES[self.shape](share, self.cycles)

    def dose(self, batch_size: int, start: int = 0) -> float:
        """The learning-rate dose from `start` on: the sum of rate × sqrt(batch size), as `schedule.dose` has it."""
        rates = (self.at(step) or 0.0 for step in range(start, self.end))
        return math.fsum(rates) * math.sqrt(batch_size)

    def step_at_dose(self, batch_size: int, wanted: float) -> int | None:
        """The first step count at which the dose reaches `wanted`; None: it never does."""
        left = wanted / math.sqrt(batch_size)
        for step in range(self.end):
            left -= self.at(step) or 0.0
            if left <= 0:
                return step + 1
        return None

    @property
    def bends(self) -> bool:
        """Whether anything is done to the schedule's own rates."""
        return self.shape != "constant" or self.warmup > 0
