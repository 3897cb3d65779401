"""Pictures opened: of the kinds that people train on and preview with, and of no size that fills the memory.

Pillow knows some forty kinds.  One of them (EPS) starts another program to be drawn, and none but these is ever meant.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from hndoctor.formats.quiet import quiet

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # AVIF last: Pillow before 11.3 does not know it
FILE_LIMIT = 68 << 20  # bytes: 4096 × 4096 in RGBA that does not compress; several kinds are read whole


class TooLargeError(OSError):
    """A picture file that is larger than pictures are."""


def open_picture(path: Path, limit: int = FILE_LIMIT) -> Image.Image:
    """The opened picture, not decoded yet.  Raises OSError (TooLargeError among them) and whatever Pillow raises."""
    size = path.stat().st_size
    if size > limit:
        raise TooLargeError(f"a file of {size >> 20} MiB, more than the {limit >> 20} that are read")
    return known(path)


def known(file: Path | IO[bytes]) -> Image.Image:
    """The same without a limit on the file's size."""
    try:
        with quiet():  # Pillow warns of odd metadata and of size; callers look at the size themselves
            return Image.open(file, formats=KINDS)
    except KeyError:  # it came to a kind that this Pillow lacks
        raise UnidentifiedImageError("not a picture that Pillow can read") from None
