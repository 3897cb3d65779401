"""Pictures from noise as the web UI draws them: k-diffusion's samplers, its schedules, its noise per picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from trainer.errors import TrainerError
from trainer.sampling import dpm_solver, ode, restart, stochastic, timesteps, unipc
from trainer.sampling.levels import SCHEDULES, NoiseSchedule
from trainer.sampling.noise import SOURCES, Noise
from trainer.sampling.problem import Predict, Problem

__all__ = ["AUTOMATIC", "SAMPLERS", "SCHEDULES", "SOURCES", "Choice", "Noise", "NoiseSchedule", "Sampler", "guided",
           "resolve", "sample"]  # fmt: skip

AUTOMATIC = "Automatic"  # schedule: the sampler's own
UNIFORM = "Uniform"

Unet = Callable[[Tensor, Tensor, Tensor], Tensor]  # (latents, timesteps, context) -> prediction


@dataclass(frozen=True)
class Sampler:
    """One way down.  `schedule` is the one that "Automatic" means, None for samplers that choose their own levels."""

    solve: Callable[[Problem], Tensor]
    schedule: str | None = UNIFORM
    discards: bool = False  # takes one level more and leaves out the last but one (k-diffusion's DPM2)
    ensd: bool = False  # the web UI tells ENSD in its pictures, if it is set
    alone: bool = False  # its steps follow from the picture, which therefore must be drawn by itself


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "DPM++ 2M": Sampler(ode.dpmpp_2m, "Karras"),
        "DPM++ SDE": Sampler(stochastic.dpmpp_sde, "Karras"),
        "DPM++ 2M SDE": Sampler(stochastic.dpmpp_2m_sde, "Exponential"),
        "DPM++ 2M SDE Heun": Sampler(stochastic.dpmpp_2m_sde_heun, "Exponential"),
        "DPM++ 2S a": Sampler(stochastic.dpmpp_2s_ancestral, "Karras", ensd=True),
        "DPM++ 3M SDE": Sampler(stochastic.dpmpp_3m_sde, "Exponential", discards=True),
        "Euler a": Sampler(stochastic.euler_ancestral, ensd=True),
        "Euler": Sampler(ode.euler),
        "LMS": Sampler(ode.lms),
        "Heun": Sampler(ode.heun),
        "DPM2": Sampler(ode.dpm2, "Karras", discards=True, ensd=True),
        "DPM2 a": Sampler(stochastic.dpm2_ancestral, "Karras", discards=True, ensd=True),
        "DPM fast": Sampler(dpm_solver.dpm_fast, None, ensd=True),
        "DPM adaptive": Sampler(dpm_solver.dpm_adaptive, None, ensd=True, alone=True),
        "Restart": Sampler(restart.restart, "Karras"),
        "DDIM": Sampler(timesteps.ddim, None),
        "PLMS": Sampler(timesteps.plms, None),
        "UniPC": Sampler(unipc.unipc, None),
    }
)
"""Samplers by the web UI's name, with the schedules that web UI 1.9 and 1.10 give them by themselves."""


@dataclass(frozen=True)
class Choice:
    """A sampler and its schedule.  `told` is what the web UI writes as "Schedule type"."""

    name: str
    sampler: Sampler
    schedule: str | None
    told: str

    def sigmas(self, levels: NoiseSchedule, steps: int) -> tuple[float, ...]:
        """The levels to walk down, the last one 0; none for samplers that walk timesteps."""
        if self.schedule is None:
            return ()
        found = SCHEDULES[self.schedule](levels, steps + self.sampler.discards)
        return (*found[:-2], found[-1]) if self.sampler.discards else tuple(found)


def resolve(name: str, schedule: str = AUTOMATIC) -> Choice:
    """A sampler by its name in any web UI generation ("DPM++ 2M Karras" of old is "DPM++ 2M" with "Karras").

    Raises `TrainerError` for a name or a schedule that is not known.
    """
    plain, suffix = _without_schedule(name)
    known = _among(plain, SAMPLERS)
    wanted = _among(schedule, (AUTOMATIC, *SCHEDULES))
    if known is None or (suffix and SAMPLERS[known].schedule is None):
        raise TrainerError(f'preview_sampler "{name}" is not known; choose one of {", ".join(SAMPLERS)}')
    if wanted is None:
        choices = ", ".join((AUTOMATIC, *SCHEDULES))
        raise TrainerError(f'preview_scheduler "{schedule}" is not known; choose one of {choices}')
    sampler = SAMPLERS[known]
    if sampler.schedule is None:
        return Choice(known, sampler, None, AUTOMATIC)
    explicit = wanted if wanted != AUTOMATIC else suffix
    used = explicit or sampler.schedule
    return Choice(known, sampler, used, used if explicit or used != UNIFORM else AUTOMATIC)


def _without_schedule(name: str) -> tuple[str, str | None]:
    """Older web UIs name the schedule with the sampler."""
    for suffix in ("Karras", "Exponential"):
        if name.lower().endswith(f" {suffix.lower()}"):
            return name[: -len(suffix) - 1], suffix
    return name, None


def _among(name: str, names: Mapping[str, object] | tuple[str, ...]) -> str | None:
    return next((known for known in names if known.lower() == name.strip().lower()), None)


def guided(unet: Unet, schedule: NoiseSchedule, context: Tensor, negative: Tensor, scale: float) -> Predict:
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


def _from_velocity(predict: Predict, schedule: NoiseSchedule) -> Predict:
    """Noise from predicted velocity: noise = sqrt(alpha) v + sqrt(1 - alpha) x."""

    def noise(x: Tensor, timestep: float) -> Tensor:
        sigma = float(schedule.sigma_at(torch.tensor(timestep, dtype=torch.float64)))
        scale = math.sqrt(sigma**2 + 1)
        return predict(x, timestep) / scale + x * sigma / scale

    return noise


@torch.no_grad()
def sample(name: str, schedule: NoiseSchedule, predict: Predict, noise: Noise,
           steps: int, device: torch.device, scheduler: str = AUTOMATIC) -> Tensor:  # fmt: skip
    """Latents (pictures, channels, height, width) that the named sampler arrives at."""
    choice = resolve(name, scheduler)
    sigmas = choice.sigmas(schedule, steps)
    return choice.sampler.solve(Problem(schedule, predict, noise, steps, sigmas, device))
