"""What reading and measuring a checkpoint costs, in units of summing the same bytes once with numpy.

Every row is the median, over rounds, of (CPU time of the row / CPU time of the sum in the same round): the two are
measured side by side in one process, so that a busy machine disturbs both alike.  Files lie in the page cache.

    python benchmarks/scan.py [--rounds 7] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hndoctor.formats import HypernetworkFile, read
from hndoctor.formats.write import write_hypernetwork
from hndoctor.records import CheckpointPath
from hndoctor.weights import measure, measure_checkpoint

SIZES = (768, 320, 640, 1280)  # the web UI's default: 1, 2, 1 of these has 88 MB
LONG_AGO = 1e9  # a modification time at which a file counts as settled and may be mapped
ONE_SCAN = """
import pathlib, sys, time
from hndoctor.records import CheckpointPath
from hndoctor.weights import measure_checkpoint
for path in map(pathlib.Path, sys.argv[1:]):
    measure_checkpoint(CheckpointPath(path, None), path.parent, None)
status = pathlib.Path("/proc/self/status")  # resource's figure would be the parent's at the fork
lines = status.read_text().splitlines() if status.exists() else []
peak = next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)
print(f"{time.process_time():.3f} {peak} {'torch' in sys.modules}")
"""


def make_run(folder: Path, count: int) -> list[Path]:
    """Checkpoints of a walk with small random steps."""
    rng = np.random.default_rng(0)
    state = {size: [_state(rng, size), _state(rng, size)] for size in SIZES}
    paths = []
    for index in range(count):
        for pair in state.values():
            for tensors in pair:
                for array in tensors.values():
                    array += rng.normal(0, 1e-4, array.shape).astype(np.float32)
        path = folder / f"bench-{500 * (index + 1)}.pt"
        write_hypernetwork(path, [(size, *pair) for size, pair in state.items()], {"step": 500 * (index + 1) - 1})
        os.utime(path, (LONG_AGO, LONG_AGO))
        paths.append(path)
    return paths


def _state(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    shapes = {"linear.0.weight": (2 * size, size), "linear.0.bias": (2 * size,)}
    shapes |= {"linear.1.weight": (size, 2 * size), "linear.1.bias": (size,)}
    return {name: rng.normal(0, 0.01, shape).astype(np.float32) for name, shape in shapes.items()}


def seconds(action: Callable[[], object]) -> float:
    """CPU time of one call, all threads together."""
    start = time.process_time()
    action()
    return time.process_time() - start


def rows(paths: list[Path]) -> dict[str, Callable[[], object]]:
    """What is measured."""
    files = [read(path) for path in paths]
    assert all(isinstance(file, HypernetworkFile) for file in files)
    first, before, now = (file for file in files[:3] if isinstance(file, HypernetworkFile))
    directions = measure(before)[2]
    where = CheckpointPath(paths[2], 1500)
    memory = None
    for index, path in enumerate(paths[:2]):
        _, memory = measure_checkpoint(CheckpointPath(path, 500 * (index + 1)), path.parent, memory)
    return {
        "read: proven, checksums, SHA-256": lambda: read(paths[2]),
        "measure alone, no checkpoint before": lambda: measure(now),
        "measure in a series, warm start": lambda: measure(now, before, first, first, directions),
        "read and measure in a series": lambda: measure_checkpoint(where, paths[2].parent, memory),
    }


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with _folder(given.folder) as folder:
        paths = make_run(folder, 3)
        flat = np.memmap(paths[2], np.uint8, "r")[: paths[2].stat().st_size // 4 * 4].view(np.float32)
        np.seterr(all="ignore")  # headers and pickles among the bytes are no numbers
        work = rows(paths)
        ratios: dict[str, list[float]] = {name: [] for name in work}
        sums = []
        for _ in range(given.rounds):
            for name, action in work.items():
                unit = min(seconds(lambda: np.add.reduce(flat)) for _ in range(3))
                sums.append(unit)
                ratios[name].append(seconds(action) / unit)
        print(
            f"{paths[2].stat().st_size / 1e6:.0f} MB; one sum takes {statistics.median(sums) * 1e3:.1f} ms of CPU time"
        )
        for name, found in ratios.items():
            print(f"{name:40s} {statistics.median(found):8.1f} sums")
        told = [_process(paths[2:]) for _ in range(3)]
        wall, cpu = min(t[0] for t in told), min(t[1] for t in told)
        print(
            f"one checkpoint, whole process: {wall:.2f} s wall, {cpu:.2f} s CPU, {told[0][2]} MB, torch: {told[0][3]}"
        )


def _process(paths: list[Path]) -> tuple[float, float, int, str]:
    run = [sys.executable, "-c", ONE_SCAN, *map(str, paths)]
    start = time.perf_counter()
    told = subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()
    return time.perf_counter() - start, float(told[0]), int(told[1]), told[2]


if __name__ == "__main__":
    main()
