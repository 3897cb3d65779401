"""Pictures from noise as the web UI draws them: k-diffusion's samplers, its schedules, its noise per picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor

from trainer.errors import TrainerError

KARRAS_RHO = 7.0  # Karras 2022; web UI's default
KARRAS_SUFFIX = " Karras"  # older web UIs name the schedule with the sampler

Unet = Callable[[Tensor, Tensor, Tensor], Tensor]  # (latents, timesteps, context) -> prediction
Predict = Callable[[Tensor, float], Tensor]  # (x, sigma or timestep) -> denoised, or noise


@dataclass(frozen=True)
class NoiseSchedule:
    """The noise levels of a base model: `alphas` is the cumulative product by timestep, float64."""

    alphas: Tensor
    v_prediction: bool = False

    @property
    def sigmas(self) -> Tensor:
        """sqrt((1 - alpha) / alpha) by timestep."""
        return ((1 - self.alphas) / self.alphas).sqrt()

    def sigma_at(self, timestep: Tensor) -> Tensor:
        """Sigma of a fractional timestep, interpolated between logarithms (k-diffusion)."""
        logs = self.sigmas.log()
        low = timestep.floor().long()
        high, weight = timestep.ceil().long(), timestep.frac()
        return ((1 - weight) * logs[low] + weight * logs[high]).exp()

    def timestep_at(self, sigma: float) -> float:
        """The fractional timestep of a sigma (k-diffusion, not rounded)."""
        logs, log = self.sigmas.log(), math.log(sigma)
        low = int((log >= logs).sum().clamp(1, len(logs) - 1)) - 1
        a, b = float(logs[low]), float(logs[low + 1])
        return low + min(max((log - a) / (b - a), 0.0), 1.0)


def plain_sigmas(schedule: NoiseSchedule, steps: int) -> list[float]:
    """k-diffusion's `get_sigmas`: even timesteps from the last to the first, then 0."""
    times = torch.linspace(len(schedule.alphas) - 1, 0, steps, dtype=torch.float64)
    return [*schedule.sigma_at(times).tolist(), 0.0]


def karras_sigmas(schedule: NoiseSchedule, steps: int) -> list[float]:
    """Karras et al. 2022 between the model's smallest and largest sigma, then 0."""
    least, most = float(schedule.sigmas[0]), float(schedule.sigmas[-1])
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    low, high = least ** (1 / KARRAS_RHO), most ** (1 / KARRAS_RHO)
    return [*((high + ramp * (low - high)) ** KARRAS_RHO).tolist(), 0.0]


