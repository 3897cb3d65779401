"""The truth about a run, from the oracle's measures alone, by the rule that README.md writes down.

The rule was fixed before any diagnosis of a lab run had been looked at.  It reads no weights, no loss log, no preview
and none of the user's own validation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

HARM = 0.5  # held-out loss this far above the bare base model's, and training pictures worse too: broken
READABLE = 0.5  # of what the judge can read, above chance, that a sound network keeps
RISE_Z = 2.5  # standard errors, paired over held-out pictures, by which the held-out loss must lie above its best
RISE_SHARE = 0.1  # of the benefit that must be gone again
RISE_LEAST = 0.002  # relative rise that matters at all
ALONG = 0.5  # of the held-out loss's rise; where the training pictures' rises by more it is damage, no overtraining
LEARNT_Z = 2.0  # standard errors below the bare base model from which the network has learned something

STARTING, HEALTHY, OVERTRAINED, HARMED, BROKEN = "starting", "healthy", "overtrained", "harmed", "broken"


@dataclass(frozen=True)
class Measures:
    """What the oracle measured at one checkpoint; lengths are items, each a picture's mean over fixed draws."""

    number: int
    finite: bool = True
    held_out: tuple[float, ...] = ()
    train: tuple[float, ...] = ()
    followed: float | None = None  # share of attributes read as asked for; None: no pictures were drawn
    style: float | None = None  # energy distance of the pictures to held-out pictures of the style
    from_base: float | None = None  # the same to the bare base model's own pictures
    memorised: float | None = None  # ln(nearest held-out picture's distance / nearest training picture's)
    spread: float | None = None  # mean distance of a picture from the mean picture; 0: all are one


@dataclass(frozen=True)
class Oracle:
    """All measures of a run.  `base`: the bare model, number 0; `readable`: share that the judge reads in drawings."""

    base: Measures
    checkpoints: tuple[Measures, ...]
    readable: float
    chance: float


@dataclass(frozen=True)
class Truth:
    """What became of a run: the state at each checkpoint, the onsets, and how good each checkpoint is."""

    numbers: tuple[int, ...]
    states: tuple[str, ...]
    overtrained: int | None  # first checkpoint of an overtraining that lasts
    broken: int | None  # first checkpoint of a breakage that lasts beyond one checkpoint, or to the end
    quality: tuple[float | None, ...]  # share of the best held-out benefit that a checkpoint has; None: nothing gained
    pictured: tuple[float | None, ...]  # nearness to the style times caption-following, both 0..1

    @property
    def last(self) -> str:
        """The state that the run ended in."""
        return self.states[-1]


def truth_of(oracle: Oracle) -> Truth:
    """Apply the rule."""
    oracle = replace(oracle, checkpoints=filled(oracle))
    points = oracle.checkpoints
    bad = [is_broken(point, oracle) for point in points]
    lasting = [now and (at + 1 == len(bad) or bad[at + 1] or bad[at - 1] * (at > 0)) for at, now in enumerate(bad)]
    states = [BROKEN if lasting[at] else _state(points[: at + 1], oracle) for at in range(len(points))]
    states = _settled(states)
    numbers = tuple(point.number for point in points)
    broken = next((n for n, state in zip(numbers, states, strict=True) if state == BROKEN), None)
    return Truth(
        numbers, tuple(states), _onset(numbers, states), broken,
        _quality(oracle, states), tuple(_pictured(point, oracle) for point in points),
    )  # fmt: skip


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return math.fsum(values) / len(values)


def filled(oracle: Oracle) -> tuple[Measures, ...]:
    """Where no pictures were drawn, caption-following lies on the line between those before and after."""
    points = (oracle.base, *oracle.checkpoints)
    known = [(point.number, point.followed) for point in points if point.followed is not None]
    return tuple(
        point if point.followed is not None or not known else replace(point, followed=_between(known, point.number))
        for point in oracle.checkpoints
    )


