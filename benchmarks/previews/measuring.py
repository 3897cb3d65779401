"""Measures every sample of the bench once, our measures and the peers' alike."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.previews.families import Bytes, Sample
from benchmarks.previews.fitting import Labels
from hndoctor.metrics import METRICS
from hndoctor.metrics.pixels import Pixels
from hndoctor.metrics.tiles import tile_features

TILES = 12  # tiles kept of each picture


def grey_entropy(picture: Bytes) -> float:
    """Entropy of grey levels."""
    from skimage.measure import shannon_entropy

    return float(shannon_entropy(np.asarray(Image.fromarray(picture).convert("L"))))


def joint_entropy(picture: Bytes) -> float:
    """Entropy of 32 × 32 × 32 colour bins, full size."""
    codes = (picture >> 3).astype(np.int64) @ np.array((1024, 32, 1))
    share = np.bincount(codes.ravel()) / codes.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def _power(picture: Bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grey = picture.mean(axis=2) - picture.mean()
    frequency = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1])[None, :])
    return np.abs(np.fft.rfft2(grey)) ** 2 + 1e-9, frequency


def spectral_flatness(picture: Bytes) -> float:
    """Wiener entropy of the full-size spectrum."""
    power, _ = _power(picture)
    return float(np.exp(np.log(power).mean()) / power.mean())


def high_frequency_ratio(picture: Bytes) -> float:
    """Energy above a quarter cycle a pixel, full size."""
    power, frequency = _power(picture)
    return float(power[frequency > 0.25].sum() / power.sum())


def estimated_sigma(picture: Bytes) -> float:
    """Wavelet noise estimate: skimage's where PyWavelets is installed, else our own Haar-MAD."""
    try:
        from skimage.restoration import estimate_sigma

        return float(estimate_sigma(picture, average_sigmas=True, channel_axis=-1))
    except ImportError:
        from hndoctor.metrics.noise import haar_mad_sigma

        return haar_mad_sigma(picture)


def jpeg_size(picture: Bytes) -> float:
    """Bits a pixel as a JPEG of quality 75."""
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=75)
    return 8 * len(held.getvalue()) / (picture.shape[0] * picture.shape[1])


PEERS: tuple[Callable[[Bytes], float], ...] = (
    grey_entropy,
    joint_entropy,
    spectral_flatness,
    high_frequency_ratio,
    estimated_sigma,
    jpeg_size,
)


@dataclass(frozen=True)
class Table:
    """Everything measured, a row a picture."""

    labels: Labels
    small: NDArray[np.bool_]  # block of one pixel
    scores: NDArray[np.float64]  # (n, len(METRICS))
    peers: NDArray[np.float64]  # (n, len(PEERS))
    tiles: NDArray[np.float64]  # (n, TILES, 4)

    def column(self, name: str) -> NDArray[np.float64]:
        """One measure over all pictures."""
        return self.scores[:, [m.__name__ for m in METRICS].index(name)]


def measured(samples: Iterable[Sample]) -> Table:
    """Measure samples one by one; nothing of a picture is kept."""
    rows = [_row(sample, i) for i, sample in enumerate(samples)]
    group, family, small, scores, peers, tiles = (np.array(column) for column in zip(*rows, strict=True))
    return Table(Labels(group, family), small, scores, peers, tiles)


def _row(sample: Sample, index: int) -> tuple[str, str, bool, list[float], list[float], NDArray[np.float64]]:
    pixels = Pixels.of(sample.picture)
    features = tile_features(pixels).reshape(-1, 4)
    some = np.random.default_rng(index).integers(0, len(features), TILES)
    small = pixels.block == 1
    family = f"{sample.family}, small" if small else sample.family
    scores, peers = [m(pixels) for m in METRICS], [peer(sample.picture) for peer in PEERS]
    return sample.group, family, small, scores, peers, features[some]


def kept(path: Path | None, samples: Iterable[Sample]) -> Table:
    """The table from a file if it is there, else measured (and saved there)."""
    if path is not None and path.exists():
        held = np.load(path)
        return Table(Labels(held["group"], held["family"]), *(held[k] for k in ("small", "scores", "peers", "tiles")))
    table = measured(samples)
    if path is not None:
        np.savez(
            path, group=table.labels.group, family=table.labels.family, small=table.small,
            scores=table.scores, peers=table.peers, tiles=table.tiles,
        )  # fmt: skip
    return table
