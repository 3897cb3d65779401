"""From a configuration to what the loop turns: optimizer, schedule, objective, the base model made ready."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from time import perf_counter

import torch

from hndoctor.formats.curve import Curve
from trainer import memory
from trainer import optimizer_kinds as kinds
from trainer.base import BaseModel
from trainer.config import Config
from trainer.data import Batch, TrainingData
from trainer.diffusion import Injection
from trainer.ema import Ema
from trainer.errors import TrainerError
from trainer.loop import Course, gradients, relieved
from trainer.network import Hypernetwork
from trainer.noising import Noising, schedule_of
from trainer.objective import HALVES, Objective
from trainer.planning import curve
from trainer.processes import Processes
from trainer.training import out_of_memory

PROBE_SECONDS = 2.0  # a first step longer than this is its own measurement


def make(
    config: Config, base: BaseModel, network: Hypernetwork, data: TrainingData, processes: Processes
) -> Course:
    """The course of a network, at its own step.  Hooks it into the base model's UNet."""
    network.name, network.sd_checkpoint, network.sd_checkpoint_name = config.name, base.hash, base.name
    network.to(base.device).requires_grad_(True)
    processes.share(list(network.parameters()))
    rates = curve(config, network.step)
    clipping = config.clip_grad_mode != "disabled"
    schedule = schedule_of(config, base.schedule)
    first = rates.segments[0].rate or 1.0  # Prodigy refuses to be made with 0; every step sets its own
    optimizer = kinds.make(
        config.optimizer, list(network.parameters()), first, config.weight_decay, config.optimizer_args
    )
    if config.gradient_checkpointing:
        memory.checkpoint(base.unet)
    injection = Injection(base.unet, [network])
    if config.compile:  # after the hooks: those that come later would be ignored silently
        base.unet.compile()
    return Course(
        config,
        network,
        optimizer,
        injection,
        Objective(base.unet, schedule, config.precision, config.min_snr_gamma),
        data,
        rates,
        Noising.of(config, len(schedule.alphas)),
        clips=Curve.parse(config.clip_grad_value, config.steps, network.step) if clipping else None,
        ema=Ema(network, config.ema) if config.ema else None,
        scaler=torch.amp.GradScaler(base.device.type) if config.precision == "fp16" else None,
        processes=processes,
    )


def dtype(config: Config) -> torch.dtype:
    """The type that the UNet is loaded in."""
    return HALVES.get(config.precision, torch.float32)


def probe(course: Course) -> tuple[float, str | None]:
    """Seconds an optimizer step takes, without taking one, and a notice if memory was short.

    Raises `TrainerError` if there is not enough of it, or if an untrained network's loss is no number.
    """
    course.network.train()
    course.random = course.network.has_active_randomness()
    seconds, tries, told = 0.0, 0, None
    while tries < 2 and seconds <= PROBE_SECONDS:
        begun = perf_counter()
        try:
            batches = course.batches(course.network.step)
            loss = float(gradients(course, course.network.step, batches))
        except (RuntimeError, MemoryError) as error:
            told = _relieve(course, error)
            continue
        finally:
            course.optimizer.zero_grad(set_to_none=True)
        seconds, tries = perf_counter() - begun, tries + 1
    if course.network.step == 0 and not isfinite(loss):
        raise TrainerError(_no_number(course, loss, batches))
    return seconds, told


def _no_number(course: Course, loss: float, batches: Sequence[Batch]) -> str:
    names = ", ".join(course.data.pictures[index].name for batch in batches for index in batch.pictures)
    half = course.config.precision == "fp16"
    remedy = 'set precision = "bf16" or "fp32"' if half else "its weights are damaged: take another copy of it"
    return (
        f"the loss is {loss} before the first step (on {names}): the base model {course.network.sd_checkpoint_name} "
        f"computes no numbers in {course.config.precision}; {remedy}"
    )


def _relieve(course: Course, error: BaseException) -> str:
    """Out of memory before the first step: gradient checkpointing, if it was not on already."""
    if not memory.is_shortage(error):
        raise error
    if not memory.checkpoint(course.objective.unet):
        raise TrainerError(out_of_memory(course)) from None
    memory.release(course.objective.unet.device)
    return relieved(course).text
