"""Kinds drawn to find false alarms where bands, discs and glints of all hues lie close: for the report alone.

Their other half tunes (`drawn_strange`); which kind went where was settled before either was measured.
Drawers as in drawn.py.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud, flat_drawing, landscape
from benchmarks.previews.drawn_patterns import _hues, _place
from benchmarks.previews.drawn_textures import cells, lit


def oil_slick(rng: np.random.Generator, side: int) -> Bytes:
    """A thin film on wet asphalt: bands of all hues that the stones' grain breaks up."""
    thick = rng.uniform(0.3, 0.8) * cloud(rng, side, rng.uniform(1.6, 2.1))
    shine = np.clip(0.35 + 0.25 * cloud(rng, side, 1.8), 0.05, 0.9)[..., None]
    film = np.stack([np.cos(2 * np.pi * (thick * k + rng.uniform())) for k in (1.0, 1.2, 1.45)], axis=-1)
    stones = 0.12 * lit(cloud(rng, side, 1.0), 0.25)[..., None]
    return _bytes(stones + shine * (0.5 + 0.45 * film) * rng.uniform(0.6, 1))


def powder(rng: np.random.Generator, side: int) -> Bytes:
    """Clouds of coloured powder thrown into the air, grains flying off."""
    picture = np.full((side, side, 3), rng.uniform(0, 0.15) if rng.random() < 0.6 else 0.95)
    for _ in range(int(rng.integers(4, 9))):
        y, x = _place(rng, side)
        y, x = y + rng.normal(0, 0.25), x + rng.normal(0, 0.25)
        puff = np.clip(1.2 - np.hypot(x, y) * rng.uniform(2.5, 6) + 0.35 * cloud(rng, side, 1.5), 0, 1)
        grain = (rng.random((side, side)) < 0.08 * np.clip(puff + 0.1, 0, 1)) * 0.6
        share = np.clip(puff + grain, 0, 1)[..., None]
        tone = np.array(_colour(rng)) / 255
        picture = picture * (1 - share) + share * tone * (0.85 + 0.15 * cloud(rng, side, 1.2)[..., None])
    return _bytes(picture)


def lava_lamp(rng: np.random.Generator, side: int) -> Bytes:
    """Soft balls that melt together, lit from below, in a fluid of another colour."""
    y, x = np.mgrid[0:side, 0:side] / side
    field = np.zeros((side, side))
    for _ in range(int(rng.integers(8, 30))):
        v, u, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.02, 0.09)
        field += r**2 / ((y - v) ** 2 + (x - u) ** 2 + 1e-3)
    wax = 1 / (1 + np.exp(-(field - 1) * rng.uniform(8, 30)))[..., None]
    ends = [np.array(_colour(rng)) / 255 for _ in range(4)]
    fluid, ball = ends[0] * (1 - y[..., None]) + ends[1] * y[..., None], ends[2] + (ends[3] - ends[2]) * y[..., None]
    return _bytes(fluid * (1 - wax) + ball * wax * np.clip(0.7 + 0.2 * field[..., None], 0, 1.2))


def thermal(rng: np.random.Generator, side: int) -> Bytes:
    """A scene as a thermal camera shows it: one value a pixel, through a palette of many hues."""
    scene = (landscape if rng.random() < 0.5 else flat_drawing)(rng, side).mean(axis=2) / 255
    warm = gaussian_filter(scene, side / 200) + 0.02 * rng.normal(0, 1, (side, side))
    warm = (warm - warm.min()) / np.ptp(warm)
    if rng.random() < 0.5:
        return _hues(0.75 * (1 - warm), 0.95, 0.95)
    knots = np.array(((0, 0, 0.2), (0.5, 0, 0.6), (0.95, 0.3, 0.2), (1, 0.8, 0.1), (1, 1, 1)))
    return _bytes(np.stack([np.interp(warm, np.linspace(0, 1, 5), knots[:, i]) for i in range(3)], axis=-1))


