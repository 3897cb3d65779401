"""Structure: directions, repetition, and the plain facts of brightness and contrast."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hndoctor.metrics.grids import Floats
from hndoctor.metrics.pixels import Pixels, measure
from hndoctor.metrics.waves import smoothed

NEAR, FAR = 2, 5  # values of the sharp grid from an edge: where a halo would lie, and where its ground is
STRONG = 0.15  # step of luma, 0..1, from which it is an edge (guess, untested: film grain stays below)
TENSOR_SIGMA = 3.0  # fine values (science §A.1)
NEAREST, SHARED = 10, 0.25  # lag in fine values from which a repeat counts; least share of the frame that overlaps
STILL = 1e-7  # variance of values 0..1 below which there is nothing but rounding
ROUNDING = (1 / 255) ** 2  # variance of detail below which it is steps of rounding: those of a smooth ramp repeat


@measure
def coherence(pixels: Pixels) -> float:
    """Coherence of the structure tensor of the fine grid's luma (σ = 3), weighted by gradient energy.

    ((Jxx−Jyy)² + 4 Jxy²) / (Jxx+Jyy)²; 0 (no direction, or flat) to 1 (straight edges).  Bigün & Granlund 1987.
    Photographs .19 / .43 / .72; white latent noise .08 to .14, large blobs .34 to .61.
    """
    luma = pixels.fine_opponent[0]
    if min(luma.shape) < 3:
        return 0.0
    down, across = np.gradient(luma)
    xx, yy, xy = smoothed(np.stack((across**2, down**2, across * down)), TENSOR_SIGMA)
    energy = xx + yy
    if energy.mean() < STILL:
        return 0.0
    coherent = ((xx - yy) ** 2 + 4 * xy**2) / np.maximum(energy, 1e-12)
    return float(coherent.sum() / energy.sum())


@measure
def repetition(pixels: Pixels) -> float:
    """Largest normalised autocorrelation of the high-passed luma at lags of 10 fine values and more.

    −1 to 1; 0 for a flat picture, 1 for exact tiling.  Photographs: 95th percentile .58, 99th .81.  Each lag is
    normalised by the energy of the two overlapping parts, which must be a quarter of the frame at least.
    """
    high = pixels.detail_opponent[0]
    if min(high.shape) < 2 * NEAREST:
        return 0.0
    return _largest_repeat(high) if high.var() > ROUNDING else 0.0


@measure
def edge_overshoot(pixels: Pixels) -> float:
    """How far luma overshoots beside strong edges, as a share of their height: the halo of a fried picture.

    At every place of the sharp grid the step is s = L(+2) - L(-2), across and down; where |s| >= .15,
    max(0, L(+2) - L(+5)) + max(0, L(-5) - L(-2)), signed by s, is summed and divided by the sum of |s|.
    0 (clean edges, or none) to about 2.  Texture and thin lines have it too (photographs about .3): only a rise
    tells anything.  Ours; the ringing of unsharp masking is what it is modelled on.
    """
    luma = pixels.sharp_opponent[0]
    beyond = height = 0.0
    for grid in (luma, luma.T):
        if grid.shape[1] <= 2 * FAR:
            continue
        far_left, near_left, near_right, far_right = (
            grid[:, FAR + at : grid.shape[1] - FAR + at] for at in (-FAR, -NEAR, NEAR, FAR)
        )
        step = near_right - near_left
        sign = (step >= STRONG).astype(np.float32) - (step <= -STRONG)
        beyond += float(np.maximum(sign * (near_right - far_right), 0).sum())
        beyond += float(np.maximum(sign * (far_left - near_left), 0).sum())
        height += float((sign * step).sum())
    return beyond / height if height else 0.0


def _largest_repeat(high: Floats) -> float:
    from scipy.fft import irfft2, next_fast_len, rfft2

    (rows, columns), (most_down, most_across) = high.shape, (3 * n // 4 for n in high.shape)
    # padded so far that no lag within reach wraps around
    shape = (next_fast_len(rows + most_down, real=True), next_fast_len(columns + most_across, real=True))
    waves = rfft2(high, shape)
    product = irfft2(waves.real**2 + waves.imag**2, shape)[:most_down]
    product = np.concatenate((product[:, 1 - most_across :], product[:, :most_across]), axis=1)
    energy = np.zeros((rows + 1, columns + 1))
    energy[1:, 1:] = np.cumsum(np.cumsum(high.astype(np.float64) ** 2, axis=0), axis=1)
    left, right, far = _lags(rows, columns)
    below, kept = energy[rows] - energy[:most_down], energy[rows : rows - most_down : -1]
    here = below[:, right] - below[:, left]
    there = kept[:, columns - left] - kept[:, columns - right]
    lively = far & (np.minimum(here, there) >= 0.5 * SHARED * energy[rows, columns])
    if not lively.any():
        return 0.0
    ratio = product[lively] / np.sqrt(here[lively] * there[lively])
    return float(np.clip(ratio.max(), -1.0, 1.0))


@lru_cache(maxsize=16)
def _lags(rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Of every lag across, the first and the last column that the shifted frame covers; which lags count."""
    most_down, most_across = 3 * rows // 4, 3 * columns // 4
    down, across = np.arange(most_down)[:, None], np.arange(-most_across + 1, most_across)[None, :]
    overlap = (rows - down) * (columns - abs(across)) / (rows * columns)
    far = (down**2 + across**2 >= NEAREST**2) & (overlap >= SHARED)
    return np.maximum(across, 0)[0], np.minimum(columns + across, columns)[0], far


@measure
def brightness(pixels: Pixels) -> float:
    """Mean luma, 0 (black) to 1 (white)."""
    return float(pixels.fine_opponent[0].mean(dtype=np.float64))


@measure
def contrast(pixels: Pixels) -> float:
    """RMS contrast of the coarse grid: √(σ²L + σ²rg + σ²yb), values 0..1.

    0 (one colour) to about 1.  First percentile of photographs .10; below .03 there is no picture.
    """
    return float(np.sqrt(pixels.coarse_opponent.reshape(3, -1).var(axis=1, dtype=np.float64).sum()))


@measure
def flat_area(pixels: Pixels) -> float:
    """Share of the fine grid whose right and lower neighbours differ by at most 1/255 in every channel.

    0 to 1.  Drawings have much of it; decoded noise has none, unless it is clipped.
    """
    return _flat_share(pixels.fine)


def _flat_share(planes: Floats) -> float:
    if min(planes.shape[1:]) < 2:
        return 1.0
    limit, here = np.float32(1.01 / 255), planes[:, :-1, :-1]
    still = (np.abs(planes[:, 1:, :-1] - here) <= limit) & (np.abs(planes[:, :-1, 1:] - here) <= limit)
    return float((still[0] & still[1] & still[2]).mean())
