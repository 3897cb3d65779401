"""Grids of values: box averages of planes, opponent colours, tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # Rec. 601
TILE = 16  # fine values per tile side: an eighth of a 512 px picture


def averaged(planes: Sequence[Bytes], block: int) -> Floats:
    """Box averages, uint8 planes (H, W) to float32 0..1 (3, H // block, W // block), never less than 1 × 1."""
    return np.stack([_boxes(plane, block, 255.0) for plane in planes])


def blocks(planes: Floats, block: int) -> Floats:
    """Means over blocks, float32 (3, h, w) to (3, h // block, w // block), never less than 1 × 1."""
    return np.stack([_boxes(plane, block, 1.0) for plane in planes])


def _boxes(plane: NDArray[Any], block: int, full: float) -> Floats:
    """Means over blocks of one plane, divided by `full`.

    What does not fill a block at the right and lower edge is left out.  A side shorter than a block is one block.
    Bytes are summed as integers of 16 bits, which hold 257 of them.
    """
    down, across = min(block, plane.shape[0]), min(block, plane.shape[1])
    cut = plane[: plane.shape[0] // down * down, : plane.shape[1] // across * across]
    exact = plane.dtype == np.uint8 and down * across <= 257
    summed = _sum([cut[i::down] for i in range(down)], np.uint16 if exact else np.float32)
    summed = _sum([summed[:, i::across] for i in range(across)], summed.dtype)
    return np.asarray(summed * np.float32(1 / (full * down * across)))


def _sum(parts: Sequence[NDArray[Any]], kind: Any) -> NDArray[Any]:
    """The sum of equally shaped arrays."""
    total = parts[0].astype(kind)
    for part in parts[1:]:
        total += part
    return total


def luma_of(planes: Floats) -> Floats:
    """Luma, float32 (h, w), of red, green and blue."""
    r, g, b = planes
    return np.asarray(LUMA[0] * r + LUMA[1] * g + LUMA[2] * b)


def opponent(planes: Floats) -> Floats:
    """Luma, R−G and (R+G)/2−B, float32 (3, h, w), of red, green and blue."""
    r, g, b = planes
    return np.stack((luma_of(planes), r - g, np.float32(0.5) * (r + g) - b))


def tile_side(shape: tuple[int, ...]) -> int:
    """Fine values per tile side: 16, less where the picture has no four tiles of that along its shorter side."""
    return max(1, min(TILE, min(shape) // 4))


def tiled(channels: Floats, side: int) -> Floats:
    """(c, h, w) cut into whole tiles, (rows, columns, c, side, side); what fills no tile is left out."""
    count, height, width = channels.shape
    rows, columns = height // side, width // side
    cut = channels[:, : rows * side, : columns * side].reshape(count, rows, side, columns, side)
    return np.ascontiguousarray(cut.transpose(1, 3, 0, 2, 4))
