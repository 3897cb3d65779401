"""The infotext of a picture on disk."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

from PIL import Image

from hndoctor.formats.infotext import Infotext, from_picture


def infotext_of(path: Path) -> Infotext | None:
    """What the picture's own text tells; None where it carries none or cannot be opened."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size and broken-metadata warnings: the pixels are not decoded here
            with Image.open(path) as image:
                return from_picture(image)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error, Image.DecompressionBombError):
        return None
