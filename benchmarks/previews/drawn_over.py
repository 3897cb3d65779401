"""What is done to pictures: printed, grained, broken, painted over; and the table of all hard negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.previews.drawn import (
    Bytes,
    Draw,
    _bytes,
    cloud,
    clouds,
    confetti_dense,
    confetti_sparse,
    dead_scene,
    flat_drawing,
    foliage,
    gravel,
    landscape,
    mosaic,
    pixel_art,
    starfield,
    voronoi,
)


def _halftone(grey: NDArray[np.float64], period: float, angle: float) -> NDArray[np.float64]:
    y, x = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]] * (2 * np.pi / period)
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    return np.asarray(grey > 0.5 + 0.25 * (np.cos(u) + np.cos(v)), np.float64)


def halftone_bw(rng: np.random.Generator, side: int) -> Bytes:
    """A landscape in black dots."""
    grey = landscape(rng, side).mean(axis=2) / 255
    dots = _halftone(grey, float(rng.uniform(5, 14)) * side / 512, 0.7)
    return np.repeat(_bytes(dots)[..., None], 3, axis=2)


def halftone_rgb(rng: np.random.Generator, side: int) -> Bytes:
    """A landscape in coloured dots, one screen angle a channel."""
    scene, period = landscape(rng, side) / 255, float(rng.uniform(5, 14)) * side / 512
    return _bytes(np.stack([_halftone(scene[..., i], period, 0.3 + 0.5 * i) for i in range(3)], axis=-1))


def screentone(rng: np.random.Generator, side: int) -> Bytes:
    """A manga page: outlines, white, and three grades of dots."""
    grey = flat_drawing(rng, side).mean(axis=2) / 255
    steps = np.round(gaussian_filter(grey, 1) * 3) / 3
    dots = _halftone(steps * 0.9 + 0.05, 8 * side / 512 + 2, 0.78)
    ink = np.where(grey < 0.12, 0.0, np.where(steps > 0.9, 1.0, dots))
    return np.repeat(_bytes(ink)[..., None], 3, axis=2)


def film_grain(rng: np.random.Generator, side: int) -> Bytes:
    """A landscape with grey grain, σ 10 to 30 of 255."""
    grain = rng.normal(0, rng.uniform(10, 30) / 255, (side, side, 1))
    return _bytes(landscape(rng, side) / 255 + grain)


def chroma_grain(rng: np.random.Generator, side: int) -> Bytes:
    """A landscape at high ISO: coloured grain, σ 10 to 25 of 255."""
    grain = gaussian_filter(rng.normal(0, 1, (side, side, 3)), (0.7, 0.7, 0))
    return _bytes(landscape(rng, side) / 255 + grain / grain.std() * rng.uniform(10, 25) / 255)


def glitch(rng: np.random.Generator, side: int) -> Bytes:
    """Rows displaced, channels swapped."""
    picture = [landscape, flat_drawing, dead_scene][int(rng.integers(3))](rng, side).copy()
    for _ in range(int(rng.integers(10, 60))):
        top, height = int(rng.integers(side)), int(rng.integers(2, max(3, side // 20)))
        band = np.roll(picture[top : top + height], int(rng.integers(side)), axis=1)
        picture[top : top + height] = band[:, :, rng.permutation(3)]
    return picture


def _filtered(rng: np.random.Generator, side: int) -> Bytes:
    return [landscape, dead_scene, flat_drawing][int(rng.integers(3))](rng, side)


def oil(rng: np.random.Generator, side: int) -> Bytes:
    """A drawing as an oil painting."""
    return oil_over(rng, _filtered(rng, side))


def oil_over(rng: np.random.Generator, picture: Bytes) -> Bytes:
    """An oil painting: the mode filter of a square picture, with brush ridges."""
    side = picture.shape[0]
    base = Image.fromarray(picture).filter(ImageFilter.ModeFilter(max(3, side // 70) | 1))
    angle = cloud(rng, side, 2.0)
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    ridges = map_coordinates(rng.normal(0, 1, (side, side)), [y + 6 * np.sin(angle), x + 6 * np.cos(angle)], order=1)
    return _bytes(np.asarray(base) / 255 + gaussian_filter(ridges, (1, 3))[..., None] * 0.12)


def pointillism(rng: np.random.Generator, side: int) -> Bytes:
    """A drawing in dabs."""
    return pointillism_over(rng, _filtered(rng, side))


def pointillism_over(rng: np.random.Generator, base: Bytes) -> Bytes:
    """A square picture in dabs, each off in hue."""
    side = base.shape[0]
    picture = Image.fromarray(base).filter(ImageFilter.GaussianBlur(side / 60))
    pen = ImageDraw.Draw(picture)
    for _ in range(9000):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        r = side * rng.uniform(0.004, 0.009)
        red, green, blue = (int(v) for v in np.clip(base[y, x] + rng.normal(0, 28, 3), 0, 255))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(red, green, blue))
    return np.asarray(picture)


def text_page(rng: np.random.Generator, side: int) -> Bytes:
    """A printed page."""
    picture = Image.new("RGB", (side, side), (250, 248, 240))
    pen = ImageDraw.Draw(picture)
    for line in range(side // 24, side - side // 24, max(10, side // 40)):
        letters = "".join(chr(int(c)) for c in rng.integers(97, 123, side // 8))
        pen.text((side // 24, line), letters, fill=(20, 20, 30))
    return np.asarray(picture)


#: Photographs, drawings and art: what a preview may healthily look like.
ART: dict[str, Draw] = {
    "clouds": clouds,
    "foliage": foliage,
    "gravel": gravel,
    "landscape": landscape,
    "flat drawing": flat_drawing,
    "dead leaves": dead_scene,
    "confetti sparse": confetti_sparse,
    "pixel art": pixel_art,
    "starfield": starfield,
    "halftone BW": halftone_bw,
    "screentone": screentone,
    "film grain": film_grain,
    "chroma grain": chroma_grain,
    "oil": oil,
    "pointillism": pointillism,
    "text page": text_page,
}
#: Statistically noise, or nearly: only a reference can tell.
DECEPTIVE: dict[str, Draw] = {
    "confetti dense": confetti_dense,
    "mosaic 4": mosaic(4),
    "mosaic 8": mosaic(8),
    "mosaic 16": mosaic(16),
    "mosaic 32": mosaic(32),
    "voronoi": voronoi,
    "halftone RGB": halftone_rgb,
    "glitch": glitch,
}
