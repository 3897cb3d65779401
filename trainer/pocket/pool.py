"""The pool: drawn scenes kept on disk in shards, so that training never waits for drawing.

Shard ``k`` holds scenes ``k * SHARD`` to ``(k + 1) * SHARD - 1`` of a seed, as uint8 (SHARD, 128, 128, 3).
A scene is not stored: it is drawn again from ``scene_at(seed, i)``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.pocket.scenes import Scene, draw, random_scene

SHARD = 2000
TRAIN, VAE_TEST, JUDGE, JUDGE_TEST = 1, 2, 3, 4  #: seeds, one a purpose


def scene_at(seed: int, index: int) -> Scene:
    """Scene number ``index`` of a seed."""
    return random_scene(np.random.default_rng((seed, index)))


def drawn(seed: int, indices: range) -> np.ndarray:
    """Pictures of the scenes, uint8 (n, 128, 128, 3)."""
    return np.stack([np.asarray(draw(scene_at(seed, i))) for i in indices])


def save(path: Path, array: np.ndarray) -> None:
    """Write an array beside its name, then rename: a shard is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npy")
    np.save(partial, array)
    partial.replace(path)


def fill(folder: Path, shards: range, seed: int = TRAIN) -> None:
    """Draw the shards that are not there yet."""
    for k in shards:
        path = folder / f"pixels-{k:03d}.npy"
        if not path.exists():
            save(path, drawn(seed, range(k * SHARD, (k + 1) * SHARD)))


def pixels(folder: Path, count: int | None = None) -> list[np.ndarray]:
    """The shards that are there, memory-mapped, at most ``count``."""
    return [np.load(p, mmap_mode="r") for p in sorted(folder.glob("pixels-???.npy"))[:count]]
