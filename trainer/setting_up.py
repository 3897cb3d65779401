"""Everything that happens before the first step: checks, loading, encoding, resuming, the plan."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from hndoctor.formats.schedule import parse_schedule
from trainer import base as bases
from trainer import optimizer as optimizers
from trainer import planning
from trainer import resume as resuming
from trainer.base import BaseModel
from trainer.board import require_tensorboard
from trainer.config import Config, check
from trainer.data import TEXT_CACHE_BYTES, Batch, Latents, Texts, TrainingData, encode_pictures, frame, split
from trainer.diffusion import Injection
from trainer.errors import TrainerError
from trainer.events import Event, Notice, Plan
from trainer.loop import Course, gradients
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.pictures import Picture, PictureSet, read_folder
from trainer.preview import Previewer, default_prompts
from trainer.prompt import TextEncoder
from trainer.resume import Found
from trainer.runfolder import RunFolder
from trainer.sampler import resolve
from trainer.seeding import derive
from trainer.training import Training
from trainer.validation import Validation, items

PROBE_SECONDS = 2.0  # a first step longer than this is its own measurement


@dataclass(frozen=True)
class _Material:
    """Encoded pictures and captions."""

    data: TrainingData
    held_out: tuple[Picture, ...]
    held_out_latents: Latents
    texts: Texts
    prompts: tuple[str, ...]
    size: tuple[int, int]


def set_up(config: Config, resume: Path | str | bool | None, overwrite: bool) -> Generator[Event, None, Training]:
    """All of it, in the order in which mistakes are cheapest to find."""
    check(config)
    resolve(config.preview_sampler, config.preview_scheduler)
    require_tensorboard(config)
    folder = RunFolder(config.run, config.name)
    found = _found(folder, config, resume, overwrite)
    pictures = read_folder(config.data)
    notices = [resuming.check_data(folder, pictures, config)] if found and _inside(folder, found) else []
    path = bases.folder(config.base_model)
    if found:
        resuming.check_fits(found, config)
        planning.chosen_sizes(config, bases.sizes_of(path))
        _check_unfinished(found, config)
    known = planning.make(config, bases.sizes_of(path), pictures, found.network.step if found else 0)
    base = bases.load(config.base_model, bases.choose_device(config.device), _dtype(config))
    network = found.network if found else _new(config, known.sizes)
    material = yield from _encode(base, pictures, config)
    course = _course(config, base, network, material)
    if found:
        notices.append(resuming.take_up(found, config, course.optimizer))
    known = planning.measured(known, _probe(course))
    _claim(folder, found, overwrite)
    if found and _inside(folder, found):
        notices.append(resuming.go_back(folder, found))
    yield from (Notice(text) for text in (*known.warnings, *notices) if text)
    return _training(folder, course, known, base, material, pictures, found)


def _found(folder: RunFolder, config: Config, resume: Path | str | bool | None, overwrite: bool) -> Found | None:
    """The checkpoint to go on from, after making sure that no run is harmed."""
    if resume is True:
        return resuming.latest(folder, config)
    found = resuming.chosen(Path(resume), config) if resume else None
    if folder.exists() and not overwrite and not (found and _inside(folder, found)):
        raise TrainerError(f"{folder.root}: holds a run already; resume it, overwrite it, or choose another name")
    if found and overwrite and _inside(folder, found):
        raise TrainerError(f"{found.path}: would be overwritten; resume without overwriting, or copy it first")
    return found


def _inside(folder: RunFolder, found: Found) -> bool:
    return found.path.resolve().parent == folder.checkpoints.resolve()


def _check_unfinished(found: Found, config: Config) -> None:
    if found.network.step >= config.steps:
        raise TrainerError(
            f"{found.path}: has {found.network.step} steps already, steps = {config.steps}: raise steps to train on"
        )


def _dtype(config: Config) -> torch.dtype:
    return torch.bfloat16 if config.precision == "bf16" else torch.float32


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


def _encode(base: BaseModel, pictures: PictureSet, config: Config) -> Generator[Event, None, _Material]:
    """Pictures through the VAE and captions through the text encoder, once; then both are let go (G12)."""
    train, held_out = split(pictures.pictures, config)
    size = frame(config, base)
    latents = yield from _latents(base, [*train, *held_out], config)
    names = [picture.name for picture in train]
    count = len(train)
    own = Latents(latents.mean[:count], latents.std[:count]).chosen(config.latent_sampling, config.seed, names)
    texts = Texts(TextEncoder(base.tokenizer, base.text_encoder, config.clip_skip))
    data = TrainingData(train, own, texts, config, len(base.schedule.alphas))
    prompts = config.preview_prompts or default_prompts([data.plain_text(picture) for picture in train])
    fixed = [*prompts, config.preview_negative_prompt, *(data.plain_text(p) for p in (*train, *held_out))]
    possible = data.possible_texts()
    all_known = possible is not None and texts.bytes_of(len(set(possible))) <= TEXT_CACHE_BYTES
    yield from texts.learn([*fixed, *(possible or [])] if all_known else fixed)
    if all_known:
        texts.close()
        base.text_encoder = None
    _park_vae(base, config)
    held_latents = Latents(latents.mean[count:], latents.std[count:])
    return _Material(data, held_out, held_latents, texts, prompts, size)


def _latents(base: BaseModel, pictures: Sequence[Picture], config: Config) -> Generator[Event, None, Latents]:
    for told in encode_pictures(base, pictures, config):
        if isinstance(told, Latents):
            return told
        yield told
    raise AssertionError("the latents come last")


def _park_vae(base: BaseModel, config: Config) -> None:
    """The encoder has done its work; the decoder waits outside the device's memory for the previews."""
    base.vae.encoder = None
    base.vae.quant_conv = None
    if base.device.type != "cpu":
        base.vae.to("cpu")


