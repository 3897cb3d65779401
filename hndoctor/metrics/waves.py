"""The power of a grid's waves, under a Hann window; and Gaussian averages."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SMALLEST = 8  # values a side: below this a spectrum has no shape, and its measures are those of a flat picture


def power_of(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power of each wave but the mean, half plane, (n,); empty for pictures below `SMALLEST`.

    The Hann window is normalised to unit power; waves on the plane's edge columns count once as their mirrors do.
    """
    from scipy.fft import rfft2

    if min(grey.shape) < SMALLEST:
        return np.zeros(0)
    window = _window(grey.shape)
    # the mean is taken off under the window, so that no brightness leaks into the lowest waves
    still = grey - np.float32((grey * window).sum() / window.sum())
    waves = rfft2(still * window)
    power = (waves.real**2 + waves.imag**2) / np.float32((window**2).sum())
    return np.asarray(power.ravel()[1:], np.float64)


def smoothed(planes: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian averages of the last two axes, cut off at 2.5 σ, the frame mirrored at its edges (..., h, w).

    As two products with matrices that are made once for a size: a quarter of what scipy's filter takes.
    """
    rows, columns = (_averaging(n, sigma) for n in planes.shape[-2:])
    return np.asarray(rows @ planes @ columns.T)


@lru_cache(maxsize=16)
def _averaging(side: int, sigma: float) -> NDArray[np.float32]:
    """The matrix of a Gaussian average over a line of values: each row sums to 1."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(np.eye(side), sigma, axis=0, mode="reflect", truncate=2.5), np.float32)


@lru_cache(maxsize=16)
def _window(shape: tuple[int, ...]) -> NDArray[np.float32]:
    rows, columns = (np.hanning(n + 2)[1:-1] for n in shape)
    return np.asarray(rows[:, None] * columns[None, :], np.float32)


@lru_cache(maxsize=16)
def frequencies(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Radial frequency of each wave of `power_of`, cycles a value."""
    if min(shape) < SMALLEST:
        return np.zeros(0)
    down, across = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    return np.asarray(np.hypot(down[:, None], across[None, :]).ravel()[1:])
