"""What can go wrong between houses, in one line that says how to mend it."""

from __future__ import annotations


class InteropError(ValueError):
    """A file that cannot be carried over as asked; one line says what, where and how to mend it."""
