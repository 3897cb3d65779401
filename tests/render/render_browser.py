"""Where a browser is, and how to open one that asks nothing of any network."""

from __future__ import annotations

import os
import shutil
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
    """axe-core's script where it was installed by hand (npm install axe-core); None otherwise."""
    places = [os.environ.get("HNDOCTOR_AXE", ""), "node_modules/axe-core/axe.min.js"]
    found = next((Path(p) for p in places if p and Path(p).is_file()), None)
    return found.read_text(encoding="utf-8") if found else None
