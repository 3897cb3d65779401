"""Patterns, drawn with seeds: rainbows that swirl, codes of random bits, and patterns finer than the latent grid.

Each was found by looking for false alarms.  Drawers as in drawn.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud

Field = NDArray[np.float64]


def _hues(turns: Field, saturation: float, value: Field | float) -> Bytes:
    """Hues by how often they went around, (side, side)."""
    planes = [turns % 1, np.full(turns.shape, saturation), np.broadcast_to(value, turns.shape)]
    bands = [Image.fromarray((np.clip(p, 0, 1) * 255).astype(np.uint8)) for p in planes]
    return np.asarray(Image.merge("HSV", bands).convert("RGB"))


def _place(rng: np.random.Generator, side: int) -> tuple[Field, Field]:
    y, x = np.mgrid[0:side, 0:side] / side
    middle = rng.uniform(0.3, 0.7, 2)
    return y - middle[0], x - middle[1]


def tie_dye(rng: np.random.Generator, side: int) -> Bytes:
    """Rings or a spiral of all hues, frayed, with folds that stayed pale."""
    y, x = _place(rng, side)
    around = np.arctan2(y, x) / (2 * np.pi) * int(rng.integers(0, 3))
    turns = np.hypot(x, y) * rng.uniform(1.5, 6) + around + rng.uniform(0.05, 0.25) * cloud(rng, side, 1.5)
    return _hues(turns, rng.uniform(0.5, 0.95), 0.9 + 0.05 * cloud(rng, side, 0.9))


def demo_plasma(rng: np.random.Generator, side: int) -> Bytes:
    """The plasma of old demos: sums of a few sines as hues."""
    y, x = _place(rng, side)
    waves = [np.sin(2 * np.pi * (rng.normal(0, 3) * x + rng.normal(0, 3) * y) + rng.uniform(0, 6)) for _ in range(4)]
    turns = sum(waves) * rng.uniform(0.1, 0.4) + np.hypot(x, y)
    return _hues(np.asarray(turns), rng.uniform(0.7, 1.0), rng.uniform(0.8, 1.0))


def heat_map(rng: np.random.Generator, side: int) -> Bytes:
    """A field in the colours of a weather map, in steps, with lines between them."""
    field, steps = cloud(rng, side, rng.uniform(1.7, 2.2)), int(rng.integers(6, 14))
    level = np.floor(np.clip(field / 5 + 0.5, 0, 0.999) * steps) / steps
    lines = np.hypot(*np.gradient(level)) > 0
    return _hues(0.7 * (1 - level), 0.85, np.where(lines, 0.25, 0.95))


def bit_code(rng: np.random.Generator, side: int) -> Bytes:
    """A QR code: random bits, three finders, a quiet zone."""
    count = int(rng.integers(21, 70))
    bits = rng.integers(0, 2, (count, count))
    for row, column in ((0, 0), (0, count - 7), (count - 7, 0)):
        bits[row : row + 7, column : column + 7] = 1
        bits[row + 1 : row + 6, column + 1 : column + 6] = 0
        bits[row + 2 : row + 5, column + 2 : column + 5] = 1
    page = Image.fromarray((255 - 255 * np.pad(bits, int(rng.integers(1, 5)))).astype(np.uint8))
    return np.asarray(page.resize((side, side), Image.Resampling.NEAREST).convert("RGB"))


def cave(rng: np.random.Generator, side: int) -> Bytes:
    """A cellular automaton: the caves or the life that it leaves, in two colours."""
    alive = rng.random((96, 96)) < 0.45
    life = rng.random() < 0.5
    for _ in range(int(rng.integers(4, 30))):
        near = sum(np.roll(alive, (a, b), (0, 1)).astype(int) for a in (-1, 0, 1) for b in (-1, 0, 1)) - alive
        alive = (near == 3) | (alive & (near == 2)) if life else near + alive > 4
    colours = np.array([(0, 0, 0), (255, 255, 255)] if rng.random() < 0.5 else [_colour(rng), _colour(rng)], np.uint8)
    picture = Image.fromarray(colours[alive.astype(int)])
    return np.asarray(picture.resize((side, side), Image.Resampling.NEAREST))


def fine_pattern(rng: np.random.Generator, side: int) -> Bytes:
    """Checks, stripes or rings of a few pixels: to a coarse eye one grey, to a near one a picture."""
    y, x = np.mgrid[0:side, 0:side]
    pitch, kind = int(rng.integers(1, 4)), int(rng.integers(3))
    if kind == 0:
        field = ((y // pitch + x // pitch) % 2).astype(float)
    elif kind == 1:
        field = 0.5 + 0.5 * np.sin((x * rng.uniform(-1, 1) + y) * np.pi / (pitch + rng.uniform(0, 0.7)))
    else:
        field = 0.5 + 0.5 * np.sin(np.hypot(x - side * rng.random(), y - side * rng.random()) * np.pi / (pitch + 0.1))
    one, other = (np.array(_colour(rng)) / 255 for _ in range(2))
    return _bytes(one + (other - one) * field[..., None])


PATTERNS: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw for draw in (tie_dye, heat_map, bit_code, cave, fine_pattern)
}
#: what a broken network paints too: blobs of all hues
DECEPTIVE: dict[str, Draw] = {"demo plasma": demo_plasma}
