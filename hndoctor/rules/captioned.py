"""How far a network still goes by captions (HN208): the caption gap of its validations, against the best that it was.

Scale-free: where captions say little, or the base model makes little of them, the gap is small from the start; while
it is not sure that there is one, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from hndoctor.formats.counted import percent
from hndoctor.records import Severity, ValidationPoint, Vitals
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.paired import FEWEST_ITEMS, comparable
from hndoctor.rules.windows import normal


@dataclass(frozen=True)
class Followed:
    """Which share of the caption gap is left at one step, and how sure it is that there was one to lose."""

    step: int
    share: float  # of the largest gap so far, the bare base model's included; 1: all, 0: captions tell nothing
    errors: float  # how many standard errors (over pictures, of both) that largest gap was above nothing


def followed_along(points: Iterable[ValidationPoint]) -> tuple[Followed, ...]:
    """One for each point that tells it, in order of step.  Where other pictures are held out it begins anew."""
    found: list[Followed] = []
    best: tuple[float, ...] = ()
    before: ValidationPoint | None = None
    for point in sorted(points, key=lambda one: one.step):
        gaps = point.caption_gaps
        if len(gaps) < FEWEST_ITEMS or len(gaps) != len(point.base_caption_gaps):
            continue
        if before is None or len(best) != len(gaps) or not comparable(point, before):
            best = point.base_caption_gaps
        largest, error = _mean(best), math.hypot(_error(best), _error(gaps))
        if largest > 0 and error > 0:
            found.append(Followed(point.step, _mean(gaps) / largest, largest / error))
        best, before = max(best, gaps, key=_mean), point
    return tuple(found)


def _mean(gaps: Sequence[float]) -> float:
    return math.fsum(gaps) / len(gaps)


def _error(gaps: Sequence[float]) -> float:
    middle = _mean(gaps)
    return math.sqrt(math.fsum((gap - middle) ** 2 for gap in gaps) / (len(gaps) - 1) / len(gaps))


LOST = 0.4  # share of the gap below which captions hardly count; lab, as in diagnose/parameters.CAPTIONS
SURE = 2.0  # standard errors by which there must have been a gap; lab: the same


@rule("HN208", Severity.WARNING, needs="validation")
def captions_are_lost(vitals: Vitals) -> Iterator[Sign]:
    """The network hardly goes by captions any more.

    Pictures are predicted almost as well under another picture's caption as under their own, which they were not at the
    network's best.  Previews may still look clean, but show something else than they were asked for.  Go back to a
    checkpoint from before, further than the last good-looking one, and lower the rate.
    """
    told = followed_along(vitals.validation)
    lost = list(takewhile(lambda one: one.share < LOST and one.errors >= SURE, reversed(told)))
    if lost:
        now, first = lost[0], lost[-1]
        message = f"captions make {percent(max(0.0, now.share))} of the difference that they made at best"
        yield Sign(message, step=first.step, value=now.share, limit=LOST, confidence=normal(now.errors - SURE + 1))


RULES_CAPTIONS = (captions_are_lost,)