class Noise:
    """One CPU generator per picture: its first draw is the start, its next ones the sampler's, as in the web UI."""

    def __init__(self, seeds: Sequence[int], shape: tuple[int, int, int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.shape = shape

    def draw(self) -> Tensor:
        """The next noise of every picture: (pictures, channels, height, width), float32, on the CPU."""
        return torch.stack([torch.randn(self.shape, generator=generator) for generator in self.generators])


@dataclass(frozen=True)
class Problem:
    """What a sampler is asked to solve."""

    schedule: NoiseSchedule
    predict_noise: Callable[[Tensor, float], Tensor]  # (scaled latents, timestep) -> noise, guided
    noise: Noise
    steps: int
    karras: bool
    device: torch.device

    def sigmas(self) -> list[float]:
        """The noise levels to walk down, the last one 0."""
        return (karras_sigmas if self.karras else plain_sigmas)(self.schedule, self.steps)

    def start(self, scale: float = 1.0) -> Tensor:
        """The first latents: noise times the largest sigma."""
        return self.noise.draw().to(self.device) * scale

    def fresh(self) -> Tensor:
        """More noise of every picture's own generator."""
        return self.noise.draw().to(self.device)

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        """The picture that the model sees in `x` = picture + sigma × noise."""
        scaled = x / math.sqrt(sigma**2 + 1)
        noise = self.predict_noise(scaled, self.schedule.timestep_at(sigma))
        return x - sigma * noise


def ancestral(sigma: float, following: float) -> tuple[float, float]:
    """How far to step down and how much fresh noise to add, from one sigma to the following (k-diffusion, eta 1)."""
    up = min(following, math.sqrt(following**2 * (sigma**2 - following**2) / sigma**2))
    return math.sqrt(following**2 - up**2), up


def euler(problem: Problem) -> Tensor:
    """Euler's method."""
    sigmas = problem.sigmas()
    x = problem.start(sigmas[0])
    for sigma, following in pairwise(sigmas):
        slope = (x - problem.denoised(x, sigma)) / sigma
        x = x + slope * (following - sigma)
    return x


def euler_ancestral(problem: Problem) -> Tensor:
    """Euler's method with fresh noise at every step but the last."""
    sigmas = problem.sigmas()
    x = problem.start(sigmas[0])
    for sigma, following in pairwise(sigmas):
        down, up = ancestral(sigma, following)
        slope = (x - problem.denoised(x, sigma)) / sigma
        x = x + slope * (down - sigma)
        if following > 0:
            x = x + problem.fresh() * up
    return x


def heun(problem: Problem) -> Tensor:
    """Heun's method: two evaluations a step."""
    sigmas = problem.sigmas()
    x = problem.start(sigmas[0])
    for sigma, following in pairwise(sigmas):
        slope = (x - problem.denoised(x, sigma)) / sigma
        guess = x + slope * (following - sigma)
        if following > 0:
            second = (guess - problem.denoised(guess, following)) / following
            guess = x + (slope + second) / 2 * (following - sigma)
        x = guess
    return x


def dpmpp_2m(problem: Problem) -> Tensor:
    """DPM-Solver++(2M), Lu et al. 2022, as k-diffusion walks it."""
    sigmas = problem.sigmas()
    x = problem.start(sigmas[0])
    before: Tensor | None = None
    width_before = 0.0
    for sigma, following in pairwise(sigmas):
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


def ddim_timesteps(steps: int, total: int) -> list[int]:
    """The web UI's timesteps for DDIM, ascending."""
    return [min(t + 1, total - 1) for t in range(0, total, max(1, total // steps))]


def ddim(problem: Problem) -> Tensor:
    """DDIM without fresh noise; like the web UI's it takes one step less than it has timesteps."""
    alphas = problem.schedule.alphas
    times = ddim_timesteps(problem.steps, len(alphas))
    x = problem.start()
    for time, earlier in zip(times[:0:-1], times[-2::-1], strict=True):
        alpha, alpha_before = float(alphas[time]), float(alphas[earlier])
        noise = problem.predict_noise(x, float(time))
        picture = (x - math.sqrt(1 - alpha) * noise) / math.sqrt(alpha)
        x = math.sqrt(alpha_before) * picture + math.sqrt(1 - alpha_before) * noise
    return x


SAMPLERS: Mapping[str, tuple[Callable[[Problem], Tensor], bool]] = MappingProxyType(
    {
        "Euler a": (euler_ancestral, False),
        "Euler": (euler, False),
        "Heun": (heun, False),
        "DPM++ 2M": (dpmpp_2m, True),
        "DDIM": (ddim, False),
    }
)
"""Samplers by the web UI's name, with whether the web UI (1.9 on) schedules them after Karras by default."""


def resolve(name: str) -> tuple[str, bool]:
    """A sampler's plain name and whether its schedule is Karras', from a name of any web UI generation."""
    plain = name.removesuffix(KARRAS_SUFFIX)
    by_lower = {known.lower(): known for known in SAMPLERS}
    known = by_lower.get(plain.lower())
    if known is None or (known == "DDIM" and plain != name):
        raise TrainerError(f'preview_sampler "{name}" is not known; choose one of {", ".join(SAMPLERS)}')
    return known, plain != name or SAMPLERS[known][1]


def guided(
    unet: Unet, schedule: NoiseSchedule, context: Tensor, negative: Tensor, scale: float
) -> Callable[[Tensor, float], Tensor]:
    """The model as a predictor of noise under classifier-free guidance; contexts (pictures, tokens, width)."""

    def predict(x: Tensor, timestep: float) -> Tensor:
        times = torch.full((len(x),), timestep, device=x.device)
        if scale == 1.0:
            return unet(x, times, context)
        if context.shape == negative.shape:
            doubled = unet(torch.cat([x, x]), torch.cat([times, times]), torch.cat([context, negative]))
            wanted, unwanted = doubled.chunk(2)
        else:  # of unlike length: two calls, as the web UI makes them
            wanted, unwanted = unet(x, times, context), unet(x, times, negative)
        return unwanted + (wanted - unwanted) * scale

    return predict if not schedule.v_prediction else _from_velocity(predict, schedule)


def _from_velocity(predict: Callable[[Tensor, float], Tensor], schedule: NoiseSchedule) -> Callable[..., Tensor]:
    """Noise from predicted velocity: noise = sqrt(alpha) v + sqrt(1 - alpha) x."""

    def noise(x: Tensor, timestep: float) -> Tensor:
        sigma = float(schedule.sigma_at(torch.tensor(timestep, dtype=torch.float64)))
        scale = math.sqrt(sigma**2 + 1)
        return predict(x, timestep) / scale + x * sigma / scale

    return noise


@torch.no_grad()
def sample(name: str, schedule: NoiseSchedule, predict: Callable[[Tensor, float], Tensor], noise: Noise,
           steps: int, device: torch.device) -> Tensor:  # fmt: skip
    """Latents (pictures, channels, height, width) that the named sampler arrives at."""
    plain, karras = resolve(name)
    return SAMPLERS[plain][0](Problem(schedule, predict, noise, steps, karras, device))
