"""What the parts of reading and counting would cost if nothing else were done: why it takes as many sums as it does.

Each part is the least CPU time of some calls, in units of the same sum as the rest of the table.  "In the cache": one
block of the size that the reader works with, again and again, so that no byte comes from memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hndoctor.formats import read
from hndoctor.formats.checksum import BLOCK, crc32
from hndoctor.formats.mapped import mapping
from hndoctor.formats.write import write_hypernetwork
from hndoctor.weights.tallies import Counter, Tallies, zeros

SMALL = (4, 5, 6, 7)  # sizes of a network with as many tensors and next to no numbers: what a file costs by itself


def floors(path: Path, unit: float, rounds: int) -> None:
    """Print the parts, in sums of the file; `unit` is the seconds of one."""
    parts = {**_ways(path), **_passes(path), **_fixed(path)}
    least = dict.fromkeys(parts, float("inf"))
    for _ in range(3 * rounds):
        for name, action in parts.items():
            start = time.process_time()
            action()
            least[name] = min(least[name], time.process_time() - start)
    print("of which, by themselves:")
    for name, spent in least.items():
        print(f"  {name:42s} {spent / unit:8.2f} sums of the file")


def _ways(path: Path) -> dict[str, Callable[[], object]]:
    def map_only() -> None:
        with path.open("rb") as file:
            mapping(file.fileno(), path.stat().st_size)

    def crc_only() -> None:
        with path.open("rb") as file:
            crc32(memoryview(mapping(file.fileno(), path.stat().st_size)))

    def copy() -> None:
        room = bytearray(BLOCK)
        with path.open("rb", buffering=0) as file:
            while file.readinto(room):
                pass

    return {
        "mapping all pages, and letting them go": map_only,
        "the same and CRC-32: the way to memory": crc_only,
        "copying through one block instead": copy,
    }


def _passes(path: Path) -> dict[str, Callable[[], object]]:
    values = np.frombuffer(path.read_bytes()[BLOCK : 2 * BLOCK], np.float32).copy()  # not the pickle, which has zeros
    raw, times = memoryview(values).cast("B"), path.stat().st_size // BLOCK
    signed, unsigned = values.view(np.int32), values.view(np.uint32)

    def often(action: Callable[[], object]) -> Callable[[], object]:
        return lambda: [action() for _ in range(times)]

    return {
        "in the cache: CRC-32": often(lambda: crc32(raw)),
        "in the cache: sum of squares": often(lambda: values.dot(values)),
        "in the cache: largest, of each sign": often(
            lambda: (np.maximum.reduce(signed), np.maximum.reduce(unsigned))
        ),
        "in the cache: zeros (not in the cheap pass)": often(lambda: zeros(values)),
    }


def _fixed(path: Path) -> dict[str, Callable[[], object]]:
    small = path.with_name("small.pt")
    rng = np.random.default_rng(0)
    write_hypernetwork(small, [(size, *(tensors(rng, size) for _ in "kv")) for size in SMALL], {"step": 499})
    os.utime(small, (1e9, 1e9))  # long ago: it counts as settled and is mapped too
    few, blocks = memoryview(np.ones(64, np.float32)).cast("B"), path.stat().st_size // BLOCK + 4 * len(SMALL)
    counter = Counter()
    return {
        "fixed: zip, pickle and tensors of one file": lambda: read(small, False, False, Tallies().watch),
        "fixed: Python for each block": lambda: [counter.add_bytes(few) for _ in range(blocks)],
    }


def tensors(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """One module of a 1, 2, 1 network as it is drawn."""
    shapes = {"linear.0.weight": (2 * size, size), "linear.0.bias": (2 * size,)}
    shapes |= {"linear.1.weight": (size, 2 * size), "linear.1.bias": (size,)}
    return {name: rng.normal(0, 0.01, shape).astype(np.float32) for name, shape in shapes.items()}
