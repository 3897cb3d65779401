"""More kinds of latent noise: channels that go together, gain that differs over the frame, one band of waves, currents.

A network that breaks need not draw white noise in four channels that know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.previews import decoders
from benchmarks.previews.drawn import cloud
from benchmarks.previews.noises import Decoder, Latents

GAIN = 1.8


def tangled(rng: np.random.Generator, side: int) -> Latents:
    """White, two thirds of every channel's variance the same in all of them, the signs at random."""
    z, shared = rng.standard_normal((4, side // 8, side // 8)), rng.standard_normal((1, side // 8, side // 8))
    return np.asarray(z + 1.4 * rng.choice((-1, 1), (4, 1, 1)) * shared)


def uneven(rng: np.random.Generator, side: int) -> Latents:
    """Loud in one place and less so in another, nowhere still."""
    n = side // 8
    return rng.standard_normal((4, n, n)) * np.exp(0.5 * np.clip(cloud(rng, n, 2.0), -2, 2))


def ring(rng: np.random.Generator, side: int) -> Latents:
    """One band of waves, four to seven latent pixels long: spots all of one size."""
    n = side // 8
    frequency = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :])
    kept = np.exp(-(((frequency - rng.uniform(0.15, 0.25)) / 0.04) ** 2))
    return np.asarray(np.fft.irfft2(np.fft.rfft2(rng.standard_normal((4, n, n))) * kept, (n, n)))


def outliers(rng: np.random.Generator, side: int) -> Latents:
    """One latent pixel in twenty is four times as loud."""
    z = rng.standard_normal((4, side // 8, side // 8))
    return np.asarray(gaussian_filter(z * np.where(rng.random(z.shape) < 0.05, 4.0, 1.0), (0, 0.4, 0.4), mode="wrap"))


def streams(rng: np.random.Generator, side: int) -> Latents:
    """Noise that a current has drawn out, here one way and there another."""
    n = side // 8
    place = np.mgrid[0:n, 0:n].astype(np.float64)
    flow = np.stack([cloud(rng, n, 2.0), cloud(rng, n, 2.0)])
    total, z = np.zeros((4, n, n)), rng.standard_normal((4, n, n))
    for t in np.linspace(-1.2, 1.2, 7):
        total += np.stack([map_coordinates(c, place + t * flow, order=1, mode="wrap") for c in z])
    return total


def paired(rng: np.random.Generator, side: int) -> Latents:
    """Two independent fields in four channels: half of the colours are missing."""
    z = gaussian_filter(rng.standard_normal((2, side // 8, side // 8)), (0, 0.6, 0.6), mode="wrap")
    return np.asarray(np.einsum("cd,dhw->chw", rng.standard_normal((4, 2)), z))


KINDS: dict[str, Callable[[np.random.Generator, int], Latents]] = {
    draw.__name__: draw for draw in (tangled, uneven, ring, outliers, streams, paired)
}
TUNING = ("tangled", "uneven")
REPORT = ("ring", "outliers", "streams", "paired")
LEAST = {"ring": 256}  # as in noises.py: below, three waves fill the frame
#: decoders for the report that not even the other reports' noise goes through
DECODERS: dict[str, Decoder] = {
    "strange repeated": decoders.convolved(20),
    "strange smooth": decoders.convolved(21, smooth=True),
    "lanczos": decoders.resampled(Image.Resampling.LANCZOS, 22),
    "strange transposed": decoders.transposed(23),
}


def latents(rng: np.random.Generator, side: int, kind: str) -> Latents:
    """Latents of a kind, (4, side / 8, side / 8), each channel with a bias N(0, .5)."""
    z = KINDS[kind](rng, side)
    return np.asarray(z / z.std() * GAIN * rng.uniform(0.8, 1.25) + rng.normal(0, 0.5, (4, 1, 1)))
