"""The loop: one optimizer step after another, told step by step.

A generator: whoever drives it can stop it between any two steps, measure, or leave.  It writes no files and keeps no
randomness: what step k does follows from the weights, the optimizer's state, the seed and k.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter

import torch
from torch import Tensor

from hndoctor.formats.curve import Curve
from trainer import interrupts, memory, seeding
from trainer.config import Config
from trainer.data import Batch, TrainingData
from trainer.diffusion import Injection
from trainer.ema import Ema
from trainer.events import Notice, Stepped
from trainer.interrupts import Stop
from trainer.network import Hypernetwork
from trainer.noising import Noising
from trainer.objective import Objective
from trainer.optimizer_kinds import set_rate, shown_rate
from trainer.processes import ALONE, CHECK_EVERY, Processes

MEAN_STEPS = 32  # losses in the mean that is shown; the window of the loss rules too (web UI's until October 2022)
NONFINITE_STOP = 10  # steps in a row whose loss is no number, before training stops (web UI's patience in 2022)
PACE = 0.1  # weight of the newest step in the running step time


class DivergedError(Exception):
    """The loss has not been a number for too long."""


@dataclass
class Course:
    """Everything that the loop turns."""

    config: Config
    network: Hypernetwork
    optimizer: torch.optim.Optimizer
    injection: Injection
    objective: Objective
    data: TrainingData
    curve: Curve
    noising: Noising
    clips: Curve | None = None
    ema: Ema | None = None
    scaler: torch.amp.GradScaler | None = None  # of fp16
    processes: Processes = ALONE
    stop: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        self.parameters = list(self.network.parameters())  # walking the modules anew costs more than a small step
        self.random = False  # whether dropout is at work; the loop finds out
        self._agreed = False  # whether any process wishes to stop, as all of them know

    @property
    def halted(self) -> bool:
        """Whether to stop after the step at hand: of several processes all or none."""
        return self.stop.requested if self.processes.world == 1 else self._agreed

    def agree(self, loss: Tensor) -> Tensor:
        """With other processes: gradients, loss and the wish to stop become everyone's."""
        if self.processes.world == 1:
            return loss
        wish = torch.tensor(float(self.stop.requested), device=loss.device)
        loss, wish = self.processes.reduce(self.parameters, torch.stack((loss, wish)))
        self._agreed = float(wish) > 0
        return loss

    @property
    def end(self) -> int:
        """The step it ends at: the asked one, or the end of the schedule (web UI)."""
        return min(self.config.steps, self.curve.end)

    @property
    def samples(self) -> int:
        """Pictures in one optimizer step, of all processes."""
        return self.config.batch_size * self.config.gradient_step * self.processes.world

    def batches(self, step: int) -> list[Batch]:
        """The micro-batches of one optimizer step: this process's own part of them."""
        size, count, processes = self.config.batch_size, self.config.gradient_step, self.processes
        first = step * self.samples + processes.rank * size
        places = [first + micro * size * processes.world for micro in range(count)]
        return [self.noising(self.data.batch(place, size), place) for place in places]


def run(course: Course) -> Iterator[Stepped | Notice]:
    """Train from the network's own step on.  Raises `DivergedError` after ten losses in a row that are no numbers."""
    course.network.train()
    course.random = course.network.has_active_randomness()
    meter = _Meter(course)
    batches = course.batches(course.network.step)
    while course.network.step < course.end:
        begun, step, now = perf_counter(), course.network.step, batches
        set_rate(course.optimizer, rate := course.curve.at(step) or 0.0)
        try:
            loss = gradients(course, step, now)
        except (RuntimeError, MemoryError) as error:
            yield _relieved(course, error)
            continue
        loss = course.agree(loss)
        with interrupts.deferred():
            _update(course, step, loss)
        if course.network.step < course.end:  # made while the device still computes
            batches = course.batches(course.network.step)
        told = meter.told(float(loss), shown_rate(course.optimizer, rate), now, perf_counter() - begun)
        yield told
        yield from meter.warned(told)
        if course.network.step % CHECK_EVERY == 0:
            course.processes.check_equal(course.parameters, course.network.step)


def gradients(course: Course, step: int, batches: Sequence[Batch]) -> Tensor:
    """Forward and backward of one optimizer step; gives its loss, still on the device."""
    total: Tensor | None = None
    rank, scaler = course.processes.rank, course.scaler
    for micro, batch in enumerate(batches):
        device, seed = batch.latents.device, course.config.seed
        seeded = seeding.global_seed(device, seed, "dropout", step, micro, rank) if course.random else nullcontext()
        with seeded:
            losses = course.objective(batch.latents, batch.noise, batch.timesteps, batch.context, batch.weight)
        loss = losses.mean() / len(batches) if len(batches) > 1 else losses.mean()
        (loss if scaler is None else scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]  # torch's
        total = loss.detach() if total is None else total + loss.detach()
    assert total is not None
    return total


