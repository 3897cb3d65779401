"""Where a browser is, and how to open one that asks nothing of any network."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser_path() -> str | None:
    """The system's Chromium, or the one that HNDOCTOR_BROWSER names; None if there is none."""
    told = os.environ.get("HNDOCTOR_BROWSER")
    if told:
        return told if Path(told).is_file() else None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def axe_source() -> str | None:
    """axe-core's script, which axe-playwright-python brings along; None where that is not installed."""
    found = find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        return None
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
