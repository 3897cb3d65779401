"""The names that trainers give to their files: `fischl-500.pt`, `fischl-500.png`, `fischl-500-2.png`, `fischl.pt`."""

from __future__ import annotations

import os
import re
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# How file managers and browsers mark a copy, in the languages of their most users; Firefox leaves out the space
_WORDS = "Copy|Kopie|Copie|[Cc]opia|コピー|副本"
_COPY = rf"(?: ?\((?:[0-9]{{1,3}}|[Cc]opy)\)| - (?:{_WORDS})(?: \([0-9]{{1,3}}\))?| copy(?: [0-9]{{1,3}})?)"
_NUMBERED = re.compile(rf"(.+)-([0-9]{{1,9}}){_COPY}?", re.DOTALL)
_COUNTS = re.compile(rf"-([0-9]{{1,9}})(?:-([0-9]{{1,4}}))?{_COPY}?")
LONGEST = 255  # bytes of a file's name on Linux, macOS (units there) and Windows


@dataclass(frozen=True)
class Named:
    """A file name taken apart.  `step` is the count in the name; `index` numbers further prompts of one step."""

    name: str
    step: int | None = None
    index: int = 0


def own_name(stem: str) -> str:
    """A name in composed Unicode: macOS writes ü as two characters, other systems as one."""
    return unicodedata.normalize("NFC", stem)


def fitting(stem: str, ending: str = "") -> str:
    """The name of a file to make: of a stem that would be too long for most systems its beginning and a number."""
    if len(os.fsencode(stem + ending)) <= LONGEST:
        return stem + ending
    told = os.fsencode(stem)
    ending = f"-{zlib.crc32(told):08x}{ending}"
    return told[: LONGEST - len(os.fsencode(ending))].decode("utf-8", "ignore") + ending


def parse_stem(stem: str, name: str | None = None) -> Named:
    """Take a file's stem apart; `name` is the run's, where it is known.

    A known name settles what is a step: in the run `style-2` the file `style-2` is the last network, not step 2.  A
    copy (`style-500 (1)`) is of the same step.
    """
    stem = own_name(stem)
    if name is not None and stem.startswith(known := own_name(name)):
        counts = _COUNTS.fullmatch(stem[len(known) :])
        if counts:
            return Named(known, int(counts[1]), int(counts[2] or 0))
        if stem == known:
            return Named(known)
    numbered = _NUMBERED.fullmatch(stem)
    return Named(numbered[1], int(numbered[2])) if numbered else Named(stem)


def without_copies(files: Iterable[Path]) -> list[Path]:
    """`x-500.safetensors` beside `x-500.pt` is the same network for other programs, not another step."""
    found = list(files)
    originals = {file.with_suffix("") for file in found if file.suffix.lower() == ".pt"}
    return [f for f in found if f.suffix.lower() != ".safetensors" or f.with_suffix("") not in originals]
