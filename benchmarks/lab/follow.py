"""Follows prescriptions on sick runs, and what people do instead: `python -m benchmarks.lab.follow --work FOLDER`.

FOLDER holds what `benchmarks.lab.run --work FOLDER` left: the checkpoints of each run.  Every treatment is really
trained, to the step at which the run was to end, and measured by the oracle; `followed.json` beside the run keeps it.
Resumable: what is kept is not done again, unless the diagnosis prescribes something else by now.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from benchmarks.lab import store
from benchmarks.lab.oracle import Lab, one_thread
from benchmarks.lab.outcomes import CONTINUE, GRID, Outcome, best_saved, keep, read, table
from benchmarks.lab.population import HALVES
from benchmarks.lab.run import JUDGE, config_of, is_past, trained_of
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import BROKEN, OVERTRAINED, Measures, is_broken, mean, truth_of
from hndoctor import judge
from hndoctor.diagnose.channels import is_finite
from hndoctor.diagnose.stations import step_of
from hndoctor.records import Action, Checkpoint, Diagnosis
from hndoctor.rules.dose import POCKET_RATE, clock_of
from trainer import pocket
from trainer.config import Config
from trainer.session import train

GRID_RATES = (POCKET_RATE, POCKET_RATE / 5)
GUIDE_AGAIN = f"{POCKET_RATE * 10:g}:20, {POCKET_RATE:g}:300, {POCKET_RATE / 10:g}"  # the guide's, carried (G23)


@dataclass(frozen=True)
class Treatment:
    """What is done with a sick run.  `resume`: the checkpoint to go on from; `use`: no training, this file is it."""

    name: str
    learn_rate: str = ""
    resume: Checkpoint | None = None
    use: Checkpoint | None = None
    normal: bool = False  # a new network, initialised with Normal

    @property
    def what(self) -> str:
        """What is done, in words that tell it from any other treatment of the run."""
        if self.use:
            return f"use step {step_of(self.use)}"
        begin = f"step {step_of(self.resume)}" if self.resume else "a new network" if self.normal else "nothing"
        return f"{begin} at {self.learn_rate}"


def main(argv: Sequence[str] | None = None) -> None:
    """Follow on every sick run, cheap ones first and the oracle's grids last, then print the table."""
    args = _arguments(argv)
    sick = [one for one in store.all_kept(args.runs) if one.configuration.half == args.half and is_sick(one)]
    sick = [one for one in sick if not args.only or one.configuration.name in args.only]
    todo = [one for one in sick if _lies_there(one, args.work)] if args.work else []
    if todo:
        todo.sort(key=lambda one: one.configuration.steps * one.configuration.batch_size)
        with one_thread():
            lab = Lab(args.model, args.judge)
            for grid in (False, True) if args.grid else (False,):
                for kept in todo:
                    _follow(lab, kept, args, grid)
    print("\n".join(table([one for one in sick if is_followed(one, args.runs)], args.runs)))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Follow prescriptions on the lab's sick runs.")
    parser.add_argument("--runs", type=Path, default=store.RUNS)
    parser.add_argument("--work", type=Path, help="where the runs' checkpoints lie; without: only the table")
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--grid", action="store_true", help="an oracle grid of checkpoint and rate too")
    parser.add_argument("--only", nargs="+", help="names of runs")
    parser.add_argument("--half", choices=HALVES, default="test")
    parser.add_argument("--until", default="", help="begin nothing after this time of day, HH:MM")
    return parser.parse_args(argv)


def _place(runs: Path, kept: Kept) -> Path:
    return runs / kept.configuration.name


def is_sick(kept: Kept) -> bool:
    """Ended broken or overtrained, by 16 held-out pictures or by all that were measured."""
    return bool({truth_of(kept.oracle).last, kept.truth.last} & {BROKEN, OVERTRAINED})


def _lies_there(kept: Kept, work: Path) -> bool:
    """Whether all checkpoints of a run lie where they can be gone on from."""
    name = kept.configuration.name
    return all((work / name / "run" / name / one.path).is_file() for one in kept.vitals.checkpoints)


def is_followed(kept: Kept, runs: Path) -> bool:
    """Whether hndoctor's prescription has been followed, as it is kept; others may not be yet."""
    return any(one.treatment == "hndoctor" for one in read(_place(runs, kept)))


def _follow(lab: Lab, kept: Kept, args: argparse.Namespace, grid: bool) -> None:
    """What is not kept yet of one run, each outcome written as soon as it is known."""
    folder = _place(args.runs, kept)
    for treatment in _grid(kept) if grid else treatments(kept, judge(kept.vitals)):
        done = read(folder)
        if is_past(args.until) or any((one.treatment, one.what) == (treatment.name, treatment.what) for one in done):
            continue
        outcome = followed(lab, kept, treatment, args.model, args.work, max([best_saved(kept), *_benefits(done)]))
        keep(folder, [*(one for one in done if one.treatment != treatment.name), outcome])
        print(kept.configuration.name, outcome, flush=True)