def cel(rng: np.random.Generator, side: int) -> Bytes:
    """Faces as in a cel: hair in locks, large eyes, flat shades, black outlines, a soft background."""
    ends = [np.array(_colour(rng)) / 255 for _ in range(2)]
    fade = np.linspace(0, 1, side)[:, None, None]
    picture = Image.fromarray(_bytes(np.broadcast_to(ends[0] * fade + ends[1] * (1 - fade), (side, side, 3))))
    pen, wide = ImageDraw.Draw(picture), max(1, side // 170)
    for _ in range(int(rng.integers(1, 4))):
        (x, y), r = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(0.12, 0.3) * side
        hair, eyes = _colour(rng), _colour(rng)
        skin = tuple(int(v) for v in np.array((250, 222, 200)) * rng.uniform(0.5, 1))
        pen.ellipse((x - 1.25 * r, y - 1.3 * r, x + 1.25 * r, y + 1.4 * r), fill=hair, outline="black", width=wide)
        pen.ellipse((x - r, y - r, x + r, y + 1.1 * r), fill=skin, outline="black", width=wide)
        for s in (-1, 1):
            u = x + s * 0.45 * r
            pen.ellipse((u - 0.2 * r, y - 0.1 * r, u + 0.2 * r, y + 0.4 * r), fill="white")
            pen.ellipse((u - 0.14 * r, y, u + 0.14 * r, y + 0.38 * r), fill=eyes)
        for u in np.linspace(-1, 1, int(rng.integers(5, 12))):
            tip = (x + u * r * 0.9, y - 0.2 * r + rng.uniform(-0.2, 0.2) * r)
            root = [(x + (u - 0.2) * r, y - 1.1 * r), (x + (u + 0.2) * r, y - 1.1 * r)]
            pen.polygon([*root, tip], fill=hair, outline="black")
    return np.asarray(picture)


def tesserae(rng: np.random.Generator, side: int) -> Bytes:
    """A Roman mosaic of a scene: little stones of uneven tint, in grout."""
    base = (landscape if rng.random() < 0.5 else flat_drawing)(rng, side)
    seam, which = cells(rng, side, int(rng.integers(900, 5000)))
    count = int(which.max()) + 1
    weight = np.maximum(np.bincount(which.ravel(), minlength=count), 1)
    means = [np.bincount(which.ravel(), base[..., i].ravel(), count) / weight for i in range(3)]
    stones = np.stack(means, axis=-1) + rng.normal(0, 16, (count, 3))
    return np.asarray(np.where(seam[..., None] < 0.12, 105.0, np.clip(stones[which], 0, 255))).astype(np.uint8)


def party(rng: np.random.Generator, side: int) -> Bytes:
    """Confetti of stripes, stars and rings that falls before a soft scene, near ones out of focus."""
    picture = Image.fromarray(landscape(rng, side)).filter(ImageFilter.GaussianBlur(side / 40))
    for depth in (0.006, 0.012, 0.03):
        pen = ImageDraw.Draw(picture)
        for _ in range(int(rng.integers(60, 260) * 0.012 / depth)):
            (x, y), r, turn = rng.uniform(0, side, 2), depth * side * rng.uniform(0.7, 1.3), rng.uniform(0, 6.3)
            kind, tone = int(rng.integers(3)), _colour(rng)
            if kind == 0:
                along = r * np.array((np.cos(turn), np.sin(turn)))
                over = np.array((-along[1], along[0])) / 2
                ends = [(x, y) + 1.6 * a * along + b * over for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
                pen.polygon([(float(u), float(v)) for u, v in ends], fill=tone)
            elif kind == 1:
                pen.regular_polygon((x, y, r * 1.3), 3, rotation=int(turn * 57), fill=tone)
            else:
                pen.ellipse((x - r, y - r, x + r, y + r), outline=tone, width=max(1, int(r / 2)))
        picture = picture.filter(ImageFilter.GaussianBlur(side * depth / 12))
    return np.asarray(picture)


def crayons(rng: np.random.Generator, side: int) -> Bytes:
    """Sticks of many colours side by side, lit from one side, slanting."""
    y, x = _place(rng, side)
    turn = rng.uniform(0, np.pi)
    across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    at = (across + 2) * rng.uniform(8, 26)
    which, inside = at.astype(int), at % 1
    tones = rng.uniform(0, 1, (200, 3))
    light = np.sqrt(np.clip(1 - (2 * inside - 1) ** 2, 0, 1)) * (0.85 + 0.15 * inside)
    label = (np.abs(along + 0.1 * tones[which, 0]) < 0.12)[..., None]
    return _bytes((tones[which] * np.where(label, 0.6, 1.0)) * (0.25 + 0.75 * light[..., None]))


STRANGE: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw
    for draw in (oil_slick, powder, lava_lamp, thermal, cel, tesserae, party, crayons)
}
