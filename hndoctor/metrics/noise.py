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
    across = luma[:, :-2] - 2 * luma[:, 1:-1] + luma[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    return math.sqrt(math.pi / 2) / 6 * float(np.abs(both).mean())


@measure
def haar_mad_sigma(pixels: Pixels) -> float:
    """Donoho and Johnstone's robust noise estimate of luma at full size: median |HH1| / .6745 of the Haar wavelet.

    Grey levels 0..255.  Biometrika 81(3), 1994.  Photographs .26 / 1.05 / 4.4; decoded latent noise .35.
    """
    luma = pixels.luma[: pixels.height // 2 * 2, : pixels.width // 2 * 2]
    if luma.size == 0:
        return 0.0
    diagonal = (luma[0::2, 0::2] - luma[0::2, 1::2] - luma[1::2, 0::2] + luma[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal))) / 0.6745
