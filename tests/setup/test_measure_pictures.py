"""Pictures as numbers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter
from scipy import fft

from hndoctor.records import PictureVitals
from hndoctor.setup.pictures import jpeg_quality, measure_picture, perceptual_hash

Draw = Callable[..., Image.Image]


def measured(picture: Image.Image, path: Path, **options: object) -> PictureVitals:
    picture.save(path, **options)
    return measure_picture(path, path.name)


def apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_equal_pixels_have_equal_digests_in_any_format(tmp_path: Path, draw: Draw) -> None:
    one = measured(draw(1), tmp_path / "a.png")
    assert measured(draw(1), tmp_path / "a.bmp").digest == one.digest
    assert measured(draw(1).convert("RGBA"), tmp_path / "b.png").digest == one.digest
    assert measured(draw(1, (64, 256)), tmp_path / "d.png").digest != one.digest
    assert measured(draw(2), tmp_path / "c.png").digest != one.digest


def test_resized_and_recompressed_copies_stay_close_in_hash(tmp_path: Path, draw: Draw) -> None:
    for seed in range(5):
        one = measured(draw(seed, (300, 300)), tmp_path / "a.png")
        copy = measured(draw(seed, (300, 300)).resize((200, 200)), tmp_path / "a.jpg", quality=40)
        other = measured(draw(seed + 100, (300, 300)), tmp_path / "b.png")
        assert apart(one.perceptual_hash, copy.perceptual_hash) <= 6
        assert apart(one.perceptual_hash, other.perceptual_hash) > 12


def test_the_perceptual_hash_is_that_of_its_definition(draw: Draw) -> None:
    small = np.asarray(draw(3).convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    k = np.arange(32)
    basis = np.cos(np.pi * np.outer(k, 2 * k + 1) / 64) * np.where(k == 0, 32**-0.5, 16**-0.5)[:, None]
    low = (basis @ small @ basis.T)[:8, :8].ravel()
    bits = "".join("1" if value > np.median(low[1:]) else "0" for value in low)
    assert perceptual_hash(draw(3).convert("L")) == f"{int(bits, 2):016x}"
    assert np.allclose(basis @ small @ basis.T, fft.dctn(small, norm="ortho"))


def test_sharpness_falls_with_blur_and_not_with_size(tmp_path: Path, draw: Draw) -> None:
    picture = draw(1, (600, 600))
    sharp = measured(picture, tmp_path / "a.png").sharpness
    soft = measured(picture.filter(ImageFilter.GaussianBlur(4)), tmp_path / "b.png").sharpness
    large = measured(picture.resize((1200, 1200), Image.Resampling.LANCZOS), tmp_path / "c.png").sharpness
    assert sharp is not None
    assert soft is not None
    assert large is not None
    assert soft < 10 < 50 < sharp
    assert large == pytest.approx(sharp, rel=0.5)


@pytest.mark.parametrize("quality", [5, 20, 49, 50, 75, 95])
def test_the_jpeg_quality_is_read_back(tmp_path: Path, draw: Draw, quality: int) -> None:
    assert measured(draw(1), tmp_path / "a.jpg", quality=quality).jpeg_quality == quality


def test_what_is_no_jpeg_has_no_quality(tmp_path: Path, draw: Draw) -> None:
    assert measured(draw(1), tmp_path / "a.png").jpeg_quality is None
    assert jpeg_quality({0: [1, 2, 3]}) is None


def test_transparency_is_a_share_of_pixels(tmp_path: Path, draw: Draw) -> None:
    picture = draw(1).convert("RGBA")
    assert measured(picture, tmp_path / "a.png").transparent == 0
    picture.paste((0, 0, 0, 0), (0, 0, 64, 128))
    assert measured(picture, tmp_path / "b.png").transparent == pytest.approx(0.5)
    indexed = draw(1).quantize(8)
    clear = measured(indexed, tmp_path / "c.png", transparency=3)
    assert clear.mode == "P"
    assert clear.transparent == pytest.approx(np.mean(np.asarray(indexed) == 3))


def test_orientation_and_profile_are_read(tmp_path: Path, draw: Draw) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert measured(draw(1), tmp_path / "a.jpg", exif=exif).orientation == 6
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert measured(draw(1), tmp_path / "b.png", icc_profile=srgb).profile is None
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert measured(draw(1), tmp_path / "c.png", icc_profile=lab).profile is not None
    assert measured(draw(1), tmp_path / "d.png", icc_profile=b"rubbish").profile == "unreadable profile"


def test_flat_and_black_pictures_have_no_contrast(tmp_path: Path, draw: Draw) -> None:
    black = measured(Image.new("RGB", (64, 64)), tmp_path / "a.png")
    assert (black.contrast, black.brightness) == (0, 0)
    assert (measured(draw(1), tmp_path / "b.png").contrast or 0) > 0.1


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "I;16", "1", "LA", "F"])
def test_every_mode_is_measured(tmp_path: Path, mode: str) -> None:
    suffix = ".tif"
    picture = measured(Image.new(mode, (40, 30)), tmp_path / f"a{suffix}")
    assert picture.problem is None
    assert (picture.width, picture.height, picture.mode) == (40, 30, mode)


def test_extreme_shapes_are_measured(tmp_path: Path) -> None:
    for size in ((1, 1), (1, 700), (3000, 1)):
        assert measured(Image.new("RGB", size), tmp_path / "a.png").problem is None


@pytest.mark.parametrize("raw", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0rubbish"])
def test_what_is_no_picture_is_said_in_one_line(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.png").write_bytes(raw)
    picture = measure_picture(tmp_path / "a.png", "a.png")
    assert picture.problem
    assert "\n" not in picture.problem


def test_a_truncated_picture_is_said(tmp_path: Path, draw: Draw) -> None:
    whole = io.BytesIO()
    draw(1).save(whole, "PNG")
    (tmp_path / "a.png").write_bytes(whole.getvalue()[:-900])
    assert measure_picture(tmp_path / "a.png", "a.png").problem is not None
