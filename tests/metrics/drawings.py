"""Small pictures that the tests draw themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

Bytes = NDArray[np.uint8]
#: SD1's latents to RGB, a linear fit; rows are latent channels.
LINEAR = np.array(((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)))


def latent_noise(seed: int, side: int, gain: float = 2.0, smooth: float = 0.0) -> Bytes:
    """Random latents through the linear factors, eight times enlarged."""
    z = np.random.default_rng(seed).standard_normal((4, side // 8, side // 8))
    if smooth:
        z = gaussian_filter(z, (0, smooth, smooth), mode="wrap")
        z /= z.std()
    planes = [Image.fromarray(p.astype(np.float32)) for p in np.einsum("chw,cr->rhw", gain * z, LINEAR)]
    rgb = np.stack([np.asarray(p.resize((side, side), Image.Resampling.BICUBIC)) for p in planes], axis=-1)
    return np.asarray((np.clip(rgb, -1, 1) + 1) * 127.5 + 0.5).astype(np.uint8)


def drawing(seed: int, side: int) -> Bytes:
    """A sky, a ground and a few flat shapes in strong colours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    picture = np.empty((side, side, 3))
    picture[:] = rng.uniform(0, 255, 3)
    picture[y > 0.65] = rng.uniform(0, 255, 3)
    for _ in range(7):
        cx, cy, r = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.04, 0.2)
        picture[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.uniform(0, 255, 3)
    return picture.astype(np.uint8)


def odd_pictures() -> dict[str, NDArray[np.generic]]:
    """Everything a measure must bear."""
    rng = np.random.default_rng(5)
    return {
        "black": np.zeros((64, 64, 3), np.uint8),
        "white": np.full((64, 64, 3), 255, np.uint8),
        "flat": np.full((40, 40, 3), (200, 30, 90), np.uint8),
        "grey": rng.integers(0, 256, (48, 48), dtype=np.uint8),
        "grey and alpha": rng.integers(0, 256, (48, 48, 2), dtype=np.uint8),
        "alpha": rng.integers(0, 256, (48, 48, 4), dtype=np.uint8),
        "sixteen bits": rng.integers(0, 65536, (64, 64, 3), dtype=np.uint16),
        "floats with NaN": np.where(rng.random((32, 32, 3)) < 0.1, np.nan, rng.random((32, 32, 3))),
        "one pixel": np.full((1, 1, 3), 9, np.uint8),
        "one row": rng.integers(0, 256, (1, 300, 3), dtype=np.uint8),
        "one column": rng.integers(0, 256, (300, 1, 3), dtype=np.uint8),
        "tiny": rng.integers(0, 256, (3, 5, 3), dtype=np.uint8),
        "sliver": rng.integers(0, 256, (17, 700, 3), dtype=np.uint8),
        "odd sides": rng.integers(0, 256, (131, 257, 3), dtype=np.uint8),
        "one stripe": np.pad(np.zeros((64, 1, 3), np.uint8), ((0, 0), (31, 32), (0, 0)), constant_values=255),
    }
