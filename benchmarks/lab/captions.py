"""Caption gaps of runs whose trainer did not write them yet: `python -m benchmarks.lab.captions --work FOLDER`.

FOLDER holds what `benchmarks.lab.run --work FOLDER` left.  What the trainer's validation would have written at each
checkpoint is measured on the same items and kept as `captions.json.gz` beside the run, and not measured again.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import torch

from benchmarks.lab import store
from benchmarks.lab.halves import work_parser
from benchmarks.lab.oracle import one_thread
from benchmarks.lab.run import config_of
from benchmarks.lab.store import Kept
from hndoctor.diagnose.stations import step_of
from trainer import base as bases
from trainer import course as courses
from trainer import planning, pocket
from trainer.caption_gap import PLACES, Swapped, gaps, under
from trainer.data import Batch
from trainer.diffusion import Injection
from trainer.material import prepare
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.setting_up import validated
from trainer.validation import DRAWS

CLOSE = 0.02  # of the held-out losses that were logged: the network that was validated, as far as bf16 repeats it
Result = TypeVar("Result")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every kept run whose checkpoints lie there."""
    args = work_parser("Measure the caption gaps of kept runs from their checkpoints.").parse_args(argv)
    for kept in store.all_kept(args.runs):
        name = kept.configuration.name
        if (args.only and name not in args.only) or any(point.caption_gaps for point in kept.vitals.validation):
            continue
        begun = monotonic()
        with one_thread():
            found = measured(kept, args.work / name)
        if found:
            store.save_captions(args.runs / name, found)
        print(f"{name}: {len(found)} points, {monotonic() - begun:.0f} s", flush=True)


@torch.no_grad()
def measured(kept: Kept, place: Path) -> Mapping[int, tuple[float, ...]]:
    """The gaps by the number of the checkpoint, the bare base model's as 0; nothing where no checkpoints lie there.

    What exploded and was trained again does not come out the same: such a checkpoint is left out.
    """
    files = {step_of(one): place / "run" / kept.configuration.name / one.path for one in kept.vitals.checkpoints}
    points = [one for one in kept.vitals.validation if one.step in files and files[one.step].is_file()]
    if not points:
        return {}
    objective, held_out, train = _items(kept, place)
    swapped = Swapped.of(held_out, train)
    own = [under(one, one) for one in ((*held_out, *train)[picture] for picture in swapped.pictures)]

    def told() -> tuple[tuple[float, ...], list[float]]:
        losses = _losses(objective, own)
        return gaps(losses, _losses(objective, swapped.items)), losses

    found = {0: told()[0]}
    for point in points:
        with Injection(objective.unet, [Hypernetwork.load(files[point.step])]):
            gap, losses = told()
        logged = [point.items[DRAWS * at + place] for at in swapped.pictures if at < len(held_out) for place in PLACES]
        if gap and all(abs(a - b) <= CLOSE * b for a, b in zip(losses, logged, strict=False)):
            found[point.step] = gap
    return found


def _items(kept: Kept, place: Path) -> tuple[Objective, list[Batch], list[Batch]]:
    """As the run's trainer had them; of changed data those that it ended with."""
    one = kept.configuration
    config = config_of(one, pocket.path(), place)
    base = bases.load(config.base_model, torch.device("cpu"), courses.dtype(config), bases.Options.of(config))
    material = _result(prepare(base, planning.pictures_of(config), config))
    return (Objective(base.unet, base.schedule, one.precision),
            *validated(material, one.seed, len(base.schedule.alphas)))  # fmt: skip


def _result(events: Generator[Any, None, Result]) -> Result:
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # what a generator gives back is untyped


def _losses(objective: Objective, batches: Sequence[Batch]) -> list[float]:
    return [loss for b in batches for loss in objective(b.latents, b.noise, b.timesteps, b.context, b.weight).tolist()]


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
