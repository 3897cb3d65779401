"""`scan` of pictures alone: every kind that people save, as text, JSON and a page; what is not read says so."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from hndoctor.formats.captions import PICTURE_SUFFIXES
from tests.metrics.drawings import drawing, latent_noise


@pytest.fixture
def loose(tmp_path):
    """One drawing and one noise."""
    folder = tmp_path / "loose"
    folder.mkdir()
    Image.fromarray(drawing(1, 128)).save(folder / "sound.png")
    Image.fromarray(latent_noise(2, 512)).save(folder / "noise.webp")
    return folder


def test_a_folder_of_pictures_gives_a_page_and_numbers_where_it_is_told_to(call, loose, tmp_path) -> None:
    told = call("scan", loose, "--out", tmp_path / "report")
    assert told.code == 1
    assert "2 pictures: 1 noise" in told.out
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == ["pictures.html", "pictures.json"]
    numbers = json.loads((tmp_path / "report" / "pictures.json").read_text(encoding="utf-8"))
    assert {p["picture"].rsplit("/")[-1] for p in numbers["pictures"]} == {"sound.png", "noise.webp"}
    assert "data:image/jpeg" in (tmp_path / "report" / "pictures.html").read_text(encoding="utf-8")
    assert "pictures.html" in told.err + told.out


def test_nothing_is_written_among_the_pictures_unasked(call, loose) -> None:
    call("scan", loose)
    assert sorted(p.name for p in loose.iterdir()) == ["noise.webp", "sound.png"]


def test_the_page_goes_to_a_file_or_to_the_terminal(call, loose, tmp_path) -> None:
    assert call("scan", loose, "--format", "html").out.startswith("<!doctype html>")
    call("scan", loose, "--format", "html", "--out", tmp_path / "page.html", "--lang", "ja")
    assert '<html lang="ja">' in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_every_kind_is_read(call, tmp_path, suffix) -> None:
    if suffix == ".avif" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow has no AVIF")
    Image.fromarray(drawing(3, 96)).save(tmp_path / f"a{suffix}", "JPEG" if suffix == ".jfif" else None)
    told = call("scan", tmp_path / f"a{suffix}", "--format", "json")
    (judged,) = json.loads(told.out)["pictures"]
    assert judged["unreadable"] is None
    assert judged["p"]["noise"] < 0.5


@pytest.mark.parametrize("name", ["a.heic", "a.tga", "a.psd"])
def test_other_kinds_are_refused_in_one_line(call, tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"anything")
    told = call("scan", tmp_path / name)
    assert told.code == 2
    assert "not read; save it as PNG" in told.err
    assert "Traceback" not in told.err


def test_a_picture_half_drowned_says_where(call, tmp_path) -> None:
    half = np.asarray(Image.fromarray(drawing(4, 512))).copy()
    half[:, 192:] = latent_noise(5, 512)[:, 192:]
    Image.fromarray(half).save(tmp_path / "half.png")
    (judged,) = json.loads(call("scan", tmp_path / "half.png", "--format", "json").out)["pictures"]
    assert judged["noise_share"] == pytest.approx(0.62, abs=0.13)
    assert judged["p"]["noise"] >= 0.5 or "of the frame looks like noise" in judged["because"][0]
