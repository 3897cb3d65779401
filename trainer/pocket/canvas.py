"""A canvas in unit coordinates that keeps, beside the colours, which region each pixel belongs to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made lighter (factor > 1) or darker, clipped to a byte."""
    r, g, b = (min(255, int(v * factor)) for v in colour)
    return r, g, b


class Canvas:
    """Draws into a picture and its map of regions at once. Coordinates: 0..1, y down."""

    def __init__(self, side: int) -> None:
        self._start(Image.new("RGB", (side, side)), Image.new("L", (side, side)))

    @classmethod
    def from_arrays(cls, rgb: np.ndarray, ids: np.ndarray) -> Canvas:
        """A canvas that goes on from what :meth:`arrays` gave."""
        canvas = cls.__new__(cls)
        canvas._start(Image.fromarray((rgb * 255 + 0.5).astype(np.uint8)), Image.fromarray(ids))
        return canvas

    def _start(self, rgb: Image.Image, ids: Image.Image) -> None:
        self.side = rgb.width
        self._rgb, self._ids = rgb, ids
        self._pens = (ImageDraw.Draw(self._rgb), ImageDraw.Draw(self._ids))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Colours as float32 (H, W, 3) in 0..1; region ids as uint8 (H, W)."""
        return np.asarray(self._rgb, dtype=np.float32) / 255, np.asarray(self._ids)

    def at(self, x: float, y: float, size: float) -> Brush:
        """A brush whose unit square stands with the middle of its foot at (x, y)."""
        return Brush(self, x, y, size)

    def gradient(self, top: Colour, bottom: Colour) -> None:
        """Fill everything from top to bottom; region 1."""
        ramp = np.linspace(0, 1, self.side)[:, None, None]
        a = np.asarray(top) * (1 - ramp) + np.asarray(bottom) * ramp
        self._rgb.paste(Image.fromarray(np.broadcast_to(a, (self.side, self.side, 3)).astype(np.uint8)))
        self._pens[1].rectangle((0, 0, self.side, self.side), fill=1)

    def poly(self, points: Sequence[Point], colour: Colour, region: int) -> None:
        """A filled polygon."""
        px = [(x * self.side, y * self.side) for x, y in points]
        self._pens[0].polygon(px, fill=colour)
        self._pens[1].polygon(px, fill=region)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, region: int) -> None:
        """A filled rectangle."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, region)

    def ellipse(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, region: int) -> None:
        """A filled ellipse in its bounding box."""
        box = (x0 * self.side, y0 * self.side, x1 * self.side, y1 * self.side)
        self._pens[0].ellipse(box, fill=colour)
        self._pens[1].ellipse(box, fill=region)

    def disc(self, x: float, y: float, r: float, colour: Colour, region: int) -> None:
        """A filled disc."""
        self.ellipse(x - r, y - r, x + r, y + r, colour, region)

    def crescent(self, x: float, y: float, r: float, colour: Colour, region: int) -> None:
        """A moon's crescent, open to the right."""
        a0, a1 = math.radians(58), math.radians(302)
        outer = [(x + r * math.cos(a), y + r * math.sin(a)) for a in np.linspace(a0, a1, 40)]
        ir = math.hypot(outer[0][0] - (x + 0.45 * r), outer[0][1] - y)
        b0 = math.atan2(outer[-1][1] - y, outer[-1][0] - (x + 0.45 * r))
        inner = [
            (x + 0.45 * r + ir * math.cos(a), y + ir * math.sin(a)) for a in np.linspace(b0, -b0 - 2 * math.pi, 40)
        ]
        self.poly(outer + inner, colour, region)

    def rays(self, x: float, y: float, r0: float, r1: float, colour: Colour, region: int) -> None:
        """Eight pointed rays around a point."""
        for k in range(8):
            a = k * math.pi / 4 + 0.2
            tip = (x + r1 * math.cos(a), y + r1 * math.sin(a))
            feet = [(x + r0 * math.cos(a + d), y + r0 * math.sin(a + d)) for d in (-0.33, 0.33)]
            self.poly([feet[0], tip, feet[1]], colour, region)

    def star(self, x: float, y: float, r: float, colour: Colour, region: int) -> None:
        """A four-pointed star."""
        angles = [k * math.pi / 4 for k in range(8)]
        radii = [r if k % 2 == 0 else 0.35 * r for k in range(8)]
        points = [(x + q * math.cos(a), y + q * math.sin(a)) for q, a in zip(radii, angles, strict=True)]
        self.poly(points, colour, region)


@dataclass(frozen=True)
class Brush:
    """A canvas seen from an object: x from -0.5 to 0.5, y from 0 (foot) up to 1 (top), times ``size``."""

    canvas: Canvas
    x: float
    y: float
    size: float

    def _to(self, p: Point) -> Point:
        return self.x + p[0] * self.size, self.y - p[1] * self.size

    def poly(self, points: Sequence[Point], colour: Colour, region: int) -> None:
        """A filled polygon in the object's coordinates."""
        self.canvas.poly([self._to(p) for p in points], colour, region)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, region: int) -> None:
        """A filled rectangle in the object's coordinates."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, region)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, region: int) -> None:
        """A filled ellipse about (x, y)."""
        angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        self.poly([(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles], colour, region)
