"""How well could anyone judge overtraining?  `python -m benchmarks.lab.limits`: the truth's rule on fewer pictures.

The truth about overtraining is told from 48 held-out pictures where they were measured.  The same rule, told from a
few of them drawn at random, is a judge that makes no mistake but in which pictures it was given: what it does not find
with as many pictures as a user holds out, no judge of held-out losses can be blamed for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import mean, median

from benchmarks.lab.halves import by_half, parser_of
from benchmarks.lab.judges import diagnosed
from benchmarks.lab.scores import Case, Opinion, scores_of
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import Oracle, truth_of

PICTURES = (3, 8, 16, 32, 48)  # that the rule is told from
DRAWS = 50  # of pictures, for each number of them


def main(argv: Sequence[str] | None = None) -> None:
    """A row for each number of pictures."""
    parser = parser_of("What the rule itself finds with fewer held-out pictures.")
    for half, kept in by_half(parser.parse_args(argv)):
        print(f"\n## The {half} half\n\n" + "\n".join(table(kept)))


def table(kept: Sequence[Kept]) -> Iterator[str]:
    """Means over the draws; of runs whose losses were measured on 48 pictures.  Then each onset with its chance."""
    kept = [one for one in kept if len(one.finest.base.held_out) > len(one.oracle.base.held_out)]
    yield from _by_pictures(kept)
    yield ""
    yield from _onsets([one for one in kept if one.truth.overtrained is not None])


def _onsets(kept: Sequence[Kept]) -> Iterator[str]:
    """What other 48 pictures might have told of each onset, beside what the diagnosis says."""
    yield "| run | a checkpoint every | onset by the rule | 80 % of redrawn pictures | sound by | hndoctor says |"
    yield "|---|---|---|---|---|---|"
    for one in kept:
        rng = random.Random(0)
        told = [_case(one, rng, len(one.finest.base.held_out)).opinion.overtrained for _ in range(DRAWS)]
        onsets = sorted(step for step in told if step is not None)
        between = f"{onsets[len(onsets) // 10]} to {onsets[-1 - len(onsets) // 10]}" if onsets else "-"
        name, every, sound = one.configuration.name, one.configuration.every, 1 - len(onsets) / DRAWS
        said = diagnosed(one).overtrained
        yield f"| {name} | {every} | {one.truth.overtrained} | {between} | {sound:.0%} | {said or '-'} |"


def _by_pictures(kept: Sequence[Kept]) -> Iterator[str]:
    over = [one.configuration.name for one in kept if one.truth.overtrained is not None]
    yield f"{len(kept)} runs with 48 pictures, of which {len(over)} are overtrained by the rule.\n"
    yield "| held-out pictures | precision | recall | the onset's relative error (median) |"
    yield "|---|---|---|---|"
    for count in PICTURES:
        rng = random.Random(count)
        told = [scores_of([_case(one, rng, count) for one in kept]) for _ in range(DRAWS)]
        precision = mean(one.precision.hits / one.precision.of for one in told if one.precision.of)
        recall = mean(one.recall.hits / one.recall.of for one in told if one.recall.of)
        errors = [one.overtrained_error[0] for one in told if one.overtrained_error]
        yield f"| {count} | {precision:.2f} | {recall:.2f} | {median(errors):.2f} |"


def _case(kept: Kept, rng: random.Random, count: int) -> Case:
    """The rule's opinion with replacement where all pictures are drawn: as other 48 pictures might have told it."""
    places = range(len(kept.finest.base.held_out))
    chosen = rng.choices(places, k=count) if count == len(places) else rng.sample(places, count)
    told = truth_of(drawn(kept.finest, chosen))
    one = kept.configuration
    return Case(one.name, one.every, kept.truth, Opinion(told.broken, told.overtrained))


def drawn(oracle: Oracle, places: Sequence[int]) -> Oracle:
    """The same measures on some of the held-out pictures."""
    base, *points = (
        replace(point, held_out=tuple(point.held_out[at] for at in places)) if point.held_out else point
        for point in (oracle.base, *oracle.checkpoints)
    )
    return replace(oracle, base=base, checkpoints=tuple(points))


if __name__ == "__main__":
    main()
