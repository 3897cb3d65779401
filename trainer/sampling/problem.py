"""What a sampler is asked to solve, and what samplers have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from trainer.sampling.levels import NoiseSchedule
from trainer.sampling.noise import Noise

Predict = Callable[[Tensor, float], Tensor]  # (scaled latents, timestep) -> the noise in them, guided


@dataclass(frozen=True)
class Problem:
    """A base model's noise levels, the model itself, and where noise comes from."""

    schedule: NoiseSchedule
    predict_noise: Predict
    noise: Noise
    steps: int
    sigmas: tuple[float, ...]  # the levels to walk down, the last one 0; timestep samplers have their own
    device: torch.device

    def start(self, scale: float = 1.0) -> Tensor:
        """The first latents: noise times a scale."""
        return self.fresh() * scale

    def fresh(self) -> Tensor:
        """The next noise of every picture's own generator."""
        return self.noise.draw().to(self.device)

    def walk(self) -> Iterator[tuple[float, float]]:
        """Every level with the one that follows it."""
        return pairwise(self.sigmas)

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        """The picture that the model sees in `x` = picture + sigma × noise."""
        return x - sigma * self.noise_in(x, sigma)

    def noise_in(self, x: Tensor, sigma: float) -> Tensor:
        """The noise that the model sees in `x` = picture + sigma × noise: the slope of the ODE's path, too."""
        return self.predict_noise(x / math.sqrt(sigma**2 + 1), self.schedule.timestep_at(sigma))

    def brownian(self) -> Callable[[float, float], Tensor]:
        """Noise for the step between two sigmas, from one Brownian path a picture."""
        noise = self.noise.brownian(self.sigmas[-2], self.sigmas[0])
        return lambda sigma, following: noise(sigma, following).to(self.device)


def ancestral(sigma: float, following: float) -> tuple[float, float]:
    """How far to step down and how much fresh noise to add, from one sigma to the following (k-diffusion, eta 1)."""
    up = min(following, math.sqrt(following**2 * (sigma**2 - following**2) / sigma**2))
    return math.sqrt(following**2 - up**2), up
