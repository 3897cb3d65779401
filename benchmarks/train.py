"""How near a training step is to what it cannot do without, and how it compares with the web UI's way.

    python -m benchmarks.train [--model FOLDER] [--batch 4] [--rounds 15] [--profile]
    python -m benchmarks.train --full-size sd1 --batch 1 --rounds 1 [--pixels 512]

Three ways on the same UNet, the same network and the same pictures, turn by turn, so that a busy machine disturbs all
alike; the figures are medians of the ratios within a round:

* ours: `trainer.loop`, with its data, seeding and bookkeeping;
* floor: frozen UNet, forward, backward, the same hooks, fused AdamW, one batch for ever, nothing else;
* webui: its pattern written with diffusers: the UNet not frozen (its weight gradients are computed and thrown away),
  reentrant gradient checkpointing, every cross-attention asking the network anew, AdamW as torch chooses it.

`--full-size` takes a randomly initialised UNet of Stable Diffusion 1's or 2's size instead (the latter predicting
velocity; 860 million parameters, float32 on a CPU: 16 GB).  Peak memory is what torch's allocator held at most during
a step beyond what it held before: activations and gradients, without the weights and the optimizer's state.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from time import perf_counter

import torch
from torch.profiler import ProfilerActivity
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.train_ways import SHAPES, floor, full_size, ours, prepared, webui
from trainer.config import POCKET

WARM_UP = 3  # rounds thrown away


@dataclass(frozen=True)
class Way:
    """One way of taking a step, and its times in seconds."""

    name: str
    step: Callable[[], object]
    seconds: list[float]


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


def peak(step: Callable[[], object], device: torch.device) -> float:
    """The mebibytes that a step holds at most beyond what was there before it, as torch's allocator counts them."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    with torch.profiler.profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    result = profiler.profiler.kineto_results  # type: ignore[union-attr]  # the one place with sizes in order of time
    events = sorted((e for e in result.events() if e.name() == "[memory]"), key=lambda e: e.start_ns())
    return max(accumulate((event.nbytes() for event in events), initial=0)) / 2**20


def report(ways: list[Way], reference: Way, device: torch.device, unet: torch.nn.Module) -> Iterator[str]:
    """The table, line by line."""
    yield f"{'way':<8}{'ms a step':>12}{'× floor':>10}{'least':>8}{'most':>8}{'GFLOP':>10}{'peak MiB':>10}"
    for way in ways:
        ratios = [a / b for a, b in zip(way.seconds, reference.seconds, strict=True)]
        figures = statistics.median(ratios), min(ratios), max(ratios)
        shown = "".join(f"{figure:>{width}.3f}" for figure, width in zip(figures, (10, 8, 8), strict=True))
        unet.zero_grad(set_to_none=True)  # so that the web UI's count as its own
        most = peak(way.step, device)
        time = statistics.median(way.seconds) * 1e3
        yield f"{way.name:<8}{time:>12.2f}{shown}{flops(way.step) / 1e9:>10.2f}{most:>10.0f}"


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
    parser.add_argument("--full-size", choices=SHAPES)
    parser.add_argument("--pixels", type=int, default=512, help="of a full-size step's pictures")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.full_size:
            course = full_size(given.full_size, given.pixels, given.batch, Path(folder))
        else:
            course = prepared(given.model, given.batch, Path(folder)).course
        unet = course.objective.unet
        device, model = unet.device, f"{given.full_size} of {given.pixels} px" if given.full_size else given.model
        ways = [Way(f.__name__, f(course), []) for f in (ours, floor, webui)]
        print(f"{model}, sizes {course.network.sizes}, batch {given.batch}, {device}, torch {torch.__version__}")
        print(f"{torch.get_num_threads()} thread(s), {given.rounds} rounds", flush=True)
        measure(ways, given.rounds, device)
        for line in report(ways, ways[1], device, unet):
            print(line, flush=True)
        if given.profile:
            profile(ways[0].step, given.rounds)


if __name__ == "__main__":
    main()
