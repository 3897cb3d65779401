"""The tile map: which parts of the frame look like noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hndoctor.calibration import AMONG, TILE, WHOLE, Branch, clipped
from hndoctor.metrics.alignment import fine_alignment
from hndoctor.metrics.entropy import tile_colour_entropies
from hndoctor.metrics.grids import tile_side
from hndoctor.metrics.pixels import Pixels

Floats = NDArray[np.float64]
FAINT = 1e-7  # squared gradient below which a neighbourhood is flat
OWN = 6.0  # log odds of a tile by itself, at most, and of each of its neighbours: none alone outvotes the others
NEIGHBOUR = 3.0
CALM = 0.2  # share of the frame whose tiles are the calmest: a sound picture has some, one that is noise all over none


def tile_map(pixels: Pixels, odds: float) -> Floats:
    """Probability that each tile is colourful noise, (rows, columns).  `odds`: log odds that the whole picture is."""
    return np.asarray(1 / (1 + np.exp(-np.clip(tile_odds(tile_features(pixels), odds), -30, 30))))


def tile_odds(features: Floats, odds: float) -> Floats:
    """Log odds that each tile is colourful noise, (rows, columns), from `tile_features`.

    First of each by itself, then among the others (`tiles_among`): one tile alone has few values, and what looks a
    little like noise in a picture that is noise all over is more likely noise than the same in a sound one.
    """
    return weighed(AMONG, tiles_among(features, weighed(TILE, features), odds))


def tiles_among(features: Floats, own: Floats, odds: float) -> Floats:
    """What is known of each tile among the others, (rows, columns, 9).

    Its own log odds, the mean of its neighbours', those of the calmest fifth of the frame, the whole picture's, and how
    far each of its features is from the frame's median: where noise covers a part, the part differs from the rest.
    """
    own = np.clip(own, -OWN, OWN)
    near = np.clip(own, -NEIGHBOUR, NEIGHBOUR)
    summed, count = _with_neighbours(np.stack((near, np.ones_like(near))))
    around = (summed - near) / np.maximum(count - 1, 1)
    whole = np.array((np.quantile(own, CALM), clipped(odds, WHOLE)))
    apart = features - np.median(features, axis=(0, 1))
    return np.concatenate((np.stack((own, around), axis=-1), np.broadcast_to(whole, (*own.shape, 2)), apart), axis=-1)


def weighed(branch: Branch, terms: Floats) -> Floats:
    """Log odds by a branch of what its terms are, last axis first to last."""
    weights = np.array([t.weight / t.spread for t in branch.terms])
    return np.asarray(terms @ weights + branch.intercept - weights @ np.array([t.middle for t in branch.terms]))


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
