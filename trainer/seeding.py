"""Randomness without a state: every draw follows from (seed, what for, which step), so there is nothing to resume."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch

MASK = (1 << 63) - 1  # torch takes seeds of 64 bits; 63 are safe everywhere


def derive(seed: int, *what: object) -> int:
    """A seed of its own for one purpose: `derive(seed, "noise", step, place)`."""
    text = "\x1f".join(str(part) for part in (seed, *what))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") & MASK


def generator(seed: int, *what: object) -> torch.Generator:
    """A CPU generator for one purpose: the same numbers on every device."""
    return torch.Generator().manual_seed(derive(seed, *what))


def python(seed: int, *what: object) -> random.Random:
    """Python's generator for one purpose."""
    return random.Random(derive(seed, *what))


@contextmanager
def global_seed(device: torch.device, seed: int, *what: object) -> Iterator[None]:
    """Torch's global generators seeded for a while, then as they were: for dropout, which takes no generator."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(seed, *what))
        yield


def order(seed: int, epoch: int, count: int, stream: int = 0) -> tuple[int, ...]:
    """The order of `count` pictures in one epoch; other streams have other orders."""
    indices = list(range(count))
    python(seed, "order", epoch, *([stream] if stream else [])).shuffle(indices)
    return tuple(indices)
