"""Follows prescriptions on sick runs, and what people do instead: `python -m benchmarks.lab.follow --work FOLDER`.

FOLDER holds what `benchmarks.lab.run --work FOLDER` left: the checkpoints of each run.  Every treatment is really
trained, to the step at which the run was to end, and measured by the oracle; `followed.json` beside the run keeps it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import monotonic

from benchmarks.lab import store
from benchmarks.lab.oracle import Lab, one_thread
from benchmarks.lab.population import HALVES
from benchmarks.lab.run import JUDGE, config_of, is_past, trained_of
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import BROKEN, OVERTRAINED, Measures, is_broken, mean, truth_of
from hndoctor import judge
from hndoctor.diagnose.channels import is_finite
from hndoctor.diagnose.stations import step_of
from hndoctor.prescribe.rates import FLOOR
from hndoctor.records import Action, Diagnosis
from hndoctor.rules.dose import POCKET_RATE, clock_of
from trainer import pocket
from trainer.config import Config
from trainer.session import train

FOLLOWED = "followed.json"
GRID = (4, 10, 40)  # divisors of the rate
GUIDE_AGAIN = f"{POCKET_RATE * 10:g}:20, {POCKET_RATE:g}:300, {POCKET_RATE / 10:g}"  # the guide's, carried (G23)


@dataclass(frozen=True)
class Treatment:
    """What is done with a sick run.  `resume`: the checkpoint to go on from; `use`: no training, this file is it."""

    name: str
    learn_rate: str = ""
    resume: Path | None = None
    use: Path | None = None
    normal: bool = False  # a new network, initialised with Normal


@dataclass(frozen=True)
class Outcome:
    """What a treatment came to: share of the base model's held-out loss that was taken away; 0 if broken."""

    treatment: str
    benefit: float
    broken: bool
    seconds: float


def main(argv: Sequence[str] | None = None) -> None:
    """Follow on every sick run that has not been yet, then print the table."""
    args = _arguments(argv)
    sick = [one for one in store.all_kept(args.runs) if one.configuration.half == args.half and is_sick(one)]
    wanted = args.only or [one.configuration.name for one in sick]
    todo = [one for one in sick if one.configuration.name in wanted]
    todo = [one for one in todo if not (args.runs / one.configuration.name / FOLLOWED).exists()]
    todo = [one for one in todo if (args.work / one.configuration.name).is_dir()] if args.work else []
    if todo:
        with one_thread():
            lab = Lab(args.model, args.judge)
            for kept in todo:
                if is_past(args.until):
                    break
                outcomes = list(follow(lab, kept, args.model, args.work, args.grid))
                told = json.dumps([asdict(one) for one in outcomes], indent=1) + "\n"
                (args.runs / kept.configuration.name / FOLLOWED).write_text(told, encoding="utf-8", newline="\n")
                print(kept.configuration.name, {one.treatment: round(one.benefit, 4) for one in outcomes}, flush=True)
    for line in table([one for one in sick if (args.runs / one.configuration.name / FOLLOWED).exists()], args.runs):
        print(line)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Follow prescriptions on the lab's sick runs.")
    parser.add_argument("--runs", type=Path, default=store.RUNS)
    parser.add_argument("--work", type=Path, help="where the runs' checkpoints lie; without: only the table")
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--grid", action="store_true", help="an oracle grid of checkpoint and rate too")
    parser.add_argument("--only", nargs="+", help="names of runs")
    parser.add_argument("--half", choices=HALVES, default="test")
    parser.add_argument("--until", default="", help="begin no run after this time of day, HH:MM")
    return parser.parse_args(argv)


def is_sick(kept: Kept) -> bool:
    """Ended broken or overtrained."""
    return truth_of(kept.oracle).last in (BROKEN, OVERTRAINED)


def treatments(kept: Kept, diagnosis: Diagnosis, folder: Path, grid: bool = False) -> Iterator[Treatment]:
    """hndoctor's, and what people do."""
    files = sorted(kept.vitals.checkpoints, key=step_of)
    rate = clock_of(kept.vitals).rate(step_of(files[-1]))
    yield Treatment("continue as is", use=folder / files[-1].path)
    yield _prescribed(diagnosis, folder)
    finite = [one for one in files if is_finite(one)]
    if len(finite) < len(files):
        yield Treatment("last finite, same rate", f"{rate:g}", folder / finite[-1].path) if finite else _again(rate)
    half = [one for one in finite if step_of(one) <= step_of(files[-1]) / 2]
    if half:
        yield Treatment("half the steps back, a tenth of the rate", f"{rate / 10:g}", folder / half[-1].path)
    yield replace(_again(POCKET_RATE), learn_rate=GUIDE_AGAIN, name="start again at the guide's schedule")
    if finite:
        # "several thousand steps back" (G31) is before the beginning of these short runs: the first checkpoint
        yield Treatment("the guide's text literally (5e-7)", f"{FLOOR:g}", folder / finite[0].path)
    if grid:
        yield from _grid([folder / one.path for one in finite], rate)


