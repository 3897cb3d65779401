"""Reading preview pictures: files to `Pixels`, safely, and small copies for the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, UnidentifiedImageError

from hndoctor.formats.pictures import TooLargeError, open_picture
from hndoctor.formats.upright import upright
from hndoctor.metrics.pixels import Pixels

LARGEST = 1 << 24  # pixels; 4096 × 4096, a sheet of 16 pictures of 1024
WHOLE = 1 << 22  # pixels up to which a picture is measured as it is, beside another (each takes 0.1 GB)
_LARGE_ONES = Lock()  # decoding one of 16 million pixels takes 0.2 GB
NARROWEST = 32  # longer over shorter side; a sheet in one row is 1 × 16 (guess), and tiles as small as a side are many
THUMBNAIL_BYTES = 6 * 1024  # of JPEG: a run of 200 previews then adds about 1.6 MB to the report
THUMBNAIL_SIZE = 160  # pixels, the longer side
FINGERPRINT = 8  # values a side
SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N", "I"}


class PictureError(ValueError):
    """A picture that cannot be read, with what, where and why in one line."""


class PictureGoneError(PictureError):
    """There is no such picture (any more)."""


def load(path: Path) -> Pixels:
    """The pixels of a picture file: upright (EXIF orientation), RGB, alpha over white, first frame.

    Raises PictureError for what is missing, truncated, too large, or no picture.
    """
    with opened(path) as image:
        return pixels_of(image)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture of a file, decoded; of large ones one at a time.  Raises PictureError, also for what fails inside."""
    image: Image.Image | None = None
    try:
        image = open_picture(path)  # a bomb is caught by the size below
        if image.width * image.height > LARGEST:
            raise PictureError(f"{path.name}: {image.width} × {image.height} pixels, too large for a preview")
        if max(image.size) > NARROWEST * min(image.size):
            raise PictureError(f"{path.name}: {image.width} × {image.height} pixels, too narrow for a preview")
        with _LARGE_ONES if image.width * image.height > WHOLE else nullcontext():
            image.load()
            yield image
    except TooLargeError as error:
        raise PictureError(f"{path.name}: {error}") from None
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"{path.name}: too large for a preview (over {LARGEST // 10**6} million pixels)") from None
    except FileNotFoundError:
        raise PictureGoneError(f"{path.name}: no such file") from None
    except UnidentifiedImageError:
        raise PictureError(f"{path.name}: not a picture that Pillow can read") from None
    except Exception as error:  # noqa: BLE001 - a decoder's failures have no common type (struct, zlib, syntax ...)
        raise PictureError(f"{path.name}: damaged picture ({_one_line(error)}); make it again") from None
    finally:
        if image is not None:
            image.close()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def pixels_of(image: Image.Image) -> Pixels:
    """The pixels of a decoded picture, whatever its mode."""
    image = upright(image)
    if image.mode in SIXTEEN_BIT:
        grey = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        if grey.size <= WHOLE:
            return Pixels.of(grey)
        halved = grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2].reshape(grey.shape[0] // 2, 2, -1, 2)
        return Pixels.of(halved.mean(axis=(1, 3), dtype=np.float32).astype(np.uint16))
    if image.mode == "F":
        values = np.asarray(image)
        return Pixels.of(values / 255 if np.nanmax(values, initial=0) > 1 else values)
    clear = image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info
    mode = "RGBA" if clear else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    if image.width * image.height > WHOLE:
        image = image.reduce(2)  # its half-size copy, of which the measures are much the same
    return Pixels.of(np.asarray(image)) if clear else Pixels.shown(image)


def shrunk_to(image: Image.Image, side: int) -> Image.Image:
    """The picture with a shorter side of at most ``side`` pixels, as a training would bring it down."""
    if min(image.size) <= side or image.mode not in ("RGB", "L", "RGBA"):
        return image
    scale = side / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def fingerprint(pixels: Pixels) -> tuple[float, ...]:
    """A colour thumbnail of 8 × 8 box averages, row by row, R G B each, 192 floats 0..1 to four decimals."""
    fine = (pixels.boxes * 255 + 0.5).astype(np.uint8)
    small = Image.fromarray(np.ascontiguousarray(fine.transpose(1, 2, 0)))
    values = np.asarray(small.resize((FINGERPRINT, FINGERPRINT), Image.Resampling.BOX))
    return tuple(round(v / 255, 4) for v in values.ravel().tolist())


def _shrunk(pixels: Pixels, width: int, height: int) -> Image.Image:
    small = Image.merge("RGB", [Image.fromarray(plane) for plane in pixels.planes])
    # reducing first costs nothing that can be seen, and makes a large picture quick
    return small.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)


def thumbnail(picture: Path | Pixels, size: int = THUMBNAIL_SIZE) -> str:
    """A JPEG of at most ``size`` pixels a side and 6 KB, base64, without ``data:`` prefix.  Raises PictureError."""
    pixels = picture if isinstance(picture, Pixels) else load(picture)
    scale = min(1.0, size / max(pixels.width, pixels.height))
    small = _shrunk(pixels, max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
    data = b""
    for quality in (80, 60, 40, 20):
        held = io.BytesIO()
        small.save(held, "JPEG", quality=quality, optimize=True)
        data = held.getvalue()
        if len(data) <= THUMBNAIL_BYTES:
            return base64.b64encode(data).decode("ascii")
    return thumbnail(pixels, max(1, size // 2)) if size > 1 else base64.b64encode(data).decode("ascii")
