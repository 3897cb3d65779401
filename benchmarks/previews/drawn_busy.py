"""More hard negatives: pictures busy and colourful from edge to edge, of something all the same; and the emptiest.

Drawers as in drawn.py.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud, landscape


def _near(rng: np.random.Generator, base: tuple[int, int, int], spread: float) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in np.clip(np.array(base) + rng.normal(0, spread, 3), 0, 255))
    return r, g, b


def flower_bed(rng: np.random.Generator, side: int) -> Bytes:
    """Flowers of five petals in a few colours among leaves, smaller towards the horizon."""
    picture = Image.new("RGB", (side, side), _near(rng, (45, 85, 35), 12))
    pen, palette = ImageDraw.Draw(picture), [_colour(rng) for _ in range(int(rng.integers(2, 6)))]
    for depth in np.sort(rng.random(1500)):
        x, y, r = rng.uniform(0, side), side * depth, side * (0.006 + 0.022 * depth)
        leaf = _near(rng, (60, 115, 45), 22)
        pen.line((x, y, x + rng.normal(0, 2 * r), y + 3 * r), fill=leaf, width=max(1, int(r / 2)))
        colour, turn = _near(rng, palette[int(rng.integers(len(palette)))], 10), rng.uniform(0, 6.3)
        for k in range(5):
            a, b = x + r * np.cos(turn + k * 1.257), y + r * np.sin(turn + k * 1.257)
            pen.ellipse((a - 0.7 * r, b - 0.7 * r, a + 0.7 * r, b + 0.7 * r), fill=colour)
        pen.ellipse((x - 0.4 * r, y - 0.4 * r, x + 0.4 * r, y + 0.4 * r), fill=(235, 200, 60))
    return np.asarray(picture)


def market(rng: np.random.Generator, side: int) -> Bytes:
    """Fruit in heaps: a heap is of one kind, every fruit lit from the left."""
    canvas, y, x = np.full((side, side, 3), 0.15), *np.mgrid[0:side, 0:side]
    kinds = [np.array(_colour(rng)) / 255 for _ in range(6)]
    corners = rng.uniform(0, side, (6, 2))
    for _ in range(450):
        at, r = rng.uniform(0, side, 2), side * rng.uniform(0.018, 0.035)
        kind = kinds[int(np.argmin(((corners - at) ** 2).sum(axis=1)))]
        top, left = (max(0, int(v - r)) for v in at)
        part = (slice(top, int(at[0] + r) + 1), slice(left, int(at[1] + r) + 1))
        v, u = (y[part] - at[0]) / r, (x[part] - at[1]) / r
        inside = u**2 + v**2 < 1
        light = np.clip(0.85 - 0.45 * (u + v), 0.15, 1.3)[..., None] * kind * rng.uniform(0.85, 1.15)
        canvas[part] = np.where(inside[..., None], light, canvas[part])
    return _bytes(canvas)


def crowd(rng: np.random.Generator, side: int) -> Bytes:
    """Hundreds of people: heads, hair, coats, larger in front."""
    picture = Image.new("RGB", (side, side), _near(rng, (120, 120, 125), 20))
    pen = ImageDraw.Draw(picture)
    for depth in np.sort(rng.random(700)):
        x, y, r = rng.uniform(0, side), side * (0.1 + 0.95 * depth), side * (0.006 + 0.014 * depth)
        coat = _near(rng, [(40, 45, 60), (120, 40, 40), (200, 195, 185), (60, 80, 50)][int(rng.integers(4))], 25)
        skin = _near(rng, [(225, 180, 150), (150, 100, 70), (90, 60, 45)][int(rng.integers(3))], 12)
        pen.ellipse((x - 1.8 * r, y + 0.8 * r, x + 1.8 * r, y + 5 * r), fill=coat)
        pen.ellipse((x - r, y - 1.2 * r, x + r, y + 1.2 * r), fill=skin)
        pen.chord((x - r, y - 1.3 * r, x + r, y + r), 180, 360, fill=_near(rng, (50, 35, 25), 20))
    return np.asarray(picture)


def graffiti(rng: np.random.Generator, side: int) -> Bytes:
    """Letters sprayed over each other in loud colours, each with an outline."""
    picture = Image.new("RGB", (side, side), _near(rng, (150, 145, 140), 15))
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        centre, reach = rng.uniform(0, side, 2), side * rng.uniform(0.05, 0.2)
        points = centre + np.cumsum(rng.normal(0, reach / 2, (6, 2)), axis=0)
        path, width = [(float(a), float(b)) for a, b in points], int(side * rng.uniform(0.01, 0.05)) + 1
        pen.line(path, fill=(10, 10, 10), width=width + max(2, side // 90), joint="curve")
        pen.line(path, fill=_colour(rng), width=width, joint="curve")
    return np.asarray(picture)


def carpet(rng: np.random.Generator, side: int) -> Bytes:
    """A knotted rug: ornaments mirrored on both axes, a border, eight colours."""
    palette, half = np.array([_colour(rng) for _ in range(8)], np.uint8), max(16, side // 8)
    field = cloud(rng, half, float(rng.uniform(0.6, 1.2))) + np.sin(np.mgrid[0:half, 0:half][0] * rng.uniform(0.3, 1.5))
    quarter = palette[(np.abs(field) * 3).astype(int) % 8]
    edge = max(1, half // 8)
    quarter[:edge], quarter[:, :edge] = palette[0], palette[0]
    upper = np.concatenate((quarter, quarter[:, ::-1]), axis=1)
    whole = np.concatenate((upper, upper[::-1]), axis=0)
    large = Image.fromarray(whole).resize((side, side), Image.Resampling.NEAREST)
    return _bytes(np.asarray(large) / 255 + rng.normal(0, 0.04, (side, side, 1)))


def night_city(rng: np.random.Generator, side: int) -> Bytes:
    """Houses by night, their windows lit in many tints, reflected in water."""
    picture = Image.new("RGB", (side, side), (12, 14, 30))
    pen, floor = ImageDraw.Draw(picture), int(side * rng.uniform(0.6, 0.95))
    for _ in range(24):
        left, wide, top = rng.uniform(-0.1, 1) * side, rng.uniform(0.05, 0.15) * side, rng.uniform(0.02, 0.6) * side
        pen.rectangle((left, top, left + wide, floor), fill=_near(rng, (30, 30, 42), 8))
        step = max(3, side // int(rng.integers(50, 100)))
        for y in range(int(top) + step, floor - step, step):
            for x in range(int(left) + step, int(left + wide) - step, step):
                if rng.random() < 0.6:
                    lit = _near(rng, [(250, 220, 150), (200, 220, 250), (240, 150, 90)][int(rng.integers(3))], 30)
                    pen.rectangle((x, y, x + step * 0.55, y + step * 0.55), fill=lit)
    values = np.asarray(picture) / 255
    mirror = gaussian_filter(values[:floor][::-1][: side - floor], (side / 100, side / 300, 0)) * 0.6
    return _bytes(np.concatenate((values[:floor], mirror, values[floor + len(mirror) :]), axis=0))


def scales(rng: np.random.Generator, side: int) -> Bytes:
    """Scales, feathers or roof tiles in rows: each its own tint of two colours that blend over the frame."""
    step = max(4, side // int(rng.integers(14, 40)))
    picture = Image.new("RGB", (side, side))
    pen, tint = ImageDraw.Draw(picture), (cloud(rng, 64, 1.8) * 0.5 + 0.5).clip(0, 1)
    one, two = np.array(_colour(rng)), np.array(_colour(rng))
    for row in range(-1, side // step * 2 + 2):
        for column in range(-1, side // step + 2):
            x, y = column * step + (row % 2) * step / 2, side - row * step / 2
            share = tint[int(np.clip(y / side, 0, 0.99) * 64), int(np.clip(x / side, 0, 0.99) * 64)]
            r, g, b = (int(v) for v in np.clip(one * share + two * (1 - share) + rng.normal(0, 18, 3), 0, 255))
            box = (x - step * 0.6, y - step, x + step * 0.6, y + step * 0.4)
            pen.ellipse(box, fill=(r, g, b), outline=(r // 2, g // 2, b // 2))
    return np.asarray(picture)


def impressionist(rng: np.random.Generator, side: int) -> Bytes:
    """A landscape in short thick strokes that follow the forms, each a little off in hue."""
    base, turn = landscape(rng, side), cloud(rng, side, 2.2) * 1.5
    picture = Image.fromarray(base).filter(ImageFilter.GaussianBlur(side / 50))
    pen, wide = ImageDraw.Draw(picture), side * rng.uniform(0.006, 0.014)
    for _ in range(5000):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        reach, angle = wide * rng.uniform(1, 3), turn[y, x]
        red, green, blue = (int(v) for v in np.clip(base[y, x] + rng.normal(0, 30, 3), 0, 255))
        dx, dy = reach * np.cos(angle), reach * np.sin(angle)
        pen.line((x - dx, y - dy, x + dx, y + dy), fill=(red, green, blue), width=max(1, int(wide)))
    return np.asarray(picture)


def dragged_paint(rng: np.random.Generator, side: int) -> Bytes:
    """An abstract: layers of paint drawn over the canvas with a squeegee."""
    canvas = np.broadcast_to(np.array(_colour(rng)) / 255, (side, side, 3)).copy()
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    for k in range(5):
        grain = gaussian_filter(rng.standard_normal((side, side)), (1, side / 12) if k % 2 else (side / 12, 1))
        where = map_coordinates(grain / grain.std() + cloud(rng, side, 1.8), [y, x], order=1) > rng.uniform(0.2, 0.9)
        paint = np.array(_colour(rng)) / 255 + gaussian_filter(rng.standard_normal((side, side)), 1)[..., None] * 0.1
        canvas = np.where(where[..., None], paint, canvas)
    return _bytes(canvas)


def gradient(rng: np.random.Generator, side: int) -> Bytes:
    """Nothing but light: a ramp, a sunset, a vignette or a sky, in one to three colours or grey, at times banded."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    turn, kind = rng.uniform(0, 6.3), int(rng.integers(4))
    along = x * np.cos(turn) + y * np.sin(turn) + 0.5
    field = [along, np.hypot(x, y) * 1.4, along**2, cloud(rng, side, 3.0) * 0.2 + 0.5][kind].clip(0, 1)
    stops = np.array([_colour(rng) for _ in range(3)]) / 255
    if rng.random() < 0.3:
        stops = stops.mean(axis=1, keepdims=True).repeat(3, axis=1)
    ends = (0, 0.5, 1) if rng.random() < 0.5 else (0, 1e-6, 1)
    canvas = np.stack([np.interp(field, ends, stops[:, i]) for i in range(3)], axis=-1)
    steps = int(rng.integers(6, 24))
    return _bytes(np.round(canvas * steps) / steps if rng.random() < 0.25 else canvas)


