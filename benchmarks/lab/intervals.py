"""Are a prescription's acceptable checkpoints, and their probabilities, right?  `python -m benchmarks.lab.intervals`.

A prescription lists checkpoints, each with the probability that it is the right one.  Right is the one of the largest
benefit by the oracle (truth.py's quality).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from benchmarks.lab.halves import by_half, parser_of
from benchmarks.lab.scores import NEAR_BEST, Share
from benchmarks.lab.store import Kept
from hndoctor import judge

BANDS = (0.0, 0.2, 0.4, 0.7, 1.0)  # of the probabilities that are told


@dataclass(frozen=True)
class Told:
    """One listed checkpoint: the probability it was given, and what the oracle says of it."""

    p: float
    best: bool
    near: bool  # within 5 % of the best


def main(argv: Sequence[str] | None = None) -> None:
    """A table a half."""
    parser = parser_of("How often the best checkpoint is among the acceptable ones.")
    for half, kept in by_half(parser.parse_args(argv)):
        print(f"\n## The {half} half\n\n" + "\n".join(table(kept)))


def table(kept: Sequence[Kept]) -> Iterator[str]:
    """First how often the best is listed, then how often a listed one is the best, by its probability."""
    told = {one.configuration.name: found for one in kept if (found := told_of(one))}
    counts = {one.configuration.name: len(one.truth.numbers) for one in kept}
    share = Share(sum(any(one.best for one in found) for found in told.values()), len(told))
    listed = mean(len(found) / counts[name] for name, found in told.items())
    yield f"The best one is among those listed in {share} runs; {listed:.0%} of a run's checkpoints are listed.\n"
    yield "| probability told | checkpoints | mean of it | are the best | are within 5 % of the best |"
    yield "|---|---|---|---|---|"
    every = [one for found in told.values() for one in found]
    for low, high in pairwise(BANDS):
        some = [one for one in every if low < one.p <= high]
        if some:
            best, near = (sum(flags) / len(some) for flags in ([o.best for o in some], [o.near for o in some]))
            middle = mean(one.p for one in some)
            yield f"| {low:.1f} to {high:.1f} | {len(some)} | {middle:.2f} | {best:.2f} | {near:.2f} |"


def told_of(kept: Kept) -> tuple[Told, ...]:
    """Nothing where nothing was gained or nothing is listed."""
    known = {n: q for n, q in zip(kept.truth.numbers, kept.truth.quality, strict=True) if q is not None}
    advice = judge(kept.vitals).prescription
    if not known or advice is None:
        return ()
    best = max(known.values())
    measured = ((known[min(known, key=lambda number: abs(number - step))], p) for step, p in advice.acceptable)
    return tuple(Told(p, quality == best, quality >= NEAR_BEST * best) for quality, p in measured)


if __name__ == "__main__":
    main()
