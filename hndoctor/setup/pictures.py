"""One training picture as numbers, with one picture in memory at a time."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError
from scipy import fft, ndimage

from hndoctor.formats.pictures import open_picture
from hndoctor.formats.upright import orientation
from hndoctor.records import PictureVitals

SHARPNESS_SIDE = 512  # px of the shorter side at which sharpness is measured: what Stable Diffusion 1 sees
FILE_LIMIT = 128 << 20  # bytes of its file: 40 million pixels of a camera's TIFF
MAX_PIXELS = 40_000_000  # a picture of 7300 x 5400, which takes 0.4 GB while it is measured
_STRIP = 256  # rows hashed at once, so that a large picture is not copied whole

# fmt: off
_K1 = np.sort(np.array([  # luminance quantisation table of the JPEG standard (Annex K); order does not matter here
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
]))
# fmt: on


def measure_picture(path: Path, name: str) -> PictureVitals:
    """Everything the picture rules ask about one file; what cannot be read comes back with its `problem`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata
            with open_picture(path, FILE_LIMIT) as picture:
                return _measure(picture, name)
    except Image.DecompressionBombError:
        return PictureVitals(name, problem="is too large to be opened safely; make it smaller")
    except UnidentifiedImageError:
        return PictureVitals(name, problem=_not_a_picture(path))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        return PictureVitals(name, problem=f"cannot be read: {_one_line(error)}")


def _not_a_picture(path: Path) -> str:
    empty = path.stat().st_size == 0
    return "is an empty file" if empty else "is not a picture that can be opened, whatever its name says"


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _measure(picture: Image.Image, name: str) -> PictureVitals:
    if picture.width * picture.height > MAX_PIXELS:
        return PictureVitals(name, picture.width, picture.height, problem="is too large to be opened safely")
    quality = jpeg_quality(getattr(picture, "quantization", None))
    turned = orientation(picture)
    picture.load()
    grey = _grey(picture)
    return PictureVitals(
        path=name,
        width=picture.width,
        height=picture.height,
        mode=picture.mode,
        format=picture.format or "",
        digest=_digest(picture),
        perceptual_hash=perceptual_hash(grey),
        sharpness=sharpness(grey),
        contrast=float(np.std(_levels(grey))) / 255,
        jpeg_quality=quality,
        transparent=_transparent(picture),
        orientation=turned,
        profile=_profile(picture),
        difference_hash=difference_hash(grey),
        brightness=float(np.mean(_levels(grey))) / 255,
    )


def _levels(grey: Image.Image) -> NDArray[Any]:
    return np.asarray(grey, dtype=np.float64)


def _grey(picture: Image.Image) -> Image.Image:
    """Grey values 0..255, the shorter side at most 512 px: all later measures use this small copy."""
    grey = (picture if picture.mode == "RGB" else picture.convert("RGB")).convert("L")
    scale = SHARPNESS_SIDE / min(grey.size)
    if scale >= 1:
        return grey
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _digest(picture: Image.Image) -> str:
    """SHA-256 over size and colours: equal for equal pixels, whatever the file format."""
    keep = "RGBA" if _has_alpha(picture) else "RGB"
    digest = hashlib.sha256(f"{picture.width}x{picture.height}".encode())
    for top in range(0, picture.height, _STRIP):
        strip = picture.crop((0, top, picture.width, min(picture.height, top + _STRIP)))
        digest.update(_opaque(strip.convert(keep)).tobytes())
    return digest.hexdigest()


def _opaque(strip: Image.Image) -> Image.Image:
    """Without an alpha channel that says nothing, so that RGB and fully opaque RGBA are the same picture."""
    if strip.mode == "RGBA" and strip.getchannel("A").getextrema() == (255, 255):
        return strip.convert("RGB")
    return strip


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info


def _transparent(picture: Image.Image) -> float:
    """The share of pixels with alpha below 1."""
    if not _has_alpha(picture):
        return 0.0
    alpha = (picture if picture.mode == "RGBA" else picture.convert("RGBA")).getchannel("A")
    return 1 - alpha.histogram()[255] / (picture.width * picture.height)


def _profile(picture: Image.Image) -> str | None:
    """The name of an embedded colour profile that is not sRGB."""
    raw = picture.info.get("icc_profile")
    if not raw:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(raw))
        said = ImageCms.getProfileDescription(profile).strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return "unreadable profile"
    known = said.lower()
    return None if "srgb" in known or "61966" in known else said or "unnamed profile"


def jpeg_quality(tables: dict[int, Sequence[int]] | None) -> int | None:
    """The quality 1..100 at which a JPEG was saved, from its luminance table (IJG's scaling); None: no JPEG."""
    if not tables:
        return None
    found = np.sort(np.asarray(tables[min(tables)], dtype=np.float64))
    if found.size != 64:
        return None
    return min(range(100, 0, -1), key=lambda quality: float(np.abs(_ijg_table(quality) - found).sum()))


def _ijg_table(quality: int) -> NDArray[Any]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.sort(np.clip((_K1 * scale + 50) // 100, 1, 255))


def sharpness(grey: Image.Image) -> float:
    """The variance of the Laplacian of grey values 0..255."""
    return float(ndimage.laplace(_levels(grey)).var())


def perceptual_hash(grey: Image.Image) -> str:
    """pHash: the signs of the 64 lowest frequencies of a 32×32 picture against their median, as 16 hex digits."""
    small = _levels(grey.resize((32, 32), Image.Resampling.LANCZOS))
    low = fft.dctn(small, norm="ortho")[:8, :8].ravel()
    return _hex(low > np.median(low[1:]))


def difference_hash(grey: Image.Image) -> str:
    """dHash: whether each of 8×8 cells is darker than its right neighbour, as 16 hex digits."""
    small = _levels(grey.resize((9, 8), Image.Resampling.BOX))
    return _hex((small[:, 1:] > small[:, :-1]).ravel())


def _hex(bits: NDArray[Any]) -> str:
    return np.packbits(bits).tobytes().hex()