def _grid(files: Sequence[Path], rate: float) -> Iterator[Treatment]:
    """The oracle's: going on from any of three checkpoints at any of three rates; the best is known only afterwards."""
    for file in dict.fromkeys(files[at * (len(files) - 1) // 4] for at in range(3)):
        for divisor in GRID:
            yield Treatment(f"grid: {file.stem} at {rate / divisor:g}", f"{rate / divisor:g}", file)


def _again(rate: float) -> Treatment:
    return Treatment("start again", f"{rate:g}", normal=True)


def _prescribed(diagnosis: Diagnosis, folder: Path) -> Treatment:
    advice = diagnosis.prescription
    if advice is None or (advice.action is not Action.RESTART and advice.checkpoint is None):
        return Treatment("hndoctor")
    if advice.action is Action.RESTART:
        return Treatment("hndoctor", advice.schedule or f"{advice.learning_rate:g}", normal=True)
    file = folder / str(advice.checkpoint)
    if advice.action is Action.STOP:
        return Treatment("hndoctor", use=file)
    return Treatment("hndoctor", advice.schedule or f"{advice.learning_rate:g}", file)


def follow(lab: Lab, kept: Kept, model: Path, work: Path, grid: bool = False) -> Iterator[Outcome]:
    """Do each, and measure what it gives."""
    one, place = kept.configuration, work / kept.configuration.name
    folder, subject, trained = place / "run" / one.name, lab.subject(one.dataset), trained_of(lab, one)
    config = config_of(one, model, place)
    for treatment in treatments(kept, judge(kept.vitals), folder, grid):
        begun = monotonic()
        file = treatment.use or _treated(treatment, config, place / "treated")
        found = lab.measure(one.steps, file, subject, trained, kept.oracle.base) if file else Measures(0, finite=False)
        dead = is_broken(found, kept.oracle)
        benefit = 0.0 if dead else 1 - mean(found.held_out) / mean(kept.oracle.base.held_out)
        yield Outcome(treatment.name, round(benefit, 5), dead, round(monotonic() - begun, 1))


def _treated(treatment: Treatment, config: Config, place: Path) -> Path | None:
    """Train on (or again) in a folder of its own; the final checkpoint."""
    shutil.rmtree(place, ignore_errors=True)
    quiet = replace(config, out=place, learn_rate=treatment.learn_rate, image_every=0, save_every=0, validation=0)
    quiet = replace(quiet, data=_training_part(config, place))
    if treatment.normal:
        quiet = replace(quiet, weight_init="Normal", layer_norm=False)
    elif treatment.resume is None:
        return None
    with closing(train(quiet, resume=treatment.resume)) as events:
        for _ in events:
            pass
    return quiet.run / "hypernetworks" / f"{quiet.name}.pt"


def _training_part(config: Config, place: Path) -> Path:
    """The run's own training pictures, without those it held out."""
    from trainer.data import split
    from trainer.pictures import read_folder

    data = place / "data"
    data.mkdir(parents=True)
    for picture in split(read_folder(config.data).pictures, config)[0]:
        for file in (picture.path, picture.path.with_suffix(".txt")):
            shutil.copyfile(file, data / file.name)
    return data


def table(kept: Sequence[Kept], runs: Path) -> Iterator[str]:
    """Median regret by treatment: (best - this) / (best - continuing), the best among all that were tried and saved."""
    regrets: dict[str, list[float]] = {}
    worse: dict[str, int] = {}
    for one in kept:
        rows = json.loads((runs / one.configuration.name / FOLLOWED).read_text(encoding="utf-8"))
        benefits = {row["treatment"]: row["benefit"] for row in rows}
        grid = [benefits.pop(name) for name in [*benefits] if name.startswith("grid: ")]
        benefits |= {"best of the oracle grid": max(grid)} if grid else {}
        best, as_is = max(*benefits.values(), _best_saved(one)), benefits["continue as is"]
        if best - as_is <= 1e-4:
            continue
        for name, benefit in benefits.items():
            regrets.setdefault(name, []).append((best - benefit) / (best - as_is))
            worse[name] = worse.get(name, 0) + (benefit < as_is - 1e-4)
    yield "| treatment | runs | median regret | worse than continuing |"
    yield "|---|---|---|---|"
    for name, values in regrets.items():
        yield f"| {name} | {len(values)} | {median(values):.2f} | {worse[name]} |"


def _best_saved(kept: Kept) -> float:
    """The benefit of the run's own best checkpoint."""
    base = mean(kept.oracle.base.held_out)
    states = truth_of(kept.oracle).states
    sound = [p for p, state in zip(kept.oracle.checkpoints, states, strict=True) if state != BROKEN and p.held_out]
    return max((1 - mean(point.held_out) / base for point in sound), default=0.0)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
