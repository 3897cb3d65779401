"""Positives: colourful noise as a broken network makes it, from whatever decoders are at hand.

Every maker gives uint8 (side, side, 3).  A decoder takes latents (4, h, w) of unit variance and gives (8h, 8w, 3).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

Bytes = NDArray[np.uint8]
Latents = NDArray[np.float64]
Decoder = Callable[[Latents], Bytes]

#: SD1's latents to RGB, a linear fit (keturn, the diffusers forum); rows are latent channels.
LINEAR = np.array(((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)))
#: name of a family -> (standard deviation of the latents, sigma of their smoothing in latent pixels)
KINDS: dict[str, tuple[float, float]] = {
    "white 1": (1.0, 0.0),
    "white 1.5": (1.5, 0.0),
    "white 2.5": (2.5, 0.0),
    "white 4": (4.0, 0.0),
    "smooth 0.7": (1.6, 0.7),
    "smooth 1.5": (2.0, 1.5),
    "smooth 3": (2.0, 3.0),
    "smooth 1": (1.8, 1.0),
    "smooth 2": (2.0, 2.0),
    "pink": (1.6, 0.0),
    "mixed": (1.6, 0.0),
    "sparse": (1.4, 0.0),
    "brushed": (1.8, 0.0),
}

#: sides below which three or four blobs fill the frame: no longer noise by any measure
LEAST = {"smooth 2": 256, "smooth 3": 512}


def latents(rng: np.random.Generator, side: int, kind: str) -> Latents:
    """Random latents of a family, (4, side / 8, side / 8), each channel with a bias N(0, .5)."""
    gain, smooth = KINDS[kind]
    z = rng.standard_normal((4, side // 8, side // 8))
    if smooth:
        z = gaussian_filter(z, (0, smooth, smooth), mode="wrap")
    elif kind in SHAPED:
        z = SHAPED[kind](z, rng)
    return z / z.std() * gain * rng.uniform(0.8, 1.25) + rng.normal(0, 0.5, (4, 1, 1))


def _pink(z: Latents, rng: np.random.Generator) -> Latents:
    """Amplitude falling as the square root of frequency: blobs of all sizes."""
    down, across = np.fft.fftfreq(z.shape[1])[:, None], np.fft.rfftfreq(z.shape[2])[None, :]
    frequency = np.maximum(np.hypot(down, across), 1 / z.shape[1])
    return np.asarray(np.fft.irfft2(np.fft.rfft2(z) / frequency ** rng.uniform(0.3, 0.7), z.shape[1:]))


def _mixed(z: Latents, rng: np.random.Generator) -> Latents:
    """White noise over blobs of about three latent pixels."""
    blobs = gaussian_filter(rng.standard_normal(z.shape), (0, 1.5, 1.5), mode="wrap")
    return np.asarray(z + rng.uniform(0.5, 2) * blobs / blobs.std())


def _sparse(z: Latents, rng: np.random.Generator) -> Latents:
    """Laplacian: most latent pixels near the mean, some far off."""
    return rng.laplace(0, 1, z.shape)


def _brushed(z: Latents, rng: np.random.Generator) -> Latents:
    """Smoothed more one way than the other."""
    wide, narrow = rng.uniform(0.8, 1.6), rng.uniform(0.3, 0.6)
    sigma = (0.0, wide, narrow) if rng.random() < 0.5 else (0.0, narrow, wide)
    return gaussian_filter(z, sigma, mode="wrap")


SHAPED: dict[str, Callable[[Latents, np.random.Generator], Latents]] = {
    "pink": _pink,
    "mixed": _mixed,
    "sparse": _sparse,
    "brushed": _brushed,
}


def enlarged(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eight times as large, bicubic, (h, w, 3)."""
    height, width = rgb.shape[:2]
    planes = [Image.fromarray(rgb[:, :, i].astype(np.float32)) for i in range(3)]
    return np.stack([np.asarray(p.resize((8 * width, 8 * height), Image.Resampling.BICUBIC)) for p in planes], axis=-1)


