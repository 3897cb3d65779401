"""Numbers of things, as people say them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """``1 picture``, ``1,200 pictures``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
