"""Pictures the right way up, as their EXIF says; broken EXIF says nothing."""

from __future__ import annotations

import struct

from PIL import Image

from hndoctor.formats.quiet import quiet

ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def exif_value(image: Image.Image, tag: int, ifd: int | None = None) -> object:
    """What the picture's EXIF says of a tag; None where it says nothing, or is broken (Pillow may warn or raise)."""
    try:
        with quiet():
            exif = image.getexif()
            return (exif if ifd is None else exif.get_ifd(ifd)).get(tag)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, OverflowError, struct.error):
        return None


def orientation(image: Image.Image) -> int:
    """1 (upright) to 8; 1 where the picture does not tell, or tells nonsense."""
    value = exif_value(image, ORIENTATION)
    return value if isinstance(value, int) and value in _TURNS else 1


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; the very same where it stands upright."""
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)