def linear_decoder(z: Latents) -> Bytes:
    """The linear factors, enlarged eight times, with the crispness a real decoder adds."""
    rgb = np.einsum("chw,cr->hwr", z, LINEAR)
    large = enlarged(rgb)
    large = large + 0.6 * (large - gaussian_filter(large, (2, 2, 0)))
    return np.asarray((np.clip(large, -1, 1) + 1) * 127.5 + 0.5).astype(np.uint8)


def fresh_noise(kind: str, rng: np.random.Generator, side: int) -> Bytes:
    """A picture of one kind by the linear decoder."""
    return linear_decoder(latents(rng, side, kind))


@lru_cache(maxsize=2)
def _pocket(folder: Path) -> Any:
    import torch
    from diffusers import AutoencoderKL

    torch.set_num_threads(1)
    return AutoencoderKL.from_pretrained(folder).float().eval()


def pocket_decoder(folder: Path) -> Decoder:
    """The pocket model's own decoder, from its diffusers folder; it takes latents of unit variance.

    Raises OSError when used, if it is not there.
    """

    def decode(z: Latents) -> Bytes:
        import torch

        vae = _pocket(folder)
        with torch.no_grad():
            out = vae.decode(torch.from_numpy(z[None]).float() / float(vae.config.scaling_factor)).sample[0]
        return np.asarray(((out.clamp(-1, 1) + 1) * 127.5 + 0.5).permute(1, 2, 0).numpy()).astype(np.uint8)

    return decode


def pocket_latents(folder: Path, picture: Bytes, side: int) -> Latents:
    """A picture's latents as the pocket model's encoder gives them, (4, side / 8, side / 8), of unit variance."""
    import torch

    vae = _pocket(folder)
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)) / 127.5 - 1
    with torch.no_grad():
        mean = vae.encode(torch.from_numpy(small.transpose(2, 0, 1)[None]).float()).latent_dist.mean[0]
    return np.asarray(mean.double().numpy() * float(vae.config.scaling_factor))


def noise_pictures(decoder: Decoder, seed: int, side: int, count: int) -> dict[str, list[Bytes]]:
    """Pictures of every family, decoded."""
    return {
        kind: [decoder(latents(np.random.default_rng((seed, i, k)), side, kind)) for i in range(count)]
        for k, kind in enumerate(KINDS)
    }


def pixel_noise(seed: int, side: int, count: int) -> dict[str, list[Bytes]]:
    """What the pixel world calls noise: uniform and Gaussian, independent in every channel."""
    made: dict[str, list[Bytes]] = {"pixel uniform": [], "pixel gaussian": []}
    for i in range(count):
        rng = np.random.default_rng((seed, i))
        made["pixel uniform"].append(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        made["pixel gaussian"].append(np.clip(rng.normal(127, 90, (side, side, 3)), 0, 255).astype(np.uint8))
    return made


def shared_pictures(folder: Path) -> dict[str, list[Bytes]]:
    """Decoded noise found in a folder, by the name before the dash; empty if the folder is not there."""
    found: dict[str, list[Bytes]] = {}
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as image:
            found.setdefault(f"found {path.stem.rsplit('-', 1)[0]}", []).append(np.asarray(image.convert("RGB")))
    return found


def latents_of(picture: Bytes, side: int) -> Latents:
    """A picture's latents by the linear factors' pseudo-inverse, (4, side / 8, side / 8), unit variance and mean 0."""
    small = np.asarray(Image.fromarray(picture).resize((side // 8, side // 8), Image.Resampling.BOX)) / 127.5 - 1
    z = np.einsum("hwr,rc->chw", small, np.linalg.pinv(LINEAR))
    return np.asarray(z - z.mean(axis=(1, 2), keepdims=True)) / z.std()


def ladder(decoder: Decoder, scene: Latents, rng: np.random.Generator, steps: int = 9) -> list[Bytes]:
    """A healthy picture's latents drowning in noise: severity 0 to 1, energy kept."""
    noise = rng.standard_normal(scene.shape)
    return [decoder(np.cos(a) * scene + np.sin(a) * 1.6 * noise) for a in np.linspace(0, np.pi / 2, steps)]
