"""What reading and measuring a checkpoint costs, in units of summing the same bytes once with numpy.

Every row is the median, over rounds, of (CPU time of the row / CPU time of the sum in the same round), each the least
of three: the two are measured side by side in one process, so that a busy machine disturbs both alike.  Files lie in
the page cache.  "Of the file": the sum maps it anew, as reading does; "of memory": the bytes have been read already, so
that no page has to be mapped.  With one thread and with two.

    python -m benchmarks.scan [--rounds 7] [--folder DIR] [--peer PYTHON]

PYTHON is an interpreter that can import weightwatcher and torch; without one the peer's row is left out, and said so.
"""

from __future__ import annotations

import argparse
import json
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

from benchmarks.floors import floors, tensors
from benchmarks.processes import processes
from hndoctor.formats import HypernetworkFile, read
from hndoctor.formats.hashes import sha256
from hndoctor.formats.write import write_hypernetwork
from hndoctor.records import CheckpointPath
from hndoctor.weights import Past, measure, measure_checkpoint
from hndoctor.weights.tallies import Tallies, tally

SIZES = (768, 320, 640, 1280)  # the web UI's default: 1, 2, 1 of these has 88 MB
LONG_AGO = 1e9  # a modification time at which a file counts as settled and may be mapped
PEER = """
import json, logging, sys, time, warnings
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
import numpy as np, torch, weightwatcher
held = np.load(sys.argv[1])
model = torch.nn.Sequential(*(torch.nn.Linear(held[n].shape[1], held[n].shape[0], bias=False) for n in held.files))
for layer, name in zip(model, held.files):
    layer.weight.data = torch.from_numpy(held[name])
watcher = weightwatcher.WeightWatcher(model=model)
start = time.process_time()
details = watcher.analyze()
print(json.dumps([time.process_time() - start, len(details)]))
"""


def make_run(folder: Path, count: int) -> list[Path]:
    """Checkpoints of a walk with small random steps."""
    rng = np.random.default_rng(0)
    state = {size: [tensors(rng, size), tensors(rng, size)] for size in SIZES}
    paths = []
    for index in range(count):
        for pair in state.values():
            for side in pair:
                for array in side.values():
                    array += rng.normal(0, 1e-4, array.shape).astype(np.float32)
        path = folder / f"bench-{500 * (index + 1)}.pt"
        write_hypernetwork(path, [(size, *pair) for size, pair in state.items()], {"step": 500 * (index + 1) - 1})
        os.utime(path, (LONG_AGO, LONG_AGO))
        paths.append(path)
    return paths


def seconds(action: Callable[[], object]) -> float:
    """CPU time of one call, all threads together."""
    start = time.process_time()
    action()
    return time.process_time() - start


def least(action: Callable[[], object]) -> float:
    """The least CPU time of three calls."""
    return min(seconds(action) for _ in range(3))


