"""The usual measures of noise and quality, as other libraries have them, for comparison."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Peer:
    """A measure of another's; what it refuses (too small, flat) is not a number."""

    name: str
    measure: Callable[[Bytes], float]

    def of(self, picture: Bytes) -> float:
        """The measure of a picture, or NaN."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return float(self.measure(picture))
        except (ValueError, AssertionError, ArithmeticError, TypeError, IndexError, SystemExit):
            return float("nan")


def _grey_entropy(picture: Bytes) -> float:
    from skimage.measure import shannon_entropy

    return float(shannon_entropy(np.asarray(Image.fromarray(picture).convert("L"))))


def _joint_entropy(picture: Bytes) -> float:
    codes = (picture >> 3).astype(np.int64) @ np.array((1024, 32, 1))
    share = np.bincount(codes.ravel()) / codes.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def _power(picture: Bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grey = picture.mean(axis=2) - picture.mean()
    frequency = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1])[None, :])
    return np.abs(np.fft.rfft2(grey)) ** 2 + 1e-9, frequency


def _spectral_flatness(picture: Bytes) -> float:
    power, _ = _power(picture)
    return float(np.exp(np.log(power).mean()) / power.mean())


def _high_frequency_ratio(picture: Bytes) -> float:
    power, frequency = _power(picture)
    return float(power[frequency > 0.25].sum() / power.sum())


def _jpeg_size(picture: Bytes) -> float:
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=75)
    return 8 * len(held.getvalue()) / (picture.shape[0] * picture.shape[1])


def _estimate_sigma() -> Callable[[Bytes], float]:
    import pywt  # noqa: F401 - skimage needs it here and nowhere else
    from skimage.restoration import estimate_sigma

    return lambda picture: float(estimate_sigma(picture, average_sigmas=True, channel_axis=-1))


def _brisque() -> Callable[[Bytes], float]:
    from brisque import BRISQUE

    class Brisque(BRISQUE):  # type: ignore[misc]  # an untyped library's
        """Its features are arrays of one number, which numpy 2 no longer takes for numbers."""

        def scale_features(self, features: Any) -> Any:
            return super().scale_features([np.ravel(f)[0] for f in features])

    return Brisque(url=False).score  # type: ignore[no-any-return]  # the same


def _niqe() -> Callable[[Bytes], float]:
    """scikit-video's, whose parameters come with it; it wants aliases that numpy and scipy have dropped."""
    import scipy.misc

    def imresize(grey: NDArray[np.float32], share: float, **_: object) -> NDArray[np.float32]:
        size = (int(grey.shape[1] * share), int(grey.shape[0] * share))
        return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC))

    for name, kind in (("int", int), ("float", float), ("bool", bool)):
        if name not in vars(np):
            setattr(np, name, kind)
    scipy.misc.imresize = imresize
    from skvideo.measure import niqe

    def of(picture: Bytes) -> float:
        if min(picture.shape[:2]) < 193:
            raise ValueError("NIQE needs patches of 96 px at two scales")
        return float(niqe(np.asarray(Image.fromarray(picture).convert("L"), np.float32))[0])

    return of


def _piqe() -> Callable[[Bytes], float]:
    from pypiqe import piqe

    return lambda picture: float(piqe(picture)[0])


def _ready(measure: Callable[[Bytes], float]) -> Callable[[], Callable[[Bytes], float]]:
    return lambda: measure


#: In the order of the columns.  The last four are of libraries that may not be here: the extra `peers` brings them,
#: with their weights inside the packages.
MAKERS: dict[str, Callable[[], Callable[[Bytes], float]]] = {
    "grey entropy": _ready(_grey_entropy),
    "joint entropy": _ready(_joint_entropy),
    "spectral flatness": _ready(_spectral_flatness),
    "high-frequency ratio": _ready(_high_frequency_ratio),
    "JPEG size": _ready(_jpeg_size),
    "skimage sigma": _estimate_sigma,
    "BRISQUE": _brisque,
    "NIQE": _niqe,
    "PIQE": _piqe,
}


def _missing(_: Bytes) -> float:
    return float("nan")


def peers() -> tuple[Peer, ...]:
    """All peers; those whose library is not here give NaN."""
    found = []
    for name, maker in MAKERS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(Peer(name, maker()))
        except ImportError:
            found.append(Peer(name, _missing))
    return tuple(found)
