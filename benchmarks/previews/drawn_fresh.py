"""Kinds of pictures that were drawn to try the table as a stranger would: half of them tune it since.

The other half is in unseen_fresh.py.  Drawers as in drawn.py.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import cKDTree

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud


def stained_glass(rng: np.random.Generator, side: int) -> Bytes:
    """A window of coloured panes, leaded, each pane a little uneven."""
    count = int(rng.integers(30, 160))
    seeds, colours = rng.uniform(0, side, (count, 2)), rng.uniform(0, 1, (count, 3))
    places = np.mgrid[0:side, 0:side].reshape(2, -1).T
    away, panes = (v.reshape(side, side, 2) for v in cKDTree(seeds).query(places, 2))
    light = 0.85 + 0.12 * cloud(rng, side, 1.6)
    lead = (away[..., 1] - away[..., 0] > side / 90)[..., None]
    return _bytes(colours[panes[..., 0]] * light[..., None] * lead)


def feathers(rng: np.random.Generator, side: int) -> Bytes:
    """Rows of feathers that overlap, each with a shaft, barbs and an eye."""
    picture = Image.new("RGB", (side, side), _colour(rng))
    pen, wide, base = ImageDraw.Draw(picture), side / rng.uniform(4, 9), np.array(_colour(rng))
    for row in np.arange(-wide, side + wide, wide * 0.6):
        for column in np.arange(-wide, side + wide, wide * 0.8):
            at = column + rng.normal(0, wide / 12)
            tone = tuple(int(v) for v in np.clip(base * rng.uniform(0.6, 1.3) + rng.normal(0, 14, 3), 0, 255))
            pen.ellipse((at - wide / 2, row - wide, at + wide / 2, row + wide), fill=tone, outline=(20, 20, 24))
            for barb in np.arange(-wide, wide, wide / 8):
                pen.line((at, row + barb, at + wide / 2.6, row + barb - wide / 5), fill=tuple(v // 2 for v in tone))
            pen.ellipse((at - wide / 7, row + wide / 2, at + wide / 7, row + 0.85 * wide), fill=_colour(rng))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 700)))


def balloons(rng: np.random.Generator, side: int) -> Bytes:
    """Balloons of all colours before a sky, lit from one side."""
    sky = np.linspace(0, 1, side)[:, None, None] * (0.6, 0.35, 0.1) + (0.35, 0.6, 0.9)
    picture = np.broadcast_to(sky, (side, side, 3)).copy()
    y, x = np.mgrid[0:side, 0:side]
    for _ in range(int(rng.integers(15, 140))):
        size, (row, column) = side * rng.uniform(0.03, 0.11), rng.uniform(0, side, 2)
        top, left = (int(max(0, v - 1.3 * size)) for v in (row, column))
        part = np.s_[top : int(row + 1.3 * size), left : int(column + 1.3 * size)]
        here = np.hypot((y[part] - row) / 1.15, x[part] - column) / size
        gleam = np.exp(-8 * np.hypot((y[part] - row) / size + 0.4, (x[part] - column) / size + 0.35) ** 2)
        ball = np.array(_colour(rng)) / 255 * (1 - 0.5 * here[..., None] ** 2) + 0.6 * gleam[..., None]
        picture[part] = np.where(here[..., None] < 1, ball, picture[part])
    return _bytes(picture)


def reef(rng: np.random.Generator, side: int) -> Bytes:
    """Corals under water: branches, brains and fans of warm colours in blue light."""
    depth = np.linspace(0.9, 0.35, side)[:, None, None]
    picture = Image.fromarray(_bytes(np.broadcast_to(depth * (0.1, 0.5, 0.75), (side, side, 3))))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(40, 120))):
        x, y, size = rng.uniform(0, side), rng.uniform(0.25, 1.05) * side, side * rng.uniform(0.02, 0.09)
        tone = tuple(int(v) for v in rng.uniform((120, 30, 30), (255, 190, 170)))
        for _ in range(24):
            angle, long = rng.uniform(-np.pi, 0), size * rng.uniform(0.5, 1.8)
            end = (x + long * np.cos(angle), y + long * np.sin(angle))
            pen.line((x, y, *end), fill=tone, width=max(1, int(size / 5)))
            pen.ellipse((end[0] - size / 9, end[1] - size / 9, end[0] + size / 9, end[1] + size / 9), fill=tone)
    ripple = 1 + 0.12 * cloud(rng, side, 1.4)[..., None]
    return _bytes(np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 600))) / 255 * ripple)


def fireworks(rng: np.random.Generator, side: int) -> Bytes:
    """Bursts of sparks over a dark town."""
    picture = np.zeros((side, side, 3))
    for _ in range(int(rng.integers(3, 14))):
        middle, size, tone = rng.uniform(0, 0.7, 2) * side, side * rng.uniform(0.08, 0.3), rng.uniform(0.2, 1, 3)
        for angle in np.linspace(0, 2 * np.pi, int(rng.integers(20, 60))):
            along = np.linspace(0.1, 1, 40) * size * rng.uniform(0.8, 1)
            rows = (middle[0] + along * np.sin(angle) + along**2 / size * 0.25).astype(int)
            columns = (middle[1] + along * np.cos(angle)).astype(int)
            kept = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
            picture[rows[kept], columns[kept]] = tone * np.linspace(0.4, 1, 40)[kept][:, None]
    skyline = side * (0.85 + 0.04 * np.sign(np.sin(np.arange(side) / side * 60)))
    roofs = (np.mgrid[0:side, 0:side][0] > skyline)[..., None]
    glow = np.asarray(Image.fromarray(_bytes(picture)).filter(ImageFilter.GaussianBlur(side / 120))) / 255
    return _bytes(np.where(roofs, 0.04, picture + 2 * glow + 0.03))


def gradient_mesh(rng: np.random.Generator, side: int) -> Bytes:
    """A wallpaper: soft blends between four to nine colours."""
    count = int(rng.integers(2, 4))
    nodes = Image.fromarray(_bytes(rng.uniform(0, 1, (count, count, 3))))
    return np.asarray(nodes.resize((side, side), Image.Resampling.BICUBIC))


def screenshot(rng: np.random.Generator, side: int) -> Bytes:
    """A window with a side bar, lines of text, buttons and pictures in a grid."""
    dark = rng.random() < 0.5
    paper, ink = ((28, 30, 36), (208, 212, 220)) if dark else ((246, 247, 249), (50, 54, 62))
    picture, u = Image.new("RGB", (side, side), paper), side / 64
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, side, 4 * u), fill=_colour(rng))
    pen.rectangle((0, 4 * u, 14 * u, side), fill=tuple(int(v * 0.9) for v in paper))
    for row in np.arange(7, 62, 3):
        pen.rectangle((2 * u, row * u, rng.uniform(6, 12) * u, (row + 1) * u), fill=ink)
    for row in np.arange(6, 60, 12):
        for column in np.arange(16, 62, 12):
            tile = _bytes(0.5 + 0.3 * cloud(rng, 16, 1.5)[..., None] * rng.uniform(-1, 1, 3))
            size = (max(1, int(10 * u)), max(1, int(7 * u)))
            picture.paste(Image.fromarray(tile).resize(size), (int(column * u), int(row * u)))
            pen.rectangle((column * u, (row + 8) * u, (column + rng.uniform(4, 10)) * u, (row + 9) * u), fill=ink)
    return np.asarray(picture)


def knitted(rng: np.random.Generator, side: int) -> Bytes:
    """Stockinette with stripes of a few yarns."""
    pitch = side / rng.uniform(20, 60)
    y, x = np.mgrid[0:side, 0:side] / pitch
    slant = np.abs((x % 1) - 0.5)
    stitch = 0.65 + 0.35 * np.cos(2 * np.pi * (y + 1.2 * slant)) * np.cos(2 * np.pi * x)
    yarns = rng.uniform(0.1, 1, (int(rng.integers(2, 7)), 3))
    rows = np.repeat(rng.integers(0, len(yarns), 80), int(rng.integers(1, 5)))
    colour = yarns[rows[np.clip((y + slant).astype(int), 0, len(rows) - 1)]]
    return _bytes(colour * stitch[..., None] * (1 + 0.08 * rng.standard_normal((side, side, 1))))


def nebula(rng: np.random.Generator, side: int) -> Bytes:
    """Glowing gas of two or three hues, dust lanes, stars."""
    dust = np.clip(1.2 + 0.6 * cloud(rng, side, 1.7), 0, 1)[..., None]
    glow = sum(np.clip(cloud(rng, side, 1.9) * 0.4 + 0.15, 0, 1)[..., None] * rng.uniform(0, 1, 3) for _ in range(3))
    stars = (rng.random((side, side, 1)) > 0.9985) * rng.uniform(0.5, 1, (side, side, 1))
    return _bytes(np.asarray(glow * dust + stars))


FRESH: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw
    for draw in (stained_glass, feathers, balloons, reef, fireworks, gradient_mesh, screenshot, knitted, nebula)
}