def _benefits(outcomes: Sequence[Outcome]) -> Iterator[float]:
    return (one.benefit for one in outcomes)


def treatments(kept: Kept, diagnosis: Diagnosis) -> Iterator[Treatment]:
    """hndoctor's, and what people do."""
    files = sorted(kept.vitals.checkpoints, key=step_of)
    rate = clock_of(kept.vitals).rate(step_of(files[-1]))
    yield Treatment(CONTINUE, use=files[-1])
    yield _prescribed(diagnosis, files)
    finite = [one for one in files if is_finite(one)]
    if len(finite) < len(files):
        again = Treatment("last finite, same rate", f"{rate:g}", normal=True)
        yield replace(again, resume=finite[-1], normal=False) if finite else again
    half = [one for one in finite if step_of(one) <= step_of(files[-1]) / 2]
    if half:
        yield Treatment("half the steps back, a tenth of the rate", f"{rate / 10:g}", half[-1])
    yield Treatment("start again at the guide's schedule", GUIDE_AGAIN, normal=True)
    if finite:
        # "several thousand steps back" (G31) is before the beginning of these short runs: the first checkpoint; and in
        # the steps left 5e-7 moves no weight by more than some 1e-4 (really trained, slow-06 came to .3656, not .3652)
        yield Treatment("the guide's text literally (5e-7)", use=finite[0])


def _grid(kept: Kept) -> Iterator[Treatment]:
    """The oracle's: going on from the first or the middle checkpoint at either rate; the best is known afterwards."""
    files = sorted(filter(is_finite, kept.vitals.checkpoints), key=step_of)
    begin = {step_of(files[at]) for at in (0, len(files) // 2) if files}
    for file in (one for one in files if step_of(one) in begin and one.step is not None):
        for rate in GRID_RATES:
            treatment = Treatment("", f"{rate:g}", file)
            yield replace(treatment, name=f"{GRID}{treatment.what}")


def _prescribed(diagnosis: Diagnosis, files: Sequence[Checkpoint]) -> Treatment:
    advice = diagnosis.prescription
    if advice is None:
        return Treatment("hndoctor")
    file = next((one for one in files if one.path == advice.checkpoint), None)
    if advice.action is Action.STOP:
        return Treatment("hndoctor", use=file)
    return Treatment("hndoctor", str(advice.schedule), file, normal=advice.action is Action.RESTART)


def followed(lab: Lab, kept: Kept, treatment: Treatment, model: Path, work: Path, best: float) -> Outcome:
    """Do it, and measure what it gives.  `best`: the best that is known; what a grid makes beyond it is drawn too."""
    begun, one = monotonic(), kept.configuration
    found = _known(kept, treatment.use)
    if found is None:
        place = work / one.name
        config = config_of(one, model, place)
        use = place / "run" / one.name / treatment.use.path if treatment.use else None
        file = use or _treated(treatment, config, place)
        found = _measured(lab, kept, file, best if treatment.name.startswith(GRID) else None)
    dead = is_broken(found, kept.oracle)
    benefit = 0.0 if dead else _benefit(found, kept)
    return Outcome(treatment.name, treatment.what, round(benefit, 5), dead, round(monotonic() - begun, 1))


def _known(kept: Kept, file: Checkpoint | None) -> Measures | None:
    """What the oracle measured of a checkpoint of the run, if it drew its pictures or the loss settled it."""
    points = [one for one in kept.oracle.checkpoints if file and one.number == step_of(file)]
    return next((one for one in points if one.followed is not None or is_broken(one, kept.oracle)), None)


def _measured(lab: Lab, kept: Kept, file: Path | None, best: float | None) -> Measures:
    """Pictures are drawn only where the loss does not tell already that it is none of the best."""
    if file is None:
        return Measures(0, finite=False)
    one = kept.configuration
    subject, trained = lab.subject(one.dataset), trained_of(lab, one)
    if best is not None:
        found = lab.measure(one.steps, file, subject, trained, kept.oracle.base, pictured=False)
        if is_broken(found, kept.oracle) or _benefit(found, kept) <= best:
            return found
    return lab.measure(one.steps, file, subject, trained, kept.oracle.base)


def _benefit(found: Measures, kept: Kept) -> float:
    return 1 - mean(found.held_out) / mean(kept.oracle.base.held_out)


def _treated(treatment: Treatment, config: Config, place: Path) -> Path | None:
    """Train on (or again) in a folder of its own; the final checkpoint."""
    shutil.rmtree(place / "treated", ignore_errors=True)
    quiet = replace(config, out=place / "treated", learn_rate=treatment.learn_rate, image_every=0, save_every=0)
    quiet = replace(quiet, validation=0, data=_training_part(config, place / "treated"))
    if treatment.normal:
        quiet = replace(quiet, weight_init="Normal", layer_norm=False)
    elif treatment.resume is None:
        return None
    resume = config.run / treatment.resume.path if treatment.resume else None
    with closing(train(quiet, resume=resume)) as events:
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


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
