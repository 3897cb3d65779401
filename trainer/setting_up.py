"""Everything that happens before the first step: checks, loading, encoding, resuming, the plan."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from torch import Tensor

from hndoctor.formats.counted import counted
from trainer import base as bases
from trainer import course as courses
from trainer import optimizer_kinds, planning, processes, saving
from trainer import resume as resuming
from trainer.base import BaseModel
from trainer.board import require_tensorboard
from trainer.config import Config, check
from trainer.data import Batch
from trainer.errors import TrainerError, why
from trainer.events import Event, Notice, Plan
from trainer.lock import RunLock
from trainer.loop import Course
from trainer.material import Material, prepare
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.pictures import Picture, PictureSet
from trainer.preview import Previewer
from trainer.resume import Found
from trainer.runfolder import VALIDATION_BASE, RunFolder
from trainer.sampler import resolve
from trainer.seeding import derive
from trainer.training import Training
from trainer.validation import Validation, items


def set_up(
    config: Config, resume: Path | str | bool | None, overwrite: bool, lock: RunLock
) -> Generator[Event, None, Training]:
    """All of it, in the order in which mistakes are cheapest to find.  The caller gives `lock` back."""
    check(config)
    resolve(config.preview_sampler, config.preview_scheduler)
    optimizer_kinds.require(config.optimizer, config.optimizer_args)
    require_tensorboard(config)
    folder = RunFolder(config.run, config.name)
    device = bases.choose_device(processes.local(config.device))
    team = processes.join(device)
    if team.first and folder.exists():
        _lock(folder, lock)
        if resume:
            saving.settle(folder.checkpoints)
    team.wait()
    found = _found(folder, config, resume, overwrite)
    config = resuming.adopted(found, config)
    pictures = planning.pictures_of(config)
    notices = [resuming.check_data(folder, pictures, config)] if found and _inside(folder, found) else []
    path = bases.locate(config.base_model)
    if found:
        resuming.check_fits(found, config)
        planning.chosen_sizes(config, bases.sizes_of(path, config.base_config))
        _check_unfinished(found, config)
    there = bases.sizes_of(path, config.base_config)
    known = planning.make(config, there, pictures, found.network.step if found else 0)
    base = bases.load(config.base_model, device, courses.dtype(config), bases.Options.of(config))
    if found and _inside(folder, found):
        resuming.check_base(folder, base.hash, base.name)
    network = found.network if found else _new(config, known.sizes)
    material = yield from prepare(base, pictures, config)
    course = courses.make(config, base, network, material.data, team)
    if found:
        notices += resuming.take_up(found, course)
    seconds, short = courses.probe(course)
    known = planning.measured(known, seconds)
    notices.append(short)
    notices += _begin(folder, found, course, resume, overwrite, lock)
    yield from (Notice(text) for text in notices if text)
    return _training(folder, course, known, base, material, pictures, found)


def _found(folder: RunFolder, config: Config, resume: Path | str | bool | None, overwrite: bool) -> Found | None:
    """The checkpoint to go on from, after making sure that no run is harmed."""
    if resume is True:
        return resuming.latest(folder, config)  # None: the run ended before its first checkpoint, and begins anew
    found = resuming.chosen(Path(resume), config) if resume else None
    if not overwrite and not (found and _inside(folder, found)):
        _refuse_a_run(folder)
    if found and overwrite and _inside(folder, found):
        raise TrainerError(f"{found.path}: would be overwritten; resume without overwriting, or copy it first")
    return found


def _refuse_a_run(folder: RunFolder) -> None:
    if folder.exists():
        raise TrainerError(f"{folder.root}: holds a run already; resume it, overwrite it, or choose another name")


def _lock(folder: RunFolder, lock: RunLock) -> None:
    try:
        lock.take()
    except OSError as error:
        why = error.strerror or error
        raise TrainerError(f"{folder.root}: cannot be written ({why}); choose another out") from None


def _inside(folder: RunFolder, found: Found) -> bool:
    return found.path.resolve().parent == folder.checkpoints.resolve()


def _check_unfinished(found: Found, config: Config) -> None:
    if found.network.step >= config.steps:
        raise TrainerError(
            f"{found.path}: has {counted(found.network.step, 'step')} already, steps = {config.steps}: "
            "raise steps to train on"
        )


def _new(config: Config, sizes: Sequence[int]) -> Hypernetwork:
    return Hypernetwork.create(
        sizes,
        planning.structure(config),
        config.activation,
        config.weight_init,
        config.layer_norm,
        config.use_dropout,
        planning.dropouts(config),
        config.activate_output,
        config.name,
        derive(config.seed, "weights"),
    )


def _begin(
    folder: RunFolder, found: Found | None, course: Course, resume: Path | str | bool | None, overwrite: bool,
    lock: RunLock,
) -> list[str | None]:  # fmt: skip
    """Make the folder what it was at the step that the run goes on from; only one process does."""
    course.processes.wait()  # until all have read what they need
    notices: list[str | None] = []
    if course.processes.first:
        _claim(folder, bool(resume) or overwrite, overwrite, lock)
        if resume is True or (found and _inside(folder, found)):
            notices.append(resuming.go_back(folder, found))
    if resume is True and not found:
        notices.append("the run has no checkpoint yet: it begins anew")
    return notices


def _claim(folder: RunFolder, wanted: bool, overwrite: bool, lock: RunLock) -> None:
    """The folder becomes ours; `wanted`: a run that is in it already is meant."""
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        lock.take()
        if not wanted:
            _refuse_a_run(folder)  # begun, and perhaps ended, since we looked
        if overwrite and folder.exists():
            folder.clear()
        folder.create()
    except OSError as error:
        raise TrainerError(f"{folder.root}: cannot be made ({why(error)}); choose another out") from None


def _training(
    folder: RunFolder, course: Course, known: Plan, base: BaseModel, material: Material, pictures: PictureSet,
    found: Found | None,
) -> Training:  # fmt: skip
    known_texts = material.texts.known
    contexts = tuple(known_texts[prompt] for prompt in material.prompts)
    negative = known_texts[course.config.preview_negative_prompt]
    previewer = Previewer(base, course.injection, course.config, material.prompts, contexts, negative, material.size)
    watched = bool(material.held_out) and course.processes.first
    validation = _validation(course, material, base, folder) if watched else None
    return Training(
        folder, course, known, base, previewer, validation, pictures, material.held_out, found, material.size
    )


def _validation(course: Course, material: Material, base: BaseModel, folder: RunFolder) -> Validation:
    return Validation(
        Objective(base.unet, base.schedule, course.config.precision),
        course.injection,
        *validated(material, course.config.seed, len(base.schedule.alphas)),
        folder.root / VALIDATION_BASE,
        base.hash,
    )


def validated(material: Material, seed: int, timesteps: int) -> tuple[list[Batch], list[Batch]]:
    """Held-out pictures, and as many training pictures, by their mean latents and plain captions."""
    data = material.data

    def made(
        pictures: Sequence[Picture], latents: Sequence[Tensor], weights: Sequence[Tensor | None]
    ) -> list[Batch]:
        context = [data.texts.batch([data.plain_text(picture)])[0] for picture in pictures]
        return items(latents, context, [picture.name for picture in pictures], timesteps, seed, weights)

    count = min(len(material.held_out), len(data.pictures))
    return (
        made(material.held_out, material.held_out_latents.mean, material.held_out_weights),
        made(data.pictures[:count], data.latents.mean[:count], data.weights[:count]),
    )
