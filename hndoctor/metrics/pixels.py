"""The picture as every measure sees it: eight-bit RGB, and its box averages at the scale of the latent grid.

Stable Diffusion's decoder turns one latent pixel into a *cell* of 8 × 8 pixels, so decoded latent noise has no energy
above that scale: finer estimators call it cleaner than a photograph.  Two grids are shared by all measures:

* ``fine``: blocks of half a cell, or less where the picture is small, so that the shorter side keeps about 128 values.
  512 px gives 128 (cells of 2), 256 px gives 128 (cells of 4), the pocket model's 128 px stays 128 (cells of 8).
* ``coarse``: half of ``fine`` again; for 512 px this is the latent grid itself, 64 values.

A photograph has the same statistics whatever its size in pixels, so this also makes the measures of a picture and of
its half-size copy the same by construction.  A JPEG keeps every second value of its colours and few of their fine
waves; so on both grids colours are averaged as widely as that, luma is not, and the copy measures as the picture does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hndoctor.metrics.grids import Bytes, Floats, averaged, blocks, luma_of, opponent, tile_side, tiled
from hndoctor.metrics.waves import power_of, smoothed

CELL = 8  # pixels per latent pixel: the factor of every Stable Diffusion VAE
FINE_SIDE = 128  # values along the shorter side of the fine grid, at most (science: "~128 px for a 512 px picture")
COLOURS = 1.0  # fine values: sigma of the average of colours; a JPEG's 4:2:0 at 256 px leaves no finer ones either
DETAIL = 4.0  # fine values: sigma of what is taken off to leave detail (ours; 2 and 8 separate noise no better)
LUMA_256 = np.array((77, 150, 29), np.uint16)  # Rec. 601 in 256ths


@dataclass(frozen=True, eq=False)
class Pixels:
    """One picture, sRGB as stored, and what is derived from it once.

    Red, green and blue are kept apart, uint8 (height, width) each in one piece: every pass over all pixels reads them
    three times as fast so.
    """

    planes: tuple[Bytes, Bytes, Bytes]
    cell: int = CELL

    @classmethod
    def of(cls, values: Any, cell: int = CELL) -> Pixels:
        """Pixels of anything that holds a picture.

        Takes (H, W) or (H, W, 1..4) arrays: uint8 0..255, uint16 0..65535, bool, or floats 0..1 (NaN reads as 0, as
        the web UI's cast does).  Alpha is laid over white.  Raises ValueError, in one line, for other shapes.
        """
        if isinstance(values, cls):
            return values
        array = np.asarray(values)
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or 0 in array.shape:
            raise ValueError(f"a picture has the shape (height, width, 1 to 4), not {array.shape}: pass one picture")
        return cls.shown(Image.fromarray(np.ascontiguousarray(_rgb(_eight_bit(array)))), cell)

    @classmethod
    def shown(cls, image: Image.Image, cell: int = CELL) -> Pixels:
        """Pixels of a decoded picture of mode RGB, which may be closed afterwards."""
        r, g, b = (np.asarray(plane) for plane in image.split())
        return cls((r, g, b), cell)

    @cached_property
    def rgb(self) -> Bytes:
        """All of it, uint8 (height, width, 3)."""
        return np.stack(self.planes, axis=-1)

    @property
    def height(self) -> int:
        """Rows, pixels."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Columns, pixels."""
        return int(self.planes[0].shape[1])

    @cached_property
    def block(self) -> int:
        """Pixels per fine value, at least 1."""
        return max(1, min(self.cell // 2, round(min(self.height, self.width) / FINE_SIDE)))

    @cached_property
    def sharp(self) -> Floats:
        """Box averages over half a ``block``, at most full size, 0..1, (3, h, w): where edges and seams are seen."""
        return averaged(self.planes, max(1, self.block // 2))

    @cached_property
    def boxes(self) -> Floats:
        """Box averages over ``block`` pixels, 0..1, (3, h, w)."""
        even = self.block >= 2 and self.block % 2 == 0
        return blocks(self.sharp, 2) if even else averaged(self.planes, self.block)

    @cached_property
    def fine(self) -> Floats:
        """The boxes, their colours averaged once more (σ = `COLOURS`) and their luma as it is, 0..1, (3, h, w)."""
        soft = smoothed(self.boxes, COLOURS)
        return np.asarray(np.clip(soft + luma_of(self.boxes - soft), 0, 1))

    @cached_property
    def coarse(self) -> Floats:
        """Box averages over 2 × 2 fine values, 0..1, (3, h, w)."""
        return blocks(self.fine, 2)

    @cached_property
    def broad(self) -> Floats:
        """Box averages over 8 × 8 fine values, 0..1, (3, h, w): 16 × 16 for a square picture of 128 to 512 px."""
        return blocks(self.coarse, 4)

    @cached_property
    def detail(self) -> Floats:
        """The fine grid less its Gaussian average of σ = 4 values, (3, h, w)."""
        return np.asarray(self.fine - smoothed(self.fine, DETAIL))

    @cached_property
    def detail_opponent(self) -> Floats:
        """Luma, red minus green, yellow minus blue of the detail, (3, h, w): taking either first is the same."""
        return opponent(self.detail)

    @cached_property
    def sharp_opponent(self) -> Floats:
        """Luma, red minus green, yellow minus blue of the sharp grid, (3, h, w)."""
        return opponent(self.sharp)

    @cached_property
    def fine_opponent(self) -> Floats:
        """Luma, red minus green, yellow minus blue of the fine grid, (3, h, w)."""
        return opponent(self.fine)

    @cached_property
    def coarse_opponent(self) -> Floats:
        """Luma, red minus green, yellow minus blue of the coarse grid, (3, h, w)."""
        return opponent(self.coarse)

    @cached_property
    def fine_power(self) -> NDArray[np.float64]:
        """Power of each wave of the fine grid's luma, (n,).  See `waves.power_of`."""
        return power_of(self.fine_opponent[0])

    @cached_property
    def coarse_power(self) -> NDArray[np.float64]:
        """Power of each wave of the coarse grid's luma, (n,)."""
        return power_of(self.coarse_opponent[0])

    @cached_property
    def chroma(self) -> Floats:
        """max(R, G, B) − min(R, G, B) of the fine grid, 0..1, (h, w)."""
        r, g, b = self.fine
        return np.asarray(np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b))

    @cached_property
    def luma(self) -> NDArray[np.int16]:
        """Rec. 601 luma at full size in sixteenths of a grey level, 0..4080, (H, W): integers, which are fast."""
        r, g, b = self.planes
        return np.asarray((r * LUMA_256[0] + g * LUMA_256[1] + b * LUMA_256[2]) >> 4).astype(np.int16)

    @cached_property
    def tiles(self) -> Floats:
        """The fine grid's opponent channels cut into tiles, (rows, columns, 3, side, side).  See `tile_side`."""
        return tiled(self.fine_opponent, tile_side(self.fine_opponent.shape[1:]))

    @cached_property
    def tile_variances(self) -> NDArray[np.float64]:
        """Variance of luma, R−G and Y−B inside every tile, (rows, columns, 3)."""
        tiles = self.tiles
        return np.asarray(tiles.reshape(*tiles.shape[:3], -1).var(axis=3), np.float64)


def _eight_bit(array: NDArray[Any]) -> Bytes:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(array.dtype, np.integer):
        full = 65535 if array.max(initial=0) > 255 else 255
        return np.asarray(np.clip(array, 0, full) * (255.0 / full) + 0.5).astype(np.uint8)
    unit = np.clip(np.nan_to_num(array.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    return np.asarray(unit * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _rgb(array: Bytes) -> Bytes:
    channels = array.shape[2]
    if channels in (2, 4):
        alpha = array[:, :, -1:].astype(np.float32) / 255
        array = np.asarray(array[:, :, :-1] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


_Found = TypeVar("_Found")


def once(function: Callable[[Pixels], _Found]) -> Callable[[Pixels], _Found]:
    """Make a function of `Pixels` keep what it found with the picture, for the next that asks."""

    @wraps(function)
    def kept(pixels: Pixels) -> _Found:
        held: dict[str, Any] = pixels.__dict__
        if function.__name__ not in held:
            held[function.__name__] = function(pixels)
        return cast(_Found, held[function.__name__])

    return kept


Measure = Callable[[Any], float]


def measure(function: Callable[[Pixels], float]) -> Measure:
    """Make a measure take arrays as well as `Pixels`, and always give a finite float."""

    @wraps(function)
    def measured(pixels: Any) -> float:
        value = float(function(Pixels.of(pixels)))
        return value if np.isfinite(value) else 0.0

    return measured
