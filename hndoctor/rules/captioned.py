"""How far a network still goes by captions (HN208): the caption gap of its validations, against the best that it was.

Scale-free: where captions say little, or the base model makes little of them, the gap is small from the start; while
it is not sure that there is one, nothing is said, unless the network has learned so much that there would have to be.
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
    seen: float | None  # how many of its own the gap is above nothing now; None: captions are too much alike to tell
    learnt: float  # how far the held-out loss is below the bare base model's, as a log ratio; 0: not measured


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
        now, largest = _mean(gaps), _mean(best)
        if error := math.hypot(_error(best), _error(gaps)):
            share, errors = (now / largest, largest / error) if largest > 0 else (1.0, 0.0)
            found.append(Followed(point.step, share, errors, _seen(gaps, point.base_caption_gaps), _learnt(point)))
        best, before = max(best, gaps, key=_mean), point
    return tuple(found)


def _seen(gaps: Sequence[float], bare: Sequence[float]) -> float | None:
    if _error(bare) * math.sqrt(len(bare)) < LEAST_SPREAD:
        return None
    error = _error(gaps)
    return _mean(gaps) / error if error else 0.0


def _learnt(point: ValidationPoint) -> float:
    both = min(point.held_out, point.held_out_base) > 0 and math.isfinite(point.held_out)
    return math.log(point.held_out_base / point.held_out) if both else 0.0


def _mean(gaps: Sequence[float]) -> float:
    return math.fsum(gaps) / len(gaps)


def _error(gaps: Sequence[float]) -> float:
    middle = _mean(gaps)
    return math.sqrt(math.fsum((gap - middle) ** 2 for gap in gaps) / (len(gaps) - 1) / len(gaps))


# Standard deviation over pictures of the bare base model's gaps below which captions are too much alike to tell.  Lab,
# tuning half: .05 at least; of captions that differ by a number .024, by words that say nothing of the picture .029
LEAST_SPREAD = 0.045
LOST = 0.4  # share of the gap below which captions hardly count; lab, as in diagnose/parameters.CAPTIONS
SURE = 2.0  # standard errors by which there must have been a gap; lab: the same
# Where there never was a sure one: errors below which there is none now, though as much of the loss was learned.  Lab,
# tuning half: 13 of 14 such checkpoints are broken (parameters.CAPTIONS_SEEN)
UNSEEN, LEARNT, SURE_UNSEEN = 1.5, 0.2, 0.9


@rule("HN208", Severity.WARNING, needs="validation")
def captions_are_lost(vitals: Vitals) -> Iterator[Sign]:
    """The network hardly goes by captions.

    Pictures are predicted almost as well under another picture's caption as under their own, which they were not at the
    network's best, or never came to be though it has learned much.  Previews may still look clean, but show something
    else than they were asked for.  Go back to a checkpoint from before, further than the last good-looking one, and
    lower the rate; where there is none, start again at a lower one.
    """
    told = followed_along(vitals.validation)
    without = list(takewhile(lambda one: _are_lost(one) or _never_were(one), reversed(told)))
    if not without:
        return
    now, first = without[0], without[-1]
    if _are_lost(now):
        message = f"captions make {percent(max(0.0, now.share))} of the difference that they made at best"
        yield Sign(message, step=first.step, value=now.share, limit=LOST, confidence=normal(now.errors - SURE + 1))
    else:
        below = percent(1 - math.exp(-now.learnt))
        message = f"captions make no sure difference, though the held-out loss is {below} below the bare base model's"
        yield Sign(message, step=first.step, value=now.seen, limit=UNSEEN, confidence=SURE_UNSEEN)


def _are_lost(one: Followed) -> bool:
    return one.share < LOST and one.errors >= SURE


def _never_were(one: Followed) -> bool:
    return one.errors < SURE and one.learnt >= LEARNT and one.seen is not None and one.seen < UNSEEN


RULES_CAPTIONS = (captions_are_lost,)
