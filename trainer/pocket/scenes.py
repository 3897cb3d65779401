"""Drawn scenes: what the pocket model knows of the world.

A :class:`Scene` is a sky, a light, a ground, one large object in one colour, and a look. Colours were
chosen so that their *luminances* differ as well as their hues: a monochrome look then still tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from trainer.pocket import looks
from trainer.pocket.canvas import Canvas, Colour, shade
from trainer.pocket.objects import DRAW

SIZE = 128  #: side of a picture, pixels
SCALE = 2  #: supersampling of the drawing

SKIES: dict[str, Colour] = {
    "night": (22, 26, 66),
    "purple": (112, 56, 160),
    "teal": (36, 138, 138),
    "blue": (92, 160, 236),
    "orange": (252, 166, 74),
    "pink": (255, 200, 214),
}
GROUNDS: dict[str, Colour] = {
    "grass": (92, 172, 70),
    "sand": (232, 206, 132),
    "snow": (238, 245, 252),
    "water": (34, 92, 150),
    "field": (128, 84, 46),
}
COLOURS: dict[str, Colour] = {
    "black": (26, 24, 28),
    "blue": (30, 50, 172),
    "red": (220, 42, 44),
    "green": (40, 150, 72),
    "orange": (244, 134, 30),
    "yellow": (250, 216, 56),
    "white": (250, 250, 246),
}
LIGHTS = ("sun", "moon", "none")
OBJECTS = tuple(DRAW)
AIRS = ("none", "clouds", "stars")

#: Pairs that hide the object against what is behind it; never drawn.
HIDDEN = {
    ("orange", "orange"),
    ("blue", "blue"),
    ("black", "night"),
    ("green", "grass"),
    ("white", "snow"),
    ("blue", "water"),
    ("yellow", "sand"),
    ("green", "teal"),
    ("white", "pink"),
    ("blue", "night"),
}


@dataclass(frozen=True)
class Scene:
    """Everything that decides a picture. Lengths are fractions of the picture's side."""

    sky: str
    light: str
    ground: str
    object: str
    colour: str
    mountains: bool
    air: str
    palette: str
    hand: str
    horizon: float
    x: float
    size: float
    light_x: float
    light_y: float
    seed: int

    @property
    def look(self) -> tuple[str, ...]:
        """The caption words of the look; empty for the plain one."""
        return tuple(looks.WORDS[w] for w in (self.palette, self.hand) if w != "plain")


