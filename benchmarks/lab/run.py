"""Trains the population and keeps what was measured: `python -m benchmarks.lab.run [--minutes 60] [--only NAME ...]`.

Resumable: what is kept already is skipped, and a run that was cut short is trained again from nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic

from benchmarks.lab import material, store
from benchmarks.lab.alpha import mean_alpha
from benchmarks.lab.oracle import Lab, Trained, one_thread
from benchmarks.lab.population import HALVES, Configuration, by_name, fresh_runs, long_runs, population
from benchmarks.lab.truth import Measures, Oracle, truth_of
from benchmarks.pocket.judge import SCENES
from hndoctor.collect import find_runs
from hndoctor.vitals import measure_run
from trainer import pocket, seeding
from trainer.config import Config
from trainer.events import Finished, Saved
from trainer.session import train

JUDGE = Path(".lab/judge.pt")  # trained in some minutes where it is not there
SMALL = 6  # runs of the small lab
# 7 steps of DPM++ 2M at CFG 7, as the first runs had, leave even the bare base model's previews noisy
PREVIEW_STEPS, PREVIEW_SAMPLER, PREVIEW_CFG = 16, "Euler a", 4.0
SETTLED = 2  # steps between a numbered checkpoint and the final one that are not worth another measurement


def small() -> tuple[Configuration, ...]:
    """A lab of minutes: the shortest runs of the population, of different intents."""
    shortest = sorted(population(), key=lambda one: one.steps * one.batch_size)
    return tuple({one.intent: one for one in reversed(shortest)}.values())[-SMALL:]


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not there yet, in the population's order, until the time is up."""
    args = _arguments(argv)
    chosen = _chosen(args)
    until = monotonic() + args.minutes * 60 if args.minutes else float("inf")
    todo = [one for one in chosen if store.is_whole(args.out / one.name, one) == args.again]
    print(f"{len(chosen)} runs, {len(todo)} to do", flush=True)
    if not todo:
        return
    with one_thread():
        lab = Lab(args.model, args.judge, args.scenes)
        for configuration in todo:
            if monotonic() > until or is_past(args.until):
                print("time is up; run again to go on", flush=True)
                return
            begun = monotonic()
            told = run(lab, configuration, args.model, args.out, args.work, args.again)
            print(f"{configuration.name}: {told}, {monotonic() - begun:.0f} s", flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the lab's population and measure what became of it.")
    parser.add_argument("--model", type=Path, default=pocket.path(), help="the base model's folder")
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--scenes", type=int, default=SCENES, help="that a judge is trained on if there is none yet")
    parser.add_argument("--out", type=Path, default=store.RUNS)
    parser.add_argument("--work", type=Path, help="keep checkpoints and pictures here, for benchmarks.lab.follow")
    parser.add_argument("--again", action="store_true", help="measure kept runs again from their --work, train nothing")
    parser.add_argument("--minutes", type=float, default=0, help="begin no run after so many")
    parser.add_argument("--until", default="", help="begin no run after this time of day, HH:MM")
    parser.add_argument("--small", action="store_true", help="the small lab")
    parser.add_argument("--long", action="store_true", help="the runs of 25,000 steps")
    parser.add_argument("--fresh", action="store_true", help="the runs of another seed")
    parser.add_argument("--half", choices=HALVES)
    parser.add_argument("--only", nargs="+", help="names of runs")
    return parser.parse_args(argv)


def _chosen(args: argparse.Namespace) -> list[Configuration]:
    if args.only:
        return [by_name()[name] for name in args.only]
    if args.fresh:
        return [*fresh_runs()]
    chosen = small() if args.small else long_runs() if args.long else population()
    return [one for one in chosen if args.half in (None, one.half)]


def is_past(time_of_day: str) -> bool:
    return bool(time_of_day) and datetime.now().strftime("%H:%M") >= time_of_day


def run(
    lab: Lab, configuration: Configuration, model: Path, out: Path, work: Path | None = None, again: bool = False
) -> str:
    """Train one run in a folder of its own, measure it as it goes, keep it; gives what became of it, in words.

    `work`: where its checkpoints and pictures stay, for `follow` to go on from; None: nowhere.  `again`: they lie there
    already, and are only measured.
    """
    with _place(work, configuration.name, again) as folder:
        begun = monotonic()
        subject, trained = lab.subject(configuration.dataset), trained_of(lab, configuration)
        base = lab.base(subject, trained)
        points, alphas = [], {}
        for number, path in _left(configuration, folder) if again else _saved(configuration, model, folder):
            points.append(lab.measure(number, path, subject, trained, base, _pictured(configuration, number)))
            alphas[str(number)] = mean_alpha(path)
        oracle = Oracle(base, _one_each(points), subject.readable, lab.chance)
        vitals = measure_run(find_runs(folder / "run" / configuration.name)[0], cache=False)
        vitals = replace(vitals, settings=replace(vitals.settings, model_name="pocket"))
        notes = {"model": vitals.settings.model_hash, "seconds": round(monotonic() - begun, 1), "alpha": alphas}
        size = store.save(out / configuration.name, configuration, oracle, vitals, notes)
    truth = truth_of(oracle)
    letters = "".join(state[0].upper() if state != "harmed" else "d" for state in truth.states)
    return f"{letters} (over {truth.overtrained}, broken {truth.broken}), {size / 1000:.0f} kB"


@contextmanager
def _place(work: Path | None, name: str, again: bool) -> Iterator[Path]:
    """An empty folder, one that stays or one that goes; or the one of before."""
    if work is None:
        with tempfile.TemporaryDirectory(prefix="hndoctor-lab-") as place:
            yield Path(place)
        return
    if not again:
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir(parents=True)
    yield work / name


def trained_of(lab: Lab, configuration: Configuration) -> Trained:
    """Those pictures that the trainer does not hold out; of changed data the first."""
    count = configuration.pictures + configuration.validation
    held_out = seeding.order(configuration.seed, -1, count)[: configuration.validation]
    indices = [at for at in range(count) if at not in held_out]
    return lab.trained(configuration.dataset, configuration.data_seed, indices)


def _pictured(configuration: Configuration, number: int) -> bool:
    """Every second checkpoint and the last: drawing costs more than all else."""
    return number % (2 * configuration.every) == 0 or number >= configuration.steps


def _one_each(points: Sequence[Measures]) -> tuple[Measures, ...]:
    return tuple({point.number: point for point in points}.values())


def _saved(configuration: Configuration, model: Path, folder: Path) -> Iterator[tuple[int, Path]]:
    """Every checkpoint as it is written, for the oracle to read while the training waits."""
    config = config_of(configuration, model, folder)
    change = configuration.change
    first = replace(config, steps=change.checkpoint * configuration.every) if change else config
    yield from _numbered(first, configuration, None)
    if change:
        _write(config.data, configuration, change.data_seed)
        yield from _numbered(replace(config, data_changed_ok=True), configuration, True)


def _left(configuration: Configuration, folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a run that was trained before."""
    files = (folder / "run" / configuration.name / "hypernetworks").glob(f"{configuration.name}-*.pt")
    return sorted((int(path.stem.rsplit("-", 1)[1]), path) for path in files)


def _numbered(config: Config, configuration: Configuration, resume: bool | None) -> Iterator[tuple[int, Path]]:
    last = 0
    with closing(train(config, resume=resume)) as events:
        for event in events:
            if isinstance(event, Saved) and (not event.final or event.number > last + SETTLED):
                last = event.number
                yield event.number, event.path
            if isinstance(event, Finished) and event.reason == "not finite":
                print(f"  {configuration.name}: {event.text}", flush=True)


def config_of(one: Configuration, model: Path, folder: Path) -> Config:
    data = folder / "data"
    _write(data, one, one.data_seed)
    packaged = model.resolve() == Path(pocket.path()).resolve()
    return Config(
        name=one.name, data=data, out=folder / "run", base_model="pocket" if packaged else str(model), device="cpu",
        layer_structure=one.layer_structure, activation=one.activation, weight_init=one.weight_init,
        layer_norm=one.layer_norm, use_dropout=bool(one.dropout), dropout_structure=one.dropout_structure,
        learn_rate=one.learn_rate, steps=one.steps, batch_size=one.batch_size, seed=one.seed,
        save_every=one.every, image_every=one.every, csv_every=1, precision=one.precision, validation=one.validation,
        preview_negative_prompt=one.negative_prompt, preview_seed=one.preview_seed, preview_steps=PREVIEW_STEPS,
        preview_sampler=PREVIEW_SAMPLER, preview_cfg=PREVIEW_CFG,
    )  # fmt: skip


def _write(data: Path, one: Configuration, seed: int) -> None:
    """The user's pictures, those that the trainer holds out among them."""
    shutil.rmtree(data, ignore_errors=True)
    material.write(one.dataset, data, one.pictures + one.validation, seed)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
