"""The random numbers of an NVIDIA card, on any machine: Philox4x32-10 and the Box-Muller transform.

Philox: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11), its constants from there.
How `torch.randn` on CUDA uses it (PyTorch, `DistributionTemplates.h`; CUDA's cuRAND, `curand_normal.h`): element i of
the n-th draw has the counter (n, 0, i, 0) and the seed as key; of its four words two make a normal number, the sine
branch of Box-Muller.  So it is as long as a draw has no more elements than the card has threads at once (a GTX 1060:
20,480; one picture of 512 x 512 has 16,384), and so the web UI's noise source "NV" does for every size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the key's words from round to round
ROUNDS = 10
WORD = 0xFFFFFFFF
UNIT = float(np.float32(2.3283064e-10))  # 2^-32 in single precision (cuRAND, CURAND_2POW32_INV)
TURN = float(np.float32(2.3283064e-10 * 6.2831855))  # 2^-32 of a full turn (cuRAND, CURAND_2POW32_INV_2PI)

Words = NDArray[np.uint64]  # 32-bit words, kept in 64 bits so that products do not overflow


def philox4x32(counter: Sequence[Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Four random 32-bit words of every counter (four arrays of words of one shape) under one key (two words)."""
    a, b, c, d = counter
    low, high = np.uint64(32), np.uint64(WORD)
    for turn in range(ROUNDS):
        first, second = (np.uint64((word + turn * weyl) & WORD) for word, weyl in zip(key, WEYL, strict=True))
        left, right = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = (right >> low) ^ b ^ first, right & high, (left >> low) ^ d ^ second, left & high
    return a, b, c, d


class PhiloxGenerator:
    """Draws what a CUDA generator of this seed draws."""

    def __init__(self, seed: int) -> None:
        self.key = (seed & WORD, seed >> 32 & WORD)
        self.draws = 0

    def randn(self, shape: Sequence[int]) -> Tensor:
        """The next normal numbers of a shape: float32, on the CPU."""
        count = math.prod(shape)
        zero = np.zeros(count, np.uint64)
        counter = (zero + np.uint64(self.draws), zero, np.arange(count, dtype=np.uint64), zero)
        self.draws += 1
        x, y, _, _ = philox4x32(counter, self.key)
        radius = np.sqrt(-2.0 * np.log(x * UNIT + UNIT / 2))
        normal = radius * np.sin(y * TURN + TURN / 2)
        return torch.from_numpy(normal.astype(np.float32)).reshape(tuple(shape))
