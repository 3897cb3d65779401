"""The other half of the kinds that try the table as a stranger would: for the report alone.  Drawers as in drawn.py."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud, landscape
from benchmarks.previews.drawn_patterns import _hues, _place


def soap_film(rng: np.random.Generator, side: int) -> Bytes:
    """Interference on a film that flows: bands of pale hues that crowd towards one edge."""
    y, x = _place(rng, side)
    thick = (y + 0.8) ** 2 * rng.uniform(2, 6) + 0.4 * cloud(rng, side, 2.2) * rng.uniform(0.2, 1) + x
    phases = np.stack([np.cos(2 * np.pi * thick * k) for k in (1.0, 1.18, 1.4)], axis=-1)
    return _bytes(0.5 + rng.uniform(0.15, 0.45) * phases)


def agate(rng: np.random.Generator, side: int) -> Bytes:
    """A cut stone: bands that follow a warped outline, of related tints."""
    y, x = _place(rng, side)
    level = np.hypot(x, y) * rng.uniform(6, 16) + 0.8 * cloud(rng, side, 2.0)
    bands = rng.uniform(0, 1, (40, 3)) * 0.5 + rng.uniform(0, 0.5, 3)
    where = np.clip(level + 4, 0, 38.9)
    low, part = where.astype(int), (where % 1)[..., None]
    return _bytes(bands[low] * (1 - part) + bands[low + 1] * part)


def chart(rng: np.random.Generator, side: int) -> Bytes:
    """Bars, lines and points on a grid, with captions that are dashes."""
    picture, u = Image.new("RGB", (side, side), (255, 255, 255)), side / 64
    pen = ImageDraw.Draw(picture)
    for k in range(8):
        pen.line((6 * u, (8 + 6 * k) * u, 60 * u, (8 + 6 * k) * u), fill=(220, 220, 220))
        pen.rectangle((1 * u, (7.6 + 6 * k) * u, 4 * u, (8.4 + 6 * k) * u), fill=(90, 90, 90))
    if rng.random() < 0.5:
        for k in range(int(rng.integers(5, 14))):
            pen.rectangle(((7 + 4 * k) * u, rng.uniform(10, 48) * u, (10 + 4 * k) * u, 50 * u), fill=_colour(rng))
    for _ in range(int(rng.integers(1, 6))):
        walk = 30 + np.cumsum(rng.normal(0, 2, 55))
        pen.line([((6 + k) * u, v * u) for k, v in enumerate(walk)], fill=_colour(rng), width=max(1, int(u / 2)))
    for _ in range(int(rng.integers(0, 300))):
        x, y = rng.normal(33, 9) * u, rng.normal(30, 9) * u
        tone = _colour(rng) if rng.random() < 0.3 else (30, 90, 170)
        pen.ellipse((x - u / 2, y - u / 2, x + u / 2, y + u / 2), fill=tone)
    return np.asarray(picture)


def fog(rng: np.random.Generator, side: int) -> Bytes:
    """A landscape that fades into mist."""
    thick = np.linspace(1.05, rng.uniform(0.3, 0.7), side)[:, None] + 0.08 * cloud(rng, side, 2.0)
    veil = np.clip(thick, 0, 1)[..., None]
    return _bytes(landscape(rng, side) / 255 * (1 - veil) + veil * rng.uniform(0.7, 0.9))


def snowfall(rng: np.random.Generator, side: int) -> Bytes:
    """A landscape behind falling snow, flakes near and far."""
    picture = Image.fromarray((landscape(rng, side) * 0.75 + 40).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(200, 2500))):
        (x, y), size = rng.uniform(0, side, 2), side * rng.pareto(3) / 260
        pen.ellipse((x - size, y - size, x + size, y + size), fill=(238, 240, 246))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 800)))


def line_art(rng: np.random.Generator, side: int) -> Bytes:
    """Pen on paper: outlines, hatching, much white."""
    picture = Image.new("RGB", (side, side), (252, 251, 247))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(10, 50))):
        (x, y), size = rng.uniform(0, side, 2), side * rng.uniform(0.03, 0.2)
        around = np.linspace(0, 2 * np.pi, 60)
        radius = size * (1 + 0.2 * np.sin(around * rng.integers(2, 7) + rng.uniform(0, 6)))
        outline = [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radius, around, strict=True)]
        pen.polygon(outline, fill=(252, 251, 247), outline=(15, 15, 20))
        for k in np.arange(-0.6, 0.6, rng.uniform(0.05, 0.15)):
            pen.line((x - size / 2, y + k * size, x + size / 2, y + (k - 0.3) * size), fill=(15, 15, 20))
    return np.asarray(picture)


def festoon(rng: np.random.Generator, side: int) -> Bytes:
    """Strings of coloured lamps out of focus, by night."""
    picture = np.full((side, side, 3), rng.uniform(0, 0.1, 3))
    y, x = np.mgrid[0:side, 0:side]
    for _ in range(int(rng.integers(25, 160))):
        size, (row, column) = side * rng.uniform(0.015, 0.06), rng.uniform(0, side, 2)
        top, left = (int(max(0, v - 1.2 * size)) for v in (row, column))
        part = np.s_[top : int(row + 1.2 * size), left : int(column + 1.2 * size)]
        disc = 1 / (1 + np.exp((np.hypot(y[part] - row, x[part] - column) - size) / (size / 12)))
        picture[part] += disc[..., None] * rng.uniform(0, 0.8, 3)
    return _bytes(picture)


def paisley(rng: np.random.Generator, side: int) -> Bytes:
    """A cloth of drops within drops, in rows, of five dyes."""
    dyes = [_colour(rng) for _ in range(5)]
    picture, wide = Image.new("RGB", (side, side), dyes[0]), side / rng.uniform(4, 9)
    pen = ImageDraw.Draw(picture)
    for i, row in enumerate(np.arange(0, side + wide, wide)):
        for column in np.arange(-wide * (i % 2) / 2, side + wide, wide):
            for k, share in enumerate((0.5, 0.36, 0.22, 0.1)):
                r = wide * share
                pen.ellipse((column - r, row - r, column + r, row + 0.8 * r), fill=dyes[1 + k % 4])
                pen.polygon([(column - r, row), (column, row - 1.7 * r), (column + 0.5 * r, row)], fill=dyes[1 + k % 4])
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 900)))


def puddle(rng: np.random.Generator, side: int) -> Bytes:
    """Oil on wet asphalt: rainbow rings over grey grain, in one place of the frame."""
    y, x = _place(rng, side)
    far = np.hypot(x, y) + 0.08 * cloud(rng, side, 1.8)
    film = _hues(far * rng.uniform(3, 9), 0.6, 0.7) / 255
    grain = 0.3 + 0.09 * cloud(rng, side, 0.6)[..., None]
    share = np.clip(1.2 - far * rng.uniform(2, 4), 0, 0.9)[..., None]
    return _bytes(grain * (1 - share) + film * share)


def aurora(rng: np.random.Generator, side: int) -> Bytes:
    """Curtains of green and violet light over dark hills."""
    _, x = np.mgrid[0:side, 0:side] / side
    light = np.zeros((side, side, 3))
    for _ in range(int(rng.integers(2, 6))):
        crest = 0.2 + 0.3 * rng.random() + 0.06 * np.sin(2 * np.pi * (x * rng.uniform(0.5, 3) + rng.random()))
        fall = np.linspace(0, 1, side)[:, None] - crest
        rays = 0.7 + 0.3 * cloud(rng, side, 1.2)[0][None, :]
        glow = np.exp(-np.abs(fall) * np.where(fall < 0, 6, 25)) * rays
        light += glow[..., None] * rng.uniform((0, 0.3, 0), (0.5, 0.9, 0.6))
    hills = np.linspace(0, 1, side)[:, None] > 0.85 + 0.03 * cloud(rng, side, 2.0)[0][None, :]
    return _bytes(np.where(hills[..., None], 0.02, 0.04 + 0.7 * light + (rng.random((side, side, 1)) > 0.999)))


def mandala(rng: np.random.Generator, side: int) -> Bytes:
    """Rings of petals around a middle, outlined, a colour a ring."""
    picture = Image.new("RGB", (side, side), _colour(rng))
    pen = ImageDraw.Draw(picture)
    for ring in np.linspace(0.48, 0.05, int(rng.integers(5, 12))) * side:
        tone, count = _colour(rng), int(rng.integers(6, 30))
        for angle in np.arange(count) * 2 * np.pi / count:
            x, y = side / 2 + ring * np.cos(angle), side / 2 + ring * np.sin(angle)
            size = ring * np.pi / count
            pen.ellipse((x - size, y - size, x + size, y + size), fill=tone, outline=(0, 0, 0))
    return np.asarray(picture)


FRESH: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw
    for draw in (soap_film, agate, chart, fog, snowfall, line_art, festoon, paisley, puddle, aurora, mandala)
}
