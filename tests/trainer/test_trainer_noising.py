"""Noise, timesteps and weights: against diffusers' own arithmetic, and always the same for the same step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr
from diffusers.training_utils import compute_snr

from hndoctor.formats.curve import Curve
from hndoctor.formats.schedule import parse_schedule
from trainer.config import Config
from trainer.data import Batch
from trainer.errors import TrainerError
from trainer.noising import Noising, schedule_of, snr_weights, zero_terminal
from trainer.objective import Objective
from trainer.sampler import NoiseSchedule

TWIN = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
PLAIN = NoiseSchedule(TWIN.alphas_cumprod.double())


def batch(count: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn((count, 4, 8, 8), generator=generator) for _ in range(2))
    return Batch(latents, noise, torch.tensor([5, 500, 900][:count]), torch.zeros(count, 2, 4), tuple(range(count)))


def config(**values: object) -> Config:
    return replace(Config(data=Path("x"), seed=3), **values)


@pytest.mark.parametrize("shape", ["linear", "cosine", "cosine_with_restarts"])
def test_rates_are_diffusers_own_after_the_warm_up(shape: str) -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    cycles = 2 if shape == "cosine_with_restarts" else 1
    twin = get_scheduler(shape, optimizer, num_warmup_steps=10, num_training_steps=100, num_cycles=cycles)
    curve = Curve(parse_schedule("1", 100), shape, warmup=10, cycles=2)
    for step in range(100):
        if step >= 10:
            assert curve.at(step) == pytest.approx(twin.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        twin.step()


@pytest.mark.parametrize("velocity", [False, True])
def test_min_snr_weights_are_those_of_diffusers_scripts(velocity: bool) -> None:
    snr = compute_snr(TWIN, torch.arange(1000))
    least = torch.stack([snr, 5.0 * torch.ones_like(snr)], dim=1).min(dim=1)[0]
    expected = least / (snr + 1) if velocity else least / snr
    assert torch.allclose(snr_weights(replace(PLAIN, v_prediction=velocity), 5.0), expected.float(), rtol=1e-4)


def test_zero_terminal_snr_is_diffusers_rescaling_and_leaves_nothing_of_the_picture() -> None:
    betas = rescale_zero_terminal_snr(TWIN.betas.double())
    made = zero_terminal(PLAIN)
    assert torch.allclose(made.alphas, torch.cumprod(1 - betas, 0), atol=1e-6)
    assert float(made.alphas[-1]) == 0
    assert float(made.alphas[0]) == pytest.approx(float(PLAIN.alphas[0]))
    with pytest.raises(TrainerError, match="v-prediction"):
        schedule_of(config(zero_terminal_snr=True), PLAIN)
    velocity = replace(PLAIN, v_prediction=True)
    assert float(schedule_of(config(zero_terminal_snr=True), velocity).alphas[-1]) == 0
    assert schedule_of(config(), velocity) is velocity


def test_timesteps_stay_in_their_range_and_reach_all_of_it() -> None:
    noising = Noising.of(config(min_timestep=100, max_timestep=104), 1000)
    drawn = torch.cat([noising(batch(), place).timesteps for place in range(0, 300, 3)])
    assert set(drawn.tolist()) == {100, 101, 102, 103}
    assert torch.equal(noising(batch(), 30).timesteps, noising(batch(), 30).timesteps)
    assert torch.equal(noising(batch(), 30).timesteps[1:2], noising(batch(1), 31).timesteps)
    for low, high in ((5, 5), (0, 1001), (999, 3)):
        with pytest.raises(TrainerError, match="min_timestep"):
            Noising.of(config(min_timestep=low, max_timestep=high), 1000)


def test_offset_noise_shifts_whole_channels_and_nothing_else() -> None:
    plain, noising = batch(), Noising.of(config(noise_offset=0.1), 1000)
    shift = noising(plain, 7).noise - plain.noise
    assert torch.allclose(shift, shift[:, :, :1, :1].expand_as(shift), atol=1e-6)
    assert 0.01 < float(shift.std()) < 0.3
    assert torch.equal(noising(plain, 7).noise, noising(plain, 7).noise)
    assert not torch.equal(noising(plain, 7).noise, noising(plain, 10).noise)
    assert Noising.of(config(), 1000)(plain, 7) is plain


def test_the_losses_are_weighted_by_timestep_and_by_place() -> None:
    unet = _Zero()
    b = batch()
    plain = Objective(unet, PLAIN)(b.latents, b.noise, b.timesteps, b.context)
    assert torch.allclose(plain, b.noise.square().mean(dim=(1, 2, 3)))
    snr = Objective(unet, PLAIN, snr_gamma=5.0)(b.latents, b.noise, b.timesteps, b.context)
    assert torch.allclose(snr, plain * snr_weights(PLAIN, 5.0)[b.timesteps])
    half = torch.zeros(3, 1, 8, 8)
    half[..., :4] = 2.0
    masked = Objective(unet, PLAIN)(b.latents, b.noise, b.timesteps, b.context, half)
    assert torch.allclose(masked, b.noise[..., :4].square().mean(dim=(1, 2, 3)))


def test_velocity_is_what_diffusers_asks_for() -> None:
    b = batch()
    losses = Objective(_Zero(), replace(PLAIN, v_prediction=True))(b.latents, b.noise, b.timesteps, b.context)
    expected = TWIN.get_velocity(b.latents, b.noise, b.timesteps).square().mean(dim=(1, 2, 3))
    assert torch.allclose(losses, expected, rtol=1e-5)


class _Zero:
    """A UNet that always predicts nothing."""

    device, dtype = torch.device("cpu"), torch.float32

    def __call__(self, x: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor]:
        return (torch.zeros_like(x),)
