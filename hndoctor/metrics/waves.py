"""The power of a grid's waves, under a Hann window."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SMALLEST = 8  # values a side: below this a spectrum has no shape, and its measures are those of a flat picture


def power_of(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power of each wave but the mean, half plane, (n,); empty for pictures below `SMALLEST`.

    The Hann window is normalised to unit power; waves on the plane's edge columns count once as their mirrors do.
    """
    if min(grey.shape) < SMALLEST:
        return np.zeros(0)
    window = _window(grey.shape)
    # the mean is taken off under the window, so that no brightness leaks into the lowest waves
    still = grey - np.float32((grey * window).sum() / window.sum())
    power = np.abs(np.fft.rfft2(still * window)) ** 2 / float((window**2).sum())
    return np.asarray(power.ravel()[1:], np.float64)


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
