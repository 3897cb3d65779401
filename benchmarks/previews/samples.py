"""What a sample is, and the changes that a picture may go through."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

Bytes = NDArray[np.uint8]
Part = tuple[float, float, float, float]  # top, left, bottom, right, as shares of the frame
QUALITIES = (None, 80, None, 60, 30)  # JPEG, in turn


@dataclass(frozen=True)
class Sample:
    """One picture: `group` is what it is evidence for, `family` what is held out together."""

    group: str
    family: str
    picture: Bytes
    twins: tuple[Sample, ...] = ()  # the same picture changed
    severity: float = float("nan")
    noisy: Part | None = None  # where noise was pasted in, if it was


def as_jpeg(picture: Bytes, quality: int | None) -> Bytes:
    """The picture after JPEG compression; None leaves it."""
    if quality is None:
        return picture
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=quality)
    with Image.open(held) as image:
        return np.asarray(image.convert("RGB"))


def resized(picture: Bytes, side: int) -> Bytes:
    """The picture with a shorter side of ``side`` pixels."""
    h, w = picture.shape[:2]
    scale = side / min(h, w)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _bytes(values: NDArray[np.float64]) -> Bytes:
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def drifted(picture: Bytes, rng: np.random.Generator) -> Bytes:
    """The same prompt and seed a few thousand healthy steps later: other tints and contrast, forms a little moved."""
    values = picture / 255
    tint = np.eye(3) + rng.normal(0, 0.12, (3, 3))
    values = np.clip(values @ tint, 0, 1) ** rng.uniform(0.75, 1.3)
    values = 0.5 + (values - 0.5) * rng.uniform(0.8, 1.2)
    side = min(picture.shape[:2])
    shift = rng.integers(-side // 24, side // 24 + 1, 2)
    values = np.roll(values, tuple(int(s) for s in shift), axis=(0, 1))
    sigma = rng.uniform(0, 1.2) * side / 512
    return _bytes(gaussian_filter(values, (sigma, sigma, 0)))


def fried(picture: Bytes, rng: np.random.Generator) -> Bytes:
    """What too high a CFG scale does: chroma and contrast multiplied, edges overshooting, everything clipped."""
    strength = rng.uniform(0.35, 1.0)
    values = picture / 255
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * (1 + 3.0 * strength)
    values = 0.5 + (values - 0.5) * (1 + 1.5 * strength)
    sigma = 2.0 * min(picture.shape[:2]) / 512
    return _bytes(values + 1.5 * strength * (values - gaussian_filter(values, (sigma, sigma, 0))))