def _look(rng: np.random.Generator) -> tuple[str, str]:
    """A palette and a hand: 30 % plain, 25 % a palette, 30 % a hand, 15 % both at once."""
    kind = rng.random()
    palette = str(rng.choice(looks.PALETTES[1:])) if 0.3 <= kind < 0.55 or kind >= 0.85 else "plain"
    hand = str(rng.choice(looks.HANDS[1:])) if kind >= 0.55 else "plain"
    return ("plain", hand) if (palette, hand) in looks.UNSEEN else (palette, hand)


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene drawn at random; the same generator state gives the same scene."""
    sky, ground = str(rng.choice(list(SKIES))), str(rng.choice(list(GROUNDS)))
    free = [c for c in COLOURS if (c, sky) not in HIDDEN and (c, ground) not in HIDDEN]
    palette, hand = _look(rng)
    x = float(rng.uniform(0.34, 0.66))
    left = x > 0.5 if abs(x - 0.5) > 0.05 else bool(rng.random() < 0.5)
    return Scene(
        sky=sky,
        ground=ground,
        colour=str(rng.choice(free)),
        object=str(rng.choice(OBJECTS)),
        light=str(rng.choice(LIGHTS, p=(0.36, 0.36, 0.28))),
        mountains=bool(rng.random() < 0.3),
        air=str(rng.choice(AIRS, p=(0.6, 0.25, 0.15))),
        palette=palette,
        hand=hand,
        horizon=float(rng.uniform(0.6, 0.76)),
        x=x,
        size=float(rng.uniform(0.58, 0.72)),
        light_x=float(rng.uniform(0.13, 0.24) if left else rng.uniform(0.76, 0.87)),
        light_y=float(rng.uniform(0.14, 0.26)),
        seed=int(rng.integers(2**31)),
    )


def _sky(c: Canvas, s: Scene) -> None:
    c.gradient(shade(SKIES[s.sky], 0.94), shade(SKIES[s.sky], 1.08))


def _air(c: Canvas, s: Scene, rng: np.random.Generator) -> None:
    if s.air == "stars":
        for _ in range(9):
            x, y = rng.uniform(0.05, 0.95), rng.uniform(0.04, s.horizon - 0.2)
            c.star(x, y, float(rng.uniform(0.022, 0.034)), (255, 252, 215), 2)
    if s.air == "clouds":
        for _ in range(3):
            x, y, r = rng.uniform(0.1, 0.9), rng.uniform(0.12, s.horizon - 0.2), rng.uniform(0.055, 0.08)
            for k, f in ((-1.1, 0.75), (0.0, 1.0), (1.1, 0.8)):
                c.disc(x + k * r, y + (1 - f) * r, f * r, (246, 248, 250), 2)


def _light(c: Canvas, s: Scene) -> None:
    x, y = s.light_x, s.light_y
    if s.light == "sun":
        c.rays(x, y, 0.075, 0.135, (255, 232, 70), 3)
        c.disc(x, y, 0.098, shade(SKIES[s.sky], 0.8), 3)
        c.disc(x, y, 0.085, (255, 226, 40), 4)
    if s.light == "moon":
        c.disc(x, y, 0.125, shade(SKIES[s.sky], 0.8), 3)
        c.crescent(x, y, 0.11, (252, 250, 232), 4)


def _mountains(c: Canvas, s: Scene, rng: np.random.Generator) -> None:
    x = float(rng.uniform(-0.15, 0.0))
    base = tuple(int(0.55 * v + 0.45 * g) for v, g in zip(SKIES[s.sky], (84, 84, 104), strict=True))
    while x < 1.0:
        w, h = float(rng.uniform(0.34, 0.5)), float(rng.uniform(0.2, 0.34))
        top = (x + w / 2, s.horizon - h)
        c.poly([(x, s.horizon), top, (x + w, s.horizon)], shade((base[0], base[1], base[2]), 0.8), 5)
        snow = top[1] + 0.28 * h
        c.poly([(x + w * 0.36, snow), top, (x + w * 0.64, snow)], (240, 244, 250), 6)
        x += w * 0.72


def _ground(c: Canvas, s: Scene, rng: np.random.Generator) -> None:
    base, top = GROUNDS[s.ground], s.horizon
    c.box(0, top, 1, 1, base, 7)
    if s.ground == "field":
        for k in np.arange(-1.4, 2.4, 0.28):
            c.poly([(0.5 + (k - 0.5) * 0.35, top), (k, 1), (k + 0.13, 1)], shade(base, 1.4), 8)
    for _ in range({"water": 11, "grass": 14, "sand": 9, "snow": 4, "field": 0}[s.ground]):
        x, y, w = rng.uniform(-0.1, 1.0), rng.uniform(top + 0.04, 0.97), rng.uniform(0.1, 0.22)
        if s.ground == "water":
            c.box(x, y, x + w, y + 0.022, shade(base, 1.7), 8)
        elif s.ground == "grass":
            c.poly([(x, y), (x + 0.02, y - 0.07), (x + 0.04, y)], shade(base, 0.7), 8)
            c.poly([(x + 0.03, y), (x + 0.055, y - 0.05), (x + 0.07, y)], shade(base, 0.7), 8)
        elif s.ground == "sand":
            c.disc(x, y, 0.016, shade(base, 0.72), 8)
        else:
            c.ellipse(x, y, x + 2.2 * w, y + 0.05, shade(base, 0.9), 8)


def paint(scene: Scene, thing: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The scene before its look: colours float32 0..1 (H, W, 3) and region ids uint8 (H, W), supersampled.

    With ``thing`` false the object is left out.
    """
    rng = np.random.default_rng(scene.seed)
    c = Canvas(SIZE * SCALE)
    _sky(c, scene)
    _air(c, scene, rng)
    _light(c, scene)
    if scene.mountains:
        _mountains(c, scene, rng)
    _ground(c, scene, rng)
    foot = scene.horizon + (0.04 if scene.object == "balloon" else 0.1)
    size = min(scene.size, (foot - 0.03) / 1.08)  # nothing is cut off at the top
    if thing:
        DRAW[scene.object](c.at(scene.x, foot, size), COLOURS[scene.colour])
    return c.arrays()


def draw(scene: Scene) -> Image.Image:
    """The finished picture, RGB, 128 x 128 pixels. Deterministic."""
    rgb, ids = paint(scene)
    return finish(looks.apply(rgb, ids, scene.palette, scene.hand, scene.seed))


def finish(rgb: np.ndarray) -> Image.Image:
    """A supersampled picture (float, 0..1) brought down to 128 x 128 by its box averages."""
    n = rgb.shape[0] // SIZE
    small = rgb.reshape(SIZE, n, SIZE, n, 3).mean(axis=(1, 3))
    return Image.fromarray((small.clip(0, 1) * 255 + 0.5).astype(np.uint8))