def emblem(rng: np.random.Generator, side: int) -> Bytes:
    """One or a few soft or hard shapes on an even ground: a logo, a ball, a moon."""
    picture = Image.new("RGB", (side, side), _colour(rng))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 5))):
        (x, y), r = rng.uniform(0.2, 0.8, 2) * side, side * rng.uniform(0.05, 0.35)
        if rng.random() < 0.5:
            pen.ellipse((x - r, y - r, x + r, y + r), fill=_colour(rng))
        else:
            pen.regular_polygon((x, y, r), int(rng.integers(3, 8)), fill=_colour(rng))
    soft = side * float(rng.choice((0.0, 0.004, 0.03, 0.08)))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(soft)))


def soft_colours(rng: np.random.Generator, side: int) -> Bytes:
    """Every channel its own slow wave or ramp: a backdrop, a mesh gradient, a lens out of focus."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    canvas = []
    for _ in range(3):
        turn, bends, start = rng.uniform(0, 6.3), float(rng.choice((0.0, 0.5, 1.0, 1.7))), rng.uniform(0, 6.3)
        along = x * np.cos(turn) + y * np.sin(turn)
        wave = along if bends == 0 else np.cos(2 * np.pi * bends * along + start) / 2
        canvas.append(rng.uniform(0.3, 0.7) + rng.uniform(0.2, 1.0) * wave)
    return _bytes(np.stack(canvas, axis=-1))


def ink(rng: np.random.Generator, side: int) -> Bytes:
    """Lines of ink in panels, black on white or scratched out of black: outlines, hatching, letters."""
    dark = rng.random() < 0.5
    ground, line = (0, 255) if dark else (255, 0)
    picture = Image.new("L", (side, side), ground)
    pen, wide = ImageDraw.Draw(picture), max(1, int(side * rng.uniform(0.004, 0.014)))
    for _ in range(int(rng.integers(30, 160))):
        (x, y), r, kind = rng.uniform(0, side, 2), side * rng.uniform(0.02, 0.25), int(rng.integers(4))
        if kind == 0:
            points = np.array((x, y)) + np.cumsum(rng.normal(0, r / 3, (8, 2)), axis=0)
            pen.line([(float(a), float(b)) for a, b in points], fill=line, width=wide, joint="curve")
        elif kind == 1:
            pen.ellipse((x - r, y - r * 0.7, x + r, y + r * 0.7), outline=line, width=wide)
        elif kind == 2:
            for k in range(int(rng.integers(4, 14))):
                pen.line((x + 3 * wide * k, y, x + 3 * wide * k + r / 3, y + r), fill=line, width=wide)
        else:
            pen.text((x, y), "and so it ended", fill=line)
    for at in rng.uniform(0.2, 0.8, 2) * side:
        pen.rectangle((0, at, side, at + 3 * wide), fill=line)
    return np.repeat(np.asarray(picture)[..., None], 3, axis=2)


BUSY: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw
    for draw in (
        flower_bed,
        market,
        crowd,
        graffiti,
        carpet,
        night_city,
        scales,
        impressionist,
        dragged_paint,
        gradient,
        emblem,
    )
}
#: the emptiest, once more and in numbers: nothing but light, or nothing but lines, which are far from photographs too
BARE: dict[str, Draw] = {"soft colours": soft_colours, "gradient": gradient, "emblem": emblem, "ink": ink}
