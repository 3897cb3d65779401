"""Reading preview pictures: files to `Pixels`, safely, and small copies for the report."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hndoctor.formats.quiet import quiet
from hndoctor.metrics.pixels import Pixels

#: pixels; 4096 × 4096, a sheet of 16 pictures of 1024: that takes 0.45 GB, measured, and two are at work at once
LARGEST = 1 << 24
NARROWEST = 32  # longer over shorter side; a sheet in one row is 1 × 16 (guess), and tiles as small as a side are many
THUMBNAIL_BYTES = 6 * 1024  # of JPEG: a run of 200 previews then adds about 1.6 MB to the report
THUMBNAIL_SIZE = 160  # pixels, the longer side
FINGERPRINT = 8  # values a side
ORIENTATION = 0x0112  # the EXIF tag
SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N", "I"}


class PictureError(ValueError):
    """A picture that cannot be read, with what, where and why in one line."""


def load(path: Path) -> Pixels:
    """The pixels of a picture file: upright (EXIF orientation), RGB, alpha over white, first frame.

    Raises PictureError for what is missing, truncated, too large, or no picture.
    """
    with opened(path) as image:
        return pixels_of(image)


def opened(path: Path) -> Image.Image:
    """The picture of a file, decoded.  The caller closes it.  Raises PictureError."""
    image: Image.Image | None = None
    try:
        with quiet():  # Pillow warns of odd metadata; a bomb is caught by the size below
            image = Image.open(path)
        if image.width * image.height > LARGEST:
            raise PictureError(f"{path.name}: {image.width} × {image.height} pixels, too large for a preview")
        if max(image.size) > NARROWEST * min(image.size):
            raise PictureError(f"{path.name}: {image.width} × {image.height} pixels, too narrow for a preview")
        image.load()
        return image
    except PictureError:
        _close(image)
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"{path.name}: too large for a preview (over {LARGEST // 10**6} million pixels)") from None
    except FileNotFoundError:
        raise PictureError(f"{path.name}: no such file") from None
    except UnidentifiedImageError:
        raise PictureError(f"{path.name}: not a picture that Pillow can read") from None
    except Exception as error:  # noqa: BLE001 - a decoder's failures have no common type (struct, zlib, syntax ...)
        _close(image)
        raise PictureError(f"{path.name}: damaged picture ({_one_line(error)}); make it again") from None


def _close(image: Image.Image | None) -> None:
    if image is not None:
        image.close()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def pixels_of(image: Image.Image) -> Pixels:
    """The pixels of a decoded picture, whatever its mode."""
    turned = image.getexif().get(ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(image) if turned else image
    if upright.mode in SIXTEEN_BIT:
        return Pixels.of(np.clip(np.asarray(upright).astype(np.int64), 0, 65535).astype(np.uint16))
    if upright.mode == "F":
        values = np.asarray(upright)
        return Pixels.of(values / 255 if np.nanmax(values, initial=0) > 1 else values)
    if upright.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in upright.info:
        return Pixels.of(np.asarray(upright.convert("RGBA")))
    return Pixels.shown(upright if upright.mode == "RGB" else upright.convert("RGB"))


def shrunk_to(image: Image.Image, side: int) -> Image.Image:
    """The picture with a shorter side of at most ``side`` pixels, as a training would bring it down."""
    if min(image.size) <= side or image.mode not in ("RGB", "L", "RGBA"):
        return image
    scale = side / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def fingerprint(pixels: Pixels) -> tuple[float, ...]:
    """A colour thumbnail of 8 × 8 box averages, row by row, R G B each, 192 floats 0..1 to four decimals."""
    fine = (pixels.fine * 255 + 0.5).astype(np.uint8)
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
