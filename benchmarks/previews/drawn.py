"""Hard negatives, drawn with seeds: pictures that are busy, colourful or regular, and healthy all the same.

Every drawer takes a random generator and a side in pixels, and gives uint8 (side, side, 3).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

Bytes = NDArray[np.uint8]
Draw = Callable[[np.random.Generator, int], Bytes]


def _bytes(values: NDArray[np.float64]) -> Bytes:
    """Floats 0..1 to uint8."""
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in rng.integers(0, 256, 3))
    return r, g, b


def cloud(rng: np.random.Generator, side: int, power: float) -> NDArray[np.float64]:
    """A Gaussian field whose amplitude falls as frequency^−power, mean 0 and deviation 1, (side, side)."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency[0, 0] = 1.0
    waves = np.fft.rfft2(rng.standard_normal((side, side))) / frequency**power
    waves[0, 0] = 0
    field = np.fft.irfft2(waves, (side, side))
    return np.asarray(field / field.std())


def clouds(rng: np.random.Generator, side: int) -> Bytes:
    """Smoke and marble: natural spectrum, Gaussian, two colours."""
    field = cloud(rng, side, float(rng.uniform(1.5, 2.0)))[..., None] * 0.5 + 0.5
    low, high = (np.array(_colour(rng)) / 255 for _ in range(2))
    return _bytes(low * (1 - field) + high * field)


def dead_leaves(
    rng: np.random.Generator, side: int, sizes: tuple[float, float], spread: float, hue: int, base: tuple[int, int, int]
) -> Bytes:
    """Overlapping ellipses with sizes ∝ r^−3: the statistics of natural scenes (Lee, Mumford & Huang 2001)."""
    picture = Image.new("RGB", (side, side), base)
    pen, (least, most) = ImageDraw.Draw(picture), sizes
    for _ in range(6000):
        size = least / np.sqrt(1 - rng.random() * (1 - (least / most) ** 2)) * side
        x, y = rng.uniform(-0.1 * side, 1.1 * side, 2)
        lit = rng.normal(0, spread)
        tint = np.array(base) * (1 + lit / 128) + rng.normal(0, hue, 3)
        r, g, b = (int(v) for v in np.clip(tint, 0, 255))
        flat = rng.uniform(0.4, 1.0)
        pen.ellipse((x - size, y - size * flat, x + size, y + size * flat), fill=(r, g, b))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 900)))


def foliage(rng: np.random.Generator, side: int) -> Bytes:
    """Leaves, lit and shaded, green to brown."""
    green = (int(rng.integers(40, 130)), int(rng.integers(80, 150)), int(rng.integers(20, 80)))
    return dead_leaves(rng, side, (0.006, 0.05), 55, 10, green)


def gravel(rng: np.random.Generator, side: int) -> Bytes:
    """Stones of much the same size, nearly grey."""
    grey = int(rng.integers(90, 170))
    return dead_leaves(rng, side, (0.012, 0.03), 45, 6, (grey, grey - 6, grey - 14))


def landscape(rng: np.random.Generator, side: int) -> Bytes:
    """Sky, ridges, a lake and textured ground: a photograph's composition."""
    y = np.linspace(0, 1, side)[:, None, None]
    sky, low = (np.array(_colour(rng)) / 255 for _ in range(2))
    canvas = np.broadcast_to(sky * (1 - y) + low * y, (side, side, 3)).copy()
    canvas += cloud(rng, side, 1.6)[..., None] * 0.05
    for k in range(4):
        ridge = 0.35 + 0.15 * k + 0.06 * np.cumsum(rng.normal(0, 1, side)) / np.sqrt(side)
        mask = (y[:, :, 0] > ridge[None, :])[..., None]
        rock = np.array(_colour(rng)) / 255 + cloud(rng, side, float(rng.uniform(0.8, 1.4)))[..., None] * 0.08
        canvas = np.where(mask, rock, canvas)
    return _bytes(canvas)


