"""What treatments of sick runs came to: kept beside each run as `followed.json`, and the table of regrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.lab.scores import Share, middle
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import BROKEN, mean, truth_of
from hndoctor.formats.atomic import write_whole

FOLLOWED = "followed.json"
GRID = "grid: "  # what the names of the oracle grid's treatments begin with
CONTINUE, BEST_OF_GRID = "continue as is", "best of the oracle grid"
NOTHING = 1e-4  # share of the bare base model's loss; where no more than this is to be had, no treatment matters


@dataclass(frozen=True)
class Outcome:
    """What a treatment came to.  `what`: from which step at which rate; where that changes it is followed anew."""

    treatment: str
    what: str
    benefit: float  # share of the base model's held-out loss that was taken away; 0 if broken
    broken: bool
    seconds: float


def read(folder: Path) -> list[Outcome]:
    """What was followed on a run before."""
    file = folder / FOLLOWED
    return [Outcome(**row) for row in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []


def keep(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write all outcomes of a run, whole or not at all."""
    told = json.dumps([asdict(one) for one in outcomes], indent=1) + "\n"
    write_whole(folder / FOLLOWED, [told.encode()])


def table(kept: Sequence[Kept], runs: Path) -> Iterator[str]:
    """Median regret by treatment: (best - this) / (best - continuing), the best among all that were tried and saved."""
    regrets: dict[str, list[float]] = {}
    worse: dict[str, list[str]] = {}
    for one in kept:
        benefits = _benefits(read(runs / one.configuration.name))
        best, as_is = max(*benefits.values(), best_saved(one)), benefits[CONTINUE]
        if best - as_is <= NOTHING:
            continue
        for name, benefit in benefits.items():
            regrets.setdefault(name, []).append((best - benefit) / (best - as_is))
            worse.setdefault(name, []).extend([one.configuration.name] * (benefit < as_is - NOTHING))
    yield "| treatment | runs | median regret | of at most a tenth | worse than continuing |"
    yield "|---|---|---|---|---|"
    for name, values in regrets.items():
        told = middle(values)
        near = [value <= 0.1 for value in values]
        if told:
            regret = f"{told[0]:.2f} [{told[1]:.2f}, {told[2]:.2f}]"
            yield f"| {name} | {len(values)} | {regret} | {Share(sum(near), len(near))} | {_named(worse[name])} |"


def _benefits(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """By treatment, of the grid only the best."""
    found = {one.treatment: one.benefit for one in outcomes}
    grid = [found.pop(name) for name in [*found] if name.startswith(GRID)]
    return found | ({BEST_OF_GRID: max(grid)} if grid else {})


def _named(names: Sequence[str]) -> str:
    few = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return f"{len(names)} ({few})" if names else "0"


def best_saved(kept: Kept) -> float:
    """The benefit of the run's own best checkpoint."""
    base = mean(kept.oracle.base.held_out)
    states = truth_of(kept.oracle).states
    sound = [p for p, state in zip(kept.oracle.checkpoints, states, strict=True) if state != BROKEN and p.held_out]
    return max((1 - mean(point.held_out) / base for point in sound), default=0.0)
