"""Where the noise of a picture comes from: one generator a picture, as in the web UI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from trainer.sampling.brownian import BrownianNoise
from trainer.sampling.philox import PhiloxGenerator


class Generator(Protocol):
    """A stream of normal numbers."""

    def randn(self, shape: Sequence[int]) -> Tensor:
        """The next ones, in a shape: float32, on the CPU."""
        ...


class CpuGenerator:
    """Torch's generator on the CPU."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def randn(self, shape: Sequence[int]) -> Tensor:
        """The next normal numbers of a shape."""
        return torch.randn(tuple(shape), generator=self.generator)


SOURCES: Mapping[str, Callable[[int], Generator]] = MappingProxyType({"cpu": CpuGenerator, "nv": PhiloxGenerator})
"""Noise sources (web UI, "Random number generator source"): `nv` is what its "GPU" gives on an NVIDIA card."""


class Noise:
    """One generator per picture: its first draw is the start, its next ones the sampler's, as in the web UI.

    With `delta` (web UI, "Eta noise seed delta", ENSD) the sampler's come from a generator of another seed.
    """

    def __init__(
        self, seeds: Sequence[int], shape: tuple[int, int, int], source: str = "cpu", delta: int = 0
    ) -> None:
        self.seeds, self.shape, self.make, self.delta = tuple(seeds), shape, SOURCES[source], delta
        self.generators = [self.make(seed) for seed in seeds]

    def draw(self) -> Tensor:
        """The next noise of every picture: (pictures, channels, height, width), float32, on the CPU."""
        drawn = torch.stack([generator.randn(self.shape) for generator in self.generators])
        if self.delta:
            self.generators = [self.make(seed + self.delta) for seed in self.seeds]
            self.delta = 0
        return drawn

    def brownian(self, least: float, most: float) -> BrownianNoise:
        """The noise of the SDE samplers between two sigmas."""
        return BrownianNoise(least, most, self.seeds, lambda seed: self.make(seed).randn(self.shape))
