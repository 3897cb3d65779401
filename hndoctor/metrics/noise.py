"""Classical estimators of pixel noise, for contrast: latent noise is invisible to them."""

from __future__ import annotations

import math

import numpy as np

from hndoctor.metrics.pixels import Pixels, measure


@measure
def immerkaer_sigma(pixels: Pixels) -> float:
    """Immerkær's fast noise estimate of luma at full size.

    σ = √(π/2) / (6 (W−2)(H−2)) · Σ |I ∗ N|, N = [1 −2 1; −2 4 −2; 1 −2 1]; grey levels 0..255, 0 to about 300.
    CVIU 64(2), 1996.  Photographs .2 / 1.3 / 4.7; decoded latent noise .2: it is *smooth* to this measure.
    """
    luma = pixels.luma
    if min(luma.shape) < 3:
        return 0.0
    across = np.diff(luma, 2, axis=1)
    both = np.abs(np.diff(across, 2, axis=0))  # at most 8 times the range: within 16 bits
    return math.sqrt(math.pi / 2) / 6 / 16 * float(both.mean())


@measure
def haar_mad_sigma(pixels: Pixels) -> float:
    """Donoho and Johnstone's robust noise estimate of luma at full size: median |HH1| / .6745 of the Haar wavelet.

    Grey levels 0..255.  Biometrika 81(3), 1994.  Photographs .26 / 1.05 / 4.4; decoded latent noise .35.
    """
    luma = pixels.luma[: pixels.height // 2 * 2, : pixels.width // 2 * 2]
    if luma.size == 0:
        return 0.0
    rows = luma[0::2] - luma[1::2]
    counts = np.cumsum(np.bincount(np.abs(rows[:, 0::2] - rows[:, 1::2]).ravel()))
    ends = np.searchsorted(counts, ((counts[-1] - 1) // 2, counts[-1] // 2), side="right")  # of an even number
    return float(ends.mean()) / (2 * 16 * 0.6745)
