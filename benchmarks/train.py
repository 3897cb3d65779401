"""How near a training step is to what it cannot do without, and how it compares with the web UI's way.

    python -m benchmarks.train [--model FOLDER] [--batch 4] [--rounds 15]

Three ways on the same UNet, the same network and the same pictures, turn by turn, so that a busy machine disturbs all
alike; the figures are medians of the ratios within a round:

* ours: `trainer.loop`, with its data, seeding and bookkeeping;
* floor: frozen UNet, forward, backward, the same hooks, fused AdamW, one batch for ever, nothing else;
* web UI: its pattern written with diffusers: the UNet not frozen (its weight gradients are computed and thrown away),
  reentrant gradient checkpointing, every cross-attention asking the network anew, AdamW as torch chooses it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from trainer.config import POCKET, Config
from trainer.loop import Course, run
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
    for number in range(rounds + WARM_UP):
        for way in ways:
            _wait(device)
            begun = perf_counter()
            way.step()
            _wait(device)
            if number >= WARM_UP:
                way.seconds.append(perf_counter() - begun)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def report(ways: list[Way], reference: Way) -> Iterator[str]:
    """The table, line by line."""
    yield f"{'way':<10}{'ms a step':>12}{'× floor':>10}{'least':>8}{'most':>8}{'GFLOP':>10}"
    for way in ways:
        ratios = [a / b for a, b in zip(way.seconds, reference.seconds, strict=True)]
        figures = statistics.median(ratios), min(ratios), max(ratios)
        shown = "".join(f"{figure:>{width}.3f}" for figure, width in zip(figures, (10, 8, 8), strict=True))
        yield f"{way.name:<10}{statistics.median(way.seconds) * 1e3:>12.2f}{shown}{flops(way.step) / 1e9:>10.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=POCKET)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        training = prepared(given.model, given.batch, Path(folder))
        course = training.course
        made = [(f.__name__, f(course)) for f in (ours, floor, webui)]
        ways = [Way(name, step, []) for name, step in made]
        measure(ways, given.rounds, training.base.device)
        known, device = training.plan, training.base.device
        print(f"{known.base_model}, sizes {known.sizes}, batch {given.batch}, {device}, torch {torch.__version__}")
        print(f"{torch.get_num_threads()} thread(s), {given.rounds} rounds")
        print("\n".join(report(ways, ways[1])))
        if device.type == "cuda":
            print(f"peak memory of the device: {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
