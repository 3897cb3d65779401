"""Does the diagnosis's chain win?  `python -m benchmarks.lab.rivals [--half tuning]`: other ways to weigh its signs.

All see what the diagnosis's channels say at each stop (`hndoctor/diagnose/channels.py`); they differ in how they put
it together over a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from benchmarks.lab.accuracy import HEADS, row
from benchmarks.lab.halves import by_half, parser_of
from benchmarks.lab.scores import Case, Opinion, scores_of
from benchmarks.lab.store import Kept
from hndoctor.diagnose.chain import Row, marginals
from hndoctor.diagnose.channels import BREAKING, BROKEN, HEALTHY, OVERTRAINED, STARTING, seen_along
from hndoctor.diagnose.course import judge_course
from hndoctor.diagnose.hazard import at_the_start, onsets_seen, prior_of, transition
from hndoctor.diagnose.noise import noise_of
from hndoctor.diagnose.stations import Stop, stops_of

OVER, DEAD = 0.02, 0.02  # chance of an onset at each stop, where no clock of doses and rates is asked; as good as any
SLACK, LIMIT = 0.5, 5.0  # of the cumulative sum (science.md §B.4)
Rows = Sequence[Row]


@dataclass(frozen=True)
class Signs:
    """A run as the rivals see it: its stops, and all channels' log likelihoods together at each."""

    kept: Kept
    stops: tuple[Stop, ...]
    rows: Rows


def signs_of(kept: Kept) -> Signs:
    """What the channels say."""
    stops = stops_of(kept.vitals)
    return Signs(kept, stops, [seen.total() for seen in seen_along(stops, kept.vitals, noise_of(kept.vitals))])


def as_it_is(signs: Signs) -> Opinion:
    """The diagnosis's course: chain, clock, and channels that may be blind to a breakage."""
    onset = judge_course(signs.kept.vitals, noise_of(signs.kept.vitals)).onset
    return Opinion(onset.broken, onset.overtrained)


def trusting(signs: Signs) -> Opinion:
    """The same chain and clock, every channel taken for sighted."""
    prior, before, steps = prior_of(signs.kept.vitals), None, []
    for stop, onset in zip(signs.stops, onsets_seen(signs.stops), strict=True):
        steps.append(transition(prior, before, stop, False, onset))
        before = stop
    return _chained(signs, steps)


def without_a_clock(signs: Signs) -> Opinion:
    """A left-to-right hidden Markov model whose chances are the same at every stop."""
    sound = 1 - OVER - DEAD
    rows = (
        (sound / 2, sound / 2, OVER, DEAD, 0.0),
        (0.0, sound, OVER, DEAD, 0.0),
        (0.0, 0.0, 1 - DEAD, DEAD, 0.0),
        (0.0, 0.0, 0.0, 0.0, 1.0),
        (0.0, 0.0, 0.0, 0.0, 1.0),
    )
    return _chained(signs, [rows] * len(signs.stops))


def _chained(signs: Signs, steps: Sequence[Rows]) -> Opinion:
    if not signs.stops:
        return Opinion()
    found, _ = marginals(at_the_start(signs.kept.vitals), steps, signs.rows)
    return _named(signs.stops, found)


def each_by_itself(signs: Signs) -> Opinion:
    """No memory: every stop by its own signs, with the same chances before."""
    odds = (0.0, 0.0, math.log(OVER), math.log(DEAD), math.log(DEAD))
    rows = [tuple(math.exp(min(50.0, a + b)) for a, b in zip(one, odds, strict=True)) for one in signs.rows]
    return _named(signs.stops, rows)


def _named(stops: Sequence[Stop], rows: Rows) -> Opinion:
    """The first stops at which a bad state is the most probable one."""
    states = []
    for one in rows:
        p = {STARTING: one[STARTING], HEALTHY: one[HEALTHY], OVERTRAINED: one[OVERTRAINED]}
        p[BROKEN] = max(one[BREAKING], one[BROKEN])
        states.append(max(p, key=lambda state: p[state]))
    first = dict(zip(reversed(states), reversed([stop.step for stop in stops]), strict=True))
    return Opinion(first.get(BROKEN), first.get(OVERTRAINED))


def change_point(signs: Signs) -> Opinion:
    """One onset a run, of whichever kind the signs after it speak for most (science.md §B.5), against none."""
    best, opinion = 0.0, Opinion()
    for state, chance in ((BROKEN, DEAD), (OVERTRAINED, OVER)):
        after = list(accumulate(one[state] for one in reversed(signs.rows)))
        for stop, told in zip(reversed(signs.stops), after, strict=True):
            if told + math.log(chance) > best:
                best = told + math.log(chance)
                opinion = Opinion(broken=stop.step) if state == BROKEN else Opinion(overtrained=stop.step)
    return opinion


def cumulative_sum(signs: Signs) -> Opinion:
    """An alarm where the signs since any moment sum up to more than a limit (Page 1954)."""
    onsets: dict[int, int] = {}
    for state in (BROKEN, OVERTRAINED):
        level = 0.0
        for stop, one in zip(signs.stops, signs.rows, strict=True):
            level = max(0.0, level + one[state] - SLACK)
            if level > LIMIT:
                onsets.setdefault(state, stop.step)
    return Opinion(onsets.get(BROKEN), onsets.get(OVERTRAINED))


RIVALS: Mapping[str, Callable[[Signs], Opinion]] = {
    "hndoctor's course": as_it_is,
    "the same, every channel sighted": trusting,
    "hidden Markov model without a clock": without_a_clock,
    "one change-point": change_point,
    "each checkpoint by itself": each_by_itself,
    "cumulative sum": cumulative_sum,
}


def main(argv: Sequence[str] | None = None) -> None:
    """A row a rival."""
    parser = parser_of("Other ways to weigh the signs that the diagnosis weighs.")
    for half, kept in by_half(parser.parse_args(argv)):
        print(f"\n## The {half} half: {len(kept)} runs\n\n" + "\n".join(table(kept)))


def table(kept: Sequence[Kept]) -> Iterator[str]:
    """A row a rival; which checkpoint to take is no matter of theirs."""
    yield "| " + " | ".join(HEADS[:-1]) + " |"
    yield "|---" * len(HEADS[:-1]) + "|"
    signs = [signs_of(one) for one in kept]
    for name, rival in RIVALS.items():
        scores = scores_of([_case(one, rival(sign)) for one, sign in zip(kept, signs, strict=True)])
        yield row(name, scores).rsplit(" | ", 1)[0] + " |"


def _case(kept: Kept, opinion: Opinion) -> Case:
    return Case(kept.configuration.name, kept.configuration.every, kept.truth, opinion)


if __name__ == "__main__":
    main()
