"""Decoders that nobody trained: random latents through them look as noise does that a real one draws.

A table that knows one decoder's way of enlarging latents knows that decoder, not noise.  Each of these enlarges in
another way and mixes the channels by other colours.  Of the same seed each is the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve1d, gaussian_filter

from benchmarks.previews.noises import LINEAR, Bytes, Decoder, Latents

Planes = NDArray[np.float64]  # (channels, h, w)
WIDTH = 12  # channels inside a random decoder


def _shown(planes: Planes, gain: float) -> Bytes:
    """Three planes of about unit spread as a picture, clipped softly as decoders do."""
    return np.asarray((np.tanh(planes.transpose(1, 2, 0) * gain) + 1) * 127.5 + 0.5).astype(np.uint8)


def _colours(rng: np.random.Generator) -> NDArray[np.float64]:
    """Four latent channels to RGB: as SD1's, but turned and stretched; the first stays mostly light."""
    return np.asarray(LINEAR * rng.uniform(0.6, 1.4, (4, 1)) + rng.normal(0, 0.06, (4, 3)))


def resampled(way: Image.Resampling, seed: int) -> Decoder:
    """Mixed to colours, then enlarged eight times."""
    mixing = _colours(np.random.default_rng((61, seed)))

    def decode(z: Latents) -> Bytes:
        rgb = np.einsum("chw,cr->rhw", z, mixing)
        size = (8 * z.shape[2], 8 * z.shape[1])
        large = [np.asarray(Image.fromarray(p.astype(np.float32)).resize(size, way)) for p in rgb]
        return _shown(np.stack(large).astype(np.float64), 1.0)

    return decode


def transposed(seed: int) -> Decoder:
    """Latents set apart and spread by three transposed convolutions that overlap unevenly: with their checkerboard."""
    rng = np.random.default_rng((62, seed))
    mixing, kernels = _colours(rng), [np.r_[rng.uniform(0.4, 0.8), 1.0, rng.uniform(0.6, 1.0)] for _ in range(3)]

    def decode(z: Latents) -> Bytes:
        planes = np.einsum("chw,cr->rhw", z, mixing)
        for kernel in kernels:
            apart = np.zeros((3, 2 * planes.shape[1], 2 * planes.shape[2]))
            apart[:, ::2, ::2] = planes
            planes = convolve1d(convolve1d(apart, kernel, axis=1, mode="wrap"), kernel, axis=2, mode="wrap")
        return _shown(planes, 1.0)

    return decode


def convolved(seed: int, smooth: bool = False) -> Decoder:
    """A random network: three times twice the size, a 3 × 3 convolution and a bend; then colours.

    Enlarged by repeating, as Stable Diffusion's own decoder does; `smooth`: by a softer way.
    """
    rng = np.random.default_rng((63, seed))
    layers = [rng.normal(0, (9 * n) ** -0.5, (WIDTH, n, 3, 3)) for n in (4, WIDTH, WIDTH)]
    for layer in layers:
        layer[:, :, 1, 1] *= 2.5  # what is in the middle counts most
    last = rng.normal(0, WIDTH**-0.5, (3, WIDTH)) + rng.normal(0, 0.25, (1, WIDTH))

    def decode(z: Latents) -> Bytes:
        planes: Planes = z
        for layer in layers:
            planes = planes.repeat(2, axis=1).repeat(2, axis=2)
            planes = gaussian_filter(planes, (0, 0.8, 0.8)) if smooth else planes
            planes = _convolution(planes, layer)
            planes = np.where(planes > 0, planes, 0.2 * planes)
        rgb = np.einsum("rc,chw->rhw", last, planes)
        return _shown((rgb - rgb.mean(axis=(1, 2), keepdims=True)) / rgb.std() * 0.5 * z.std() ** 0.5, 1.0)

    return decode


def _convolution(planes: Planes, weights: Planes) -> Planes:
    held = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="wrap")
    h, w = planes.shape[1:]
    places = ((y, x) for y in range(3) for x in range(3))
    windows = (np.einsum("oi,ihw->ohw", weights[:, :, y, x], held[:, y : y + h, x : x + w]) for y, x in places)
    return np.asarray(sum(windows))


#: for the fit; the report has others of these kinds, of other seeds and one more way of enlarging
TUNING: dict[str, Decoder] = {
    "random repeated": convolved(0),
    "random repeated, other": convolved(1),
    "random smooth": convolved(2, smooth=True),
    "bilinear": resampled(Image.Resampling.BILINEAR, 0),
    "transposed": transposed(0),
}
REPORT: dict[str, Decoder] = {
    "new repeated": convolved(10),
    "new smooth": convolved(11, smooth=True),
    "hamming": resampled(Image.Resampling.HAMMING, 12),
    "new transposed": transposed(13),
}
