"""Memory stays below 500 MB and time within bounds, whatever lies in the folder.

Small giants run always; `make stress` sets HNDOCTOR_GIANTS to a size in bytes (1 GiB) and needs some gigabytes of disk.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from hndoctor.setup.pictures import MAX_PIXELS
from tests.abuse.giants import GIANTS, data_set
from tests.abuse.measured import LIMIT, measured, one_line

SIZE = int(os.environ.get("HNDOCTOR_GIANTS", str(16 << 20)))
PATIENCE = 120.0 if SIZE < 1 << 28 else 600.0  # seconds: what SECURITY.md promises for a gigabyte, on one core
OLD = 3600.0  # seconds since the files were written: fresh ones of up to 256 MiB are copied instead of mapped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory by what Linux tells")


def aged(folder: Path) -> None:
    """As if nobody wrote them just now."""
    then = time.time() - OLD
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


@pytest.mark.parametrize("kind", sorted(GIANTS))
def test_a_giant_is_judged_within_bounds(tmp_path: Path, kind: str) -> None:
    runs = tmp_path / "runs"
    GIANTS[kind](runs / "giant", SIZE)
    aged(runs)
    for command in ("gate",) if SIZE < 1 << 28 else ("gate", "scan"):
        done = measured("hndoctor", command, runs, "--format", "json", patience=PATIENCE)
        assert "Traceback" not in done.err, done.err[-3000:]
        assert done.code in (0, 1, 2), done.err
        assert done.peak < LIMIT, f"{command} took {done.peak >> 20} MiB"


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_data_set_of_giants_is_checked_within_bounds(tmp_path: Path, form: str) -> None:
    config = data_set(tmp_path / "data", SIZE)
    done = measured("hndoctor", "check", tmp_path / "data", "--config", config, "--format", form, patience=PATIENCE)
    assert "Traceback" not in done.err, done.err[-3000:]
    assert done.code in (0, 1), done.err
    assert done.peak < LIMIT, f"{done.peak >> 20} MiB"


def test_the_largest_pictures_come_onto_the_contact_sheet_within_bounds(tmp_path: Path) -> None:
    """Of those modes that take most: four bytes a pixel, and premultiplied while they are made small."""
    data = tmp_path / "data"
    data.mkdir()
    side = math.isqrt(MAX_PIXELS)
    for mode in ("RGB", "RGBA", "LA"):
        Image.new(mode, (side, side)).save(data / f"{mode}.png", compress_level=1)
    page = tmp_path / "page.html"
    done = measured("hndoctor", "check", data, "--format", "html", "--out", page, patience=PATIENCE)
    assert done.code in (0, 1), done.err
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") >= 3
    assert done.peak < LIMIT, f"{done.peak >> 20} MiB"


def test_a_giant_configuration_is_one_line(tmp_path: Path) -> None:
    config = data_set(tmp_path / "data", 1 << 20)
    with config.open("ab") as file:
        file.truncate(SIZE)
    for words in (["check", tmp_path / "data", "--config", config], ["gate", tmp_path, "--settings", config]):
        done = measured("hndoctor", *words, patience=PATIENCE)
        assert done.code == 2
        assert one_line(done.err.splitlines()), done.err
        assert done.peak < LIMIT
