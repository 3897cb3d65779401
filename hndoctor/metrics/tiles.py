"""The tile map: which parts of the frame look like noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hndoctor.calibration import TILE, WHOLE, clipped
from hndoctor.metrics.alignment import fine_alignment
from hndoctor.metrics.entropy import tile_colour_entropies
from hndoctor.metrics.grids import tile_side
from hndoctor.metrics.pixels import Pixels

FAINT = 1e-7  # squared gradient below which a neighbourhood is flat
_WEIGHTS = np.array([t.weight / t.spread for t in TILE.terms])
_INTERCEPT = TILE.intercept - float(sum(t.weight / t.spread * t.middle for t in TILE.terms))


def tile_map(pixels: Pixels, odds: float) -> NDArray[np.float64]:
    """Probability that each tile is colourful noise, (rows, columns).  `odds`: log odds that the whole picture is.

    A logistic of the five features of `tile_features` and of the whole: one tile alone has few values, and what looks
    a little like noise in a picture that is noise all over is more likely noise than the same in a sound one.
    """
    seen = tile_features(pixels) @ _WEIGHTS[:-1] + _WEIGHTS[-1] * clipped(odds, WHOLE)
    return np.asarray(1 / (1 + np.exp(-np.clip(_INTERCEPT + seen, -30, 30))))


def tile_features(pixels: Pixels) -> NDArray[np.float64]:
    """What is known of each tile, (rows, columns, 5).

    Log RMS of chroma, log RMS of luma, joint RGB entropy (bits), the log kurtosis of first differences over the
    tile and its eight neighbours (one tile alone has too few values), and how far its colours change together.
    """
    variance = pixels.tile_variances
    rows, columns = variance.shape[:2]
    chroma = np.log(np.sqrt(variance[:, :, 1] + variance[:, :, 2]) + 0.01)
    luma = np.log(np.sqrt(variance[:, :, 0]) + 0.01)
    entropy = tile_colour_entropies(pixels).reshape(rows, columns)
    return np.stack((chroma, luma, entropy, np.log(_neighbourhood_kurtosis(pixels)), _alignment(pixels)), axis=-1)


def _alignment(pixels: Pixels) -> NDArray[np.float64]:
    """`fine_colour_alignment` of each tile, (rows, columns)."""
    height, width = pixels.fine_opponent.shape[1:]
    parts = np.stack(fine_alignment(pixels))
    padded = np.pad(parts, ((0, 0), (0, height - parts.shape[1]), (0, width - parts.shape[2])), mode="edge")
    apart, whole = _tile_sums(padded, tile_side((height, width)))
    return np.asarray(apart / whole)


def _neighbourhood_kurtosis(pixels: Pixels) -> NDArray[np.float64]:
    side = tile_side(pixels.fine_opponent.shape[1:])
    second, fourth = np.zeros((1, 1, 1)), np.zeros((1, 1, 1))
    for axis in (1, 2):
        square = np.diff(pixels.fine_opponent, axis=axis, append=np.take(pixels.fine_opponent, [-1], axis=axis)) ** 2
        second = second + _tile_sums(square, side)
        fourth = fourth + _tile_sums(square * square, side)
    count = np.full((1, *second.shape[1:]), 2.0 * side * side)
    second, fourth, count = (_with_neighbours(v) for v in (second, fourth, count))
    weighted = np.divide(fourth * count, second, out=np.zeros_like(second), where=second > FAINT).sum(axis=0)
    total = second.sum(axis=0)
    flat = total <= FAINT * count.sum(axis=0)
    return np.asarray(np.where(flat, 60.0, np.clip(weighted / np.maximum(total, 1e-12), 1.0, 60.0)))


def _tile_sums(channels: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    count, height, width = channels.shape
    rows, columns = height // side, width // side
    across = channels[:, : rows * side, : columns * side].reshape(count, rows * side, columns, side).sum(axis=3)
    return np.asarray(across.reshape(count, rows, side, columns).sum(axis=2), np.float64)


def _with_neighbours(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each tile's sum with those of its eight neighbours; the frame's edge has fewer."""
    padded = np.pad(sums, ((0, 0), (1, 1), (1, 1)))
    rows, columns = sums.shape[1:]
    return np.asarray(sum(padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)))
