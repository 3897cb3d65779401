"""Samplers with fresh noise on the way: the ancestral ones and the SDE solvers (k-diffusion `sampling.py`, eta 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from trainer.sampling.ode import to_the_middle
from trainer.sampling.problem import Problem, ancestral


def _ancestral(problem: Problem, step: Callable[[Tensor, float, float], Tensor]) -> Tensor:
    """A solver's steps (x, from sigma, to sigma) down to less than the next sigma, and fresh noise up to it."""
    x = problem.start(problem.sigmas[0])
    for sigma, following in problem.walk():
        down, up = ancestral(sigma, following)
        x = step(x, sigma, down)
        if following > 0:
            x = x + problem.fresh() * up
    return x


def euler_ancestral(problem: Problem) -> Tensor:
    """Euler's method with fresh noise at every step but the last."""
    return _ancestral(problem, lambda x, sigma, down: x + problem.noise_in(x, sigma) * (down - sigma))


def dpm2_ancestral(problem: Problem) -> Tensor:
    """DPM-Solver-2 with fresh noise at every step but the last."""
    return _ancestral(problem, partial(to_the_middle, problem))


def dpmpp_2s_ancestral(problem: Problem) -> Tensor:
    """DPM-Solver++(2S) with fresh noise at every step but the last."""

    def step(x: Tensor, sigma: float, down: float) -> Tensor:
        denoised = problem.denoised(x, sigma)
        if down > 0:
            middle = math.sqrt(sigma * down)
            guess = toward(denoised, x, middle / sigma)
            denoised = problem.denoised(guess, middle)
        return toward(denoised, x, down / sigma)

    return _ancestral(problem, step)


def toward(target: Tensor, x: Tensor, share: float) -> Tensor:
    """The exact step of DPM-Solver++ for a target that stays as it is: `share` of `x` is left."""
    return share * x + (1 - share) * target


def dpmpp_sde(problem: Problem) -> Tensor:
    """DPM-Solver++ with Brownian noise: two evaluations a step."""
    x, noise = problem.start(problem.sigmas[0]), problem.brownian()
    for sigma, following in problem.walk():
        denoised = problem.denoised(x, sigma)
        if following == 0:
            return denoised
        begin, middle, end = single_precision(sigma, following)
        down, up = ancestral(begin, middle)
        guess = toward(denoised, x, down / begin) + noise(begin, middle) * up
        denoised = problem.denoised(guess, middle)  # r = 1/2: the second evaluation alone counts
        down, up = ancestral(begin, end)
        x = toward(denoised, x, down / begin) + noise(begin, end) * up
    return x


def single_precision(sigma: float, following: float) -> tuple[float, float, float]:
    """Begin, middle (between logarithms) and end of a step, to k-diffusion's last digit: the noise depends on it."""
    begin, end = -torch.tensor(sigma).log(), -torch.tensor(following).log()
    times = torch.stack([begin, begin + (end - begin) * 0.5, end])
    first, middle, last = times.neg().exp().tolist()
    return first, middle, last


def dpmpp_2m_sde(problem: Problem, heun: bool = False) -> Tensor:
    """DPM-Solver++(2M) with Brownian noise, the midpoint kind or Heun's."""
    x, noise = problem.start(problem.sigmas[0]), problem.brownian()
    before: Tensor | None = None
    width_before = 0.0
    for sigma, following in problem.walk():
        denoised = problem.denoised(x, sigma)
        if following == 0:
            return denoised
        width = math.log(sigma / following)
        gone = -math.expm1(-2 * width)
        x = (1 - gone) * x + gone * denoised
        if before is not None:
            bend = 1 - gone / (2 * width) if heun else 0.5 * gone
            x = x + bend * (width / width_before) * (denoised - before)
        x = x + noise(sigma, following) * following * math.sqrt(gone)
        before, width_before = denoised, width
    return x


def dpmpp_2m_sde_heun(problem: Problem) -> Tensor:
    """DPM-Solver++(2M) with Brownian noise, Heun's kind."""
    return dpmpp_2m_sde(problem, heun=True)


def dpmpp_3m_sde(problem: Problem) -> Tensor:
    """DPM-Solver++(3M) with Brownian noise."""
    x, noise = problem.start(problem.sigmas[0]), problem.brownian()
    past: list[tuple[Tensor, float]] = []  # what the model saw and how wide the step was, newest first
    for sigma, following in problem.walk():
        denoised = problem.denoised(x, sigma)
        if following == 0:
            return denoised
        width = math.log(sigma / following)
        gone = -math.expm1(-2 * width)
        x = (1 - gone) * x + gone * denoised + bent(denoised, past, width)
        x = x + noise(sigma, following) * following * math.sqrt(gone)
        past = [(denoised, width), *past[:1]]
    return x


def bent(denoised: Tensor, past: list[tuple[Tensor, float]], width: float) -> Tensor | float:
    """What the first and second differences of the last predictions add to a step of DPM-Solver++(3M)."""
    if not past:
        return 0.0
    phi_2 = math.expm1(-2 * width) / (2 * width) + 1
    (one, width_1), *older = past
    ratio_1 = width_1 / width
    first = (denoised - one) / ratio_1
    if not older:
        return phi_2 * first
    two, width_2 = older[0]
    ratio_2 = width_2 / width
    second = (first - (one - two) / ratio_2) / (ratio_1 + ratio_2)
    return phi_2 * (first + second * ratio_1) - (phi_2 / (2 * width) - 0.5) * second
