"""One Brownian path for each picture: the noise of the SDE samplers does not depend on how many steps are taken.

The very path that k-diffusion's `BrownianTreeNoiseSampler` takes from torchsde's `BrownianTree` (0.2.6; to 1e-6: what
spans several nodes is summed in another order): a binary tree over [smallest sigma, largest sigma], every node halved
at its middle (rounded to six digits) by Levy's construction, seeded by numpy's `SeedSequence(seed, spawn_key=(node,
depth), pool_size=24)`.  Made again here because torchsde draws from torch alone, while the web UI's noise source NV
needs Philox inside the tree, for which it replaces a private function of torchsde; the whole is these few lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

DIGITS = 6  # to which times are rounded (torchsde's tolerance of 1e-6)
POOL_SIZE = 24  # of numpy's seed sequences (torchsde's default)

Draw = Callable[[int], Tensor]  # the first normal numbers of a generator of this seed, in the picture's shape


@dataclass(frozen=True)
class Node:
    """A stretch of the path: from when to when, and how far it goes."""

    start: float
    end: float
    change: Tensor
    number: int = 0  # among the nodes of its depth
    depth: int = 0


class BrownianPath:
    """A Brownian path over [start, end], each element of the picture's shape its own."""

    def __init__(self, start: float, end: float, seed: int, draw: Draw) -> None:
        self.seed, self.draw = seed, draw
        whole = draw(int(np.random.SeedSequence(seed, pool_size=POOL_SIZE).generate_state(1)[0]))
        self.root = Node(round(start, DIGITS), round(end, DIGITS), whole * math.sqrt(end - start))

    def __call__(self, start: float, end: float) -> Tensor:
        """How far the path goes from one time to a later one; times outside count as the nearest end."""
        first, last = self.root.start, self.root.end
        start, end = (min(max(round(time, DIGITS), first), last) for time in (start, end))
        return self._between(self.root, start, end) if start < end else torch.zeros_like(self.root.change)

    def _between(self, node: Node, start: float, end: float) -> Tensor:
        if start == node.start and end == node.end:
            return node.change
        left, right = self._halves(node)
        if end <= left.end:
            return self._between(left, start, end)
        if start >= right.start:
            return self._between(right, start, end)
        return self._between(left, start, left.end) + self._between(right, right.start, end)

    def _halves(self, node: Node) -> tuple[Node, Node]:
        """Levy's construction: the middle lies on the straight line between the ends, give or take some noise."""
        middle = round(0.5 * (node.end + node.start), DIGITS)
        before, after, part = middle - node.start, node.end - middle, 1 / (node.end - node.start)
        sequence = np.random.SeedSequence(self.seed, spawn_key=(node.number, node.depth), pool_size=POOL_SIZE)
        noise = self.draw(int(sequence.generate_state(1)[0]))
        change = before * node.change * part + math.sqrt(before * after * part) * noise
        return (
            Node(node.start, middle, change, 2 * node.number, node.depth + 1),
            Node(middle, node.end, node.change - change, 2 * node.number + 1, node.depth + 1),
        )


class BrownianNoise:
    """Standard normal noise for every step down, from one path a picture (k-diffusion)."""

    def __init__(self, least: float, most: float, seeds: Sequence[int], draw: Draw) -> None:
        self.paths = [BrownianPath(least, most, seed, draw) for seed in seeds]

    def __call__(self, sigma: float, following: float) -> Tensor:
        """The noise of the step from `sigma` down to `following`: (pictures, channels, height, width), on the CPU."""
        walked = torch.stack([path(following, sigma) for path in self.paths])
        return -walked / math.sqrt(sigma - following)
