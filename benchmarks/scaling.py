"""What a scan costs against the number of checkpoints, their size, and the number of runs: straight lines or not.

Every point is a process of its own, `hndoctor scan`, of which CPU time (start included) and peak memory are told; the
files are hard links to a few real ones, so that disks and their caches play no part.  Each column ends with the
straight line through its points: R squared, and the largest distance of a point from it as a share of the value there.

    python -m benchmarks.scaling [--quick] [--jobs 1]

--quick leaves out the dearest point of each column.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.processes import process
from benchmarks.scan import SIZES
from hndoctor.formats.write import write_hypernetwork

COUNTS = (10, 20, 40, 80, 160)  # checkpoints of one run, 22 MB each
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the hidden layer: 11 to 176 MB, twenty checkpoints
RUNS = (20, 50, 100, 200, 500)  # runs of twenty checkpoints of 0.1 MB
EACH = 20


@dataclass(frozen=True)
class Point:
    """One scan."""

    x: float
    seconds: float  # of CPU
    megabytes: float  # at the peak


@dataclass(frozen=True)
class Line:
    """The straight line through some points."""

    slope: float
    start: float
    r_squared: float
    worst: float  # largest residual, as a share of the line's value there


def line(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Least squares."""
    x, y = np.asarray(xs, float), np.asarray(ys, float)
    slope, start = np.polyfit(x, y, 1)
    fitted = slope * x + start
    spread = float(((y - y.mean()) ** 2).sum())
    r_squared = 1 - float(((y - fitted) ** 2).sum()) / spread if spread else 1.0
    return Line(float(slope), float(start), r_squared, float(np.abs((y - fitted) / fitted).max()))


def network(path: Path, sizes: Sequence[int], hidden: float, seed: int) -> Path:
    """A checkpoint near another of the same shape: what a few hundred steps leave."""
    rng, drift = np.random.default_rng(0), np.random.default_rng(seed)
    pairs = []
    for size in sizes:
        wide = int(hidden * size)
        shapes = {"linear.0.weight": (wide, size), "linear.0.bias": (wide,)}
        shapes |= {"linear.1.weight": (size, wide), "linear.1.bias": (size,)}
        pair = [
            {
                name: (rng.normal(0, 0.01, shape) + drift.normal(0, 1e-4, shape)).astype(np.float32)
                for name, shape in shapes.items()
            }
            for _ in "kv"
        ]
        pairs.append((size, *pair))
    write_hypernetwork(path, pairs, {"step": 499, "layer_structure": [1.0, hidden, 1.0]})
    return path


def run_of(folder: Path, count: int, models: Sequence[Path]) -> None:
    """A run of so many checkpoints: links to the models in turn."""
    inside = folder / "hypernetworks"
    inside.mkdir(parents=True)
    for number in range(count):
        (inside / f"{folder.name}-{500 * (number + 1)}.pt").hardlink_to(models[number % len(models)])


def scanned(folder: Path, x: float, jobs: int) -> Point:
    """Scan and forget."""
    _, seconds, megabytes, _ = process("scan", str(folder), "--jobs", str(jobs))
    shutil.rmtree(folder)
    return Point(x, seconds, megabytes)


def by_count(models: Path, folder: Path, count: float, jobs: int) -> Point:
    """One run of `count` checkpoints."""
    run_of(folder / "x", int(count), sorted(models.glob("small-*.pt")))
    return scanned(folder, count, jobs)


def by_size(models: Path, folder: Path, hidden: float, jobs: int) -> Point:
    """One run of twenty checkpoints, so wide."""
    made = [network(models / f"w{seed}.pt", SIZES, hidden, seed) for seed in range(3)]
    run_of(folder / "x", EACH, made)
    size = made[0].stat().st_size / 1e6
    for path in made:
        path.unlink()
    return scanned(folder, size, jobs)


def by_runs(models: Path, folder: Path, count: float, jobs: int) -> Point:
    """So many runs of twenty small checkpoints."""
    for number in range(int(count)):
        run_of(folder / f"run{number:03d}", EACH, sorted(models.glob("tiny-*.pt")))
    return scanned(folder, count, jobs)


COLUMNS: tuple[tuple[str, Sequence[float], Callable[[Path, Path, float, int], Point]], ...] = (
    ("checkpoints of 22 MB in a run", COUNTS, by_count),
    ("MB a checkpoint, 20 in a run", WIDTHS, by_size),
    ("runs of 20 checkpoints of 0.1 MB", RUNS, by_runs),
)


def main() -> None:
    """Print the three columns and their lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--column", type=int, choices=range(len(COLUMNS)), help="only this one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        models = Path(made)
        for seed in range(3):
            network(models / f"small-{seed}.pt", SIZES, 0.5, seed)
            network(models / f"tiny-{seed}.pt", (32, 48), 2.0, seed)
        for place, (title, values, scan) in enumerate(COLUMNS):
            if given.column is not None and place != given.column:
                continue
            print(f"{title:34s} {'s of CPU':>9} {'MB':>6}", flush=True)
            points = []
            for value in values[:-1] if given.quick else values:
                points.append(point := scan(models, models / "scan", value, given.jobs))
                print(f"{point.x:34.0f} {point.seconds:9.2f} {point.megabytes:6.0f}", flush=True)
            tell(points)


def tell(points: Sequence[Point]) -> None:
    """The lines, and what memory does between neighbours."""
    xs = [point.x for point in points]
    time = line(xs, [point.seconds for point in points])
    told = f"R² {time.r_squared:.4f}, residuals <= {time.worst:.1%}"
    print(f"  time: {time.start:.2f} s + {time.slope:.4g} s each; {told}")
    memory = line(xs, [point.megabytes for point in points])
    steps = max((b.megabytes - a.megabytes) / (b.x - a.x) for a, b in pairwise(points))
    told = f"R² {memory.r_squared:.4f}, residuals <= {memory.worst:.1%}"
    print(f"  memory: {memory.start:.0f} MB + {memory.slope:.4g} MB each (at most {steps:.2g}); {told}")


if __name__ == "__main__":
    main()
