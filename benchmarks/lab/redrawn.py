"""How the diagnosis does with other held-out pictures: `python -m benchmarks.lab.redrawn [--half tuning]`.

A run has three or four held-out pictures of its user's, which decide much of what can be told of overtraining; its own
verdict is one draw of that chance.  Here the oracle's pictures stand in for them, drawn anew: two of theirs, with three
draws of noise each, are about as sure as one of the user's, with eight (README: half of a validation's error is its
draws).  All other channels, training pictures included, stay the run's own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.lab.halves import by_half, parser_of
from benchmarks.lab.scores import Case, Opinion, Scores, Share, scores_of
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import Measures, mean
from hndoctor.diagnose.course import judge_course
from hndoctor.diagnose.noise import noise_of
from hndoctor.records import ValidationPoint, Vitals

DRAWS = 20  # of pictures, for each run
EACH = 2  # of the oracle's pictures for one of the user's
HEADS = ("breakage found", "overtraining: precision", "recall", "its onset's relative error (median)")


def main(argv: Sequence[str] | None = None) -> None:
    """A row for the run's own pictures, one for others."""
    parser = parser_of("The diagnosis with other held-out pictures than the user's own.")
    for half, kept in by_half(parser.parse_args(argv)):
        print(f"\n## The {half} half\n\n" + "\n".join(table(kept)))


def table(kept: Sequence[Kept]) -> Iterator[str]:
    """Sums over the draws; the onset's error is the median over all."""
    yield "| held-out pictures | " + " | ".join(HEADS) + " |"
    yield "|---" * (1 + len(HEADS)) + "|"
    noises = [noise_of(one.vitals) for one in kept]
    own = [_case(one, one.vitals, noise) for one, noise in zip(kept, noises, strict=True)]
    yield _row("the run's own", [scores_of(own)], own)
    told = [
        [_case(one, redrawn(one, random.Random(f"{one.configuration.name}/{draw}")), noise)
         for one, noise in zip(kept, noises, strict=True)]
        for draw in range(DRAWS)
    ]  # fmt: skip
    yield _row(f"others, {DRAWS} times", [scores_of(cases) for cases in told], [case for each in told for case in each])


def redrawn(kept: Kept, rng: random.Random) -> Vitals:
    """The run's vitals with as many held-out items as it has, each the mean of `EACH` of the oracle's pictures."""
    count = min(kept.configuration.validation, len(kept.finest.base.held_out) // EACH)
    places = rng.sample(range(len(kept.finest.base.held_out)), EACH * count)
    finite = (one for one in kept.finest.checkpoints if one.held_out and all(map(math.isfinite, one.held_out)))
    measured = {one.number: one for one in finite}
    base = _items(kept.finest.base, places)
    points = (_told_by(point, measured.get(point.step), base, places) for point in kept.vitals.validation)
    return replace(kept.vitals, validation=tuple(points))


def _told_by(
    point: ValidationPoint, measures: Measures | None, base: tuple[float, ...], places: Sequence[int]
) -> ValidationPoint:
    """A loss of 0 is none that was measured: where the oracle measured none, only caption gaps stay."""
    if measures is None or point.held_out <= 0:
        return replace(point, held_out=0.0, held_out_base=0.0, items=(), base_items=())
    items = _items(measures, places)
    return replace(point, held_out=mean(items), held_out_base=mean(base), items=items, base_items=base)


def _items(measures: Measures, places: Sequence[int]) -> tuple[float, ...]:
    drawn = [measures.held_out[place] for place in places]
    return tuple(mean(drawn[at : at + EACH]) for at in range(0, len(drawn), EACH))


def _case(kept: Kept, vitals: Vitals, noise: dict[str, float]) -> Case:
    onset = judge_course(vitals, noise).onset
    one = kept.configuration
    return Case(one.name, one.every, kept.truth, Opinion(onset.broken, onset.overtrained))


def _row(name: str, scores: Sequence[Scores], cases: Sequence[Case]) -> str:
    errors = [
        abs(case.opinion.overtrained - case.truth.overtrained) / case.truth.overtrained
        for case in cases
        if case.opinion.overtrained is not None and case.truth.overtrained
    ]
    shares = [_sum([getattr(one, part) for one in scores]) for part in ("found", "precision", "recall")]
    return f"| {name} | {' | '.join(shares)} | {f'{median(errors):.2f}' if errors else '-'} |"


def _sum(shares: Sequence[Share]) -> str:
    hits, of = sum(one.hits for one in shares), sum(one.of for one in shares)
    return f"{hits}/{of} = {hits / of:.2f}" if of else "-"


if __name__ == "__main__":
    main()
