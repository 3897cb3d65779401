"""Small pictures for the contact sheet: as they are stored, transparency shown as grey."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hndoctor.formats.pictures import open_picture

SIDE = 200  # px of the longer side
QUALITY = 78
GREY = (128, 128, 128)
LARGE = 1 << 22  # pixels from which a picture is made small before it is copied: one of 40 million takes 160 MB
SHRINKING = ("RGB", "RGBA", "L", "LA")  # modes that can be


@dataclass(frozen=True)
class Small:
    """One thumbnail."""

    data: str  # base64 JPEG
    width: int
    height: int


def thumbnails(data: Path, names: Iterable[str]) -> dict[str, Small]:
    """A thumbnail for every picture that can be opened, by its name below `data`."""
    made = ((name, _small(data / name)) for name in names)
    return {name: small for name, small in made if small is not None}


def _small(path: Path) -> Small | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_picture(path) as picture:
                picture.draft("RGB", (SIDE, SIDE))
                return _packed(picture)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        return None


def _packed(picture: Image.Image) -> Small:
    clear = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    if picture.width * picture.height > LARGE and picture.mode in SHRINKING:
        picture.thumbnail((SIDE, SIDE))
    whole = picture.convert("RGBA" if clear else "RGB")
    whole.thumbnail((SIDE, SIDE))
    if clear:
        ground = Image.new("RGB", whole.size, GREY)
        ground.paste(whole, mask=whole.getchannel("A"))
        whole = ground
    packed = io.BytesIO()
    whole.save(packed, "JPEG", quality=QUALITY)
    return Small(base64.b64encode(packed.getvalue()).decode("ascii"), whole.width, whole.height)
