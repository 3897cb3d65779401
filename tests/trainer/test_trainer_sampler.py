"""Samplers: against others' own runs, against the exact solution where there is one, and their order."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from samplers_known import KNOWN
from tiny_pipeline import make_unet
from torch import Tensor

from trainer import sampler
from trainer.errors import TrainerError
from trainer.objective import as_float
from trainer.sampler import SAMPLERS, Noise, NoiseSchedule, resolve, sample
from trainer.sampling import dpm_solver, levels, ode, problem, restart, timesteps

CPU = torch.device("cpu")
Model = Callable[[Tensor, float], Tensor]


@pytest.fixture(scope="module")
def schedule() -> NoiseSchedule:
    """Stable Diffusion's own."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return NoiseSchedule((1 - betas).cumprod(0))


def sigma_of(schedule: NoiseSchedule, timestep: float) -> float:
    return float(schedule.sigma_at(torch.tensor(timestep, dtype=torch.float64)))


# --- noise levels -----------------------------------------------------------------------------------------------------


def test_sigmas_of_stable_diffusion_are_the_known_ones(schedule: NoiseSchedule) -> None:
    assert float(schedule.sigmas[0]) == pytest.approx(0.0292, abs=1e-4)
    assert float(schedule.sigmas[-1]) == pytest.approx(14.6146, abs=1e-4)
    plain = levels.uniform(schedule, 20)
    assert (len(plain), plain[0], plain[-1]) == (21, pytest.approx(14.6146, abs=1e-4), 0.0)
    karras = levels.karras(schedule, 10)
    low, high = 0.02917 ** (1 / 7), 14.6146 ** (1 / 7)
    assert karras[4] == pytest.approx((high + 4 / 9 * (low - high)) ** 7, rel=1e-3)
    ratios = [a / b for a, b in pairwise(levels.exponential(schedule, 5)[:-1])]
    assert ratios == pytest.approx([ratios[0]] * 4, rel=1e-5)


def test_sgm_uniform_leaves_the_first_timestep_out(schedule: NoiseSchedule) -> None:
    found = levels.sgm_uniform(schedule, 4)
    assert [round(schedule.timestep_at(sigma)) for sigma in found[:-1]] == [999, 749, 500, 250]
    assert len(found) == 5


def test_timesteps_and_sigmas_are_each_others_inverse(schedule: NoiseSchedule) -> None:
    for timestep in (0.0, 0.4, 17.25, 500.0, 998.9, 999.0):
        assert schedule.timestep_at(sigma_of(schedule, timestep)) == pytest.approx(timestep, abs=1e-6)


def test_a_model_of_zero_terminal_snr_has_a_finite_sigma(schedule: NoiseSchedule) -> None:
    alphas = schedule.alphas.clone()
    alphas[-1] = 0
    sigmas = NoiseSchedule(alphas).sigmas
    assert float(sigmas[-1]) == pytest.approx(4518.8, rel=1e-3)


def test_the_last_but_one_level_is_left_out_where_the_web_ui_leaves_it_out(schedule: NoiseSchedule) -> None:
    found, whole = resolve("DPM2").sigmas(schedule, 10), levels.karras(schedule, 11)
    assert found == (*whole[:-2], 0.0)


# --- against others ---------------------------------------------------------------------------------------------------


def toy(schedule: NoiseSchedule) -> Model:
    """The model of `benchmarks.samplers`."""
    target = torch.linspace(-1, 1, 16).reshape(1, 4, 2, 2)

    def noise(x: Tensor, timestep: float) -> Tensor:
        sigma = sigma_of(schedule, timestep)
        whole = x * math.sqrt(sigma**2 + 1)
        return (whole - 0.7 * torch.tanh(whole / (1 + sigma)) - target * sigma / (1 + sigma)) / sigma

    return noise


@pytest.mark.parametrize(("name", "label"), KNOWN)
def test_every_sampler_ends_where_k_diffusions_ends(name: str, label: str, schedule: NoiseSchedule) -> None:
    steps = 40 if name == "Restart" else 10
    found = sample(name, schedule, toy(schedule), Noise([3], (4, 2, 2)), steps, CPU, label)
    # Brownian noise follows the last digits of sigma, which a processor's vector width decides (measured: 1.5e-5)
    assert found.flatten()[:4].tolist() == pytest.approx(KNOWN[name, label], abs=5e-5 if "SDE" in name else 5e-6)