def flat_drawing(rng: np.random.Generator, side: int) -> Bytes:
    """An anime-like drawing: six colours, black outlines."""
    picture = Image.new("RGB", (4 * side // 2, 4 * side // 2), _colour(rng))
    pen, full = ImageDraw.Draw(picture), 2 * side
    palette = [_colour(rng) for _ in range(6)]
    for _ in range(int(rng.integers(8, 40))):
        x, y = rng.uniform(0, full, 2)
        w, h = rng.uniform(0.04, 0.4, 2) * full
        shape, fill = int(rng.integers(3)), palette[int(rng.integers(6))]
        line = max(1, full // 200)
        if shape == 0:
            pen.ellipse((x, y, x + w, y + h), fill=fill, outline=(10, 10, 14), width=line)
        elif shape == 1:
            pen.rectangle((x, y, x + w, y + h), fill=fill, outline=(10, 10, 14), width=line)
        else:
            points = [(float(x + rng.normal(0, w)), float(y + rng.normal(0, h))) for _ in range(4)]
            pen.polygon(points, fill=fill, outline=(10, 10, 14))
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS))


def confetti(rng: np.random.Generator, side: int, count: int, size: float) -> Bytes:
    """Discs of random colours on one ground."""
    picture = Image.new("RGB", (side, side), _colour(rng))
    pen = ImageDraw.Draw(picture)
    for _ in range(count):
        x, y = rng.uniform(0, side, 2)
        r = size * side * rng.uniform(0.6, 1.4)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_colour(rng))
    return np.asarray(picture)


def confetti_sparse(rng: np.random.Generator, side: int) -> Bytes:
    """A few hundred discs: the ground is seen everywhere."""
    return confetti(rng, side, 250, 0.012)


def confetti_dense(rng: np.random.Generator, side: int) -> Bytes:
    """Thousands of discs: the ground is hidden."""
    return confetti(rng, side, 6000, 0.012)


def mosaic(cell: int) -> Draw:
    """Squares of random colours, ``cell`` pixels at a side of 512."""

    def draw(rng: np.random.Generator, side: int) -> Bytes:
        step = max(2, cell * side // 512)
        small = rng.integers(0, 256, (-(-side // step), -(-side // step), 3), dtype=np.uint8)
        return small.repeat(step, axis=0).repeat(step, axis=1)[:side, :side]

    return draw


def pixel_art(rng: np.random.Generator, side: int) -> Bytes:
    """A drawing in blocks of 8 to 16 pixels."""
    step = int(rng.choice((8, 16))) * side // 512 or 2
    small = Image.fromarray(flat_drawing(rng, 256)).resize((side // step, side // step), Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.NEAREST))


def voronoi(rng: np.random.Generator, side: int) -> Bytes:
    """Stained glass: cells of random colours with dark seams."""
    from scipy.spatial import cKDTree

    count = int(rng.integers(40, 900))
    tree = cKDTree(rng.uniform(0, side, (count, 2)))
    grid = np.stack(np.mgrid[0:side, 0:side], axis=-1).reshape(-1, 2)
    near, which = tree.query(grid, k=2)
    colours = rng.integers(0, 256, (count, 3))
    picture = colours[which[:, 0]] * (near[:, 1] - near[:, 0] > side / 200)[:, None]
    return picture.reshape(side, side, 3).astype(np.uint8)


def starfield(rng: np.random.Generator, side: int) -> Bytes:
    """Stars on a faint nebula."""
    sky = cloud(rng, side, 1.8)[..., None] * 0.04 + np.array((0.03, 0.03, 0.08))
    stars = np.zeros((side, side, 3))
    where = rng.integers(0, side, (1200, 2))
    stars[where[:, 0], where[:, 1]] = rng.pareto(1.5, (1200, 1)) * rng.uniform(0.6, 1, (1200, 3))
    return _bytes(sky + gaussian_filter(stars, (side / 600, side / 600, 0)) * 4)


def dead_scene(rng: np.random.Generator, side: int) -> Bytes:
    """Dead leaves over all sizes and colours."""
    return dead_leaves(rng, side, (0.008, 0.4), 60, 35, _colour(rng))
