"""Samplers: against the exact solution where there is one, and against slow twins."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from tiny_pipeline import make_unet
from torch import Tensor

from trainer import sampler
from trainer.errors import TrainerError
from trainer.objective import as_float
from trainer.sampler import Noise, NoiseSchedule, sample


@pytest.fixture(scope="module")
def schedule() -> NoiseSchedule:
    """Stable Diffusion's own."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return NoiseSchedule((1 - betas).cumprod(0))


def test_sigmas_of_stable_diffusion_are_the_known_ones(schedule: NoiseSchedule) -> None:
    assert float(schedule.sigmas[0]) == pytest.approx(0.0292, abs=1e-4)
    assert float(schedule.sigmas[-1]) == pytest.approx(14.6146, abs=1e-4)
    plain = sampler.plain_sigmas(schedule, 20)
    assert (len(plain), plain[0], plain[-1]) == (21, pytest.approx(14.6146, abs=1e-4), 0.0)
    karras = sampler.karras_sigmas(schedule, 10)
    assert karras[4] == pytest.approx(
        (14.6146 ** (1 / 7) + 4 / 9 * (0.02917 ** (1 / 7) - 14.6146 ** (1 / 7))) ** 7, rel=1e-3
    )


def test_timesteps_and_sigmas_are_each_others_inverse(schedule: NoiseSchedule) -> None:
    for timestep in (0.0, 0.4, 17.25, 500.0, 998.9, 999.0):
        sigma = float(schedule.sigma_at(torch.tensor(timestep, dtype=torch.float64)))
        assert schedule.timestep_at(sigma) == pytest.approx(timestep, abs=1e-6)


def perfect(schedule: NoiseSchedule, picture: Tensor) -> Callable[[Tensor, float], Tensor]:
    """A model that knows the one picture there is."""

    def predict(x: Tensor, timestep: float) -> Tensor:
        sigma = float(schedule.sigma_at(torch.tensor(timestep, dtype=torch.float64)))
        return (x * math.sqrt(sigma**2 + 1) - picture) / sigma

    return predict


@pytest.mark.parametrize("name", ["Euler a", "Euler", "Heun", "DPM++ 2M", "DPM++ 2M Karras", "Euler Karras", "DDIM"])
def test_every_sampler_finds_the_picture_that_the_model_knows(name: str, schedule: NoiseSchedule) -> None:
    picture = torch.randn(1, 4, 2, 2)
    found = sample(name, schedule, perfect(schedule, picture), Noise([1], (4, 2, 2)), 20, torch.device("cpu"))
    assert torch.allclose(found, picture, atol=0.15 if name == "DDIM" else 1e-4)  # DDIM stops at sigma 0.042


def gaussian(schedule: NoiseSchedule, spread: float) -> Callable[[Tensor, float], Tensor]:
    """The perfect model of pictures drawn from N(0, spread²)."""

    def predict(x: Tensor, timestep: float) -> Tensor:
        sigma = float(schedule.sigma_at(torch.tensor(timestep, dtype=torch.float64)))
        return x * math.sqrt(sigma**2 + 1) * sigma / (sigma**2 + spread**2)

    return predict


@pytest.mark.parametrize(("name", "error"), [("Euler", 0.05), ("Heun", 0.01), ("DPM++ 2M", 0.01), ("DDIM", 0.05)])
def test_the_probability_flow_is_followed(name: str, error: float, schedule: NoiseSchedule) -> None:
    spread = 0.8
    noise = Noise([3], (4, 8, 8))
    start = noise.draw().double()
    most = float(schedule.sigmas[-1])
    x = start * (most if name != "DDIM" else 1.0)
    scale = 1.0 if name != "DDIM" else math.sqrt(most**2 + 1)
    exact = x * scale * spread / math.sqrt(most**2 + spread**2)
    found = sample(name, schedule, gaussian(schedule, spread), Noise([3], (4, 8, 8)), 100, torch.device("cpu"))
    assert float((found - exact).norm() / exact.norm()) < error


def test_euler_ancestral_keeps_the_spread_of_the_pictures(schedule: NoiseSchedule) -> None:
    found = sample("Euler a", schedule, gaussian(schedule, 0.8), Noise([1], (4, 64, 64)), 400, torch.device("cpu"))
    assert float(found.std()) == pytest.approx(0.8, rel=0.02)


