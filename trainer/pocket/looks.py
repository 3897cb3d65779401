"""The looks a scene can be drawn in, each called by caption words.

A look is a *palette* (what becomes of the colours) and a *hand* (what becomes of the surface). Both are
coarse on purpose, 4 to 8 pixels of the final picture: a latent with one cell per 8 pixels loses the finer.
Pictures here are float32 (H, W, 3) in 0..1, supersampled twice: one final pixel is two here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter

UP = 2  #: drawn pixels per final pixel

#: Caption words of every palette and hand.
WORDS: dict[str, str] = {
    "plain": "",
    "sepia": "sepia",
    "duotone": "blue duotone",
    "pastel": "pastel",
    "warm": "warm palette",
    "cold": "cold palette",
    "negative": "negative",
    "fog": "fog",
    "grey": "charcoal grey",
    "acid": "acid palette",
    "outlines": "dark outlines",
    "pixels": "pixel blocks",
    "hatching": "diagonal hatching",
    "watercolour": "watercolour",
    "neon": "neon on dark",
    "poster": "poster",
    "glass": "stained glass",
    "dots": "halftone dots",
    "woodcut": "woodcut",
    "chalk": "chalk",
    "lines": "scan lines",
    "white": "white outlines",
}


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Rec. 601 luma, (H, W)."""
    return np.asarray(rgb @ np.asarray((0.299, 0.587, 0.114), dtype=np.float32))


def ramp(rgb: np.ndarray, dark: tuple[int, ...], light: tuple[int, ...]) -> np.ndarray:
    """Luminance laid between two colours (0..255)."""
    t = luminance(rgb)[..., None]
    return np.asarray((np.asarray(dark, np.float32) * (1 - t) + np.asarray(light, np.float32) * t) / 255)