def _between(known: Sequence[tuple[int, float]], number: int) -> float:
    (n0, before) = max((pair for pair in known if pair[0] <= number), default=known[0])
    (n1, after) = min((pair for pair in known if pair[0] >= number), default=(n0, before))
    return before if n1 <= n0 else before + (after - before) * (number - n0) / (n1 - n0)


def followed_share(point: Measures, oracle: Oracle) -> float | None:
    """Caption-following, 0 at chance and 1 at the lower of the bare base model's and of drawn pictures'."""
    if point.followed is None or oracle.base.followed is None:
        return None
    best = min(oracle.base.followed, oracle.readable)
    return (point.followed - oracle.chance) / max(best - oracle.chance, 0.05)


def is_broken(point: Measures, oracle: Oracle) -> bool:
    """Not finite, or grave harm to the held-out loss, or pictures in which most of the caption is lost."""
    if not point.finite or not point.held_out or not all(map(math.isfinite, point.held_out)):
        return True
    if does_harm(point, oracle.base):
        return True
    kept = followed_share(point, oracle)
    return kept is not None and kept < READABLE


def does_harm(point: Measures, base: Measures) -> bool:
    """A held-out loss far above the bare base model's, and training pictures that are worse than under it too."""
    return mean(point.held_out) > (1 + HARM) * mean(base.held_out) and mean(point.train) > mean(base.train)


def _state(so_far: Sequence[Measures], oracle: Oracle) -> str:
    """The last point's state among those that are not broken."""
    now = so_far[-1]
    if not now.held_out:
        return HARMED
    sound = [oracle.base, *(point for point in so_far if not is_broken(point, oracle))]
    best = min(sound, key=lambda point: mean(point.held_out))
    rise, error = paired(now.held_out, best.held_out)
    base = mean(oracle.base.held_out)
    benefit = base - mean(best.held_out)
    if rise > RISE_Z * error and rise > max(RISE_LEAST * base, RISE_SHARE * benefit):
        along = mean(now.train) - mean(best.train)
        return OVERTRAINED if along < ALONG * rise else HARMED
    gained, error = paired(oracle.base.held_out, now.held_out)
    return HEALTHY if gained > LEARNT_Z * error else STARTING


def paired(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Mean difference of pairs and its standard error."""
    differences = [a - b for a, b in zip(one, other, strict=True)]
    middle = mean(differences)
    spread = math.fsum((value - middle) ** 2 for value in differences) / max(1, len(differences) - 1)
    return middle, math.sqrt(spread / len(differences))


def _settled(states: Sequence[str]) -> list[str]:
    """A single overtrained checkpoint between two that are not is a fluke of its neighbours' noise."""
    found = list(states)
    for at in range(1, len(states) - 1):
        before, now, after = states[at - 1 : at + 2]
        if now == OVERTRAINED and before in (STARTING, HEALTHY) and after in (STARTING, HEALTHY):
            found[at] = after
    return found


def _onset(numbers: Sequence[int], states: Sequence[str]) -> int | None:
    """The first overtrained checkpoint from which on the network is never sound again."""
    for at, (number, state) in enumerate(zip(numbers, states, strict=True)):
        if state == OVERTRAINED and not {STARTING, HEALTHY} & set(states[at:]):
            return number
    return None


def _quality(oracle: Oracle, states: Sequence[str]) -> tuple[float | None, ...]:
    """(base - v) / (base - best v), 0 where broken or worse than the bare base model."""
    base = mean(oracle.base.held_out)
    values = [
        base - mean(point.held_out) if state != BROKEN and point.held_out else -math.inf
        for point, state in zip(oracle.checkpoints, states, strict=True)
    ]
    best = max(values)
    if best < RISE_LEAST * base:
        return (None,) * len(values)
    return tuple(max(0.0, value / best) for value in values)


def _pictured(point: Measures, oracle: Oracle) -> float | None:
    kept = followed_share(point, oracle)
    if point.style is None or oracle.base.style is None or kept is None:
        return None
    near = 1 - max(0.0, point.style) / max(oracle.base.style, 1e-9)
    return max(0.0, near) * min(1.0, max(0.0, kept))