def test_a_step_down_and_its_noise_make_the_following_sigma() -> None:
    down, up = sampler.ancestral(10.0, 7.0)
    assert math.hypot(down, up) == pytest.approx(7.0)
    assert up == pytest.approx(math.sqrt(49 * (100 - 49) / 100))


def test_noise_belongs_to_a_picture_not_to_its_batch() -> None:
    both, alone = Noise([4, 5], (4, 2, 2)), Noise([5], (4, 2, 2))
    for _ in range(3):
        assert torch.equal(both.draw()[1], alone.draw()[0])


def test_ddim_walks_the_web_uis_timesteps() -> None:
    assert sampler.ddim_timesteps(20, 1000)[:3] == [1, 51, 101]
    assert sampler.ddim_timesteps(20, 1000)[-1] == 951
    assert max(sampler.ddim_timesteps(1000, 1000)) == 999


def test_guidance_is_the_same_in_one_call_or_in_two(schedule: NoiseSchedule) -> None:
    calls = []

    def unet(x: Tensor, times: Tensor, context: Tensor) -> Tensor:
        calls.append(len(x))
        return x * context.mean(dim=(1, 2)).view(-1, 1, 1, 1)

    x, wanted, unwanted = torch.randn(1, 4, 2, 2), torch.full((1, 77, 3), 2.0), torch.full((1, 77, 3), 0.5)
    together = sampler.guided(unet, schedule, wanted, unwanted, 7.0)(x, 10.0)
    apart = sampler.guided(unet, schedule, wanted, unwanted.repeat(1, 2, 1), 7.0)(x, 10.0)
    assert torch.allclose(together, x * (0.5 + 1.5 * 7), atol=1e-5)
    assert torch.allclose(together, apart, atol=1e-5)
    assert calls == [2, 1, 1]


def test_velocity_becomes_noise(schedule: NoiseSchedule) -> None:
    velocity = NoiseSchedule(schedule.alphas, v_prediction=True)
    picture, noise, timestep = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2), 500
    a = float(schedule.alphas[timestep])
    x = math.sqrt(a) * picture + math.sqrt(1 - a) * noise
    v = math.sqrt(a) * noise - math.sqrt(1 - a) * picture
    context = torch.zeros(1, 77, 3)
    found = sampler.guided(lambda *_: v, velocity, context, context, 1.0)(x, float(timestep))
    assert torch.allclose(found, noise, atol=1e-5)


def test_names_of_all_generations_and_unknown_ones() -> None:
    assert sampler.resolve("DPM++ 2M Karras") == ("DPM++ 2M", True)
    assert sampler.resolve("DPM++ 2M") == ("DPM++ 2M", True)
    assert sampler.resolve("euler A") == ("Euler a", False)
    with pytest.raises(TrainerError, match="Euler a"):
        sampler.resolve("Eulerr")


def test_a_whole_guided_walk_is_the_one_that_diffusers_takes_over_the_same_sigmas(schedule: NoiseSchedule) -> None:
    from diffusers import EulerDiscreteScheduler

    unet = make_unet().requires_grad_(False)
    generator = torch.Generator().manual_seed(4)
    wanted, unwanted = (torch.randn(1, 77, 20, generator=generator) for _ in range(2))
    predict = sampler.guided(as_float(unet), schedule, wanted, unwanted, 3.0)
    ours = sample("Euler", schedule, predict, Noise([1], (4, 8, 8)), 4, torch.device("cpu"))

    theirs = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    sigmas = sampler.plain_sigmas(schedule, 4)[:-1]
    theirs.set_timesteps(sigmas=sigmas)
    x = Noise([1], (4, 8, 8)).draw() * sigmas[0]
    for timestep in theirs.timesteps:
        scaled = theirs.scale_model_input(x, timestep)
        with torch.no_grad():
            pair = [unet(scaled, timestep, encoder_hidden_states=c).sample for c in (wanted, unwanted)]
        x = theirs.step(pair[1] + 3.0 * (pair[0] - pair[1]), timestep, x).prev_sample
    assert float((ours - x).norm() / x.norm()) < 5e-3  # timesteps are single precision there