def _course(config: Config, base: BaseModel, network: Hypernetwork, material: _Material) -> Course:
    network.name, network.sd_checkpoint, network.sd_checkpoint_name = config.name, base.hash, base.name
    network.to(base.device).requires_grad_(True)
    rates = parse_schedule(config.learn_rate, config.steps, network.step)
    clipping = config.clip_grad_mode != "disabled"
    clips = parse_schedule(config.clip_grad_value, config.steps, network.step) if clipping else ()
    optimizer = optimizers.make(config.optimizer, list(network.parameters()), rates[0].rate, config.weight_decay)
    injection = Injection(base.unet, [network])
    objective = Objective(base.unet, base.schedule, config.precision)
    return Course(config, network, optimizer, injection, objective, material.data, rates, clips)


def _probe(course: Course) -> float:
    """Seconds an optimizer step takes, without taking one."""
    course.network.train()
    seconds = 0.0
    for _ in range(2):
        begun = perf_counter()
        float(gradients(course, course.network.step, course.batches(course.network.step)))
        course.optimizer.zero_grad(set_to_none=True)
        seconds = perf_counter() - begun
        if seconds > PROBE_SECONDS:
            break
    return seconds


def _claim(folder: RunFolder, found: Found | None, overwrite: bool) -> None:
    try:
        if overwrite and folder.exists():
            folder.clear()
        folder.create()
    except OSError as error:
        raise TrainerError(f"{folder.root}: cannot be made ({error.strerror or error}); choose another out") from None


def _training(
    folder: RunFolder, course: Course, known: Plan, base: BaseModel, material: _Material, pictures: PictureSet,
    found: Found | None,
) -> Training:  # fmt: skip
    known_texts = material.texts.known
    contexts = tuple(known_texts[prompt] for prompt in material.prompts)
    negative = known_texts[course.config.preview_negative_prompt]
    previewer = Previewer(base, course.injection, course.config, material.prompts, contexts, negative, material.size)
    validation = _validation(course, material, len(base.schedule.alphas)) if material.held_out else None
    return Training(
        folder, course, known, base, previewer, validation, pictures, material.held_out, found, material.size
    )


def _validation(course: Course, material: _Material, timesteps: int) -> Validation:
    """Held-out pictures, and as many training pictures, by their mean latents and plain captions."""
    data, seed = material.data, course.config.seed

    def made(pictures: Sequence[Picture], latents: torch.Tensor) -> list[Batch]:
        context = [data.texts.batch([data.plain_text(picture)])[0] for picture in pictures]
        return items(latents, context, [picture.name for picture in pictures], timesteps, seed)

    count = min(len(material.held_out), len(data))
    return Validation(
        course.objective,
        course.injection,
        made(material.held_out, material.held_out_latents.mean),
        made(data.pictures[:count], data.latents.mean[:count]),
    )
