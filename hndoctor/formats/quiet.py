"""Pillow's warnings, silenced in one thread at a time: `warnings.catch_warnings` changes what all threads share."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ONE = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings of odd metadata and of size while a picture's head is read.  Keep it short."""
    with _ONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
