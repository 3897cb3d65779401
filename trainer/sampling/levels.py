"""The noise levels of a base model, and the schedules that choose which of them a sampler visits.

Sources: k-diffusion `external.py` and `sampling.py` (4601bf0); web UI 1.10 `sd_schedulers.py`.  The chosen levels are
single precision, as they are there: Brownian noise depends on their last digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

KARRAS_RHO = 7.0  # Karras et al. 2022; web UI's default
LEAST_ALPHA = 4.8973451890853435e-08  # of a zero-terminal-SNR model's last timestep (web UI): sigma stays finite


@dataclass(frozen=True)
class NoiseSchedule:
    """The noise levels of a base model: `alphas` is the cumulative product by timestep, float64."""

    alphas: Tensor
    v_prediction: bool = False

    @property
    def sigmas(self) -> Tensor:
        """sqrt((1 - alpha) / alpha) by timestep, from single precision as in the web UI; float64."""
        alphas = self.alphas.float().clamp(min=LEAST_ALPHA)
        return ((1 - alphas) / alphas).sqrt().double()

    def sigma_at(self, timestep: Tensor) -> Tensor:
        """Sigma of a fractional timestep, interpolated between logarithms (k-diffusion)."""
        return _interpolated(self.sigmas.log(), timestep).exp()

    def alpha_at(self, timestep: float) -> float:
        """Alpha (the cumulative product) of a fractional timestep, interpolated between logarithms (UniPC)."""
        logs = self.alphas.clamp(min=LEAST_ALPHA).log()
        return float(_interpolated(logs, torch.tensor(timestep, dtype=torch.float64)).exp())

    def timestep_at(self, sigma: float) -> float:
        """The fractional timestep of a sigma (k-diffusion, not rounded)."""
        logs, log = self.sigmas.log(), math.log(sigma)
        low = int((log >= logs).sum().clamp(1, len(logs) - 1)) - 1
        a, b = float(logs[low]), float(logs[low + 1])
        return low + min(max((log - a) / (b - a), 0.0), 1.0)


def _interpolated(values: Tensor, at: Tensor) -> Tensor:
    low, high, weight = at.floor().long(), at.ceil().long(), at.frac()
    return (1 - weight) * values[low] + weight * values[high]


def uniform(schedule: NoiseSchedule, steps: int) -> list[float]:
    """k-diffusion's `get_sigmas`: even timesteps from the last to the first, then 0."""
    return _at(schedule, torch.linspace(len(schedule.alphas) - 1, 0, steps))


def sgm_uniform(schedule: NoiseSchedule, steps: int) -> list[float]:
    """Even timesteps from the last on, without the first, then 0."""
    return _at(schedule, torch.linspace(len(schedule.alphas) - 1, 0, steps + 1)[:-1])


def karras(schedule: NoiseSchedule, steps: int) -> list[float]:
    """Karras et al. 2022 between the model's smallest and largest sigma, then 0."""
    return karras_between(*_ends(schedule), steps)


def karras_between(least: float, most: float, steps: int) -> list[float]:
    """The same between any two sigmas."""
    low, high = least ** (1 / KARRAS_RHO), most ** (1 / KARRAS_RHO)
    return [*((high + torch.linspace(0, 1, steps) * (low - high)) ** KARRAS_RHO).tolist(), 0.0]


def exponential(schedule: NoiseSchedule, steps: int) -> list[float]:
    """Even steps of the logarithm, then 0; "Polyexponential" with the web UI's rho of 1 is the same."""
    least, most = _ends(schedule)
    return [*torch.linspace(math.log(most), math.log(least), steps).exp().tolist(), 0.0]


def _at(schedule: NoiseSchedule, timesteps: Tensor) -> list[float]:
    return [*_interpolated(schedule.sigmas.float().log(), timesteps).exp().tolist(), 0.0]


def _ends(schedule: NoiseSchedule) -> tuple[float, float]:
    sigmas = schedule.sigmas.float()
    return float(sigmas[0]), float(sigmas[-1])


SCHEDULES: Mapping[str, Callable[[NoiseSchedule, int], list[float]]] = MappingProxyType(
    {
        "Uniform": uniform,
        "Karras": karras,
        "Exponential": exponential,
        "Polyexponential": exponential,
        "SGM Uniform": sgm_uniform,
    }
)
"""Schedules by the web UI's label."""
