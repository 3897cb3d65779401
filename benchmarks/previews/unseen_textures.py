"""Natural textures for the report alone: nothing was chosen, fitted or looked at on them.

Drawers as in drawn.py.  They were written before the table was fitted and are not to be changed for its sake.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud, dead_leaves
from benchmarks.previews.drawn_textures import _tinted, cells, lit


def wood(rng: np.random.Generator, side: int) -> Bytes:
    """Grain of a board: rings cut lengthwise, pores."""
    y, x = np.mgrid[0:side, 0:side] / side
    rings = np.sin(2 * np.pi * (x * rng.uniform(6, 16) + 0.6 * cloud(rng, side, 1.9) + 0.8 * np.sin(2 * y)))
    pores = gaussian_filter(rng.standard_normal((side, side)), (side / 60, 0.6))
    return _tinted(rng, 0.5 + 0.15 * rings + 0.05 * pores / pores.std())


def asphalt(rng: np.random.Generator, side: int) -> Bytes:
    """Chippings of many sizes in tar, worn bright on top."""
    grey = dead_leaves(rng, side, (0.003, 0.02), 60, 4, (95, 95, 98)) / 255
    return _bytes(grey + 0.05 * cloud(rng, side, 0.6)[..., None])


def towelling(rng: np.random.Generator, side: int) -> Bytes:
    """Loops of terry cloth, thousands, leaning every way."""
    picture = Image.new("L", (side, side), 70)
    pen, r = ImageDraw.Draw(picture), side * rng.uniform(0.006, 0.014)
    for _ in range(int(0.9 * (side / r) ** 2)):
        (x, y), turn = rng.uniform(0, side, 2), rng.uniform(0, 360)
        shade = int(np.clip(rng.normal(150, 35), 0, 255))
        pen.arc((x - r, y - 0.7 * r, x + r, y + 0.7 * r), turn, turn + 220, fill=shade, width=max(1, round(r / 2.5)))
    return _tinted(rng, np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 1200)), np.float64) / 255)


def boulders(rng: np.random.Generator, side: int) -> Bytes:
    """A heap of rocks, large and small, rough, lit from the side."""
    small, _ = cells(rng, side, 2500)
    large, which = cells(rng, side, int(rng.integers(60, 300)))
    height = np.sqrt(np.clip(large, 0, 0.6)) + 0.15 * np.sqrt(np.clip(small, 0, 0.4)) + 0.04 * cloud(rng, side, 1.2)
    shade = rng.uniform(-0.1, 0.1, which.max() + 1)[which]
    return _tinted(rng, lit(height, 0.13) + shade - 0.2 * (large < 0.05))


def thatch(rng: np.random.Generator, side: int) -> Bytes:
    """Straw laid in rows."""
    stalks = gaussian_filter(rng.standard_normal((side, side)), (side / 40, side / 500))
    y, x = np.mgrid[0:side, 0:side].astype(float)
    rows = (y / side * rng.uniform(4, 9) + 0.08 * cloud(rng, side, 1.5)) % 1
    bent = map_coordinates(stalks / stalks.std(), [y, x + side / 30 * cloud(rng, side, 1.9)], order=1, mode="wrap")
    return _tinted(rng, 0.55 + 0.14 * bent - 0.25 * rows**4 + 0.03 * rng.standard_normal((side, side)))


def snow(rng: np.random.Generator, side: int) -> Bytes:
    """Wind-packed snow, bright, with glitter."""
    ground = lit(cloud(rng, side, 1.5), 0.05) + 0.25 + 0.03 * cloud(rng, side, 0.4)
    return _bytes((ground + (rng.random((side, side)) > 0.998) * 0.3)[..., None] * (0.95, 0.97, 1.0))


def moss(rng: np.random.Generator, side: int) -> Bytes:
    """Cushions of moss: tufts of many short blades, in clumps."""
    clumps, tufts = cloud(rng, side, 1.3), np.abs(cloud(rng, side, 0.9))
    sprigs = lit(gaussian_filter(rng.standard_normal((side, side)), side / 300), 0.12)
    return _tinted(rng, 0.2 + 0.12 * clumps + 0.1 * tufts + 0.55 * (sprigs - 0.2))


def shells(rng: np.random.Generator, side: int) -> Bytes:
    """Shells on a beach, ribbed, in pale and brown tints."""
    picture = Image.new("RGB", (side, side), (190, 170, 140))
    pen = ImageDraw.Draw(picture)
    tints = ((235, 220, 200), (200, 140, 110), (150, 110, 90), (240, 235, 230), (90, 80, 90))
    for _ in range(1600):
        (x, y), turn, r = rng.uniform(0, side, 2), rng.uniform(0, 360), side * rng.uniform(0.01, 0.035)
        tint = np.array(tints[int(rng.integers(5))]) * rng.uniform(0.8, 1.1)
        for k in range(5):
            shade = tuple(np.clip(tint * (1 - 0.15 * (k % 2)), 0, 255).astype(int).tolist())
            pen.pieslice((x - r, y - r, x + r, y + r), turn + 22 * k, turn + 22 * k + 22, fill=shade)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 900)))


def spice(rng: np.random.Generator, side: int) -> Bytes:
    """Mixed tea or spice: short strips of a warm palette, a few bright petals."""
    base = np.array(((110, 60, 25), (60, 40, 20), (150, 110, 50), (90, 90, 40), _colour(rng)))
    picture = Image.new("RGB", (side, side), (50, 35, 20))
    pen = ImageDraw.Draw(picture)
    for _ in range(6000):
        (x, y), turn, r = rng.uniform(0, side, 2), rng.uniform(0, 6.3), side * rng.uniform(0.005, 0.02)
        which = min(4, int(rng.exponential(1.6)))
        shade = tuple(np.clip(base[which] * rng.uniform(0.6, 1.5), 0, 255).astype(int).tolist())
        ends = (x - r * np.cos(turn), y - r * np.sin(turn), x + r * np.cos(turn), y + r * np.sin(turn))
        pen.line(ends, fill=shade, width=max(1, round(side / 150)))
    return np.asarray(picture)


TEXTURES: dict[str, Draw] = {
    draw.__name__: draw for draw in (wood, asphalt, towelling, boulders, thatch, snow, moss, shells, spice)
}
