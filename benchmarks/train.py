"""How near a training step is to what it cannot do without, and how it compares with the web UI's way.

    python -m benchmarks.train [--model FOLDER] [--batch 4] [--rounds 15] [--full-size PIXELS] [--profile]

Three ways on the same UNet, the same network and the same pictures, turn by turn, so that a busy machine disturbs all
alike; the figures are medians of the ratios within a round:

* ours: `trainer.loop`, with its data, seeding and bookkeeping;
* floor: frozen UNet, forward, backward, the same hooks, fused AdamW, one batch for ever, nothing else;
* web UI: its pattern written with diffusers: the UNet not frozen (its weight gradients are computed and thrown away),
  reentrant gradient checkpointing, every cross-attention asking the network anew, AdamW as torch chooses it.

`--full-size 512` takes a randomly initialised UNet of Stable Diffusion 1's size instead (float32 on a CPU: 14 GB).
Peak memory is what the process grew by while a step was taken (Linux), or the device's own count.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import torch
from diffusers import DDPMScheduler
from PIL import Image
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from trainer import course as courses
from trainer import seeding
from trainer.config import POCKET, Config
from trainer.data import Batch
from trainer.loop import Course, run
from trainer.network import Hypernetwork
from trainer.processes import ALONE
from trainer.sampler import NoiseSchedule
from trainer.setting_up import set_up
from trainer.training import Training

PICTURES = 12
WARM_UP = 3  # rounds thrown away


@dataclass(frozen=True)
class Way:
    """One way of taking a step, and its times in seconds."""

    name: str
    step: Callable[[], object]
    seconds: list[float]


def prepared(model: str, batch: int, folder: Path) -> Training:
    """A training on random pictures, ready for its first step."""
    rng = np.random.default_rng(0)
    data = folder / "data"
    data.mkdir()
    for number in range(PICTURES):
        pixels = rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f"red house {number}.png")
    config = Config(
        name="speed", data=data, out=folder, base_model=model, batch_size=batch, steps=10**6, learn_rate="1e-6",
        image_every=0, save_every=0, csv_every=0,
    )  # fmt: skip
    setting_up = set_up(config, None, False)
    while True:
        try:
            next(setting_up)
        except StopIteration as finished:
            training: Training = finished.value
            return training


class RandomData:
    """Random samples of a full-size model, made anew for each step as real ones are."""

    def __init__(self, pixels: int, device: torch.device) -> None:
        self.shape, self.device = (4, pixels // 8, pixels // 8), device
        self.pictures = [SimpleNamespace(name=f"{number}.png") for number in range(PICTURES)]
        self.latents = torch.randn((PICTURES, *self.shape), device=device)
        self.context = torch.randn((PICTURES, 77, 768), device=device)

    def __len__(self) -> int:
        return PICTURES

    def batch(self, position: int, size: int) -> Batch:
        """The samples from a position on."""
        places = [place % PICTURES for place in range(position, position + size)]
        noise = torch.stack([torch.randn(self.shape, generator=seeding.generator(0, place)) for place in places])
        timesteps = torch.randint(1000, (size,), generator=seeding.generator(0, "t", position))
        return Batch(
            self.latents[places], noise.to(self.device), timesteps.to(self.device), self.context[places], tuple(places)
        )


def full_size(pixels: int, batch: int, folder: Path) -> Course:
    """A course on a randomly initialised UNet of Stable Diffusion 1's size, a pair of 768 alone."""
    from diffusers import UNet2DConditionModel

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = "bf16" if device.type == "cuda" else "fp32"
    with device:
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    if precision == "bf16":
        unet = unet.to(torch.bfloat16)
    unet.requires_grad_(False).eval()
    noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    base = SimpleNamespace(
        unet=unet, device=device, hash=None, name="random", schedule=NoiseSchedule(noise.alphas_cumprod.double())
    )
    config = Config(
        name="speed", data=folder, out=folder, batch_size=batch, steps=10**6, learn_rate="1e-6", precision=precision
    )
    network = Hypernetwork.create((768,), seed=0)
    return courses.make(config, base, network, RandomData(pixels, device), ALONE)  # type: ignore[arg-type]