def the_sum(path: Path) -> np.float32:
    """The unit: all bytes of the file as float32, mapped anew and summed once."""
    flat = np.memmap(path, np.uint8, "r")[: path.stat().st_size // 4 * 4].view(np.float32)
    return np.add.reduce(flat)


def network(path: Path, content: bool = False) -> HypernetworkFile:
    """A network that was read."""
    file = read(path, sha256=False, content=content)
    assert isinstance(file, HypernetworkFile)
    return file


def _tallies(file: HypernetworkFile) -> None:
    for module in file.modules:
        for array in module.tensors.values():
            tally(array)


def _both(path: Path) -> None:
    counted = Tallies()
    file = read(path, sha256=False, content=False, watch=counted.watch)
    assert isinstance(file, HypernetworkFile)
    for module in file.modules:
        for array in module.tensors.values():
            counted.of(array)


def rows(paths: list[Path]) -> dict[str, Callable[[], object]]:
    """What is measured."""
    first, before, now = (network(path) for path in paths[:3])
    directions = measure(before)[2]
    past = Past(before, first, first)
    where = CheckpointPath(paths[2], 1500)
    memory = None
    for index, path in enumerate(paths[:2]):
        _, memory = measure_checkpoint(CheckpointPath(path, 500 * (index + 1)), path.parent, memory)
    return {
        "non-finite, norms, min, max": lambda: _tallies(now),
        "read: proven, CRC of every byte": lambda: network(paths[2]),
        "both: integrity, norms, min, max": lambda: _both(paths[2]),
        "read, with the content key": lambda: network(paths[2], content=True),
        "SHA-256 (only where an .optim needs it)": lambda: sha256(paths[2]),
        "read and measure as gate does": lambda: measure_checkpoint(where, paths[2].parent, None, None, True),
        "read and measure, first of a run": lambda: measure_checkpoint(where, paths[2].parent),
        "measure all in a series": lambda: measure(now, past, directions),
        "read and measure all in a series": lambda: measure_checkpoint(where, paths[2].parent, memory),
    }


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def table(paths: list[Path], rounds: int) -> float:
    """Print the rows; returns the seconds of one sum."""
    np.seterr(all="ignore")  # headers and pickles among the bytes are no numbers
    work = rows(paths)
    flat = np.fromfile(paths[2], np.float32)
    ratios: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    sums: list[tuple[float, float]] = []
    for _ in range(rounds):
        for name, action in work.items():
            anew = least(lambda: the_sum(paths[2]))
            held = least(lambda: np.add.reduce(flat))
            spent = least(action)
            sums.append((anew, held))
            ratios[name].append((spent / anew, spent / held))
    size, threads = paths[2].stat().st_size / 1e6, os.environ["OMP_NUM_THREADS"]
    anew, held = (statistics.median(column) for column in zip(*sums, strict=True))
    print(
        f"{size:.0f} MB, {threads} thread(s); one sum: {anew * 1e3:.1f} ms of the file, {held * 1e3:.1f} ms of memory"
    )
    for name, found in ratios.items():
        of_file, of_memory = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"  {name:42s} {of_file:8.1f} sums of the file {of_memory:8.1f} of memory")
    return anew


def peer(paths: list[Path], python: str | None, unit: float) -> None:
    """weightwatcher's analyze() on the same matrices, in a process of its own."""
    if not python:
        print("weightwatcher: not measured (no --peer PYTHON)")
        return
    file = network(paths[2])
    matrices = [a for module in file.modules for a in module.tensors.values() if a.ndim == 2]
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "m.npz", *matrices)
        told = subprocess.run([python, "-c", PEER, f"{folder}/m.npz"], check=True, capture_output=True, text=True)
    spent, layers = json.loads(told.stdout.splitlines()[-1])
    _, _, directions = measure(network(paths[1]))
    ours = least(lambda: measure(file, Past(network(paths[1])), directions))
    print(f"weightwatcher.analyze(), {layers} matrices: {spent:.2f} s = {spent / unit:.0f} sums; ", end="")
    print(f"we measure all in a series in {ours:.3f} s, {spent / ours:.0f} times as fast")


def accuracy(paths: list[Path]) -> None:
    """Spectral norms in a series against scipy's SVD, the worst of three matrices of each size."""
    import scipy.linalg

    directions = measure(network(paths[1]))[2]
    file = network(paths[2])
    tensors = {tensor.name: tensor for tensor in measure(file, Past(), directions)[0]}
    worst = 0.0
    for module in file.modules[::2]:
        found = tensors[f"{module.size}.{module.side}.linear.0.weight"].spectral
        true = scipy.linalg.svdvals(module.tensors["linear.0.weight"].astype(np.float64))[0]
        assert found is not None
        worst = max(worst, abs(found[0] / true - 1))
    print(f"spectral norms, warm, against scipy's SVD: within {worst:.1e}")


def main() -> None:
    """Everything, with one thread and with two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--peer", default=os.environ.get("WEIGHTWATCHER_PYTHON"))
    parser.add_argument("--threads", type=int, choices=(1, 2), help="only the table, in this process")
    given = parser.parse_args()
    with _folder(given.folder) as folder:
        paths = sorted(folder.glob("bench-*.pt"), key=lambda path: int(path.stem.split("-")[1]))[:3]
        paths = paths if len(paths) == 3 else make_run(folder, 3)
        if given.threads:
            unit = table(paths, given.rounds)
            if given.threads == 1:
                floors(paths[2], unit, given.rounds)
                accuracy(paths)
                peer(paths, given.peer, unit)
                processes(paths)
            return
        for threads in ("1", "2"):
            again = [sys.executable, "-m", "benchmarks.scan", "--threads", threads, "--rounds", str(given.rounds)]
            again += ["--folder", str(folder), *(["--peer", given.peer] if given.peer else [])]
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
            subprocess.run(again, check=True, env=os.environ | dict.fromkeys(names, threads))


if __name__ == "__main__":
    main()