def _relieved(course: Course, error: BaseException) -> Notice:
    """Out of memory: trade time for it and take the same step again; nothing random is lost, as nothing is kept."""
    if not memory.is_shortage(error) or not memory.checkpoint(course.objective.unet):
        raise error
    course.optimizer.zero_grad(set_to_none=True)
    memory.release(course.objective.unet.device)
    return relieved(course)


def relieved(course: Course) -> Notice:
    """What is said then."""
    return Notice(
        f"out of memory at step {course.network.step}: gradient checkpointing is on from here (slower by about a "
        "third, the same result); a smaller batch_size with a larger gradient_step would do as well",
        course.network.step,
    )


def _update(course: Course, step: int, loss: Tensor) -> None:
    """The optimizer's step: clipped on true gradients, which the web UI clips while they are scaled."""
    if course.scaler is not None:
        course.scaler.unscale_(course.optimizer)
    norm = _clip(course, step)
    if course.scaler is not None:
        course.scaler.step(course.optimizer)
        course.scaler.update()
    else:
        _step_unless_broken(course.optimizer, loss if norm is None else loss + norm)
    course.optimizer.zero_grad(set_to_none=True)
    if course.ema is not None:
        course.ema.update(course.parameters, step)
    course.network.step = step + 1


def _clip(course: Course, step: int) -> Tensor | None:
    limit = course.clips.at(step) if course.clips is not None else None
    if limit is None:
        return None
    if course.config.clip_grad_mode == "value":
        torch.nn.utils.clip_grad_value_(course.parameters, limit)
        return None
    return torch.nn.utils.clip_grad_norm_(course.parameters, limit)


def _step_unless_broken(optimizer: torch.optim.Optimizer, evidence: Tensor) -> None:
    """One sample without a finite loss must not cost the network: its step is left out (as a gradient scaler does)."""
    if evidence.device.type == "cuda" and optimizer.param_groups[0].get("fused"):
        optimizer.found_inf = (~torch.isfinite(evidence)).float()  # type: ignore[attr-defined]  # fused ones read it: no wait
        optimizer.step()
    elif isfinite(float(evidence)):
        optimizer.step()


class _Meter:
    """What is told of the steps: means, pace, and whether the losses are numbers."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.recent: deque[float] = deque(maxlen=MEAN_STEPS)
        self.seconds: float | None = None
        self.nonfinite = 0
        self.scale = course.scaler.get_scale() if course.scaler is not None else 0.0

    def told(self, loss: float, rate: float, batches: Sequence[Batch], seconds: float) -> Stepped:
        self.recent.append(loss)
        self.seconds = seconds if self.seconds is None else (1 - PACE) * self.seconds + PACE * seconds
        self.nonfinite = 0 if isfinite(loss) else self.nonfinite + 1
        course, step = self.course, self.course.network.step
        names = (course.data.pictures[index].name for batch in batches for index in batch.pictures)
        return Stepped(
            step=step,
            steps=course.end,
            loss=loss,
            loss_mean=sum(self.recent) / len(self.recent),
            rate=rate,
            epoch=(step - 1) * course.samples // len(course.data),
            pictures=tuple(names),
            pictures_per_second=course.samples / self.seconds,
            seconds_left=self.seconds * (course.end - step),
        )

    def warned(self, told: Stepped) -> Iterator[Notice]:
        where = f"step {told.step}: the loss is {told.loss} (on {', '.join(told.pictures)})"
        if self.nonfinite == 1:
            yield Notice(f"{where}; the step is left out, the weights stay as they were", told.step)
        yield from self._overflowed(told)
        if self.nonfinite >= NONFINITE_STOP:
            raise DivergedError(
                f"the loss has been no number for {NONFINITE_STOP} steps, up to step {told.step}: "
                "the network is broken; go back to an earlier checkpoint and train on at a lower learning rate"
            )

    def _overflowed(self, told: Stepped) -> Iterator[Notice]:
        if self.course.scaler is None:
            return
        before, self.scale = self.scale, self.course.scaler.get_scale()
        if self.scale < before and self.scale < 1:
            yield Notice(f"step {told.step}: fp16 keeps overflowing, the step is left out; use bf16 or fp32", told.step)
