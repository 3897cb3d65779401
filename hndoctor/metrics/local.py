"""Local statistics: noise is the same everywhere, Gaussian, and leaves no calm corner."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hndoctor.metrics.grids import Floats, opponent, tile_side, tiled
from hndoctor.metrics.pixels import Pixels, measure

MOST = 200.0  # kurtosis: what a flat picture gets, and where the measure is clipped
STILL = 1e-7  # variance of values 0..1 below which there is nothing but rounding
ROUNDING = (2 / 255) ** 2  # variance of detail that is rounding, a JPEG's too: what has less is not skewed by it


@measure
def gradient_kurtosis(pixels: Pixels) -> float:
    """Kurtosis of first differences of luma, R−G and Y−B on the coarse grid, mean weighted by their variance.

    E x⁴ / (E x²)²; 3 for Gaussian noise, 1 to 200 (clipped; a flat picture counts as 200).  Heavy tails are the mark
    of natural pictures (Wainwright & Simoncelli 1999), noise pulls them to 3 (Zoran & Weiss, ICCV 2009).
    Photographs 5.4 / 11 / 28; decoded latent noise 3.0 to 5.2.
    """
    return _kurtosis(pixels.coarse_opponent)


@measure
def fine_gradient_kurtosis(pixels: Pixels) -> float:
    """The same on the fine grid: 3 for Gaussian noise, higher for flat patches with edges (mosaics, confetti)."""
    return _kurtosis(pixels.fine_opponent)


@measure
def broad_gradient_kurtosis(pixels: Pixels) -> float:
    """The same on blocks of eight fine values, 16 × 16 of a square picture: is the *composition* Gaussian too?

    Photographs 3.5 / 7 / 20, decoded noise 2.7 to 3.9 at any size of blob: the one scale where large blobs are white.
    """
    return _kurtosis(opponent(pixels.broad))


@measure
def edge_kurtosis(pixels: Pixels) -> float:
    """The same at twice the fine grid's resolution, at most full size: a mosaic's gradients are all in its seams.

    3 to 200.  Decoded noise varies everywhere at this scale; patches of one colour, however many, do not.
    """
    return _kurtosis(pixels.sharp_opponent)


def _kurtosis(channels: Floats) -> float:
    second, fourth = np.zeros(3), np.zeros(3)
    for axis in (1, 2):
        step = np.diff(channels, axis=axis)
        rows = step.reshape(3, -1)
        second += [float(row @ row) for row in rows]
        rows *= rows
        fourth += [float(row @ row) for row in rows]
    count = sum(channels[0].size - channels[0].size // n for n in channels.shape[1:])
    if count == 0 or second.sum() / count < STILL:
        return MOST
    # weighted by variance: sum_c v_c (m4_c / v_c²) / sum_c v_c, a channel without variance has no weight
    ratio = np.divide(fourth * count, second, out=np.zeros(3), where=second > 0)
    return float(min(MOST, ratio.sum() / second.sum()))


@measure
def calm_tile_rms(pixels: Pixels) -> float:
    """Tenth percentile over tiles of the RMS contrast inside a tile (16 × 16 fine values, luma and opponents).

    √(σ²L + σ²rg + σ²yb) of values 0..1; 0 to about .8.  Photographs .006 / .05 / .12: something is always calm;
    decoded latent noise .16 to .35: nothing is.
    """
    return float(np.percentile(tile_rms(pixels), 10))


@measure
def calm_tile_chroma(pixels: Pixels) -> float:
    """Tenth percentile over tiles of the RMS contrast of R−G and Y−B inside a tile.

    √(σ²rg + σ²yb) of values 0..1; 0 to about .7.  Photographs 0 / .01 / .1; decoded latent noise .08 to .4: no corner
    is free of coloured spots.  The best single measure here.
    """
    return float(np.percentile(_tile_chroma(pixels), 10))


@measure
def tile_chroma_variation(pixels: Pixels) -> float:
    """Standard deviation over mean of the tiles' chroma contrast; 1 for a grey picture.

    0 to about 8.  Photographs .1 / .4 / 1.5; decoded latent noise .07 to .4.
    """
    chroma = _tile_chroma(pixels)
    return float(chroma.std() / chroma.mean()) if chroma.mean() > 2e-3 else 1.0


def _tile_chroma(pixels: Pixels) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(pixels.tile_variances.reshape(-1, 3)[:, 1:].sum(axis=1)))


@measure
def tile_colour_dimensions(pixels: Pixels) -> float:
    """Lower quartile over tiles of how many independent colours vary inside a tile: (Σλ)² / Σλ² of RGB's covariance.

    1 (all on one line of colour, as in one material under one light: Omer & Werman 2004) to 3 (R, G, B independent).
    Photographs 1.0 / 1.01 / 1.6; decoded latent noise 1.1 to 1.8; pixel noise 2.95.  A still tile counts as 1.
    """
    tiles = tiled(pixels.fine, tile_side(pixels.fine.shape[1:]))
    values = tiles.reshape(tiles.shape[0] * tiles.shape[1], 3, -1)
    centred = values - values.mean(axis=2, keepdims=True)
    covariance = (centred @ centred.transpose(0, 2, 1)).astype(np.float64) / values.shape[2]
    trace, square = np.trace(covariance, axis1=1, axis2=2), (covariance**2).sum(axis=(1, 2))
    dimensions = np.divide(trace**2, square, out=np.ones_like(trace), where=trace > 3e-5)
    return float(np.percentile(dimensions, 25))


@measure
def tile_rms_variation(pixels: Pixels) -> float:
    """Standard deviation over mean of the tiles' RMS contrast: 0 is the same everywhere.

    0 to about 8.  Photographs .26 / .52 / .90; decoded latent noise .06 to .27.  A flat picture gives 1.
    """
    rms = tile_rms(pixels)
    return float(rms.std() / rms.mean()) if rms.mean() > STILL**0.5 else 1.0


def tile_rms(pixels: Pixels) -> NDArray[np.float64]:
    """RMS contrast of every tile, (rows × columns,)."""
    return np.asarray(np.sqrt(pixels.tile_variances.reshape(-1, 3).sum(axis=1)))


@measure
def detail_skewness(pixels: Pixels) -> float:
    """How lopsided the luma of the fine grid's detail is: |E x³| / max(E x², (2/255)²)^1.5, x less its mean.

    0 (as far above its surroundings as below, as Gaussian noise is) to about 20; lights in the dark, seams between
    stones and lines on paper go one way.  Photographs .04 / .42 / 1.6; decoded latent noise .02 / .14 / .55.
    """
    detail = pixels.detail_opponent[0].ravel()
    detail = detail - detail.mean()
    square = detail * detail
    third, variance = (float(power.mean(dtype=np.float64)) for power in (square * detail, square))
    return abs(third) / math.sqrt(max(variance, ROUNDING)) ** 3


@measure
def long_lag_autocorrelation(pixels: Pixels) -> float:
    """Autocorrelation of the coarse grid at a lag of an eighth of its shorter side, mean over both directions.

    −1 to 1, weighted by the variance of luma, R−G and Y−B; 1 for a flat picture.  Photographs .22 / .42 / .68;
    latent noise about 0, large blobs .16: it has no composition.
    """
    channels = pixels.coarse_opponent
    lag = max(1, min(channels.shape[1:]) // 8)
    centred = channels - channels.mean(axis=(1, 2), keepdims=True)
    if min(channels.shape[1:]) < 2 or (centred**2).mean() < STILL:
        return 1.0
    down = 2 * (centred[:, lag:] * centred[:, :-lag]).sum() / ((centred[:, lag:] ** 2 + centred[:, :-lag] ** 2).sum())
    across_energy = (centred[:, :, lag:] ** 2 + centred[:, :, :-lag] ** 2).sum()
    across = 2 * (centred[:, :, lag:] * centred[:, :, :-lag]).sum() / max(across_energy, 1e-12)
    return float((down + across) / 2)
