"""Noise: Philox against published words and a card's published numbers, Brownian paths against torchsde's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainer.sampler import Noise
from trainer.sampling.brownian import BrownianNoise, BrownianPath
from trainer.sampling.noise import CpuGenerator
from trainer.sampling.philox import PhiloxGenerator, philox4x32

# Random123's kat_vectors: "philox4x32 10", counter, key, answer
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_philox_gives_the_published_words(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    words = philox4x32([np.full(2, word, np.uint64) for word in counter], key)
    assert tuple(int(word[0]) for word in words) == answer
    assert all(word[0] == word[1] for word in words)


# What torch.randn(..., device="cuda") printed after torch.manual_seed: 0 (web UI, `modules/rng_philox.py`; torchao's
# notes on fused kernels print the same and go on), and 42 (flashinfer, `flashinfer/logits_processor`, its docstrings).
CARD = {
    0: [-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709,
        -1.07454231, -0.36314407, -1.67105067, 2.26550497, 0.3117, -0.1842, 1.2866, 1.1820],
    42: [0.1940, 2.1614, -0.1721, 0.8491, -1.9244, 0.6530, -0.6494, -0.8175, 0.5280, -1.2753],
}  # fmt: skip


@pytest.mark.parametrize("seed", CARD)
def test_the_numbers_are_those_of_a_card(seed: int) -> None:
    found = PhiloxGenerator(seed).randn((len(CARD[seed]),)).tolist()
    assert found == pytest.approx(CARD[seed], abs=5.1e-5)
    assert PhiloxGenerator(0).randn((3, 4)).flatten().tolist() == pytest.approx(CARD[0][:12], abs=1e-6)


def test_draws_follow_each_other_and_large_seeds_count_whole() -> None:
    generator = PhiloxGenerator(5)
    first, second = generator.randn((4, 8, 8)), generator.randn((4, 8, 8))
    assert not torch.equal(first, second)
    assert torch.equal(first, PhiloxGenerator(5).randn((4, 8, 8)))
    assert not torch.equal(first, PhiloxGenerator(5 + 2**32).randn((4, 8, 8)))
    many = PhiloxGenerator(1).randn((100_000,))
    assert (float(many.mean()), float(many.std())) == pytest.approx((0, 1), abs=0.01)
    assert float((many**4).mean()) == pytest.approx(3, abs=0.1)


def slow_words(counter: list[int], key: list[int]) -> list[int]:
    """Philox as its paper draws it, in plain integers."""
    a, b, c, d = counter
    for _ in range(10):
        left, right = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = right >> 32 ^ b ^ key[0], right & 0xFFFFFFFF, left >> 32 ^ d ^ key[1], left & 0xFFFFFFFF
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return [a, b, c, d]


def test_a_slow_twin_draws_the_same() -> None:
    generator, seed = PhiloxGenerator((7 << 32) + 12345), [12345, 7]
    for draw in range(3):
        found = generator.randn((5,))
        for place in range(5):
            x, y, *_ = slow_words([draw, 0, place, 0], seed)
            radius = math.sqrt(-2 * math.log((x + 0.5) / 2**32))
            assert float(found[place]) == pytest.approx(radius * math.sin((y + 0.5) / 2**32 * 2 * math.pi), abs=1e-6)


@pytest.mark.parametrize("source", ["cpu", "nv"])
def test_noise_belongs_to_a_picture_not_to_its_batch(source: str) -> None:
    both, alone = Noise([4, 5], (4, 2, 2), source), Noise([5], (4, 2, 2), source)
    for _ in range(3):
        assert torch.equal(both.draw()[1], alone.draw()[0])
    assert torch.equal(both.brownian(0.1, 9)(5.0, 2.0)[1], alone.brownian(0.1, 9)(5.0, 2.0)[0])


# torchsde 0.2.6: BrownianTree(0.0291675, zeros(3), 14.614643, entropy=7), asked for these stretches
TREE = {
    (0.0291675, 14.614643): (-7.7218404, 9.4146633, -0.20070881),
    (0.5, 1.25): (-0.12350738, 1.5821841, -0.049622718),
    (3.1, 3.100001): (-0.0011772802, -0.00029971916, 0.00032802112),
    (9.876543, 12.0): (-2.1938446, 0.15021791, -2.2163489),
}


def path(seed: int = 7, count: int = 3) -> BrownianPath:
    return BrownianPath(0.0291675, 14.614643, seed, lambda own: CpuGenerator(own).randn((count,)))


@pytest.mark.parametrize("stretch", TREE)
def test_paths_are_torchsdes(stretch: tuple[float, float]) -> None:
    assert path()(*stretch).tolist() == pytest.approx(TREE[stretch], abs=2e-6)


def test_a_path_is_one_path_however_it_is_asked() -> None:
    walk = path()
    parts = walk(1.0, 2.5) + walk(2.5, 2.75) + walk(2.75, 9.0)
    assert torch.allclose(parts, walk(1.0, 9.0), atol=1e-5)
    assert torch.equal(walk(1.0, 9.0), path()(1.0, 9.0))
    assert not path()(3.0, 3.0).any()
    assert torch.equal(walk(-1.0, 99.0), walk.root.change)


def test_steps_down_a_path_are_standard_normal_and_independent() -> None:
    noise = BrownianNoise(0.03, 14.6, [1], lambda seed: CpuGenerator(seed).randn((40_000,)))
    first, second = noise(14.6, 7.7)[0], noise(7.7, 0.5)[0]
    assert (float(first.std()), float(second.std())) == pytest.approx((1, 1), abs=0.02)
    assert abs(float((first * second).mean())) < 0.02
