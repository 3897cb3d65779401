"""DPM fast and DPM adaptive: DPM-Solver of the first three orders (Lu et al. 2022) as k-diffusion walks it.

Time is minus the logarithm of sigma.  As in the web UI both add fresh noise on the way (eta 1) and end at the model's
least sigma, not at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from trainer.sampling.problem import Problem, ancestral

ABSOLUTE, RELATIVE = 0.0078, 0.05  # errors that a step of DPM adaptive may make (k-diffusion's defaults)
FIRST_WIDTH = 0.05  # of its first step, in time
ORDER = 1.5  # by which its steps widen where noise is added
ACCEPTED = 0.81  # change of width from which on a step counts
NEAR = 1e-5  # time that is left when it is done
MOST_STEPS = 400  # tries, before the rest is taken in one: a broken network would never let it end (guess)


@dataclass(frozen=True)
class Stretch:
    """A step from one time to another, by as many looks at the model as are asked for."""

    problem: Problem
    x: Tensor
    begin: float
    end: float

    @cached_property
    def slope(self) -> Tensor:
        """The noise seen at its beginning."""
        return self.problem.noise_in(self.x, math.exp(-self.begin))

    def first(self, time: float) -> Tensor:
        """Where the first order is at a time."""
        return self.x - math.exp(-time) * math.expm1(time - self.begin) * self.slope

    def at(self, share: float) -> float:
        """The time after a share of it."""
        return self.begin + share * (self.end - self.begin)

    def bend(self, share: float) -> Tensor:
        """How much more noise is seen after a share of it."""
        time = self.at(share)
        return self.problem.noise_in(self.first(time), math.exp(-time)) - self.slope

    def second(self, bend: Tensor, share: float) -> Tensor:
        """Where the second order ends."""
        return self.first(self.end) - math.exp(-self.end) * math.expm1(self.end - self.begin) / (2 * share) * bend

    def third(self, bend: Tensor) -> Tensor:
        """Where the third order ends, by the bend after a third."""
        time, width = self.at(2 / 3), self.end - self.begin
        middle = self.first(time) - math.exp(-time) * 2 * _phi(width * 2 / 3) * bend
        later = self.problem.noise_in(middle, math.exp(-time)) - self.slope
        return self.first(self.end) - math.exp(-self.end) * 1.5 * _phi(width) * later


def _phi(width: float) -> float:
    return math.expm1(width) / width - 1


def dpm_fast(problem: Problem) -> Tensor:
    """Even steps of the third order, the last ones lower, so that the model is asked `steps` times in all."""
    x, begin, end = _start(problem)
    count = problem.steps // 3 + 1
    rest = problem.steps % 3
    orders = [3] * (count - 1) + [rest] if rest else [3] * (count - 2) + [2, 1]
    times = torch.linspace(begin, end, count + 1, dtype=torch.float64).tolist()
    for order, time, following in zip(orders, times, times[1:], strict=False):
        down, up = _noised(time, following, end)
        stretch = Stretch(problem, x, time, down)
        if order == 1:
            x = stretch.first(down)
        elif order == 2:
            x = stretch.second(stretch.bend(1 / 2), 1 / 2)
        else:
            x = stretch.third(stretch.bend(1 / 3))
        x = x + up * problem.fresh()
    return x


def dpm_adaptive(problem: Problem) -> Tensor:
    """Steps as wide as the second and the third order agree; the number of steps asked for means nothing to it."""
    x, time, end = _start(problem)
    before, width = x, FIRST_WIDTH
    for tried in range(MOST_STEPS + 1):
        hopeless = tried == MOST_STEPS or width < NEAR
        following = end if hopeless else min(end, time + width)
        down, up = _noised(time, following, end)
        stretch = Stretch(problem, x, time, down)
        bend = stretch.bend(1 / 3)
        low, high = stretch.second(bend, 1 / 3), stretch.third(bend)
        error = _error(low, high, before)
        change = 1 + math.atan((error + 1e-8) ** (-1 / ORDER) - 1)
        width *= change
        if change >= ACCEPTED or hopeless or math.isnan(error):
            before, x, time = low, high + up * problem.fresh(), following
        if time >= end - NEAR or math.isnan(error):
            return x
    return x


def _error(low: Tensor, high: Tensor, before: Tensor) -> float:
    allowed = torch.maximum(low.abs(), before.abs()).mul(RELATIVE).clamp(min=ABSOLUTE)
    return float(torch.linalg.norm((low - high) / allowed)) / math.sqrt(low.numel())


def _start(problem: Problem) -> tuple[Tensor, float, float]:
    """The first latents, and the times of the model's largest and least sigma."""
    sigmas = problem.schedule.sigmas.float()
    least, most = float(sigmas[0]), float(sigmas[-1])
    return problem.start(most), -math.log(most), -math.log(least)


def _noised(time: float, following: float, end: float) -> tuple[float, float]:
    """To which time to step down, and how much noise to add, to be where a step to `following` would be."""
    sigma = math.exp(-following)
    lower, _ = ancestral(math.exp(-time), sigma)
    down = end if lower == 0 else min(end, -math.log(lower))
    return down, math.sqrt(max(0.0, sigma**2 - math.exp(-2 * down)))
