"""Restart (Xu et al. 2023): Heun's method that climbs back to more noise once or twice and walks down again.

How often, how far and in how many steps is the web UI's choice (1.6 to 1.10); below 20 steps it is Heun's method alone.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from trainer.sampling.levels import karras_between
from trainer.sampling.ode import heun_step
from trainer.sampling.problem import Problem

LEAST_STEPS, MANY_STEPS = 20, 36  # from which on it climbs once, and twice
SHORT = 9  # steps of the one climb's way down; of two a quarter of all each
FROM, UP_TO = 0.1, 2.0  # sigmas between which it climbs


def restart(problem: Problem) -> Tensor:
    """The picture's own generator gives the noise of every climb."""
    x, last = problem.start(problem.sigmas[0]), math.inf
    for sigma, following in _walk(problem.sigmas):
        if last < sigma:
            x = x + problem.fresh() * math.sqrt(sigma**2 - last**2)
        x, last = heun_step(problem, x, sigma, following), following
    return x


def _walk(sigmas: tuple[float, ...]) -> list[tuple[float, float]]:
    """Every step, down and down again."""
    steps = len(sigmas) - 1
    if steps < LEAST_STEPS:
        return list(pairwise(sigmas))
    again, times = (steps // 4, 2) if steps >= MANY_STEPS else (SHORT, 1)
    levels = karras_between(sigmas[-2], sigmas[0], steps - again * times)
    low, high = (min(range(len(levels)), key=lambda at: abs(levels[at] - sigma)) for sigma in (FROM, UP_TO))
    walk = list(pairwise(levels))
    if high < low:
        walk[low:low] = times * list(pairwise(karras_between(levels[low], levels[high], again + 1)[:-1]))
    return walk
