"""Pictures the right way up, as their EXIF says; broken EXIF says nothing."""

from __future__ import annotations

import struct

from PIL import Image

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


def orientation(image: Image.Image) -> int:
    """1 (upright) to 8; 1 where the picture does not tell, or tells nonsense."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, OverflowError, struct.error):
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; the very same where it stands upright."""
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)
