"""The power spectrum of luma: how energy falls off with frequency.

Latent noise is white at the scale of the latent grid and empty above it, so the spectrum is taken of the coarse and
the fine grid, under a Hann window, and never of the full-size picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hndoctor.metrics.pixels import Pixels, measure
from hndoctor.metrics.waves import frequencies

STILL = 1e-9  # mean power, of values 0..1, below which there is nothing but rounding: the picture is flat
SLOPE_BAND = (0.02, 0.45)  # cycles a value; Burton & Moorhead 1987, Field 1987
SLOPE_BINS = 12  # logarithmic


@measure
def spectral_flatness(pixels: Pixels) -> float:
    """Wiener entropy of the coarse grid's power: exp(mean ln P) / mean P.

    0 (all energy in few waves, or a flat picture) to 1 (white).  Gray & Markel 1974; Johnston 1988.
    Photographs .05 / .14 / .40, white latent noise .8 to .9, blobby latent noise below .1.  An estimate from one
    picture of ideal white noise is exp(−γ) = .56 before the spectrum is smoothed over neighbouring directions; so P
    is averaged over rings of equal frequency first.
    """
    power, _ = _rings(pixels)
    return _flatness(power)


def _flatness(power: NDArray[np.float64]) -> float:
    if power.size == 0 or power.mean() < STILL:
        return 0.0
    return float(np.exp(np.log(np.maximum(power, 1e-20)).mean()) / power.mean())


@measure
def spectral_entropy(pixels: Pixels) -> float:
    """Entropy of the coarse grid's normalised power: −Σ q ln q / ln N, q = P / ΣP.

    0 (one wave, or flat) to 1 (white; one sample of white noise about .95).  Powell & Percival 1979; Inouye 1991.
    """
    power = pixels.coarse_power
    if power.size < 2 or power.mean() < STILL:
        return 0.0
    share = power / power.sum()
    return float(-(share * np.log(np.maximum(share, 1e-30))).sum() / np.log(share.size))


@measure
def spectral_slope(pixels: Pixels) -> float:
    """Slope of log power over log frequency on the fine grid, .02 to .45 cycles a value, 12 logarithmic bins.

    0 is white, −2 a natural scene (−4.7 / −2.8 / −1.9 measured); steeper is smoother.  Clipped to −8..2; a flat
    picture gives −8.  Burton & Moorhead 1987; Field 1987; Tolhurst 1992.
    """
    power, frequency = pixels.fine_power, frequencies(pixels.fine.shape[1:])
    if power.size == 0 or power.mean() < STILL:
        return -8.0
    edges = np.geomspace(*SLOPE_BAND, SLOPE_BINS + 1)
    which = np.digitize(frequency, edges) - 1
    inside = (which >= 0) & (which < SLOPE_BINS)
    counts = np.bincount(which[inside], minlength=SLOPE_BINS)
    sums = np.bincount(which[inside], weights=power[inside], minlength=SLOPE_BINS)
    full = counts > 0
    if full.sum() < 3:
        return -8.0
    centre = np.log(np.sqrt(edges[:-1] * edges[1:])[full])
    slope = np.polyfit(centre, np.log(np.maximum(sums[full] / counts[full], 1e-20)), 1)[0]
    return float(np.clip(slope, -8.0, 2.0))


@measure
def coarse_energy(pixels: Pixels) -> float:
    """Share of the fine grid's luma energy below 1/32 cycles a value: forms larger than a quarter of a 128 frame.

    0 to 1; 1 for a flat picture, which has nothing finer.  Composition lives here; latent noise has little of it.
    """
    return _band(pixels, 0.0, 1 / 32, still=1.0)


@measure
def cell_energy(pixels: Pixels) -> float:
    """Share of the fine grid's luma energy from 1/8 to 1/4 cycles a value: waves of 2 to 4 latent pixels at 512 px.

    0 to 1; 0 for a flat picture.  White latent noise puts most of its energy here.
    """
    return _band(pixels, 1 / 8, 1 / 4, still=0.0)


@measure
def high_frequency_ratio(pixels: Pixels) -> float:
    """Share of the fine grid's luma energy above 1/4 cycle a value: finer than the latent grid of a 512 px picture.

    0 to 1; 0 for a flat picture.  High for pixel noise, about 0 for latent noise, which has nothing there.
    """
    return _band(pixels, 1 / 4, 1.0, still=0.0)


def _band(pixels: Pixels, low: float, high: float, still: float) -> float:
    power, frequency = pixels.fine_power, frequencies(pixels.fine.shape[1:])
    if power.size == 0 or power.mean() < STILL:
        return still
    return float(power[(frequency > low) & (frequency <= high)].sum() / power.sum())


def _rings(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean power of the coarse grid over rings one wave wide, up to Nyquist, and how many waves each ring has."""
    shape = pixels.coarse.shape[1:]
    power, frequency = pixels.coarse_power, frequencies(shape)
    if power.size == 0:
        return power, np.zeros(0, np.int64)
    ring = np.rint(frequency * min(shape)).astype(np.int64) - 1
    inside = (ring >= 0) & (frequency <= 0.5)
    counts = np.bincount(ring[inside])
    sums = np.bincount(ring[inside], weights=power[inside])
    return sums[counts > 0] / counts[counts > 0], counts[counts > 0]