def test_every_sampler_was_compared_or_has_a_twin() -> None:
    assert {name for name, _ in KNOWN} | {"DDIM", "PLMS"} == set(SAMPLERS)


def ddim_by_the_book(schedule: NoiseSchedule, model: Model, x: Tensor, times: list[int], pndm: bool) -> Tensor:
    """DDIM (Song et al. 2021, eq. 12, eta 0) and PLMS (Liu et al. 2022, eq. 12), on the latents over sqrt(alpha)."""
    past: list[Tensor] = []
    for now, then in pairwise(times):
        a, b = float(schedule.alphas[now]), float(schedule.alphas[then])

        def move(eps: Tensor, a: float = a, b: float = b, x: Tensor = x) -> Tensor:
            return math.sqrt(b) * (x / math.sqrt(a) + (math.sqrt((1 - b) / b) - math.sqrt((1 - a) / a)) * eps)

        eps = model(x, float(now))
        if pndm and not past:
            eps_ = (eps + model(move(eps), float(then))) / 2
        elif pndm:
            e = [eps, *past]
            eps_ = {2: lambda e: (3 * e[0] - e[1]) / 2, 3: lambda e: (23 * e[0] - 16 * e[1] + 5 * e[2]) / 12}.get(
                len(e), lambda e: (55 * e[0] - 59 * e[1] + 37 * e[2] - 9 * e[3]) / 24
            )(e)
        else:
            eps_ = eps
        past = [eps, *past][:3]
        x = move(eps_)
    return x


@pytest.mark.parametrize("name", ["DDIM", "PLMS"])
def test_timestep_samplers_do_what_their_papers_say(name: str, schedule: NoiseSchedule) -> None:
    times = [951, 851, 751, 651, 551, 451, 351, 251, 151, 51]
    times = [t - 50 for t in times]  # 901, 801, ... 1
    expected = ddim_by_the_book(schedule, toy(schedule), Noise([3], (4, 2, 2)).draw(), times, name == "PLMS")
    found = sample(name, schedule, toy(schedule), Noise([3], (4, 2, 2)), 10, CPU)
    assert torch.allclose(found, expected, atol=1e-5)


def test_ddim_walks_the_web_uis_timesteps() -> None:
    assert timesteps.timesteps(20, 1000)[:3] == [1, 51, 101]
    assert timesteps.timesteps(20, 1000)[-1] == 951
    assert len(timesteps.timesteps(30, 1000)) == 31  # as the web UI divides
    assert max(timesteps.timesteps(1000, 1000)) == 999


# --- exact solutions --------------------------------------------------------------------------------------------------


def perfect(schedule: NoiseSchedule, picture: Tensor) -> Model:
    """A model that knows the one picture there is."""

    def predict(x: Tensor, timestep: float) -> Tensor:
        sigma = sigma_of(schedule, timestep)
        return (x * math.sqrt(sigma**2 + 1) - picture) / sigma

    return predict


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_finds_the_picture_that_the_model_knows(name: str, schedule: NoiseSchedule) -> None:
    picture = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    found = sample(name, schedule, perfect(schedule, picture), Noise([1], (4, 2, 2)), 20, CPU)
    stops_early = dict.fromkeys(("DDIM", "PLMS", "UniPC", "DPM fast", "DPM adaptive"), 0.15)  # at sigma 0.03 or 0.04
    assert torch.allclose(found, picture, atol=stops_early.get(name, 1e-4))


def gaussian(schedule: NoiseSchedule, spread: float) -> Model:
    """The perfect model of pictures drawn from N(0, spread²), in double precision."""

    def predict(x: Tensor, timestep: float) -> Tensor:
        sigma = sigma_of(schedule, timestep)
        return x.double() * math.sqrt(sigma**2 + 1) * sigma / (sigma**2 + spread**2)

    return predict


SOLVERS = {"Euler": (ode.euler, 1), "Heun": (ode.heun, 2), "DPM2": (ode.dpm2, 2), "DPM++ 2M": (ode.dpmpp_2m, 2)}


