"""What the tuning half says about the diagnosis's parameters: `python -m benchmarks.lab.fit [--try NAME=VALUE ...]`.

Prints what each channel saw at each checkpoint of each true state, from which the curves of
`hndoctor/diagnose/parameters.py` are drawn, and the log score of the whole diagnosis; `--try` scores other values
beside it.  The test half is never read.
"""

from __future__ import annotations

import argparse
import ast
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.lab import store
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import HARMED
from hndoctor.diagnose import diagnose, parameters
from hndoctor.diagnose.channels import gain_of
from hndoctor.diagnose.noise import noise_of
from hndoctor.diagnose.stations import Stop, stops_of
from hndoctor.rules.paired import against_base, drifts, gap
from hndoctor.rules.windows import mean_of

FLOOR = 0.01  # least probability in the log score, so that no single checkpoint decides


@dataclass(frozen=True)
class Seen:
    """What was measured at one checkpoint, before anything is made of it."""

    run: str
    number: int
    state: str
    values: dict[str, float]


def seen_of(kept: Kept) -> Iterator[Seen]:
    """Every checkpoint of a run with its true state."""
    truth = kept.truth
    states = dict(zip(truth.numbers, truth.states, strict=True))
    noise, drift = noise_of(kept.vitals), {one.step: one for one in drifts(kept.vitals.validation)}
    for stop in stops_of(kept.vitals):
        if stop.step in states:
            found = dict(_values(stop, noise, drift))
            yield Seen(kept.configuration.name, stop.step, states[stop.step], found)


def _values(stop: Stop, noise: dict[str, float], drift: dict[int, Any]) -> Iterator[tuple[str, float]]:
    for checkpoint in stop.checkpoints[:1]:
        gain = gain_of(checkpoint)
        yield "gain", math.inf if gain is None else gain
        yield "rms", max((module.rms for module in checkpoint.modules), default=math.nan)
    noises = [noise[one.path] for one in stop.previews if one.path in noise]
    if noises:
        yield "noise", sum(noises) / len(noises)
    finite = tuple(point for point in stop.trailing if point.loss is not None)
    if finite:
        yield "loss", mean_of(finite).mean
    for point in stop.validation[-1:]:
        change, wide = against_base(point), gap(point)
        if change:
            yield "harm", math.log1p(change.rise)
            yield "gained z", -change.rise / change.error
        if point.train and point.train_base:
            yield "train", math.log(point.train / point.train_base)
        if wide is not None:
            yield "gap", wide
        if point.step in drift:
            one = drift[point.step]
            yield "rise", one.rise
            yield "rise z", one.rise / one.error
            yield "rise of gain", one.rise / max(one.gained, 1e-4)


def tables(kept: Sequence[Kept]) -> Iterator[str]:
    """Quantiles of every value by true state."""
    seen = [one for run in kept for one in seen_of(run)]
    names = list(dict.fromkeys(name for one in seen for name in one.values))
    for name in names:
        yield f"\n{name}"
        for state in ("starting", "healthy", "overtrained", "harmed", "broken"):
            values = sorted(one.values[name] for one in seen if one.state == state and name in one.values)
            if values:
                at = [values[min(len(values) - 1, int(q * len(values)))] for q in (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)]
                yield f"  {state:12} n={len(values):3}  " + "  ".join(f"{value:9.3g}" for value in at)


def log_score(kept: Sequence[Kept]) -> float:
    """Mean over runs of the mean log probability of the true state; starting and healthy count as one."""
    return sum(map(_run_score, kept)) / len(kept)


def _run_score(kept: Kept) -> float:
    truth, course = kept.truth, {one.step: one for one in diagnose(kept.vitals).course if one.p}
    logs = []
    for number, state in zip(truth.numbers, truth.states, strict=True):
        if state == HARMED or number not in course:
            continue
        p = course[number].p
        sound = p["starting"] + p["healthy"]
        logs.append(math.log(max(FLOOR, p[state] if state in ("overtrained", "broken") else sound)))
    return sum(logs) / max(1, len(logs))


@contextmanager
def believing(name: str, value: object) -> Iterator[None]:
    """The diagnosis with another value of one parameter."""
    before = getattr(parameters, name)
    setattr(parameters, name, value)
    try:
        yield
    finally:
        setattr(parameters, name, before)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables and the scores."""
    parser = argparse.ArgumentParser(description="What the tuning half says about the parameters.")
    parser.add_argument("--runs", type=Path, default=store.RUNS)
    parser.add_argument("--try", dest="tries", nargs="+", default=(), metavar="NAME=VALUE")
    args = parser.parse_args(argv)
    kept = [one for one in store.all_kept(args.runs) if one.configuration.half == "tuning"]
    if not args.tries:
        print("\n".join(tables(kept)))
        worst = sorted(kept, key=_run_score)[:8]
        print("\nworst: " + ", ".join(f"{one.configuration.name} {_run_score(one):.2f}" for one in worst))
        print(f"median of runs {median(map(_run_score, kept)):.3f}")
    print(f"log score of {len(kept)} runs as it is: {log_score(kept):.4f}")
    for text in args.tries:
        name, _, value = text.partition("=")
        with believing(name, ast.literal_eval(value)):
            print(f"{text}: {log_score(kept):.4f}")


if __name__ == "__main__":
    main()
