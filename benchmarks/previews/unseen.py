"""Kinds of noise, and pictures that look like it, for the report alone: nothing was chosen, fitted or seen on them.

They were written before the table was fitted and are not to be changed for its sake.  Drawers as in drawn.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from benchmarks.previews.drawn import Bytes, Draw, _colour, flat_drawing, landscape


def checks(rng: np.random.Generator, side: int) -> Bytes:
    """A cloth of coloured squares in a small palette: dense, random, but of few colours."""
    step, palette = max(2, side // int(rng.integers(24, 65))), np.array([_colour(rng) for _ in range(5)], np.uint8)
    small = rng.integers(0, 5, (-(-side // step), -(-side // step)))
    return palette[small].repeat(step, axis=0).repeat(step, axis=1)[:side, :side]


def triangles(rng: np.random.Generator, side: int) -> Bytes:
    """Triangles of random colours, edge to edge."""
    from scipy.spatial import Delaunay

    points = rng.uniform(-0.1 * side, 1.1 * side, (int(rng.integers(300, 2000)), 2))
    picture = Image.new("RGB", (side, side))
    pen = ImageDraw.Draw(picture)
    for corners in points[Delaunay(points).simplices]:
        pen.polygon([(float(a), float(b)) for a, b in corners], fill=_colour(rng))
    return np.asarray(picture)


def datamosh(rng: np.random.Generator, side: int) -> Bytes:
    """Glitch art of blocks: squares of a picture moved, their channels shifted apart, some sorted by brightness."""
    picture = (landscape if rng.random() < 0.5 else flat_drawing)(rng, side).copy()
    block = max(4, side // int(rng.integers(12, 40)))
    for _ in range(int(rng.integers(60, 300))):
        y, x, v, u = (int(n) for n in rng.integers(0, side - block, 4))
        part = picture[v : v + block, u : u + block].copy()
        part = np.stack([np.roll(part[..., i], int(rng.integers(-block, block)), axis=1) for i in range(3)], axis=-1)
        picture[y : y + block, x : x + block] = np.sort(part, axis=1) if rng.random() < 0.4 else part
    return picture


def sprinkles(rng: np.random.Generator, side: int) -> Bytes:
    """Short strokes of eight bright colours, all over."""
    palette = [_colour(rng) for _ in range(8)]
    picture = Image.new("RGB", (side, side), palette[0])
    pen = ImageDraw.Draw(picture)
    for _ in range(4000):
        (x, y), turn, reach = rng.uniform(0, side, 2), rng.uniform(0, 6.3), side * 0.02
        ends = (x, y, x + reach * np.cos(turn), y + reach * np.sin(turn))
        pen.line(ends, fill=palette[int(rng.integers(8))], width=max(1, side // 90))
    return np.asarray(picture)


DECEPTIVE: dict[str, Draw] = {draw.__name__: draw for draw in (checks, triangles, datamosh, sprinkles)}


def _field(rng: np.random.Generator, side: int, kind: str) -> NDArray[np.float64]:
    z = rng.standard_normal((4, side // 8, side // 8))
    if kind == "smooth 1.1":
        z = gaussian_filter(z, (0, 1.1, 1.1), mode="wrap")
    elif kind == "smooth 2.2":
        z = gaussian_filter(z, (0, 2.2, 2.2), mode="wrap")
    elif kind == "streaks":
        z = gaussian_filter(z, (0, 0.4, 1.6), mode="wrap")
    elif kind == "heavy tails":
        z = rng.standard_t(3, z.shape)
    elif kind == "signs":
        z = np.sign(z) * 1.2
    elif kind == "two scales":
        z = z + 2 * gaussian_filter(rng.standard_normal(z.shape), (0, 2, 2), mode="wrap") / 0.14
    return np.asarray(z / z.std())


#: kinds of latent noise that the tuning never saw -> gain
KINDS = {"white 2": 2.0, "smooth 1.1": 1.8, "smooth 2.2": 2.0, "streaks": 1.8, "heavy tails": 1.6, "signs": 1.6,
         "two scales": 1.8}  # fmt: skip

LEAST = {"smooth 2.2": 256}  # as in noises.py


def latents(rng: np.random.Generator, side: int, kind: str) -> NDArray[np.float64]:
    """Latents of an unseen kind, (4, side / 8, side / 8), the channels of unequal strength."""
    gains = rng.uniform(0.5, 1.5, (4, 1, 1))
    return _field(rng, side, kind) * KINDS[kind] * gains + rng.normal(0, 0.5, (4, 1, 1))
