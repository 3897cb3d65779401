"""The objects of the scenes, each drawn on a brush's unit square in one named colour with fixed trimmings.

Silhouettes were kept large and unlike each other: the latent that must carry them is 16 x 16.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from trainer.pocket.canvas import Brush, Colour, shade

WOOD: Colour = (104, 66, 38)
DARK: Colour = (52, 48, 58)
GLASS: Colour = (255, 236, 150)
PALE: Colour = (226, 226, 222)


def _side(c: Colour) -> Colour:
    """The colour on the side turned from the light; black gets lighter, or it would have no sides."""
    return shade(c, 0.74) if sum(c) > 150 else (66, 64, 74)


def house(b: Brush, c: Colour) -> None:
    """A gabled house with a dark roof, a door and two windows."""
    b.box(-0.42, 0, 0.42, 0.52, c, 10)
    b.box(0.12, 0, 0.42, 0.52, _side(c), 11)
    b.poly([(-0.54, 0.5), (0, 0.92), (0.54, 0.5)], (120, 52, 44), 12)
    b.box(0.2, 0.72, 0.32, 0.96, (120, 52, 44), 12)
    b.box(-0.1, 0, 0.08, 0.28, DARK, 13)
    for x in (-0.34, 0.2):
        b.box(x, 0.22, x + 0.15, 0.4, GLASS, 14)


def tree(b: Brush, c: Colour) -> None:
    """A round-crowned tree."""
    b.poly([(-0.1, 0), (-0.06, 0.45), (0.06, 0.45), (0.1, 0)], WOOD, 10)
    for x, y, r in ((-0.2, 0.52, 0.24), (0.22, 0.54, 0.23), (0, 0.74, 0.28)):
        b.ellipse(x, y, r, r, c, 11)
    b.ellipse(0.2, 0.52, 0.17, 0.17, _side(c), 12)
    b.ellipse(0.08, 0.78, 0.12, 0.1, _side(c), 12)


def boat(b: Brush, c: Colour) -> None:
    """A sailing boat: the hull and the sails in the colour."""
    b.poly([(-0.56, 0.24), (0.56, 0.24), (0.38, 0.02), (-0.38, 0.02)], WOOD, 10)
    b.box(-0.03, 0.24, 0.03, 1.0, DARK, 11)
    b.poly([(0.05, 0.3), (0.05, 0.98), (0.5, 0.3)], c, 12)
    b.poly([(-0.05, 0.3), (-0.05, 0.86), (-0.4, 0.3)], _side(c), 13)


def tower(b: Brush, c: Colour) -> None:
    """A slim tower with battlements."""
    b.poly([(-0.2, 0), (-0.16, 0.86), (0.16, 0.86), (0.2, 0)], c, 10)
    b.poly([(0.05, 0), (0.05, 0.86), (0.16, 0.86), (0.2, 0)], _side(c), 11)
    b.box(-0.24, 0.8, 0.24, 0.92, c, 12)
    for x in (-0.24, -0.06, 0.12):
        b.box(x, 0.92, x + 0.12, 1.04, c, 12)
    b.box(-0.07, 0.52, 0.05, 0.68, DARK, 13)
    b.box(-0.08, 0, 0.06, 0.22, DARK, 13)


def tent(b: Brush, c: Colour) -> None:
    """A wide tent with a dark opening and a pennant."""
    b.poly([(-0.62, 0), (0, 0.74), (0.62, 0)], c, 10)
    b.poly([(0.16, 0), (0, 0.74), (0.62, 0)], _side(c), 11)
    b.poly([(-0.17, 0), (0, 0.52), (0.17, 0)], DARK, 12)
    b.box(-0.02, 0.72, 0.02, 0.96, WOOD, 13)
    b.poly([(0.02, 0.96), (0.2, 0.89), (0.02, 0.82)], (200, 60, 60), 14)


def windmill(b: Brush, c: Colour) -> None:
    """A mill: a tapering body with four wide sails set crosswise."""
    b.poly([(-0.26, 0), (-0.15, 0.62), (0.15, 0.62), (0.26, 0)], c, 10)
    b.poly([(0.06, 0), (0.04, 0.62), (0.15, 0.62), (0.26, 0)], _side(c), 11)
    b.poly([(-0.18, 0.6), (0, 0.76), (0.18, 0.6)], DARK, 12)
    b.box(-0.07, 0, 0.07, 0.2, DARK, 13)
    for k in range(4):
        a = math.pi / 4 + k * math.pi / 2
        ux, uy, vx, vy = math.cos(a), math.sin(a), -math.sin(a), math.cos(a)
        corners = ((0.05, -0.015), (0.5, -0.02), (0.5, 0.13), (0.13, 0.11))
        b.poly([(p * ux + q * vx, 0.62 + p * uy + q * vy) for p, q in corners], PALE, 14)
    b.ellipse(0, 0.62, 0.055, 0.055, DARK, 15)


def car(b: Brush, c: Colour) -> None:
    """A car seen from the side."""
    b.poly([(-0.36, 0.34), (-0.22, 0.62), (0.2, 0.62), (0.36, 0.34)], c, 10)
    b.poly([(-0.26, 0.37), (-0.17, 0.55), (-0.02, 0.55), (-0.02, 0.37)], GLASS, 11)
    b.poly([(0.03, 0.37), (0.03, 0.55), (0.15, 0.55), (0.25, 0.37)], GLASS, 11)
    b.poly([(-0.64, 0.1), (-0.64, 0.32), (-0.54, 0.38), (0.56, 0.38), (0.64, 0.3), (0.64, 0.1)], c, 10)
    b.box(-0.64, 0.1, 0.64, 0.19, _side(c), 12)
    for x in (-0.36, 0.36):
        b.ellipse(x, 0.1, 0.15, 0.15, DARK, 13)
        b.ellipse(x, 0.1, 0.065, 0.065, PALE, 14)


def balloon(b: Brush, c: Colour) -> None:
    """A hot-air balloon with a basket, off the ground."""
    b.poly([(-0.37, 0.62), (-0.1, 0.28), (0.1, 0.28), (0.37, 0.62)], c, 10)
    b.ellipse(0, 0.7, 0.4, 0.38, c, 10)
    b.ellipse(0, 0.7, 0.16, 0.38, _side(c), 11)
    b.poly([(-0.12, 0.5), (-0.07, 0.28), (0.07, 0.28), (0.12, 0.5)], _side(c), 11)
    b.box(-0.1, 0.2, -0.075, 0.3, DARK, 12)
    b.box(0.075, 0.2, 0.1, 0.3, DARK, 12)
    b.box(-0.12, 0.06, 0.12, 0.22, WOOD, 13)


#: Every object, by its caption word.
DRAW: dict[str, Callable[[Brush, Colour], None]] = {
    "house": house,
    "tree": tree,
    "boat": boat,
    "tower": tower,
    "tent": tent,
    "windmill": windmill,
    "car": car,
    "balloon": balloon,
}
