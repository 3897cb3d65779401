"""Samplers that walk timesteps instead of sigmas: DDIM and PLMS (web UI 1.10 `sd_samplers_timesteps_impl.py`).

Their latents keep unit variance: x = sqrt(alpha) picture + sqrt(1 - alpha) noise.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from trainer.sampling.problem import Problem

# Adams-Bashforth's weights by how many slopes are known, newest first
ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def timesteps(steps: int, total: int) -> list[int]:
    """The web UI's timesteps, ascending: `steps` of them or a few more."""
    return [min(t + 1, total - 1) for t in range(0, total, max(1, total // steps))]


def ddim(problem: Problem) -> Tensor:
    """DDIM without fresh noise; like the web UI's it takes one step less than it has timesteps."""
    x = problem.start()
    for time, earlier in pairwise(_descending(problem)):
        x = _to(problem, x, problem.predict_noise(x, float(time)), time, earlier)
    return x


def plms(problem: Problem) -> Tensor:
    """Pseudo linear multistep, Liu et al. 2022; like the web UI's one step less than it has timesteps."""
    x = problem.start()
    known: list[Tensor] = []
    for time, earlier in pairwise(_descending(problem)):
        noise = problem.predict_noise(x, float(time))
        if known:
            known = [noise, *known[:3]]
            slope = sum((w * n for w, n in zip(ADAMS_BASHFORTH[len(known) - 1], known, strict=True)), 0 * noise)
        else:  # improved Euler
            known = [noise]
            slope = (noise + problem.predict_noise(_to(problem, x, noise, time, earlier), float(earlier))) / 2
        x = _to(problem, x, slope, time, earlier)
    return x


def _descending(problem: Problem) -> list[int]:
    return timesteps(problem.steps, len(problem.schedule.alphas))[::-1]


def _to(problem: Problem, x: Tensor, noise: Tensor, time: int, earlier: int) -> Tensor:
    """The latents of an earlier timestep, by the noise seen in those of a timestep."""
    alpha, before = (problem.schedule.alpha_at(t) for t in (time, earlier))  # never 0, even at zero terminal SNR
    picture = (x - math.sqrt(1 - alpha) * noise) / math.sqrt(alpha)
    return math.sqrt(before) * picture + math.sqrt(1 - before) * noise
