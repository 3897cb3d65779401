"""Training pictures and their captions: listed, read, brought to size, fingerprinted."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from hndoctor.formats.captions import PICTURE_SUFFIXES, CaptionError, read_caption
from hndoctor.formats.pictures import known
from hndoctor.formats.upright import upright
from trainer.errors import TrainerError, why

OTHER_SUFFIXES = frozenset({".heic", ".heif", ".jxl", ".psd", ".tga", ".jp2", ".svg"})  # pictures that are not read
_BINARY = "has control characters in it: is it a text file?"


@dataclass(frozen=True)
class Picture:
    """One training picture: where it lies, what it says, and what it is."""

    path: Path
    caption: str
    digest: str  # SHA-256 of its bytes and caption, 16 hex digits
    label: str = ""  # its path below the set's folder, where that is not its name alone: "5_fischl/a.png"
    size: tuple[int, int] = (0, 0)  # width and height in pixels, the right way up
    content: str = ""  # SHA-256 of its bytes, 64 hex digits
    repeats: int = 1  # times it comes in an epoch
    frames: int = 1  # more: an animation, of which the first one is taken
    encoding: str = ""  # what is odd about its caption file, which was read all the same

    @property
    def name(self) -> str:
        """What it is called in messages and records: the file's name, with its folder's if it lies in one."""
        return self.label or self.path.name


@dataclass(frozen=True)
class PictureSet:
    """The pictures of a folder in order of name, and those that cannot be used with the reason."""

    folder: Path
    pictures: tuple[Picture, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()  # folders in it that are not read, and why; what is odd about pictures and captions

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names, bytes and captions: changes when anything that is trained on changes (G32)."""
        text = "\n".join(f"{picture.name}\t{picture.digest}" for picture in self.pictures)
        return hashlib.sha256(text.encode()).hexdigest()

    def listing(self) -> dict[str, str]:
        """Digests by name."""
        return {picture.name: picture.digest for picture in self.pictures}


@dataclass(frozen=True)
class Reading:
    """How a folder is read."""

    repeats: int = 1  # of pictures whose folder does not say
    word_regex: str = ""  # of file names that serve as captions
    join: str = " "


def read_folder(folder: Path, how: Reading | None = None, kind: str = "training") -> PictureSet:
    """The pictures of a folder by name, then those of folders in it that are called `5_name` (five times an epoch).

    What cannot be read is named, not used; `kind` is what messages call them.  Raises `TrainerError` if there is no
    such folder, no picture in it, or none that can be read.
    """
    called = f"data {folder}" if kind == "training" else f"{kind} pictures {folder}"
    if not folder.is_dir():
        what = "a file" if folder.exists() else "there is no such folder"
        raise TrainerError(f"{called}: {what}; name the folder of the {kind} pictures")
    how, notes = how or Reading(), []
    files = [(path, how.repeats) for path in _pictures_in(folder)]
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found, repeats = _pictures_in(inner), repeats_of(inner.name)
        files += [(path, repeats) for path in found if repeats]
        if found and not repeats:
            notes.append(_not_read(inner.name, repeats))
    if not files:
        hint = f" ({'; '.join(notes)})" if notes else ""
        raise TrainerError(f"{called}: no pictures in it; put .png, .jpg or .webp files there{hint}")
    read = [_read(path, folder, repeats, how) for path, repeats in files]
    names = (path.relative_to(folder).as_posix() for path, _ in files)
    skipped = tuple((name, found) for name, found in zip(names, read, strict=True) if isinstance(found, str))
    pictures = tuple(found for found in read if isinstance(found, Picture))
    if not pictures:
        name, why = skipped[0]
        none = "its only picture cannot" if len(files) == 1 else f"none of its {len(files)} pictures can"
        raise TrainerError(f"{called}: {none} be read; {name}: {why}")
    return PictureSet(folder, pictures, skipped, (*notes, *_others_in(folder), *_remarks(pictures)))


def _remarks(pictures: Sequence[Picture]) -> Iterator[str]:
    """What is odd and was made the best of."""
    moving = [picture.name for picture in pictures if picture.frames > 1]
    if moving:
        yield f"animated, the first frame is taken: {', '.join(moving)}"
    for picture in pictures:
        if picture.encoding:
            yield f"the caption of {picture.name} {picture.encoding}"


def repeats_of(name: str) -> int | None:
    """The repeats that a folder's name asks for: 5 of "5_fischl" (kohya's convention); None if it asks for none."""
    number, mark, _ = name.partition("_")
    return int(number) if mark and number.isascii() and number.isdigit() else None


def _not_read(name: str, repeats: int | None) -> str:
    why = "its name asks for 0 repeats" if repeats == 0 else f'call it "1_{name}" to train on it'
    return f"the pictures in the folder {name} are not used: {why}"


def _pictures_in(folder: Path) -> list[Path]:
    found = (p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith("."))
    return sorted(path for path in found if not path.is_dir())


def _others_in(folder: Path) -> Iterator[str]:
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in OTHER_SUFFIXES)
    if names:
        yield f"not used, save them as .png, .jpg or .webp: {', '.join(names)}"


def _read(path: Path, folder: Path, repeats: int, how: Reading) -> Picture | str:
    """A picture, or why it cannot be used."""
    try:
        raw = path.read_bytes()
        size, frames = load(io.BytesIO(raw)).size, _frames(raw)
        told = read_caption(path, how.word_regex, how.join)
    except (TrainerError, CaptionError) as error:
        if isinstance(error, CaptionError):
            raise TrainerError(f"filename_regex: {error}") from None
        return str(error)
    except OSError as error:
        return f"cannot be read ({why(error)})"
    if told.source and told.problem and told.problem.startswith("cannot be read"):
        return f"its caption {told.source.name} {told.problem}"
    content, caption = hashlib.sha256(raw), told.text
    digest = hashlib.sha256(content.digest() + caption.encode()).hexdigest()[:16]
    label = path.relative_to(folder).as_posix()
    odd = _BINARY if any(ord(mark) < 32 and not mark.isspace() for mark in caption) else told.problem or ""
    return Picture(path, caption, digest, label, size, content.hexdigest(), repeats, frames, odd)


def _frames(raw: bytes) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(raw)) as image:
            return int(getattr(image, "n_frames", 1))


def load(path: Path | IO[bytes]) -> Image.Image:
    """A picture in RGB, the right way up.  Raises `TrainerError` with the reason if it cannot be decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files
            with known(path) as image:
                return _rgb(upright(image))
    except UnidentifiedImageError:
        raise TrainerError("cannot be decoded (it is no picture of a known kind)") from None
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
