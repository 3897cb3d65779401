"""The overtraining detector on real curves of full fine-tunings: `python -m benchmarks.curves FILE.json`.

FILE holds {"runs": {name: {"test/val": [steps, values], "test/test": [steps, values], ...}}}: validation on held-out
pictures with fixed noise, and on training pictures alike.  The networks are not hypernetworks, so the prior in dose
does not apply and no rate is told; what is tried is the method on validation alone.  No threshold was set by these,
but the error estimate of a curve was changed once after they had been seen.

For each run: where its curve is lowest, from where on a tenth of its benefit is gone for good (the onset by the rule of
benchmarks/lab), how much is lost at the end, and what the diagnosis says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hndoctor.diagnose import diagnose
from hndoctor.prescribe import prescribe
from hndoctor.records import Diagnosis, State, ValidationPoint, Vitals

LOST = 0.10  # share of the benefit (first to lowest) that must be gone at the end for a curve to count as overtrained
WINDOW = 3  # points of the running median that the truth is read from, so that no single point decides


@dataclass(frozen=True)
class Outcome:
    """One curve: the truth and the diagnosis."""

    name: str
    points: int
    lowest: int
    begun: int | None  # from where on a tenth of the benefit is gone for good: the onset by the lab's rule
    lost: float
    rise: float
    onset: int | None
    last: float

    @property
    def truly(self) -> bool:
        """Overtrained at the end, by the curve itself."""
        return self.lost >= LOST


def outcomes(runs: Mapping[str, Any]) -> Iterator[Outcome]:
    """Every run that has a validation curve."""
    for name, series in runs.items():
        if len(series.get("test/val", ((), ()))[0]) >= 5:
            yield _outcome(name, *series["test/val"], series.get("test/test"))


def _outcome(name: str, steps: Sequence[int], values: Sequence[float], train: Any) -> Outcome:
    smooth = [median(values[max(0, at - 1) : at + WINDOW - 1]) for at in range(len(values))]
    lowest = min(range(len(smooth)), key=smooth.__getitem__)
    benefit = max(values[0] - smooth[lowest], 1e-12)
    diagnosis = judged(name, steps, values, train)
    gone = [value - smooth[lowest] >= LOST * benefit for value in smooth]
    begun = next((at for at in range(lowest + 1, len(smooth)) if all(gone[at:])), None)
    return Outcome(
        name,
        len(steps),
        steps[lowest],
        None if begun is None else steps[begun],
        (smooth[-1] - smooth[lowest]) / benefit,
        smooth[-1] / smooth[lowest] - 1,
        diagnosis.onset.overtrained,
        diagnosis.course[-1].p[State.OVERTRAINED.value],
    )


def judged(name: str, steps: Sequence[int], values: Sequence[float], train: Any) -> Diagnosis:
    """The diagnosis of a curve; its first point stands for the base model."""
    known = dict(zip(*train, strict=True)) if train else {}
    begun = known.get(steps[0])
    points = tuple(
        ValidationPoint(step, value, values[0], known.get(step) if begun else None, begun)
        for step, value in zip(steps[1:], values[1:], strict=True)
    )
    vitals = Vitals(name, name, validation=points)
    diagnosis = diagnose(vitals)
    prescribe(vitals, diagnosis)
    return diagnosis


def main(path: str) -> None:
    """Print the table and the sums."""
    found = list(outcomes(json.loads(Path(path).read_text(encoding="utf-8"))["runs"]))
    print(f"{'run':44} {'points':>6} {'lowest':>7} {'begun':>7} {'lost':>6} {'rise':>7} {'onset':>7} {'p(over)':>8}")
    for one in found:
        onset = "-" if one.onset is None else f"{one.onset}"
        curve = f"{one.name:44} {one.points:6} {one.lowest:7} {one.begun or '-':>7} {one.lost:6.0%} {one.rise:7.2%}"
        print(f"{curve} {onset:>7} {one.last:8.2f}")
    called = [one for one in found if one.last > 0.5]
    right = [one for one in called if one.truly]
    truly = sum(one.truly for one in found)
    print(f"\n{len(found)} curves, {truly} end overtrained; called {len(called)}, rightly {len(right)}")
    for what, points in (("lowest point", "lowest"), ("where a tenth of the benefit is gone for good", "begun")):
        ratios = [one.onset / at for one in right if one.onset and (at := getattr(one, points))]
        if ratios:
            print(f"onset / {what}: median {median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")



if __name__ == "__main__":
    main(sys.argv[1])
