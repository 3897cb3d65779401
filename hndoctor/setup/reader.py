"""Reading a configuration leniently: what cannot be used is named, and the rest is still measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hndoctor.formats.layout import check_structure, parse_structure

T = TypeVar("T")

_ALIASES = {
    "activation_func": "activation",
    "weight_initialization": "weight_init",
    "add_layer_norm": "layer_norm",
    "is_layer_norm": "layer_norm",
    "template_file": "template",
    "training_width": "width",
    "training_height": "height",
    "preview_cfg_scale": "preview_cfg",
}


class _SaidError(ValueError):
    """A message that already says how to mend it."""


@dataclass
class Reader:
    """Takes values out of a configuration; what has the wrong type becomes a problem instead of an exception."""

    config: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)

    def take(self, key: str, kind: Callable[[Any], T], what: str) -> T | None:
        """The value of `key` as `kind` reads it; None if it is missing, empty or of the wrong type."""
        value = self.config.get(key)
        if value is None or value == "":
            return None
        try:
            return kind(value)
        except (ValueError, TypeError, OverflowError) as error:
            reason = str(error) if isinstance(error, _SaidError) else f"write {what}"
            self.problems.append(f"{key} = {value!r}: {reason}")
            return None


def whole(value: Any) -> int:
    """A whole number; 1.0 is one, true is not."""
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError
    return int(value)


def flag(value: Any) -> bool:
    """true or false, nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise ValueError
    return value


def structure_of(value: Any) -> tuple[float, ...]:
    """A layer structure, as text or as a list."""
    try:
        if isinstance(value, str):
            return parse_structure(value)
        given = tuple(float(n) for n in value)
        check_structure(given)
        return given
    except ValueError as error:
        raise _SaidError(str(error)) from None


def finite(value: Any) -> float:
    """A number that is neither infinite nor nan."""
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def numbers(value: Any) -> tuple[float, ...]:
    """Numbers, as text parted by commas or as a list."""
    return tuple(finite(n) for n in (value.split(",") if isinstance(value, str) else value))


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with tables folded into their keys (`[preview] seed` is `preview_seed`) and one name each."""
    result: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            result.update({f"{key}_{inner}": deeper for inner, deeper in value.items()})
        else:
            result[key] = value
    return {_ALIASES.get(key, key): value for key, value in result.items()}
