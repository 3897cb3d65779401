"""Does dose x width carry the guide's band to the pocket model?  `python -m benchmarks.lab.dose [--half tuning]`.

The band is SD1's, 9,000 to 25,000 steps at 5e-6 (G21), carried by the context width and by the square root of the
number of pictures (`hndoctor/diagnose/hazard.py`).  Beside it stands the dose at which each run of the lab was
overtrained, or up to which it was not although the band had been passed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.lab import store
from benchmarks.lab.population import HALVES
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import BROKEN, HARMED
from hndoctor.diagnose.hazard import prior_of
from hndoctor.diagnose.parameters import ONSET_SPREAD, ONSET_TIMES

BAND = 1.2816  # standard deviations of the logarithm that 80 % lie within


@dataclass(frozen=True)
class Onset:
    """A run on the clock of doses.  `at`: of the onset, or of the last sound checkpoint where there was none."""

    name: str
    pictures: int
    structure: str
    at: float
    overtrained: bool
    middle: float  # the carried band's
    low: float
    high: float


def onset_of(kept: Kept) -> Onset | None:
    """None: it was broken or harmed before the band began, and says nothing about it."""
    prior, truth = prior_of(kept.vitals), kept.truth
    sound = [n for n, state in zip(truth.numbers, truth.states, strict=True) if state not in (BROKEN, HARMED)]
    step = truth.overtrained or max(sound, default=0)
    carried = prior.median / ONSET_TIMES[prior.base.kind]  # by width alone, as it was before the lab
    low, high = (carried * math.exp(sign * BAND * ONSET_SPREAD) for sign in (-1, 1))
    found = Onset(
        kept.configuration.name, kept.configuration.pictures, kept.configuration.layer_structure,
        prior.clock.at(step), truth.overtrained is not None, carried, low, high,
    )  # fmt: skip
    return found if found.overtrained or found.at > found.middle else None


def table(onsets: Sequence[Onset]) -> Iterator[str]:
    """Overtrained ones first, then those that passed the band's middle and were not."""
    yield "| run | pictures | structure | dose at the onset | the band's middle, and 80 % | times the middle |"
    yield "|---|---|---|---|---|---|"
    for one in sorted(onsets, key=lambda one: (not one.overtrained, one.at / one.middle)):
        dose = f"{one.at:.2f}" if one.overtrained else f"not until {one.at:.2f}"
        band = f"{one.middle:.2f} [{one.low:.2f}, {one.high:.2f}]"
        yield f"| {one.name} | {one.pictures} | {one.structure} | {dose} | {band} | {one.at / one.middle:.1f} |"
    ratios = [one.at / one.middle for one in onsets if one.overtrained]
    if ratios:
        yield ""
        yield (
            f"- {len(ratios)} overtrained: at {median(ratios):.1f} times the band's middle "
            f"(median; {min(ratios):.1f} to {max(ratios):.1f}; spread of its logarithm {_spread(ratios):.2f})"
        )


def _spread(values: Sequence[float]) -> float:
    logs = [math.log(value) for value in values]
    middle = math.fsum(logs) / len(logs)
    return math.sqrt(math.fsum((one - middle) ** 2 for one in logs) / max(1, len(logs) - 1))


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Doses at the onset of overtraining, beside the carried band.")
    parser.add_argument("--runs", type=Path, default=store.RUNS)
    parser.add_argument("--half", choices=HALVES, help="only this one")
    args = parser.parse_args(argv)
    kept = [one for one in store.all_kept(args.runs) if args.half in (None, one.configuration.half)]
    print("\n".join(table([found for one in kept if (found := onset_of(one)) is not None])))


if __name__ == "__main__":
    main()
