"""Training pictures and their captions: listed, read, brought to size, fingerprinted."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from hndoctor.formats.captions import PICTURE_SUFFIXES, read_caption
from trainer.errors import TrainerError


@dataclass(frozen=True)
class Picture:
    """One training picture: where it lies, what it says, and what it is."""

    path: Path
    caption: str
    digest: str  # SHA-256 of its bytes and caption, 16 hex digits

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


@dataclass(frozen=True)
class PictureSet:
    """The pictures of a folder by name, and those that cannot be used with the reason."""

    folder: Path
    pictures: tuple[Picture, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names, bytes and captions: changes when anything that is trained on changes (G32)."""
        text = "\n".join(f"{picture.name}\t{picture.digest}" for picture in self.pictures)
        return hashlib.sha256(text.encode()).hexdigest()

    def listing(self) -> dict[str, str]:
        """Digests by name."""
        return {picture.name: picture.digest for picture in self.pictures}


def read_folder(folder: Path) -> PictureSet:
    """The pictures of a folder (not of folders in it), by name.  What cannot be read is named, not used.

    Raises `TrainerError` if there is no such folder, no picture in it, or none that can be read.
    """
    if not folder.is_dir():
        raise TrainerError(f"data {folder}: there is no such folder; name the folder of the training pictures")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith("."))
    if not files:
        raise TrainerError(f"data {folder}: no pictures in it; put .png, .jpg or .webp files there")
    read = [_read(path) for path in files]
    skipped = tuple((path.name, found) for path, found in zip(files, read, strict=True) if isinstance(found, str))
    pictures = tuple(found for found in read if isinstance(found, Picture))
    if not pictures:
        name, why = skipped[0]
        raise TrainerError(f"data {folder}: none of its {len(files)} pictures can be read; {name}: {why}")
    return PictureSet(folder, pictures, skipped)


def _read(path: Path) -> Picture | str:
    """A picture, or why it cannot be used."""
    try:
        load(path)
        raw = path.read_bytes()
    except TrainerError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    caption = read_caption(path).text
    digest = hashlib.sha256(hashlib.sha256(raw).digest() + caption.encode()).hexdigest()[:16]
    return Picture(path, caption, digest)


def load(path: Path) -> Image.Image:
    """A picture in RGB, the right way up.  Raises `TrainerError` with the reason if it cannot be decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image)
                return _rgb(upright)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError, IndexError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TrainerError(f"cannot be decoded ({reason})") from None


def _rgb(image: Image.Image) -> Image.Image:
    """RGB; 16-bit greys are brought to 8 bits instead of being cut off at white."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float64)
        return Image.fromarray((grey / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGBA")
    return image.convert("RGB")


def to_size(image: Image.Image, width: int, height: int, distort: bool = False) -> Image.Image:
    """A picture of `width` × `height`: scaled to cover the frame and cut around its centre, so nothing is squeezed.

    `distort`: squeezed into the frame instead, as the web UI does.
    """
    if distort:
        return image.resize((width, height), Image.Resampling.BICUBIC)
    return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)


def to_tensor(image: Image.Image) -> Tensor:
    """(3, height, width), from -1 to 1."""
    array = np.asarray(image, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What was done to a set of pictures, one by one: "added: a.png"."""
    yield from (f"removed: {name}" for name in sorted(before.keys() - now.keys()))
    yield from (f"added: {name}" for name in sorted(now.keys() - before.keys()))
    yield from (f"changed: {name}" for name in sorted(before.keys() & now.keys()) if before[name] != now[name])
