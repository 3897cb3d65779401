"""Values of a configuration: from TOML or a command line's text, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_WORDS: Mapping[str, bool] = MappingProxyType(
    {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
)


def boolean(value: object) -> bool:
    """True or false, also in words."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _WORDS:
        raise ValueError(word)
    return _WORDS[word]


def number(value: object) -> float:
    """A finite number, also as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(found)
    return found


def integer(value: object) -> int:
    """A whole number, also as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = number(value)
    if found != int(found):
        raise ValueError(found)
    return int(found)


def text(value: object) -> str:
    """Text; numbers and lists of numbers as text too: `learn_rate = 5e-6`, `layer_structure = [1, 2, 1]`."""
    if isinstance(value, list | tuple):
        return ", ".join(text(part) for part in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Path):
        raise TypeError
    return str(value)


def lines(value: object) -> tuple[str, ...]:
    """Several texts; one alone needs no list."""
    if isinstance(value, str):
        return (value,) if value else ()
    if not isinstance(value, list | tuple) or not all(isinstance(line, str) for line in value):
        raise TypeError
    return tuple(value)


def integers(value: object) -> tuple[int, ...]:
    """Several whole numbers: a list, one number, or text with commas."""
    if isinstance(value, str):
        return tuple(integer(part) for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple):
        return tuple(integer(part) for part in value)
    return (integer(value),)


def path(value: object) -> Path:
    """A path; `~` is the home folder."""
    return Path(text(value)).expanduser()


@dataclass(frozen=True)
class Kind:
    """How the values of a setting are read, and what they must be, in words."""

    convert: Callable[[object], object]
    said: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "str": Kind(text, "text"),
        "int": Kind(integer, "a whole number"),
        "float": Kind(number, "a number"),
        "bool": Kind(boolean, "true or false"),
        "tuple": Kind(lines, "text, or a list of texts"),
        "integers": Kind(integers, "a list of whole numbers"),
        "PosixPath": Kind(path, "a path"),
        "WindowsPath": Kind(path, "a path"),
    }
)
"""Kinds by the type name of a setting's default."""


def literal(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(literal(part) for part in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
