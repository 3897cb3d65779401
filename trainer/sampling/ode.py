"""Samplers without fresh noise on the way: Euler, Heun, DPM2, LMS, DPM++ 2M (k-diffusion `sampling.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from trainer.sampling.problem import Problem

LMS_ORDER = 4  # steps that LMS looks back on (k-diffusion)


def euler(problem: Problem) -> Tensor:
    """Euler's method."""
    x = problem.start(problem.sigmas[0])
    for sigma, following in problem.walk():
        x = x + problem.noise_in(x, sigma) * (following - sigma)
    return x


def heun(problem: Problem) -> Tensor:
    """Heun's method: two evaluations a step."""
    x = problem.start(problem.sigmas[0])
    for sigma, following in problem.walk():
        x = heun_step(problem, x, sigma, following)
    return x


def heun_step(problem: Problem, x: Tensor, sigma: float, following: float) -> Tensor:
    """One of its steps; Euler's where the following sigma is 0."""
    slope = problem.noise_in(x, sigma)
    if following > 0:
        second = problem.noise_in(x + slope * (following - sigma), following)
        slope = (slope + second) / 2
    return x + slope * (following - sigma)


def dpm2(problem: Problem) -> Tensor:
    """DPM-Solver-2: the slope in the middle of the step, between logarithms."""
    x = problem.start(problem.sigmas[0])
    for sigma, following in problem.walk():
        x = to_the_middle(problem, x, sigma, following)
    return x


def to_the_middle(problem: Problem, x: Tensor, sigma: float, following: float) -> Tensor:
    """One step of DPM-Solver-2; Euler's where the following sigma is 0."""
    slope = problem.noise_in(x, sigma)
    if following == 0:
        return x + slope * (following - sigma)
    middle = math.sqrt(sigma * following)
    return x + problem.noise_in(x + slope * (middle - sigma), middle) * (following - sigma)


def lms(problem: Problem) -> Tensor:
    """Linear multistep: the slopes of the last steps as a polynomial, integrated."""
    x = problem.start(problem.sigmas[0])
    slopes: list[Tensor] = []
    for at, sigma in enumerate(problem.sigmas[:-1]):
        slopes = [problem.noise_in(x, sigma), *slopes[: LMS_ORDER - 1]]
        for slope, weight in zip(slopes, lms_weights(problem.sigmas, at, len(slopes)), strict=True):
            x = x + weight * slope
    return x


def lms_weights(sigmas: Sequence[float], at: int, order: int) -> list[float]:
    """The integral over step `at` of each Lagrange polynomial through the last `order` levels, newest first."""
    nodes = [sigmas[at - back] for back in range(order)]
    weights = []
    for own in nodes:
        others = [node for node in nodes if node != own]
        basis = np.poly1d(others, True) / math.prod(own - node for node in others)
        integral = basis.integ()
        weights.append(float(integral(sigmas[at + 1]) - integral(sigmas[at])))
    return weights


def dpmpp_2m(problem: Problem) -> Tensor:
    """DPM-Solver++(2M), Lu et al. 2022, as k-diffusion walks it."""
    x = problem.start(problem.sigmas[0])
    before: Tensor | None = None
    width_before = 0.0
    for sigma, following in problem.walk():
        denoised = problem.denoised(x, sigma)
        if following == 0:
            return denoised
        width = math.log(sigma / following)
        target = denoised
        if before is not None:
            ratio = width_before / width
            target = (1 + 1 / (2 * ratio)) * denoised - (1 / (2 * ratio)) * before
        x = (following / sigma) * x - math.expm1(-width) * target
        before, width_before = denoised, width
    return x
