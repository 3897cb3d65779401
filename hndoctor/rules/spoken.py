"""Findings as people say them.  Rules name modules as the files do (``768.v``), and so does JSON; whoever prints for
people passes the message through here."""

from __future__ import annotations

import re

_MODULE = re.compile(r"(?<![\w.-])(\d+)\.([kv])(?:\.([a-z][\w.]*\w))?(?![\w.]*\w)")
_SIDES = {"k": "key", "v": "value"}
_POWER = re.compile(r"(?<![\w.])(\d(?:\.\d+)?)e\+(\d\d)(?!\w)")
_MOST_WRITTEN_OUT = 8  # digits; longer numbers keep their power of ten


def spoken(message: str) -> str:
    """``768.v`` becomes the value network of size 768 (a tensor keeps its own name before that), ``4.32e+03`` 4,320."""
    return _POWER.sub(_number, _MODULE.sub(_module, message))


def _module(found: re.Match[str]) -> str:
    module = f"the {_SIDES[found[2]]} network of size {found[1]}"
    return module if found[3] is None else f"{found[3]} of {module}"


def _number(found: re.Match[str]) -> str:
    return f"{float(found[0]):,.0f}" if int(found[2]) <= _MOST_WRITTEN_OUT else found[0]
