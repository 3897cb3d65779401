"""Colour: how much of it, how many hues, how far the channels go their own ways, how much is clipped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hndoctor.metrics.pixels import Pixels, measure

HUES = 36  # bins around the circle
FAINT = 1e-3  # mean chroma, 0..1, below which a picture is grey and has no hues
STILL = 1e-7  # variance of values 0..1 below which there is nothing but rounding


@measure
def colourfulness(pixels: Pixels) -> float:
    """Hasler and Süsstrunk's M3 on the fine grid: √(σ²rg + σ²yb) + .3 √(μ²rg + μ²yb), values 0..255.

    0 (grey) to about 190.  15 slightly, 45 averagely, 82 highly, 109 extremely colourful.  SPIE 5007, 2003.
    Photographs 11 / 37 / 78; blobby latent noise 91 to 130.
    """
    chroma = pixels.fine_opponent[1:].reshape(2, -1) * 255
    spread, mean = chroma.std(axis=1, dtype=np.float64), chroma.mean(axis=1, dtype=np.float64)
    return float(np.hypot(*spread) + 0.3 * np.hypot(*mean))


@measure
def hue_entropy(pixels: Pixels) -> float:
    """Entropy of the hue histogram, weighted by chroma, 36 bins, over ln 36, fine grid.

    0 (grey, or one hue) to 1 (all hues equally).  Photographs .25 / .56 / .84; blobby latent noise .88 to .98.
    """
    chroma = pixels.chroma.ravel().astype(np.float64)
    if chroma.mean() < FAINT:
        return 0.0
    r, g, b = pixels.fine
    angle = np.arctan2(np.float32(3**0.5) * (g - b), 2 * r - g - b).ravel()
    bins = np.minimum(((angle / (2 * np.pi)) % 1.0 * HUES).astype(np.int64), HUES - 1)
    share = np.bincount(bins, weights=chroma, minlength=HUES) / chroma.sum()
    return float(-(share * np.log(np.maximum(share, 1e-30))).sum() / np.log(HUES)) + 0.0


@measure
def saturation(pixels: Pixels) -> float:
    """Mean of max(R, G, B) − min(R, G, B) on the fine grid (chroma, so that dark pixels do not shout).

    0 (grey) to 1.  Rises when a picture fries.
    """
    return float(pixels.chroma.mean(dtype=np.float64))


@measure
def clipping(pixels: Pixels) -> float:
    """Share of full-size pixels with a channel ≤ 2 or ≥ 253 of 255.

    0 to 1.  A white background clips too (99th percentile of photographs .43): only a rise tells anything.
    """
    r, g, b = ((plane - np.uint8(3)) > np.uint8(249) for plane in pixels.planes)  # wraps around: 0..2 become 253..255
    return float(np.count_nonzero(r | g | b)) / r.size


@measure
def saturated_clipping(pixels: Pixels) -> float:
    """Share of the fine grid with max(R, G, B) − min(R, G, B) ≥ 240/255: pure, burnt colours.

    0 to 1.  99th percentile of photographs .013.
    """
    return float((pixels.chroma >= 240 / 255).mean())


@measure
def channel_correlation(pixels: Pixels) -> float:
    """Mean correlation of the high-passed R, G and B of the fine grid.

    −.5 to 1; 1 for grey and flat pictures.  Texture is shared by the channels, noise is not (Nakamura & Kobayashi,
    arXiv 1904.02566).  Photographs .72 / .94 / 1.0; white latent noise about .87; blobby .34 to .8.
    """
    high = pixels.detail.reshape(3, -1)
    covariance = high @ high.T / max(1, high.shape[1])
    return _mean_correlation(covariance.astype(np.float64))


def _mean_correlation(covariance: NDArray[np.float64]) -> float:
    spread = np.sqrt(np.diag(covariance))
    pairs = [(i, j) for i, j in ((0, 1), (1, 2), (0, 2)) if min(spread[i], spread[j]) ** 2 > STILL]
    if not pairs:
        return 1.0
    return float(np.mean([covariance[i, j] / (spread[i] * spread[j]) for i, j in pairs]))


@measure
def chroma_ratio(pixels: Pixels) -> float:
    """High-passed energy of R−G and Y−B over that of luma, fine grid.

    0 (grey) to 100 (clipped there).  Photographs .01 / .2 / 1.1; latent noise .4 to 4.7.
    """
    luma, red_green, yellow_blue = (pixels.detail_opponent**2).mean(axis=(1, 2), dtype=np.float64)
    return float(min(100.0, (red_green + yellow_blue) / max(luma, STILL)))
