"""Kinds drawn to find false alarms where bands, discs and glints of all hues lie close.

Their other half is for the report alone (`unseen_strange`).  Drawers as in drawn.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.previews.drawn import Bytes, Draw, _bytes, _colour, cloud
from benchmarks.previews.drawn_patterns import _hues, _place
from benchmarks.previews.drawn_textures import cells, lit


def opal(rng: np.random.Generator, side: int) -> Bytes:
    """A milky stone in which patches glow, each of one hue that changes a little within it."""
    seam, which = cells(rng, side, int(rng.integers(30, 400)))
    hue = rng.uniform(0, 1, which.max() + 1)[which] + 0.06 * cloud(rng, side, 1.8)
    glow = (rng.uniform(0.1, 1, which.max() + 1)[which] * np.clip(seam * 3, 0.2, 1))[..., None]
    milk = rng.uniform(0.5, 0.9, 3) * (0.9 + 0.08 * cloud(rng, side, 2.0))[..., None]
    return _bytes(milk * (1 - glow) + glow * _hues(hue, rng.uniform(0.5, 0.9), 0.95) / 255)


def julia(rng: np.random.Generator, side: int) -> Bytes:
    """A Julia set in all hues, by how soon each place escapes."""
    y, x = _place(rng, side)
    z, c = (x + 1j * y) * rng.uniform(0.8, 3), 0.7885 * np.exp(1j * rng.uniform(0, 2 * np.pi))
    when = np.zeros(z.shape)
    for k in range(60):
        inside = np.abs(z) < 4
        z = np.where(inside, z * z + c, z)
        when = np.where(inside, k + 1.0, when)
    smooth = when - np.log2(np.maximum(np.log(np.maximum(np.abs(z), 1.01)), 1e-3))
    return _hues(smooth * rng.uniform(0.02, 0.15) + rng.uniform(), rng.uniform(0.4, 1), np.where(when < 60, 0.95, 0.05))


def jelly_beans(rng: np.random.Generator, side: int) -> Bytes:
    """Beans of a dozen colours in a heap, each with a glint and a shade."""
    picture, size = Image.new("RGB", (side, side), (30, 20, 20)), side * rng.uniform(0.02, 0.08)
    tones = [_colour(rng) for _ in range(12)]
    for _ in range(int(1.6 * (side / size) ** 2 / 2)):
        bean = Image.new("RGBA", (int(4 * size), int(4 * size)), (0, 0, 0, 0))
        pen, m = ImageDraw.Draw(bean), 2 * size
        tone = tones[int(rng.integers(12))]
        dark = tuple(int(v * 0.55) for v in tone)
        pen.ellipse((m - 1.5 * size, m - size, m + 1.5 * size, m + size), fill=(*dark, 255))
        pen.ellipse((m - 1.4 * size, m - size, m + 1.3 * size, m + 0.75 * size), fill=(*tone, 255))
        pen.ellipse((m - 0.8 * size, m - 0.7 * size, m - 0.2 * size, m - 0.4 * size), fill=(255, 255, 255, 220))
        bean = bean.rotate(float(rng.uniform(0, 360)), Image.Resampling.BILINEAR)
        x, y = (int(v) for v in rng.uniform(-2 * size, side, 2))
        picture.paste(bean, (x, y), bean)
    return np.asarray(picture)


def normal_map(rng: np.random.Generator, side: int) -> Bytes:
    """The directions of a relief's surface as colours, as a ControlNet takes them."""
    seam, _ = cells(rng, side, int(rng.integers(20, 600)))
    if rng.random() < 0.5:
        height = np.sqrt(np.clip(seam, 0, 1)) + 0.1 * cloud(rng, side, 1.6)
    else:
        height = cloud(rng, side, rng.uniform(1.8, 2.5))
    down, across = np.gradient(height)
    steep = rng.uniform(0.5, 1.5) / np.hypot(down, across).std()
    normal = np.stack((-across * steep, down * steep, np.ones_like(down)), axis=-1)
    return _bytes(normal / np.linalg.norm(normal, axis=-1, keepdims=True) / 2 + 0.5)


def worn_tape(rng: np.random.Generator, side: int) -> Bytes:
    """A photograph from a worn video tape: rows that slip, colours that run, blocks that stay behind."""
    import skimage

    name = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")[int(rng.integers(4))]
    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        picture = np.asarray(image.convert("RGB").resize((side, side))).copy()
    slip = np.cumsum(rng.normal(0, 1.2, side)).astype(int)
    rows = (np.arange(side)[None, :] + slip[:, None]) % side
    picture = np.take_along_axis(picture, rows[..., None], axis=1)
    apart = max(1, side // int(rng.integers(20, 120)))
    picture = np.stack([np.roll(picture[..., i], (i - 1) * apart, axis=1) for i in range(3)], axis=-1)
    block = max(4, side // 32)
    for _ in range(int(rng.integers(10, 120))):
        y, x, v, u = (int(n) * block for n in rng.integers(0, side // block, 4))
        picture[y : y + block, x : x + block] = picture[v : v + block, u : u + block][..., rng.permutation(3)]
    return _bytes(picture / 255 + rng.normal(0, 0.03, (side, side, 1)))


def aquarium_gravel(rng: np.random.Generator, side: int) -> Bytes:
    """Pebbles dyed in bright colours, each with its light and its shade."""
    seam, which = cells(rng, side, int(rng.integers(300, 4000)))
    tones = np.array([_colour(rng) for _ in range(int(rng.integers(3, 9)))]) / 255
    dyed = tones[rng.integers(0, len(tones), which.max() + 1)] * rng.uniform(0.7, 1.1, (which.max() + 1, 1))
    relief = np.clip(lit(np.sqrt(np.clip(seam, 0, 1)), 0.18), 0, 1)[..., None]
    return _bytes(dyed[which] * (0.35 + relief) * np.clip(seam * 5, 0.15, 1)[..., None])


def city_lights(rng: np.random.Generator, side: int) -> Bytes:
    """Lamps far out of focus by night: overlapping discs of light in many colours."""
    light = np.zeros((side, side, 3))
    y, x = np.mgrid[0:side, 0:side] / side
    size = rng.uniform(0.02, 0.09)
    for _ in range(int(rng.integers(30, 160))):
        v, u, r = rng.uniform(0, 1), rng.uniform(0, 1), size * rng.uniform(0.7, 1.2)
        disc = np.clip((r - np.hypot(y - v, x - u)) * side / 3, 0, 1)[..., None]
        light += disc * np.array(_colour(rng)) / 255 * rng.uniform(0.2, 0.7)
    return np.asarray(Image.fromarray(_bytes(light)).filter(ImageFilter.GaussianBlur(side / 300)))


STRANGE: dict[str, Draw] = {
    draw.__name__.replace("_", " "): draw
    for draw in (opal, julia, jelly_beans, normal_map, worn_tape, aquarium_gravel, city_lights)
}
