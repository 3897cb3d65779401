"""Our samplers beside k-diffusion's own, over the same noise and a toy model: how far apart they end.

    pip install --no-deps k-diffusion torchsde trampoline torchdiffeq
    python -m benchmarks.samplers [--unipc path/to/uni_pc.py] [--restart path/to/sd_samplers_extra.py]

`uni_pc.py` is its authors' (github.com/wl-zhao/UniPC, example/stable-diffusion/ldm/models/diffusion/uni_pc), whose
formulas the web UI took over; `sd_samplers_extra.py` is the web UI's own (modules/).
`--values` prints what `tests/trainer/samplers_known.py` holds instead of the table.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.sampler import Noise, NoiseSchedule, resolve, sample

SHAPE = (4, 2, 2)
SEED, STEPS = 3, 10
MORE_STEPS = 40  # of Restart, which is Heun's method below 20 and climbs twice from 36 on
OWN_LEVELS = {"DPM fast": "dpm_fast", "DPM adaptive": "dpm_adaptive"}
FUNCTIONS = {
    "Euler": "euler", "Euler a": "euler_ancestral", "Heun": "heun", "DPM2": "dpm_2", "DPM2 a": "dpm_2_ancestral",
    "LMS": "lms", "DPM++ 2M": "dpmpp_2m", "DPM++ 2S a": "dpmpp_2s_ancestral", "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M SDE": "dpmpp_2m_sde", "DPM++ 2M SDE Heun": "dpmpp_2m_sde", "DPM++ 3M SDE": "dpmpp_3m_sde",
}  # fmt: skip


def schedule() -> NoiseSchedule:
    """Stable Diffusion's own."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return NoiseSchedule((1 - betas).cumprod(0))


def toy(levels: NoiseSchedule) -> Callable[[Tensor, Any], Tensor]:
    """A model with a bend in it: (scaled latents, timestep) -> noise."""
    target = torch.linspace(-1, 1, 16).reshape(1, *SHAPE)

    def noise(x: Tensor, timestep: Any) -> Tensor:
        at = torch.as_tensor(timestep, dtype=torch.float64).reshape(-1)[0]
        sigma = levels.sigma_at(at).float()
        whole = x * (sigma**2 + 1).sqrt()
        return (whole - 0.7 * torch.tanh(whole / (1 + sigma)) - target * sigma / (1 + sigma)) / sigma

    return noise


def k_diffusion() -> tuple[Any, Any]:
    """k-diffusion's `sampling` and `external`, without its package, which wants a dozen others."""
    found = importlib.util.find_spec("k_diffusion")
    if found is None or importlib.util.find_spec("torchsde") is None:
        sys.exit("pip install --no-deps k-diffusion torchsde trampoline torchdiffeq")
    package, utils = types.ModuleType("k_diffusion"), types.ModuleType("k_diffusion.utils")
    package.__path__ = list(found.submodule_search_locations or ())
    utils.append_dims = lambda x, n: x[(..., *(None,) * (n - x.ndim))]  # type: ignore[attr-defined]  # a stand-in
    package.utils = utils  # type: ignore[attr-defined]  # a module of our own making
    sys.modules |= {"k_diffusion": package, "k_diffusion.utils": utils}
    return importlib.import_module("k_diffusion.sampling"), importlib.import_module("k_diffusion.external")