def ours(course: Course) -> Callable[[], object]:
    """A step of the loop."""
    steps: Iterator[object] = run(course)
    return partial(next, steps)


def floor(course: Course) -> Callable[[], object]:
    """What no trainer can do without."""
    batch = course.batches(0)[0]
    optimizer = torch.optim.AdamW(course.network.parameters(), lr=1e-6, fused=True)

    def step() -> float:
        loss = course.objective(batch.latents, batch.noise, batch.timesteps, batch.context).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    return step


def webui(course: Course) -> Callable[[], object]:
    """The web UI's pattern; leaves the UNet as it was."""
    batch, unet = course.batches(0)[0], course.objective.unet
    optimizer = torch.optim.AdamW(course.network.parameters(), lr=1e-6)

    def step() -> float:
        unet.requires_grad_(True)
        unet.train()
        unet.enable_gradient_checkpointing(partial(checkpoint, use_reentrant=True))
        course.injection.shared_context = False
        loss = course.objective(batch.latents, batch.noise, batch.timesteps, batch.context).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        course.injection.shared_context = "auto"
        unet.disable_gradient_checkpointing()
        unet.eval()
        unet.requires_grad_(False)
        return value

    return step


def flops(step: Callable[[], object]) -> int:
    """Floating-point operations of one step, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def measure(ways: list[Way], rounds: int, device: torch.device) -> None:
    """Time every way once a round."""
    warm_up = WARM_UP if rounds > WARM_UP else 1
    for number in range(rounds + warm_up):
        for way in ways:
            _wait(device)
            begun = perf_counter()
            way.step()
            _wait(device)
            if number >= warm_up:
                way.seconds.append(perf_counter() - begun)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak(step: Callable[[], int], device: torch.device) -> tuple[int, float | None]:
    """What a step gives, and the mebibytes that it needs beside what is there before it; None: cannot be told."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        return step(), (torch.cuda.max_memory_allocated(device) - before) / 2**20
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return step(), None
    before = _status("VmRSS")
    return step(), (_status("VmHWM") - before) / 2**10


def _status(name: str) -> int:
    """A figure of this process, in KiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def report(ways: list[Way], reference: Way, device: torch.device) -> Iterator[str]:
    """The table, line by line."""
    yield f"{'way':<8}{'ms a step':>12}{'× floor':>10}{'least':>8}{'most':>8}"
    for way in ways:
        ratios = [a / b for a, b in zip(way.seconds, reference.seconds, strict=True)]
        figures = statistics.median(ratios), min(ratios), max(ratios)
        shown = "".join(f"{figure:>{width}.3f}" for figure, width in zip(figures, (10, 8, 8), strict=True))
        yield f"{way.name:<8}{statistics.median(way.seconds) * 1e3:>12.2f}{shown}"
    yield f"{'way':<8}{'GFLOP':>12}{'peak MiB':>10}"
    for way in ways:
        counted, most = peak(partial(flops, way.step), device)
        yield f"{way.name:<8}{counted / 1e9:>12.2f}{'-' if most is None else f'{most:.0f}':>10}"


def profile(step: Callable[[], object], rounds: int) -> None:
    """Where the host's time of our step goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(rounds):
        step()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=POCKET)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--full-size", type=int, metavar="PIXELS")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.full_size:
            course = full_size(given.full_size, given.batch, Path(folder))
        else:
            course = prepared(given.model, given.batch, Path(folder)).course
        device, model = course.objective.unet.device, f"SD1 of {given.full_size} px" if given.full_size else given.model
        ways = [Way(f.__name__, f(course), []) for f in (ours, floor, webui)]
        measure(ways, given.rounds, device)
        print(f"{model}, sizes {course.network.sizes}, batch {given.batch}, {device}, torch {torch.__version__}")
        print(f"{torch.get_num_threads()} thread(s), {given.rounds} rounds")
        for line in report(ways, ways[1], device):
            print(line, flush=True)
        if given.profile:
            profile(ways[0].step, given.rounds)


if __name__ == "__main__":
    main()
