"""The loop: one optimizer step after another, told step by step.

A generator: whoever drives it can stop it between any two steps, measure, or leave.  It writes no files and keeps no
randomness: what step k does follows from the weights, the optimizer's state, the seed and k.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import isfinite
from time import perf_counter

import torch
from torch import Tensor

from hndoctor.formats.schedule import Segment, effective_ends, rate_at
from trainer import interrupts, seeding
from trainer.config import Config
from trainer.data import Batch, TrainingData
from trainer.diffusion import Injection
from trainer.events import Notice, Stepped
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.optimizer import set_rate

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
    rates: Sequence[Segment]
    clips: Sequence[Segment] = ()

    @property
    def end(self) -> int:
        """The step it ends at: the asked one, or the end of the schedule (web UI)."""
        return min(self.config.steps, effective_ends(self.rates)[-1])

    def batches(self, step: int) -> list[Batch]:
        """The micro-batches of one optimizer step."""
        size, count = self.config.batch_size, self.config.gradient_step
        return [self.data.batch((step * count + micro) * size, size) for micro in range(count)]


def run(course: Course) -> Iterator[Stepped | Notice]:
    """Train from the network's own step on.  Raises `DivergedError` after ten losses in a row that are no numbers."""
    course.network.train()
    meter = _Meter(course)
    batches = course.batches(course.network.step)
    while course.network.step < course.end:
        begun, step, now = perf_counter(), course.network.step, batches
        set_rate(course.optimizer, rate := rate_at(course.rates, step) or 0.0)
        loss = gradients(course, step, now)
        with interrupts.deferred():
            _update(course, step)
        if course.network.step < course.end:  # made while the device still computes
            batches = course.batches(course.network.step)
        told = meter.told(float(loss), rate, now, perf_counter() - begun)
        yield told
        yield from meter.warned(told)


def gradients(course: Course, step: int, batches: Sequence[Batch]) -> Tensor:
    """Forward and backward of one optimizer step; gives its loss, still on the device."""
    total: Tensor | None = None
    random = course.network.has_active_randomness()
    for micro, batch in enumerate(batches):
        seeded = seeding.global_seed(batch.latents.device, course.config.seed, "dropout", step, micro)
        with seeded if random else nullcontext():
            losses = course.objective(batch.latents, batch.noise, batch.timesteps, batch.context, batch.weight)
            loss = losses.mean()
        loss = loss / len(batches)
        loss.backward()  # type: ignore[no-untyped-call]
        total = loss.detach() if total is None else total + loss.detach()
    assert total is not None
    return total


def _update(course: Course, step: int) -> None:
    """The optimizer's step: clipped on true gradients, which the web UI clips while they are scaled."""
    limit = rate_at(course.clips, step) if course.clips else None
    if limit is not None and course.config.clip_grad_mode == "value":
        torch.nn.utils.clip_grad_value_(course.network.parameters(), limit)
    elif limit is not None:
        torch.nn.utils.clip_grad_norm_(course.network.parameters(), limit)
    course.optimizer.step()
    course.optimizer.zero_grad(set_to_none=True)
    course.network.step = step + 1


class _Meter:
    """What is told of the steps: means, pace, and whether the losses are numbers."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.recent: deque[float] = deque(maxlen=MEAN_STEPS)
        self.seconds: float | None = None
        self.nonfinite = 0

    def told(self, loss: float, rate: float, batches: Sequence[Batch], seconds: float) -> Stepped:
        self.recent.append(loss)
        self.seconds = seconds if self.seconds is None else (1 - PACE) * self.seconds + PACE * seconds
        self.nonfinite = 0 if isfinite(loss) else self.nonfinite + 1
        course, step = self.course, self.course.network.step
        names = (course.data.pictures[index].name for batch in batches for index in batch.pictures)
        samples = course.config.batch_size * course.config.gradient_step
        return Stepped(
            step=step,
            steps=course.end,
            loss=loss,
            loss_mean=sum(self.recent) / len(self.recent),
            rate=rate,
            epoch=(step - 1) * samples // len(course.data),
            pictures=tuple(names),
            pictures_per_second=samples / self.seconds,
            seconds_left=self.seconds * (course.end - step),
        )

    def warned(self, told: Stepped) -> Iterator[Notice]:
        if self.nonfinite == 1:
            yield Notice(f"step {told.step}: the loss is {told.loss} (on {', '.join(told.pictures)})", told.step)
        if self.nonfinite >= NONFINITE_STOP:
            raise DivergedError(
                f"the loss has been no number for {NONFINITE_STOP} steps, up to step {told.step}: "
                "the network is broken; go back to an earlier checkpoint and train on at a lower learning rate"
            )
