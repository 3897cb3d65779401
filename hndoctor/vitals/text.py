"""The infotext of a picture on disk."""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image

from hndoctor.formats.infotext import Infotext, from_picture
from hndoctor.formats.pictures import open_picture


def infotext_of(path: Path) -> Infotext | None:
    """What the picture's own text tells; None where it carries none or cannot be opened."""
    try:
        with open_picture(path) as image:  # the pixels are not decoded here
            return from_picture(image)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error, Image.DecompressionBombError):
        return None
