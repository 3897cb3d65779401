"""Natural textures, drawn with seeds: the same all over, without composition, and no noise.

A photograph of grass or gravel fills its frame with one material.  What it has and static has not is detail at every
scale: energy that falls off with frequency.  What it has and latent noise has not is energy above the latent grid.
Drawers as in drawn.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud

Field = NDArray[np.float64]
PULSES = ((120, 40, 30), (60, 25, 30), (225, 210, 180), (200, 110, 60), (95, 105, 50), (215, 160, 90), (35, 30, 30))
SUN = (-0.6, -0.8)  # the light comes from the upper left


def lit(height: Field, strength: float) -> Field:
    """A relief in slanting light, mean .5."""
    down, across = np.gradient(height)
    return 0.5 - strength * (SUN[0] * across + SUN[1] * down) / np.hypot(across, down).std()


def cells(rng: np.random.Generator, side: int, count: int) -> tuple[Field, NDArray[np.int64]]:
    """Distance to the nearest seam between scattered points, in units of their spacing; and which point is nearest."""
    from scipy.spatial import cKDTree

    near, which = cKDTree(rng.uniform(-4, side + 4, (count, 2))).query(
        np.stack(np.mgrid[0:side, 0:side], axis=-1).reshape(-1, 2), k=2
    )
    seam = (near[:, 1] - near[:, 0]) / (side / np.sqrt(count))
    return seam.reshape(side, side), which[:, 0].reshape(side, side)


def _tinted(rng: np.random.Generator, grey: Field) -> Bytes:
    """In shades of one colour: dark ones, and lighter ones that are paler."""
    base = np.array(_colour(rng)) / 255 * 0.5 + 0.25
    return _bytes(np.clip(grey, 0, 1)[..., None] ** (1.3 - 0.6 * base) * (0.6 + 0.4 * base))


def _strokes(
    rng: np.random.Generator, side: int, count: int, turn: Callable[[float, float], float], reach: tuple[float, float]
) -> Field:
    """Lines laid over each other, each of one shade, towards where `turn` (of the place, 0..1) says."""
    picture = Image.new("L", (side, side), 60)
    pen, wide = ImageDraw.Draw(picture), max(1, round(side / 220))
    for _ in range(count):
        x, y = rng.uniform(-0.05, 1.05, 2)
        angle, length = turn(x, y) + rng.normal(0, 0.35), rng.uniform(*reach)
        ends = np.array((x, y, x + length * np.cos(angle), y + length * np.sin(angle))) * side
        shade = int(np.clip(rng.normal(125, 48), 0, 255))
        pen.line(tuple(ends.tolist()), fill=shade, width=int(rng.integers(1, wide + 1)))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 1400)), np.float64) / 255


def lawn(rng: np.random.Generator, side: int) -> Bytes:
    """Blades of grass from above, in all directions."""
    return _tinted(rng, _strokes(rng, side, 9000, lambda x, y: rng.uniform(0, 6.3), (0.01, 0.05)))


def tall_grass(rng: np.random.Generator, side: int) -> Bytes:
    """Blades that stand, bent by the wind."""
    lean = cloud(rng, 64, 1.6) * 0.5
    strokes = _strokes(rng, side, 7000, lambda x, y: -1.6 + lean[int(y * 58) + 3, int(x * 58) + 3], (0.03, 0.12))
    return _tinted(rng, strokes)


def shingle(rng: np.random.Generator, side: int) -> Bytes:
    """Rounded stones in slanting light, each of its own shade."""
    seam, which = cells(rng, side, int(rng.integers(500, 4000)))
    shade = rng.normal(0.5, 0.12, which.max() + 1)[which]
    relief = lit(np.sqrt(np.clip(seam, 0, 0.4)), rng.uniform(0.08, 0.2)) - 0.5
    return _tinted(rng, shade * np.clip(seam * 5, 0.25, 1) + relief + cloud(rng, side, 0.7) * 0.04)


def sand(rng: np.random.Generator, side: int) -> Bytes:
    """Grains over ripples: a field between white and natural, lit."""
    grains, ripples = cloud(rng, side, rng.uniform(0.35, 0.8)), cloud(rng, side, rng.uniform(1.3, 1.8))
    return _tinted(rng, 0.5 + rng.uniform(0.08, 0.16) * grains + rng.uniform(0.02, 0.08) * ripples)


def stucco(rng: np.random.Generator, side: int) -> Bytes:
    """A rough wall in slanting light."""
    return _tinted(rng, lit(cloud(rng, side, rng.uniform(1.3, 1.9)), rng.uniform(0.07, 0.18)))


def bark(rng: np.random.Generator, side: int) -> Bytes:
    """Ridges along the trunk, cracks between them."""
    stretched = gaussian_filter(rng.standard_normal((side, side)), (side / rng.uniform(12, 30), side / 220))
    bent = np.stack(np.mgrid[0:side, 0:side]) + 0.01 * side * cloud(rng, side, 1.6)
    ridges = map_coordinates(stretched / stretched.std(), bent, order=1, mode="wrap")
    return _tinted(rng, 0.45 - 0.16 * np.abs(ridges) + 0.05 * cloud(rng, side, 0.8) + (lit(ridges, 0.06) - 0.4))


def wool(rng: np.random.Generator, side: int) -> Bytes:
    """Knitwear: loops in rows, fluffy, no two the same."""
    y, x = np.mgrid[0:side, 0:side] / side * rng.uniform(18, 45) + 0.12 * cloud(rng, side, 1.4)
    loops = np.abs(np.sin(np.pi * (y + 0.5 * np.abs((x % 1) - 0.5) * 2))) * np.sin(np.pi * (x % 1)) ** 0.5
    return _tinted(rng, 0.2 + 0.45 * loops + 0.07 * cloud(rng, side, 0.5))


def granite(rng: np.random.Generator, side: int) -> Bytes:
    """Crystals of three minerals."""
    field = cloud(rng, side, rng.uniform(0.9, 1.2)) + 0.5 * cloud(rng, side, 0.6)
    shades = np.sort(rng.uniform(0.15, 0.9, 3))
    minerals = shades[np.digitize(field, (-0.6, 0.5))]
    return _tinted(rng, gaussian_filter(minerals, side / 700) + 0.04 * rng.standard_normal((side, side)))


def crumpled(rng: np.random.Generator, side: int) -> Bytes:
    """Foil or paper in facets."""
    _, which = cells(rng, side, int(rng.integers(120, 1200)))
    slopes = rng.normal(0, 1, (which.max() + 1, 2))
    y, x = np.mgrid[0:side, 0:side] / side
    facets = slopes[which, 0] * 0.16 + 0.3 * (slopes[which, 1] * (x - y)) + 0.5
    return _tinted(rng, gaussian_filter(facets, side / 600) + 0.02 * cloud(rng, side, 0.5))


def rippled_water(rng: np.random.Generator, side: int) -> Bytes:
    """Waves in many directions, with glints."""
    y, x = np.mgrid[0:side, 0:side] / side
    height = np.zeros((side, side))
    for _ in range(60):
        turn, pitch = rng.normal(0.4, 0.9), rng.pareto(1.5) * 12 + 8
        height += (
            np.sin(2 * np.pi * min(pitch, 90) * (x * np.sin(turn) + y * np.cos(turn)) + rng.uniform(0, 6.3)) / pitch
        )
    light = lit(height, rng.uniform(0.1, 0.2))
    return _tinted(rng, light + 0.5 * np.clip(light - 0.75, 0, 1))


def petals(rng: np.random.Generator, side: int) -> Bytes:
    """Fallen petals of a few kindred colours, each shaded along its length."""
    kindred = np.array(_colour(rng)) + rng.normal(0, 45, (4, 3))
    palette = [tuple(np.clip(c, 0, 255).astype(int).tolist()) for c in kindred]
    picture = Image.new("RGB", (side, side), palette[0])
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1500, 4000))):
        (x, y), turn, r = rng.uniform(0, side, 2), rng.uniform(0, 6.3), side * rng.uniform(0.008, 0.03)
        tint = np.array(palette[int(rng.integers(len(palette)))]) * rng.uniform(0.6, 1.3) + rng.normal(0, 10, 3)
        for k, part in enumerate((1.0, 0.7, 0.4)):
            shade = np.clip(tint * (0.85 + 0.12 * k), 0, 255).astype(int)
            pen.polygon(_oval(x, y, turn, r * part, 0.45 * r * part), fill=tuple(shade.tolist()))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 900)))


def _oval(x: float, y: float, turn: float, long: float, short: float) -> list[tuple[float, float]]:
    around = np.linspace(0, 2 * np.pi, 13)[:-1]
    a, b = long * np.cos(around), short * np.sin(around)
    return [(float(x + p * np.cos(turn) - q * np.sin(turn)), float(y + p * np.sin(turn) + q * np.cos(turn)))
            for p, q in zip(a, b, strict=True)]  # fmt: skip


def pulses(rng: np.random.Generator, side: int) -> Bytes:
    """Dried beans and lentils of four or five natural colours, mixed in a tray, each with its gleam."""
    palette = [PULSES[int(i)] for i in rng.permutation(len(PULSES))[: int(rng.integers(4, 6))]]
    picture = Image.new("RGB", (side, side), (30, 24, 20))
    pen, size = ImageDraw.Draw(picture), rng.uniform(0.012, 0.03)
    for _ in range(int(1.6 / size**2)):
        (x, y), turn, r = rng.uniform(0, side, 2), rng.uniform(0, 6.3), side * size * rng.uniform(0.8, 1.2)
        tint = np.array(palette[int(rng.integers(len(palette)))]) * rng.uniform(0.75, 1.2)
        for part, light in ((1.0, 0.6), (0.85, 1.0), (0.3, 1.5)):
            shade = tuple(np.clip(tint * light + (40 if light > 1 else 0), 0, 255).astype(int).tolist())
            place = (x - (1 - part) * 0.3 * r, y - (1 - part) * 0.3 * r)
            pen.polygon(_oval(*place, turn, r * part, 0.65 * r * part), fill=shade)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 900)))


def hedge(rng: np.random.Generator, side: int) -> Bytes:
    """Pointed leaves from green to red, shadows between them, lit patches."""
    glow, picture = cloud(rng, side, 1.6), Image.new("RGB", (side, side), (18, 24, 12))
    pen, (one, other) = ImageDraw.Draw(picture), rng.uniform((20, 60, 10), (230, 190, 70), (2, 3))
    for _ in range(5000):
        (x, y), turn, r = rng.uniform(0, side - 1, 2), rng.uniform(0, 6.3), side * rng.uniform(0.008, 0.028)
        mix = rng.beta(0.8, 0.8)
        light = np.clip(0.75 + 0.3 * glow[int(y), int(x)] + rng.normal(0, 0.15), 0.15, 1.4)
        shade = np.clip((one * mix + other * (1 - mix)) * light, 0, 255).astype(int)
        tip, flank = (x + r * np.cos(turn), y + r * np.sin(turn)), (0.3 * r * np.sin(turn), -0.3 * r * np.cos(turn))
        pen.polygon([(2 * x - tip[0], 2 * y - tip[1]), (x + flank[0], y + flank[1]), tip, (x - flank[0], y - flank[1])],
                    fill=tuple(shade.tolist()))  # fmt: skip
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 900)))


TEXTURES: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw
    for draw in (lawn, tall_grass, shingle, sand, stucco, bark, wool, granite, crumpled, rippled_water)
}
COLOURED: dict[str, Draw] = {draw.__name__: draw for draw in (petals, pulses, hedge)}
