"""UniPC, Zhao et al. 2023: a predictor and a corrector of third order, as the web UI has it by default.

Its defaults: data prediction, B(h) = h ("bh1"), even times, lower order at the last steps.  Its corrector's model call
is the next step's, so a step costs one.  (For v-prediction models the web UI cuts the fractional timestep off where it
turns velocity into noise; here it is interpolated.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from trainer.sampling.problem import Problem
from trainer.sampling.timesteps import timesteps

ORDER = 3  # web UI's default


@dataclass(frozen=True)
class Seen:
    """What the model saw at one time: the picture, with the time's levels."""

    picture: Tensor
    alpha: float  # of the picture in the latents
    sigma: float  # of the noise

    @property
    def snr(self) -> float:
        """Half the logarithm of the signal-to-noise ratio: the solver's own time."""
        return math.log(self.alpha / self.sigma)


def unipc(problem: Problem) -> Tensor:
    """Latents after the last time, 1/1000 of the way from the picture (not quite without noise, as in the web UI)."""
    total = len(problem.schedule.alphas)
    count = len(timesteps(problem.steps, total))
    times = [float(t) * total - 1 for t in np.linspace(1.0, 1 / total, count + 1)]
    x = problem.start()
    known = [_see(problem, x, times[0])]  # newest first
    for at, time in enumerate(times[1:], 1):
        order = min(ORDER, at, count + 1 - at)
        x, seen = _step(problem, x, known[:order], time, last=at == count)
        known = [seen, *known[: ORDER - 1]] if seen else known
    return x


def _levels(problem: Problem, time: float) -> tuple[float, float]:
    alpha = problem.schedule.alpha_at(max(time, 0.0))
    return math.sqrt(alpha), math.sqrt(1 - alpha)


def _see(problem: Problem, x: Tensor, time: float) -> Seen:
    alpha, sigma = _levels(problem, time)
    return Seen((x - sigma * problem.predict_noise(x, max(time, 0.0))) / alpha, alpha, sigma)


def _step(problem: Problem, x: Tensor, known: list[Seen], time: float, last: bool) -> tuple[Tensor, Seen | None]:
    """One step from the newest known time on, with as many known times as its order."""
    newest, *older = known
    alpha, sigma = _levels(problem, time)
    h = math.log(alpha / sigma) - newest.snr
    ratios = [(seen.snr - newest.snr) / h for seen in older]
    bends = [(seen.picture - newest.picture) / ratio for seen, ratio in zip(older, ratios, strict=True)]
    straight = sigma / newest.sigma * x - alpha * math.expm1(-h) * newest.picture
    guess = straight + alpha * h * _weighted(_predictor(ratios, h), bends)
    if last:
        return guess, None
    seen = _see(problem, guess, time)
    weights = _corrector(ratios, h)
    return straight + alpha * h * _weighted(weights, [*bends, seen.picture - newest.picture]), seen


def _weighted(weights: list[float], bends: list[Tensor]) -> Tensor | float:
    return sum((weight * bend for weight, bend in zip(weights, bends, strict=True)), 0.0)


def _predictor(ratios: list[float], h: float) -> list[float]:
    if len(ratios) < 2:
        return [0.5] * len(ratios)  # the paper's simplification for order 2
    return _solved(ratios, h)


def _corrector(ratios: list[float], h: float) -> list[float]:
    return _solved([*ratios, 1.0], h) if ratios else [0.5]


def _solved(ratios: list[float], h: float) -> list[float]:
    """Weights that make the sum of bends right up to the order of their number (UniPC, theorem 3.1 with B(h) = h)."""
    rows = [[ratio**power for ratio in ratios] for power in range(len(ratios))]
    sides, phi, factorial = [], math.expm1(-h) / -h - 1, 1
    for power in range(1, len(ratios) + 1):
        factorial *= power
        sides.append(phi * factorial / -h)
        phi = phi / -h - 1 / (factorial * (power + 1))
    return [float(weight) for weight in np.linalg.solve(np.array(rows), np.array(sides))]