@pytest.mark.parametrize("name", SOLVERS)
def test_halving_the_steps_width_divides_the_error_as_the_order_says(name: str, schedule: NoiseSchedule) -> None:
    """The probability flow of a Gaussian is known: from sigma 10 to 0.5 it shrinks by sqrt(spread² + sigma²)."""
    solve, order = SOLVERS[name]
    errors = []
    for steps in (24, 48):
        sigmas = tuple(10 * (0.5 / 10) ** (at / steps) for at in range(steps + 1))
        noise = Noise([3], (4, 2, 2))
        found = solve(problem.Problem(schedule, gaussian(schedule, 0.8), noise, steps, sigmas, CPU))
        exact = Noise([3], (4, 2, 2)).draw().double() * 10 * math.sqrt((0.8**2 + 0.5**2) / (0.8**2 + 10**2))
        errors.append(float((found - exact).norm()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("name", ["DDIM", "PLMS", "UniPC"])
def test_the_error_of_timestep_samplers_falls_too(name: str, schedule: NoiseSchedule) -> None:
    """By the first order at least: their last steps, to very little noise, are of low order whatever the rest is."""
    errors = [flow_error(name, steps, schedule) for steps in (25, 50)]
    assert math.log2(errors[0] / errors[1]) > 0.7


def flow_error(name: str, steps: int, schedule: NoiseSchedule, spread: float = 0.8) -> float:
    times = [0, 999] if name == "UniPC" else timesteps.timesteps(steps, 1000)
    begin, end = sigma_of(schedule, float(times[-1])), sigma_of(schedule, float(times[0]))
    shrunk = math.sqrt((spread**2 + end**2) / (spread**2 + begin**2) * (1 + begin**2) / (1 + end**2))
    found = sample(name, schedule, gaussian(schedule, spread), Noise([3], (4, 2, 2)), steps, CPU)
    exact = Noise([3], (4, 2, 2)).draw().double() * shrunk
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("name", ["Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE",
                                  "DPM fast", "DPM adaptive", "Restart"])  # fmt: skip
def test_samplers_with_fresh_noise_keep_the_spread_of_the_pictures(name: str, schedule: NoiseSchedule) -> None:
    steps = 30 if "SDE" in name else 100
    found = sample(name, schedule, gaussian(schedule, 0.8), Noise([1], (4, 32, 32)), steps, CPU)
    assert float(found.std()) == pytest.approx(0.8, rel=0.05)


@pytest.mark.parametrize("steps", [1, 2, 3, 9, 10, 11, 30])
def test_dpm_fast_asks_the_model_as_often_as_it_has_steps(steps: int, schedule: NoiseSchedule) -> None:
    asked = []
    model = perfect(schedule, torch.zeros(1, 4, 2, 2))

    def counted(x: Tensor, timestep: float) -> Tensor:
        asked.append(timestep)
        return model(x, timestep)

    sample("DPM fast", schedule, counted, Noise([1], (4, 2, 2)), steps, CPU)
    assert len(asked) == steps


@pytest.mark.parametrize("broken", [math.nan, math.inf, 1e30])
def test_dpm_adaptive_ends_even_with_a_model_that_is_broken(broken: float, schedule: NoiseSchedule) -> None:
    asked = []

    def noise(x: Tensor, timestep: float) -> Tensor:
        asked.append(timestep)
        return broken * torch.where(torch.arange(x.numel()).reshape(x.shape) % 2 == len(asked) % 2, 1.0, -1.0)

    sample("DPM adaptive", schedule, noise, Noise([1], (4, 2, 2)), 20, CPU)
    assert len(asked) <= 3 * (dpm_solver.MOST_STEPS + 1)


def test_restart_climbs_as_often_as_the_web_ui_lets_it(schedule: NoiseSchedule) -> None:
    for steps, climbs in ((19, 0), (20, 1), (35, 1), (36, 2)):
        walk = restart._walk(resolve("Restart").sigmas(schedule, steps))
        assert sum(later > before for (_, before), (later, _) in pairwise(walk)) == climbs
        assert walk[-1][1] == 0
        assert len(walk) == steps


def test_a_step_down_and_its_noise_make_the_following_sigma() -> None:
    down, up = problem.ancestral(10.0, 7.0)
    assert math.hypot(down, up) == pytest.approx(7.0)
    assert up == pytest.approx(math.sqrt(49 * (100 - 49) / 100))


def test_lms_integrates_polynomials_exactly() -> None:
    sigmas = (5.0, 3.0, 2.0, 1.2, 0.5)
    weights = ode.lms_weights(sigmas, 3, 4)
    values = [s**3 - s for s in (1.2, 2.0, 3.0, 5.0)]
    exact = (0.5**4 - 1.2**4) / 4 - (0.5**2 - 1.2**2) / 2
    assert sum(w * v for w, v in zip(weights, values, strict=True)) == pytest.approx(exact)


# --- guidance and names -----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", ["Euler a", "DPM++ 2M", "UniPC"])
def test_a_model_of_velocity_gives_the_pictures_of_its_twin_of_noise(name: str, schedule: NoiseSchedule) -> None:
    """The same knowledge, told as noise or as velocity, must end in the same picture."""
    velocity, noise = NoiseSchedule(schedule.alphas, v_prediction=True), toy(schedule)

    def unet(x: Tensor, times: Tensor, context: Tensor) -> Tensor:
        eps, sigma = noise(x, float(times[0])), sigma_of(schedule, float(times[0]))
        return eps * math.sqrt(sigma**2 + 1) - x * sigma  # v = (eps - sqrt(1 - alpha) x) / sqrt(alpha)

    context = torch.zeros(1, 77, 3)
    predict = sampler.guided(unet, velocity, context, context, 1.0)
    found = sample(name, velocity, predict, Noise([3], (4, 2, 2)), 10, CPU)
    assert torch.allclose(found, sample(name, schedule, noise, Noise([3], (4, 2, 2)), 10, CPU), atol=1e-3)


@pytest.mark.parametrize(
    ("given", "schedule", "name", "used", "told"),
    [
        ("DPM++ 2M Karras", "Automatic", "DPM++ 2M", "Karras", "Karras"),  # up to web UI 1.8
        ("DPM++ 2M", "Automatic", "DPM++ 2M", "Karras", "Karras"),  # 1.9 and 1.10
        ("DPM++ 2M", "uniform", "DPM++ 2M", "Uniform", "Uniform"),  # "DPM++ 2M" of 1.8
        ("dpm++ sde karras", "Automatic", "DPM++ SDE", "Karras", "Karras"),
        ("DPM++ 2M SDE Exponential", "Automatic", "DPM++ 2M SDE", "Exponential", "Exponential"),
        ("euler A", "Automatic", "Euler a", "Uniform", "Automatic"),
        ("Euler a", "Karras", "Euler a", "Karras", "Karras"),
        ("DDIM", "Karras", "DDIM", None, "Automatic"),  # the web UI takes no notice of it either
    ],
)
def test_names_of_all_generations(given: str, schedule: str, name: str, used: str | None, told: str) -> None:
    choice = resolve(given, schedule)
    assert (choice.name, choice.schedule, choice.told) == (name, used, told)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(TrainerError, match=r'preview_sampler "Eulerr".*Euler a'):
        resolve("Eulerr")
    with pytest.raises(TrainerError, match="preview_sampler"):
        resolve("DDIM Karras")
    with pytest.raises(TrainerError, match=r'preview_scheduler "Carras".*Karras'):
        resolve("Euler", "Carras")


def test_a_whole_guided_walk_is_the_one_that_diffusers_takes_over_the_same_sigmas(schedule: NoiseSchedule) -> None:
    from diffusers import EulerDiscreteScheduler

    unet = make_unet().requires_grad_(False)
    generator = torch.Generator().manual_seed(4)
    wanted, unwanted = (torch.randn(1, 77, 20, generator=generator) for _ in range(2))
    predict = sampler.guided(as_float(unet), schedule, wanted, unwanted, 3.0)
    ours = sample("Euler", schedule, predict, Noise([1], (4, 8, 8)), 4, CPU)

    theirs = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    sigmas = levels.uniform(schedule, 4)[:-1]
    theirs.set_timesteps(sigmas=sigmas)
    x = Noise([1], (4, 8, 8)).draw() * sigmas[0]
    for timestep in theirs.timesteps:
        scaled = theirs.scale_model_input(x, timestep)
        with torch.no_grad():
            pair = [unet(scaled, timestep, encoder_hidden_states=c).sample for c in (wanted, unwanted)]
        x = theirs.step(pair[1] + 3.0 * (pair[0] - pair[1]), timestep, x).prev_sample
    assert float((ours - x).norm() / x.norm()) < 5e-3  # timesteps are single precision there
