"""Examples for every test, and golden files.

`HNDOCTOR_GOLDEN=write pytest tests/render` refreshes them; then read the diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import render_examples as examples

GOLDEN = Path(__file__).parent / "golden"
Examples = dict[str, examples.Example]


@pytest.fixture(scope="session")
def runs() -> Examples:
    """Every example run by name."""
    return examples.all_runs()


@pytest.fixture(scope="session")
def twins() -> Examples:
    """The same runs, made once more."""
    return examples.all_runs()


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with its golden file; with HNDOCTOR_GOLDEN=write, write it instead."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("HNDOCTOR_GOLDEN") == "write":
            path.write_text(text, encoding="utf-8", newline="")
        with path.open(encoding="utf-8", newline="") as file:
            assert text == file.read(), f"{path} differs; if that is meant: HNDOCTOR_GOLDEN=write pytest tests/render"

    return check
