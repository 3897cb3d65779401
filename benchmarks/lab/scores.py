"""How well opinions about runs agree with the truth: shares with their intervals, and the runs in which they fail."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.lab.truth import HARMED, Truth

NEAR_BEST = 0.95  # share of the best quality that a chosen checkpoint must have
ONSET = 0.2  # relative error of an onset of overtraining that is good enough (median)
Z = 1.96  # of the intervals: 95 %
DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Opinion:
    """What somebody says about a run: since when broken or overtrained, and which checkpoint to use or go on from."""

    broken: int | None = None
    overtrained: int | None = None
    chosen: int | None = None


@dataclass(frozen=True)
class Case:
    """A run: its name, checkpoint interval, truth, and the opinion about it."""

    name: str
    every: int
    truth: Truth
    opinion: Opinion


@dataclass(frozen=True)
class Share:
    """So many of so many, with those that fail."""

    hits: int
    of: int
    failed: tuple[str, ...] = ()

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        if not self.of:
            return 0.0, 1.0
        p, n = self.hits / self.of, self.of
        middle, square = (p + Z * Z / (2 * n)) / (1 + Z * Z / n), Z / (1 + Z * Z / n)
        half = square * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = self.interval
        return f"{self.hits}/{self.of} = {self.hits / self.of:.2f} [{low:.2f}, {high:.2f}]"


@dataclass(frozen=True)
class Scores:
    """Everything that the goals speak of."""

    runs: int
    found: Share  # broken runs that are called broken
    onset: Share  # broken runs whose onset is named within one checkpoint interval
    alarms: Share  # runs that never break and are called broken; fewer is better
    precision: Share  # of overtraining
    recall: Share
    overtrained_error: tuple[float, float, float] | None  # median relative error of its onset, and its interval
    best: Share  # chosen checkpoints within 5 % of the best held-out benefit


def scores_of(cases: Sequence[Case]) -> Scores:
    """Count.  Harmed runs are neither a miss nor a false alarm."""
    broken = [case for case in cases if case.truth.broken is not None]
    sound = [case for case in cases if case.truth.broken is None and case.truth.last != HARMED]
    over = [case for case in cases if case.truth.overtrained is not None]
    never = [case for case in cases if case.truth.overtrained is None and HARMED not in case.truth.states]
    called = [case for case in (*over, *never) if case.opinion.overtrained is not None]
    chosen = [case for case in cases if any(one is not None for one in case.truth.quality)]
    return Scores(
        runs=len(cases),
        found=_share(broken, [case.opinion.broken is not None for case in broken]),
        onset=_share(broken, [_near(case.opinion.broken, case.truth.broken, case.every) for case in broken]),
        alarms=_share(sound, [case.opinion.broken is not None for case in sound], failing=True),
        precision=_share(called, [case.truth.overtrained is not None for case in called]),
        recall=_share(over, [case.opinion.overtrained is not None for case in over]),
        overtrained_error=middle([error for case in over if (error := _error(case)) is not None]),
        best=_share(chosen, [chosen_quality(case) >= NEAR_BEST for case in chosen]),
    )


def chosen_quality(case: Case) -> float:
    """The quality of the chosen checkpoint: of the measured one at that step, or next before it; 0 without any."""
    if case.opinion.chosen is None:
        return 0.0
    before = [
        quality
        for number, quality in zip(case.truth.numbers, case.truth.quality, strict=True)
        if number <= case.opinion.chosen + 1
    ]
    return (before[-1] or 0.0) if before else 0.0


def _share(cases: Sequence[Case], hits: Sequence[bool], failing: bool = False) -> Share:
    """`failing`: a hit is what should not have happened."""
    failed = tuple(case.name for case, hit in zip(cases, hits, strict=True) if hit == failing)
    return Share(sum(hits), len(cases), failed)


def _near(said: int | None, true: int | None, every: int) -> bool:
    return said is not None and true is not None and abs(said - true) <= every


def _error(case: Case) -> float | None:
    said, true = case.opinion.overtrained, case.truth.overtrained
    return None if said is None or not true else abs(said - true) / true


def middle(values: Sequence[float]) -> tuple[float, float, float] | None:
    """The median and its bootstrap interval."""
    if not values:
        return None
    rng = random.Random(0)
    drawn = sorted(median(rng.choices(values, k=len(values))) for _ in range(DRAWS))
    return median(values), drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS)]
