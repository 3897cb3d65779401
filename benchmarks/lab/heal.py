"""`hndoctor train --heal` on runs begun at ruinous rates: `python -m benchmarks.lab.heal [--work FOLDER]`.

Each is trained by the command's own loop and, beside it, at the pocket model's usual rate; the oracle measures what
both came to.  `healed.json` keeps it; what is kept is not trained again.  Without `--work`: only the table.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time

from rich.console import Console

from benchmarks.lab import store
from benchmarks.lab.oracle import Lab, one_thread
from benchmarks.lab.population import Configuration
from benchmarks.lab.run import JUDGE, config_of, is_past, trained_of
from benchmarks.lab.scores import Share
from benchmarks.lab.truth import Oracle, is_broken, mean
from hndoctor.cli import healing
from hndoctor.rules.dose import POCKET_RATE
from hndoctor.vitals import Following
from trainer import pocket
from trainer.config import Config
from trainer.session import train

HEALED = "healed.json"
TIMES = 3  # treatments at most, the command's default
ENOUGH = 0.9  # share of the good rate's benefit
DEAREST = 0.02  # share of training time that watching may cost
# from where objects and captions are lost (benchmarks/pocket) to noise at once, and a rate that is raised midway
RATES = (
    "2e-2", "1e-3:80, 3e-2:10000", "8e-2", "2e-3:110, 1e-1:10000", "1.5e-2", "4e-2", "2e-1",
    "3e-2", "1e-3:60, 5e-2:10000", "1e-1", "2.5e-2", "5e-1",
)  # fmt: skip
SHAPES = (  # data set, pictures, layer structure, activation
    ("redfig", 24, "1, 2, 1", "relu"),
    ("gameboy", 12, "1, 3, 1", "swish"),
    ("amberglass", 40, "1, 2, 2, 1", "mish"),
)


@dataclass(frozen=True)
class Healed:
    """What `--heal` came to, and the same run at a good rate; benefits as shares of the base model's held-out loss."""

    name: str
    learn_rate: str
    treatments: int
    benefit: float
    good: float
    broken: bool
    training: float  # seconds of CPU, watching not counted
    watching: float  # seconds of CPU
    watched: int  # checkpoints

    @property
    def share(self) -> float:
        """Of the good rate's benefit."""
        return self.benefit / self.good if self.good > 0 else 0.0


def begun_badly() -> tuple[Configuration, ...]:
    """Every rate, the shapes in turn; seeds and pictures of their own."""
    return tuple(_begun(at, rate, *SHAPES[at % len(SHAPES)]) for at, rate in enumerate(RATES))


def _begun(at: int, rate: str, dataset: str, pictures: int, structure: str, activation: str) -> Configuration:
    return Configuration(
        f"heal-{at + 1:02d}", "heal", "test", dataset, pictures, validation=3, data_seed=5001 + 2 * at,
        seed=70_001 + 2 * at, learn_rate=rate, every=25, checkpoints=8,
        layer_structure=structure, activation=activation,
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Heal those that are not kept yet, then print the table."""
    args = _arguments(argv)
    kept = read(args.out)
    todo = [one for one in begun_badly() if one.name not in {row.name for row in kept}] if args.work else []
    if todo:
        with one_thread():
            lab = Lab(args.model, args.judge)
            for one in todo[: args.most]:
                if is_past(args.until):
                    break
                kept = [*kept, healed(lab, one, args.model, args.work / one.name)]
                told = json.dumps([asdict(row) for row in kept], indent=1) + "\n"
                args.out.write_text(told, encoding="utf-8", newline="\n")
                print(kept[-1], flush=True)
    print("\n".join(table(kept)))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What train --heal makes of runs begun at ruinous rates.")
    parser.add_argument("--work", type=Path, help="where to train; without: only the table")
    parser.add_argument("--out", type=Path, default=store.RUNS.parent / HEALED)
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--most", type=int, help="so many of them")
    parser.add_argument("--until", default="", help="begin no run after this time of day, HH:MM")
    return parser.parse_args(argv)


def read(file: Path) -> list[Healed]:
    """What was measured before."""
    return [Healed(**row) for row in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []


def healed(lab: Lab, one: Configuration, model: Path, place: Path) -> Healed:
    """Train with `--heal`, and at the good rate; measure the final network of both."""
    shutil.rmtree(place, ignore_errors=True)
    config = config_of(one, model, place)
    with watching() as spent:
        begun = process_time()
        healing.heal(Console(file=io.StringIO()), config, resume=None, overwrite=False, times=TIMES)
        took = process_time() - begun
    log = config.run / healing.LOG
    count = len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0
    benefit, broken = _benefit(lab, one, config)
    good = replace(config, out=place / "good", learn_rate=f"{POCKET_RATE:g}", image_every=0)
    with closing(train(good, resume=None)) as events:
        for _ in events:
            pass
    wanted, _ = _benefit(lab, one, good)
    seen = sum(spent)
    return Healed(
        one.name, one.learn_rate, count, benefit, wanted, broken, round(took - seen, 2), round(seen, 2), len(spent)
    )


def _benefit(lab: Lab, one: Configuration, config: Config) -> tuple[float, bool]:
    """Share of the base model's held-out loss that the final network takes away, 0 where it is broken; and whether."""
    subject, trained = lab.subject(one.dataset), trained_of(lab, one)
    base = lab.base(subject, trained)
    found = lab.measure(one.steps, config.run / "hypernetworks" / f"{config.name}.pt", subject, trained, base)
    broken = is_broken(found, Oracle(base, (found,), subject.readable, lab.chance))
    return (0.0 if broken else round(1 - mean(found.held_out) / mean(base.held_out), 5)), broken


@contextmanager
def watching() -> Iterator[list[float]]:
    """Seconds of CPU of every look that the loop takes at the run."""
    looked, spent = healing.broken, []

    def clocked(run: Path, following: Following) -> object:
        begun = process_time()
        found = looked(run, following)
        spent.append(process_time() - begun)
        return found

    setattr(healing, "broken", clocked)  # noqa: B010 - a module's function, for as long as it is measured
    try:
        yield spent
    finally:
        setattr(healing, "broken", looked)  # noqa: B010 - as above


def table(kept: Sequence[Healed]) -> Iterator[str]:
    """One line a run, then the shares that the goals speak of."""
    yield "| begun at | treatments | benefit | at the good rate | share | watching / training |"
    yield "|---|---|---|---|---|---|"
    for one in kept:
        cost = f"{one.watching / one.training:.1%}"
        told = f"{one.benefit:.3f}{' (broken)' if one.broken else ''} | {one.good:.3f} | {one.share:.2f}"
        yield f"| {one.learn_rate} | {one.treatments} | {told} | {cost} |"
    if kept:
        enough = [one.share >= ENOUGH for one in kept]
        looks = sum(one.watched for one in kept)
        look = sum(one.watching for one in kept) / looks
        step = sum(one.training for one in kept) / (looks * begun_badly()[0].every)
        apart = f"{DEAREST:.0%} of training time where checkpoints lie {look / step / DEAREST:.0f} steps apart"
        yield ""
        yield f"- within a tenth of the good rate's benefit: {Share(sum(enough), len(enough))}"
        yield f"- one look costs {look:.2f} s, as much as {look / step:.1f} steps with their previews: {apart}"


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
