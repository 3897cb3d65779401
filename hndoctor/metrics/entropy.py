"""Entropies: how many different values there are, over the whole frame and inside small tiles, in bits."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hndoctor.metrics.grids import Floats, tile_side
from hndoctor.metrics.pixels import Pixels, measure, once

GREY_TILES = 8  # tiles along the shorter side for the local grey entropy: 64 px of a 512 px picture
GREY_LEVELS = 32  # levels of the local grey entropy


def entropy_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shannon's entropy of each row of counts, bits: −Σ p log2 p = log2 n − Σ c log2 c / n (Shannon 1948)."""
    total = np.maximum(counts.sum(axis=-1), 1)
    return np.asarray(np.log2(total) - _weighed(int(counts.max(initial=0)))[counts].sum(axis=-1) / total) + 0.0


def _weighed(most: int) -> NDArray[np.float64]:
    """c log2 c for all counts up to `most`: bins are many, and nearly all hold few."""
    count = np.arange(most + 1, dtype=np.float64)
    return np.asarray(count * np.log2(np.maximum(count, 1)))


@measure
def grey_entropy(pixels: Pixels) -> float:
    """Shannon entropy of the luma histogram, 256 bins, full size.

    H = −Σ p log2 p; bits, 0 (one grey) to 8 (all equally often).  Shannon 1948.  Photographs 6.3 to 7.8.
    """
    levels = ((pixels.luma + np.int16(8)) >> 4).astype(np.uint8)
    return float(entropy_of(np.array(Image.fromarray(levels).histogram())))


@measure
def joint_entropy(pixels: Pixels) -> float:
    """Shannon entropy of the joint RGB histogram of the fine grid, 32 × 32 × 32 bins.

    Bits, 0 to log2 of the number of fine values (14 for 512 × 512 px).  Photographs 5.2 to 10.6, decoded latent noise
    9.7 to 12.6.  On the fine grid, so that grain and the size in pixels do not count.
    """
    r, g, b = np.minimum((pixels.fine * 32).astype(np.int32), 31)
    return float(entropy_of(np.bincount(((r << 10) + (g << 5) + b).ravel(), minlength=1 << 15)))


@measure
def local_grey_entropy(pixels: Pixels) -> float:
    """Mean entropy of luma inside tiles of the fine grid, 32 levels.

    A value counts for the two levels whose middles it lies between, the nearer one more (Parzen 1962): else a flat
    patch at the edge of a level would be another thing after a JPEG.  Bits, 0 to 5.04; a flat tile has up to 1.
    Tiles as in `local_colour_entropy`.  High everywhere: texture or noise in every corner.
    """
    return float(_parzen_entropies(pixels.fine_opponent[0], GREY_LEVELS).mean())


@measure
def local_colour_entropy(pixels: Pixels) -> float:
    """Tenth percentile over tiles of the joint RGB entropy inside a tile: 16 × 16 fine values, 8 × 8 × 8 bins.

    Bits, 0 to 8.  Photographs 0 / 1.4 / 3.0 (5th, 50th, 95th percentile); decoded latent noise 4.3 to 5.5: there is
    no calm corner.  Screentone and foliage, busy but of one colour, stay low.
    """
    return float(np.percentile(tile_colour_entropies(pixels), 10))


@once
def tile_colour_entropies(pixels: Pixels) -> NDArray[np.float64]:
    """Joint RGB entropy of every tile, bits, (rows × columns,)."""
    r, g, b = np.minimum((pixels.fine * 8).astype(np.int64), 7)
    return _tile_entropies((r << 6) + (g << 3) + b, 512)


def _tile_entropies(codes: NDArray[np.int64], bins: int) -> NDArray[np.float64]:
    side = tile_side(codes.shape)
    rows, columns = codes.shape[0] // side, codes.shape[1] // side
    tiles = codes[: rows * side, : columns * side].reshape(rows, side, columns, side).transpose(0, 2, 1, 3)
    flat = tiles.reshape(rows * columns, side * side) + np.arange(rows * columns)[:, None] * bins
    return entropy_of(np.bincount(flat.ravel(), minlength=rows * columns * bins).reshape(rows * columns, bins))


def _parzen_entropies(values: Floats, levels: int) -> NDArray[np.float64]:
    """Entropy of values 0..1, (h, w), inside every tile, bits, (rows × columns,): each counts for two levels."""
    side, bins = tile_side(values.shape), levels + 2
    rows, columns = (n // side for n in values.shape)
    scaled = values[: rows * side, : columns * side] * levels + np.float32(0.5)
    below = np.minimum(scaled.astype(np.int64), levels)
    above = scaled - below
    tile = (np.arange(rows * side) // side * columns)[:, None] + np.arange(columns * side) // side
    at, most = tile * bins + below, rows * columns * bins
    held = np.bincount(at.ravel(), (1 - above).ravel(), most) + np.bincount(at.ravel() + 1, above.ravel(), most)
    share = held.reshape(rows * columns, bins) / side**2
    return np.asarray(-(share * np.log2(np.maximum(share, 1e-30))).sum(axis=1))


@measure
def lossless_size(pixels: Pixels) -> float:
    """Compressed over raw size of the coarse grid in eight bits (zlib): a stand-in for Kolmogorov's complexity.

    0 (one colour) to about 1.02 (incompressible).  Photographs .56 / .89 / .97, decoded latent noise .92 to 1.0.
    A few bytes of header are taken off, so that a tiny picture does not seem incompressible.
    """
    raw = np.rint(pixels.coarse.transpose(1, 2, 0) * 255).astype(np.uint8).tobytes()
    return max(0, len(zlib.compress(raw, 6)) - len(zlib.compress(b"", 6))) / len(raw)
