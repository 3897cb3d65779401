"""What the base model bears of weights that nobody trained: `python -m benchmarks.lab.chance --judge FILE`.

Random networks of several structures and spreads, judged by the lab's oracle and rule of truth, beside their gain and
alignment: whence `hndoctor.rules.alignment` and its limits.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path
from statistics import median

import torch

import hndoctor
from benchmarks.lab.oracle import Lab, one_thread
from benchmarks.lab.truth import Oracle, followed_share, mean, truth_of
from hndoctor.rules.alignment import alignment
from trainer import pocket
from trainer.base import context_sizes
from trainer.network import Hypernetwork

SHAPES = (((1.0, 2.0, 1.0), "relu"), ((1.0, 3.0, 1.0), "linear"), ((1.0, 1.5, 1.5, 1.0), "relu"))
SPREADS = (0.1, 0.14, 0.17, 0.2, 0.24, 0.3)  # standard deviations of the weights
SEEDS = (0, 1)
STYLE, PICTURES = "redfig", 6
HEAD = "| network | spread | median gain | alignment | held-out loss x base | captions | truth |\n" + "|---" * 7 + "|"


def main() -> None:
    """A row a network."""
    parser = argparse.ArgumentParser(description="Random networks by the lab's rule of truth.")
    parser.add_argument("--judge", type=Path, required=True)
    judge = parser.parse_args().judge
    print(HEAD)
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        lab = Lab(pocket.path(), judge)
        for (structure, activation), seed, spread in product(SHAPES, SEEDS, SPREADS):
            file = Path(folder) / "random-1000.pt"
            network = Hypernetwork.create(context_sizes(lab.pipe.unet), structure, activation, seed=seed)
            _randomise(network, spread, seed)
            network.save(file)
            shape = ", ".join(f"{part:g}" for part in structure)
            print(f"| {shape} {activation} | {spread} | {_row(lab, file)} |", flush=True)


@torch.no_grad()
def _randomise(network: Hypernetwork, spread: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread * (parameter.ndim == 2))


def _row(lab: Lab, file: Path) -> str:
    (checkpoint,) = hndoctor.measure(file).checkpoints
    gain = median(module.gain for module in checkpoint.modules if module.gain is not None)
    subject, trained = lab.subject(STYLE), lab.trained(STYLE, 1, range(PICTURES))
    base = lab.base(subject, trained)
    found = lab.measure(1000, file, subject, trained, base)
    oracle = Oracle(base, (found,), subject.readable, lab.chance)
    kept = followed_share(found, oracle)
    loss = mean(found.held_out) / mean(base.held_out)
    told = "-" if kept is None else f"{kept:.2f}"
    return f"{gain:.2f} | {alignment(checkpoint) or 0:.2f} | {loss:.2f} | {told} | {truth_of(oracle).last}"


if __name__ == "__main__":
    main()
