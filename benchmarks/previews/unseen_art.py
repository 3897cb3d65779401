"""Pictures for the report alone: nothing was ever chosen, fitted or looked at on them.

Drawers as in drawn.py.  They were written before the table was fitted and are not to be changed for its sake.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud, dead_leaves, flat_drawing, landscape


def _around(rng: np.random.Generator, base: tuple[int, int, int], spread: float) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in np.clip(np.array(base) + rng.normal(0, spread, 3), 0, 255))
    return r, g, b


def bricks(rng: np.random.Generator, side: int) -> Bytes:
    """A wall: bricks of much the same colour, mortar, stains."""
    base, picture = (150 + int(rng.integers(-20, 20)), 80, 60), Image.new("RGB", (side, side), (190, 185, 175))
    pen, height = ImageDraw.Draw(picture), max(4, side // int(rng.integers(12, 28)))
    for row in range(side // height + 1):
        for column in range(-1, side // (2 * height) + 1):
            x, y = column * 2 * height + (row % 2) * height, row * height
            pen.rectangle((x + 1, y + 1, x + 2 * height - 2, y + height - 2), fill=_around(rng, base, 16))
    return _bytes(np.asarray(picture) / 255 + cloud(rng, side, 1.2)[..., None] * 0.03)


def fur(rng: np.random.Generator, side: int) -> Bytes:
    """Thousands of strokes that follow a field of directions."""
    base = _around(rng, (120, 95, 70), 30)
    picture, angle = Image.new("RGB", (side, side), base), cloud(rng, side, 2.2)
    pen = ImageDraw.Draw(picture)
    for _ in range(9000):
        x, y = rng.uniform(0, side, 2)
        turn, length = angle[int(y), int(x)], side * rng.uniform(0.01, 0.04)
        shade = np.array(base) * rng.uniform(0.5, 1.4)
        r, g, b = (int(v) for v in np.clip(shade, 0, 255))
        pen.line((x, y, x + length * np.cos(turn), y + length * np.sin(turn)), fill=(r, g, b))
    return np.asarray(picture)


def quilt(rng: np.random.Generator, side: int) -> Bytes:
    """Patches of cloth, each with a pattern of two colours."""
    count = int(rng.integers(4, 9))
    step, picture = side // count + 1, np.zeros((side, side, 3))
    y, x = np.mgrid[0:side, 0:side]
    for row in range(count):
        for column in range(count):
            one, other = (np.array(_colour(rng)) / 255 for _ in range(2))
            period, kind = step / rng.uniform(3, 9), int(rng.integers(4))
            wave = ((x // period) % 2, (y // period) % 2, ((x + y) // period) % 2, ((x // period) + (y // period)) % 2)
            here = (y // step == row) & (x // step == column)
            picture[here] = np.where(wave[kind][here][:, None] > 0, one, other)
    return _bytes(picture)


def bokeh(rng: np.random.Generator, side: int) -> Bytes:
    """Lights of a town at night, out of focus."""
    canvas = np.full((side, side, 3), 0.04)
    y, x = np.mgrid[0:side, 0:side]
    for _ in range(int(rng.integers(30, 90))):
        (cx, cy), r = rng.uniform(0, side, 2), side * rng.uniform(0.015, 0.06)
        canvas[(x - cx) ** 2 + (y - cy) ** 2 < r * r] += np.array(_colour(rng)) / 255 * rng.uniform(0.2, 0.7)
    return _bytes(gaussian_filter(canvas, (side / 400, side / 400, 0)))


def low_poly(rng: np.random.Generator, side: int) -> Bytes:
    """A scene in triangles."""
    from scipy.spatial import Delaunay

    scene = flat_drawing(rng, side) if rng.random() < 0.5 else landscape(rng, side)
    points = np.r_[rng.uniform(0, side - 1, (int(rng.integers(200, 1200)), 2)), [[0, 0], [0, side - 1]]]
    points = np.r_[points, [[side - 1, 0], [side - 1, side - 1]]]
    picture = Image.new("RGB", (side, side))
    pen = ImageDraw.Draw(picture)
    for corners in points[Delaunay(points).simplices]:
        cy, cx = corners.mean(axis=0).astype(int)
        r, g, b = (int(v) for v in scene[cy, cx])
        pen.polygon([(float(px), float(py)) for py, px in corners], fill=(r, g, b))
    return np.asarray(picture)


def kaleidoscope(rng: np.random.Generator, side: int) -> Bytes:
    """A mandala: one sector of shapes, mirrored all around."""
    y, x = (np.mgrid[0:side, 0:side] - side / 2) / side
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    sectors = int(rng.integers(5, 11))
    turn = np.abs((angle / (2 * np.pi) * sectors) % 1 - 0.5)
    source = flat_drawing(rng, 256)
    rows, columns = (radius * 330).astype(int) % 256, (turn * 500).astype(int) % 256
    return source[rows, columns]


def bookshelf(rng: np.random.Generator, side: int) -> Bytes:
    """Backs of books in all colours, with titles, on shelves."""
    picture = Image.new("RGB", (side, side), (60, 42, 30))
    pen, height = ImageDraw.Draw(picture), side // int(rng.integers(3, 6))
    for shelf in range(side // height + 1):
        x = 0.0
        while x < side:
            width, top = side * rng.uniform(0.012, 0.05), shelf * height + height * rng.uniform(0.05, 0.25)
            colour = _colour(rng)
            pen.rectangle((x, top, x + width - 1, (shelf + 1) * height - 4), fill=colour)
            lines = rng.uniform(top, (shelf + 1) * height - 6, 3)
            for line in lines:
                pen.line((x + 2, line, x + width - 3, line), fill=_around(rng, colour, 70), width=max(1, side // 256))
            x += width
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 700)))


def meadow(rng: np.random.Generator, side: int) -> Bytes:
    """Flowers of many colours in grass, smaller towards the horizon."""
    picture = Image.fromarray(dead_leaves(rng, side, (0.004, 0.02), 45, 8, (70, 120, 40)))
    pen, horizon = ImageDraw.Draw(picture), side * rng.uniform(0.15, 0.4)
    pen.rectangle((0, 0, side, horizon), fill=_around(rng, (150, 190, 230), 15))
    for y in np.sort(rng.uniform(horizon, side, 350)):
        near = (y - horizon) / side
        x, r = rng.uniform(0, side), side * (0.002 + 0.02 * near)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_colour(rng))
    return np.asarray(picture)


def terrazzo(rng: np.random.Generator, side: int) -> Bytes:
    """Chips of stone of a few colours, the ground between them."""
    ground, chips = _around(rng, (225, 220, 210), 12), [_colour(rng) for _ in range(4)]
    picture = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(picture)
    for _ in range(700):
        x, y = rng.uniform(0, side, 2)
        corners = [(float(x + rng.normal(0, side / 70)), float(y + rng.normal(0, side / 70))) for _ in range(5)]
        pen.polygon(corners, fill=chips[int(rng.integers(4))])
    return np.asarray(picture)


def watercolour(rng: np.random.Generator, side: int) -> Bytes:
    """Washes that overlap, pigment at their rims, grain of the paper."""
    canvas = np.full((side, side, 3), 0.97)
    for _ in range(int(rng.integers(6, 16))):
        field = cloud(rng, side, 1.9)
        y, x = np.mgrid[0:side, 0:side] / side
        field = field * 0.4 - 8 * ((x - rng.random()) ** 2 + (y - rng.random()) ** 2) + rng.uniform(0, 0.6)
        wash, rim = 1 / (1 + np.exp(-field * 30)), np.exp(-((field * 14) ** 2))
        pigment = 1 - np.array(_colour(rng)) / 255
        canvas *= 1 - (wash * 0.4 + rim * 0.15)[..., None] * pigment
    return _bytes(canvas + gaussian_filter(rng.normal(0, 0.05, (side, side)), 1)[..., None])


def comic(rng: np.random.Generator, side: int) -> Bytes:
    """Panels, each a drawing, with screen dots in some, and balloons with letters."""
    page = Image.new("RGB", (side, side), (250, 250, 246))
    pen, rows = ImageDraw.Draw(page), int(rng.integers(2, 4))
    for row in range(rows):
        for column in range(2):
            size = (side // 2 - 8, side // rows - 8)
            panel = Image.fromarray(flat_drawing(rng, 256)).resize(size)
            page.paste(panel, (column * side // 2 + 4, row * side // rows + 4))
            x, y = column * side / 2 + side / 8, row * side / rows + side / 14
            pen.ellipse((x - side / 9, y - side / 22, x + side / 9, y + side / 22), fill="white", outline="black")
            pen.text((x - side / 14, y - 5), "no, not now!", fill="black")
    return np.asarray(page)


def street_map(rng: np.random.Generator, side: int) -> Bytes:
    """Blocks in pale colours between streets, a river."""
    picture = Image.new("RGB", (side, side), (240, 238, 230))
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        (x, y), (w, h) = rng.uniform(0, side, 2), rng.uniform(0.03, 0.12, 2) * side
        pen.rectangle((x, y, x + w, y + h), fill=_around(rng, (215, 220, 205), 18))
    for _ in range(40):
        (x, y), turn = rng.uniform(0, side, 2), float(rng.choice((0.1, 1.67, 0.9)))
        dx, dy = np.cos(turn) * side, np.sin(turn) * side
        colour = [(255, 255, 255), (250, 215, 120), (160, 200, 235)][int(rng.integers(3))]
        pen.line((x - dx, y - dy, x + dx, y + dy), fill=colour, width=max(1, int(side * rng.uniform(0.003, 0.015))))
    return np.asarray(picture)


def embroidery(rng: np.random.Generator, side: int) -> Bytes:
    """A drawing in cross stitches."""
    step = max(2, side // 64)
    small = np.asarray(Image.fromarray(flat_drawing(rng, 256)).resize((side // step, side // step)), np.float64) / 255
    small = np.clip(small + rng.normal(0, 0.04, small.shape), 0, 1)
    large = small.repeat(step, axis=0).repeat(step, axis=1)
    y, x = np.mgrid[0 : large.shape[0], 0 : large.shape[1]] % step / step
    cross = np.maximum(1 - 3 * np.abs(x - y), 1 - 3 * np.abs(x + y - 1)).clip(0, 1)
    return _bytes(large * (0.6 + 0.4 * cross[..., None]))


def autumn(rng: np.random.Generator, side: int) -> Bytes:
    """Leaves from green over yellow to red, thick on the ground."""
    picture = Image.new("RGB", (side, side), (60, 40, 25))
    pen = ImageDraw.Draw(picture)
    tints = ((200, 60, 30), (220, 140, 40), (210, 190, 60), (110, 120, 40), (130, 70, 40))
    for _ in range(2500):
        (x, y), turn, r = rng.uniform(0, side, 2), rng.uniform(0, 6.3), side * rng.uniform(0.01, 0.035)
        around = np.linspace(0, 2 * np.pi, 11)[:-1]
        reach = r * np.where(np.arange(10) % 2, 0.5, 1.0)
        outline = zip(reach * np.cos(around + turn), reach * np.sin(around), strict=True)
        corners = [(float(x + a), float(y + b)) for a, b in outline]
        pen.polygon(corners, fill=_around(rng, tints[int(rng.integers(5))], 14))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(side / 900)))


def candy(rng: np.random.Generator, side: int) -> Bytes:
    """Sweets of six colours, piled, each with its gleam and shadow."""
    picture, palette = Image.new("RGB", (side, side), (40, 30, 30)), [_colour(rng) for _ in range(6)]
    pen = ImageDraw.Draw(picture)
    for _ in range(500):
        (x, y), r = rng.uniform(0, side, 2), side * rng.uniform(0.035, 0.05)
        colour = palette[int(rng.integers(6))]
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(v // 2 for v in colour))
        pen.ellipse((x - 0.9 * r, y - 0.95 * r, x + 0.9 * r, y + 0.8 * r), fill=colour)
        pen.ellipse((x - 0.4 * r, y - 0.6 * r, x - 0.1 * r, y - 0.35 * r), fill=(255, 255, 255))
    return np.asarray(picture)


def marbled(rng: np.random.Generator, side: int) -> Bytes:
    """Marbled paper: five colours drawn out in swirls."""
    field = cloud(rng, side, 2.1) + 0.3 * np.sin(np.mgrid[0:side, 0:side][1] / side * rng.uniform(10, 40))
    palette = np.array([_colour(rng) for _ in range(5)], np.uint8)
    return palette[(field * rng.uniform(2, 5)).astype(int) % 5]


ART: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw
    for draw in (
        bricks,
        fur,
        quilt,
        bokeh,
        low_poly,
        kaleidoscope,
        bookshelf,
        meadow,
        terrazzo,
        watercolour,
        comic,
        street_map,
        embroidery,
        autumn,
        candy,
        marbled,
    )
}