class FromGenerator:
    """Stands in k-diffusion for torch, as the web UI has it: `randn_like` continues the picture's own generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def randn_like(self, x: Tensor) -> Tensor:
        return torch.randn(x.shape[1:], generator=self.generator)[None]

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


class Theirs:
    """k-diffusion as the web UI calls it."""

    def __init__(self, levels: NoiseSchedule) -> None:
        self.sampling, external = k_diffusion()
        model = torch.nn.Module()
        model.alphas_cumprod, noise = levels.alphas.float(), toy(levels)
        model.apply_model = lambda x, t, cond=None: noise(x, t)
        self.denoiser = external.CompVisDenoiser(model, quantize=False)

    def sigmas(self, name: str, label: str, steps: int = STEPS) -> Tensor:
        choice = resolve(name, label)
        steps += choice.sampler.discards
        ends = (float(self.denoiser.sigmas[0]), float(self.denoiser.sigmas[-1]))
        if choice.schedule == "Uniform":
            found = self.denoiser.get_sigmas(steps)
        else:
            found = getattr(self.sampling, f"get_sigmas_{str(choice.schedule).lower()}")(steps, *ends)
        return torch.cat([found[:-2], found[-1:]]) if choice.sampler.discards else found

    @torch.no_grad()
    def sample(self, name: str, label: str) -> Tensor:
        sigmas, generator = self.sigmas(name, label), torch.Generator().manual_seed(SEED)
        x = torch.randn(SHAPE, generator=generator)[None] * sigmas[0]
        options: dict[str, Any] = {"disable": True}
        if "SDE" in name:
            ends = sigmas[sigmas > 0].min(), sigmas.max()
            options["noise_sampler"] = self.sampling.BrownianTreeNoiseSampler(x, *ends, seed=[SEED])
        if name == "DPM++ 2M SDE Heun":
            options["solver_type"] = "heun"
        if name.endswith(" a"):
            self.sampling.torch = FromGenerator(generator)
        function = getattr(self.sampling, f"sample_{FUNCTIONS[name]}")
        return self._run(lambda model: function(model, x, sigmas, **options))

    @torch.no_grad()
    def sample_own(self, name: str) -> Tensor:
        """Samplers that choose their levels by themselves, as the web UI calls them."""
        least, most = float(self.denoiser.sigmas[0]), float(self.denoiser.sigmas[-1])
        generator = torch.Generator().manual_seed(SEED)
        x = torch.randn(SHAPE, generator=generator)[None] * most
        steps = {"n": STEPS} if name == "DPM fast" else {}
        function = getattr(self.sampling, f"sample_{OWN_LEVELS[name]}")
        self.sampling.torch = FromGenerator(generator)
        return self._run(lambda model: function(model, x, least, most, **steps, disable=True, eta=1.0))

    @torch.no_grad()
    def restart(self, path: Path) -> Tensor:
        """Restart by the web UI's own file."""
        generator = torch.Generator().manual_seed(SEED)
        sigmas = self.sigmas("Restart", "Karras", MORE_STEPS)
        x = torch.randn(SHAPE, generator=generator)[None] * sigmas[0]
        function = loaded(path).restart_sampler
        self.sampling.torch = FromGenerator(generator)
        return self._run(lambda model: function(model, x, sigmas, disable=True))

    def _run(self, solve: Callable[[Callable[[Tensor, Tensor], Tensor]], Tensor]) -> Tensor:
        try:
            return solve(lambda x, sigma: self.denoiser(x, sigma, cond=None))
        finally:
            self.sampling.torch = torch


def loaded(path: Path) -> Any:
    """A file of others as a module."""
    spec = importlib.util.spec_from_file_location(f"others_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unipc(path: Path, levels: NoiseSchedule) -> Tensor:
    """UniPC by its authors, with the web UI's settings."""
    module, noise = loaded(path), toy(levels)
    solver = module.UniPC(
        lambda x, t, *_: noise(x, (t - 1 / 1000) * 1000),
        module.NoiseScheduleVP("discrete", alphas_cumprod=levels.alphas.float()),
        predict_x0=True, thresholding=False, variant="bh1",
    )  # fmt: skip
    x = Noise([SEED], SHAPE).draw()
    with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():  # it prints its every step
        return solver.sample(x, steps=STEPS, skip_type="time_uniform", method="multistep", order=3)


def pairs(path: Path | None, of_restart: Path | None) -> Iterator[tuple[str, str, Tensor]]:
    """Sampler, schedule, and what theirs arrives at."""
    levels = schedule()
    theirs = Theirs(levels)
    for name in FUNCTIONS:
        for label in ("Uniform", "Karras", "Exponential"):
            yield name, label, theirs.sample(name, label)
    for name in OWN_LEVELS:
        yield name, "Automatic", theirs.sample_own(name)
    if of_restart:
        yield "Restart", "Karras", theirs.restart(of_restart)
    if path:
        yield "UniPC", "Automatic", unipc(path, levels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unipc", type=Path)
    parser.add_argument("--restart", type=Path)
    parser.add_argument("--values", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    levels = schedule()
    for name, label, theirs in pairs(arguments.unipc, arguments.restart):
        if arguments.values:
            print(f"    ({name!r}, {label!r}): ({', '.join(f'{v:.7g}' for v in theirs.flatten()[:4].tolist())}),")
            continue
        steps = MORE_STEPS if name == "Restart" else STEPS
        ours = sample(name, levels, toy(levels), Noise([SEED], SHAPE), steps, torch.device("cpu"), label)
        print(f"{name:18} {label:12} relative difference {float((ours - theirs).norm() / theirs.norm()):.1e}")


if __name__ == "__main__":
    main()