def edges(ids: np.ndarray, width: int) -> np.ndarray:
    """Where regions meet, 1 within about ``width`` drawn pixels of a border, else 0; (H, W) float32."""
    e = np.zeros(ids.shape, bool)
    e[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    e[1:] |= ids[1:] != ids[:-1]
    return np.asarray(maximum_filter(e.astype(np.uint8), size=width), dtype=np.float32)


def cloud(side: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise in about -1..1 with ``cells`` cells a side, (H, W)."""
    small = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32) / 2)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def _stripes(side: int, period: float, dx: float, dy: float) -> np.ndarray:
    """A triangle wave 0..1 along (dx, dy), period in final pixels."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    t = (x * dx + y * dy) / (period * UP) % 1.0
    return np.asarray(np.abs(2 * t - 1), dtype=np.float32)


# --- palettes: colours (H, W, 3) to colours


def _tint(a: np.ndarray, gain: tuple[float, ...], plus: tuple[float, ...]) -> np.ndarray:
    return np.asarray(a * np.asarray(gain, np.float32) + np.asarray(plus, np.float32))


def _pastel(a: np.ndarray) -> np.ndarray:
    grey = luminance(a)[..., None]
    return np.asarray(0.52 + 0.46 * (0.7 * a + 0.3 * grey))


def _fog(a: np.ndarray) -> np.ndarray:
    t = np.linspace(0.72, 0.35, a.shape[0], dtype=np.float32)[:, None, None]
    return np.asarray(a * (1 - t) + np.asarray((0.78, 0.8, 0.82), np.float32) * t)


def _acid(a: np.ndarray) -> np.ndarray:
    grey = luminance(a)[..., None]
    return np.asarray(
        (grey + 1.8 * (a - grey)) @ np.asarray(((0.75, 0.25, 0.0), (0.0, 0.9, 0.35), (0.45, 0.0, 0.85)), np.float32)
    ).clip(0, 1)


_PALETTE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda a: a,
    "sepia": lambda a: ramp(a, (42, 22, 8), (255, 238, 200)),
    "duotone": lambda a: ramp(a, (8, 14, 78), (190, 240, 255)),
    "pastel": _pastel,
    "warm": lambda a: _tint(a, (0.85, 0.8, 0.45), (0.15, 0.02, 0.0)),
    "cold": lambda a: _tint(a, (0.5, 0.75, 0.8), (0.0, 0.06, 0.2)),
    "negative": lambda a: 1 - a,
    "fog": _fog,
    "grey": lambda a: ramp(a, (14, 14, 16), (246, 246, 244)),
    "acid": _acid,
}

# --- hands: colours, region ids, a generator

Hand = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def _ink(a: np.ndarray, mask: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    m = mask[..., None]
    return np.asarray(a * (1 - m) + np.asarray(colour, np.float32) * m)


def _pixels(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n, k = a.shape[0], 8 * UP
    small = a.reshape(n // k, k, n // k, k, 3).mean(axis=(1, 3))
    return np.asarray(np.repeat(np.repeat(small, k, 0), k, 1))


def _hatching(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    wave = _stripes(a.shape[0], 9, 0.707, 0.707)
    thick = 0.18 + 0.5 * (1 - luminance(a))
    return _ink(0.35 + 0.65 * a, (wave < thick).astype(np.float32), (0.12, 0.1, 0.16))


def _watercolour(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = a.shape[0]
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    y, x = y + 9 * cloud(n, 12, rng), x + 9 * cloud(n, 12, rng)
    moved = np.stack([map_coordinates(a[..., k], (y, x), order=1, mode="nearest") for k in range(3)], -1)
    soft = gaussian_filter(moved, (2.5, 2.5, 0))
    wet = (0.66 + 0.3 * cloud(n, 9, rng)).clip(0.3, 0.95)[..., None]
    return np.asarray(soft * wet + np.asarray((0.99, 0.98, 0.95), np.float32) * (1 - wet))


def _neon(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grey = luminance(a)[..., None]
    vivid = (grey + 1.7 * (a - grey) + 0.12).clip(0, 1)
    line = edges(ids, 8)[..., None]
    glow = gaussian_filter(line, (7, 7, 0))
    return np.asarray((0.04 + 0.24 * a + vivid * (0.9 * line + 0.35 * glow)).clip(0, 1))


def _poster(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grey, edge = luminance(a)[..., None], 7 * UP
    hard = np.round((grey + 1.4 * (a - grey)).clip(0, 1) * 3) / 3
    framed = np.ones_like(a) * np.asarray((0.98, 0.94, 0.82), np.float32)
    framed[edge:-edge, edge:-edge] = hard[edge:-edge, edge:-edge]
    return framed


def _glass(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n, cell = a.shape[0], 14 * UP
    m = n // cell + 3
    px, py = (rng.uniform(0.1, 0.9, (m, m)).astype(np.float32) for _ in range(2))
    y, x = np.mgrid[0:n, 0:n].astype(np.float32) / cell
    iy, ix = y.astype(int), x.astype(int)
    best = np.full((2, n, n), 9e9, np.float32)
    who = np.zeros((n, n), int)
    for dy in range(3):
        for dx in range(3):
            r, q = iy + dy, ix + dx
            d = np.hypot(q - 1 + px[r, q] - x, r - 1 + py[r, q] - y)
            nearer = d < best[0]
            best[1] = np.where(nearer, best[0], np.minimum(best[1], d))
            who = np.where(nearer, r * m + q, who)
            best[0] = np.where(nearer, d, best[0])
    lead = np.maximum((best[1] - best[0] < 0.13).astype(np.float32), edges(ids, 5))
    light = rng.uniform(0.78, 1.22, m * m).astype(np.float32)[who][..., None]
    return _ink((a * light).clip(0, 1), lead, (0.05, 0.05, 0.06))


def _dots(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = a.shape[0]
    y, x = np.mgrid[0:n, 0:n].astype(np.float32) / (8 * UP)
    d = np.hypot(x % 1 - 0.5, y % 1 - 0.5)
    r = 0.3 + 0.28 * (1 - luminance(a))
    return _ink(0.9 * a, (d > r).astype(np.float32), (0.98, 0.97, 0.93))


def _woodcut(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = a.shape[0]
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    wave = np.abs(2 * (((y + 4 * UP * np.sin(x / (9 * UP))) / (8 * UP)) % 1) - 1)
    black = np.maximum((wave > 0.08 + 1.05 * luminance(a)).astype(np.float32), edges(ids, 5))
    paper = np.broadcast_to(np.asarray((0.96, 0.91, 0.78), np.float32), a.shape)
    return _ink(paper, black, (0.07, 0.05, 0.05))


def _chalk(a: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = a.shape[0]
    board = np.asarray((0.13, 0.2, 0.18), np.float32)
    rub = (_stripes(n, 7, 0.8, -0.6) > 0.5) * (0.45 + 0.2 * cloud(n, 24, rng))
    fill = board + (0.25 + 0.75 * a - board) * (0.2 + rub.clip(0, 0.7))[..., None]
    return _ink(fill.astype(np.float32), 0.9 * edges(ids, 5), (0.93, 0.93, 0.9))


HAND: dict[str, Hand] = {
    "plain": lambda a, ids, rng: a,
    "outlines": lambda a, ids, rng: _ink(a, edges(ids, 7), (0.05, 0.04, 0.07)),
    "white": lambda a, ids, rng: _ink(a, edges(ids, 7), (1.0, 1.0, 0.98)),
    "pixels": _pixels,
    "hatching": _hatching,
    "watercolour": _watercolour,
    "neon": _neon,
    "poster": _poster,
    "glass": _glass,
    "dots": _dots,
    "woodcut": _woodcut,
    "chalk": _chalk,
    "lines": lambda a, ids, rng: a * (0.4 + 0.6 * (_stripes(a.shape[0], 8, 0, 1) > 0.4))[..., None],
}

PALETTES = tuple(_PALETTE)
HANDS = tuple(HAND)

#: Combinations kept from the base model, for hypernetworks to learn.
UNSEEN = {("sepia", "glass"), ("duotone", "hatching"), ("negative", "pixels"), ("acid", "outlines")}


def apply(rgb: np.ndarray, ids: np.ndarray, palette: str, hand: str, seed: int) -> np.ndarray:
    """A painted scene in a look: the palette first, then the hand; float32 (H, W, 3) in 0..1."""
    return HAND[hand](_PALETTE[palette](rgb), ids, np.random.default_rng(seed))
