"""Reading pictures of every kind, and refusing what is none."""

from __future__ import annotations

import base64
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from hndoctor.formats.infotext import from_picture
from hndoctor.formats.upright import upright
from hndoctor.metrics import PictureError, load, measure_preview, thumbnail
from hndoctor.metrics import picture as reading
from hndoctor.records import PreviewPath
from tests.metrics.drawings import drawing


def _saved(folder, name, image, **options):
    path = folder / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"])
def test_every_mode_is_read(tmp_path, mode):
    image = Image.fromarray(drawing(0, 64))
    image = image.convert("L").convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    path = _saved(tmp_path, "a.tiff", image)
    assert load(path).rgb.shape == (64, 64, 3)


def test_sixteen_bit_grey_png_keeps_its_brightness(tmp_path):
    values = np.linspace(0, 65535, 256 * 64).astype(np.uint16).reshape(64, 256)
    pixels = load(_saved(tmp_path, "deep.png", Image.fromarray(values)))
    assert np.abs(pixels.rgb[:, :, 0].astype(int) - values / 257).max() <= 1


def test_transparent_palette_lies_over_white(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    path = _saved(tmp_path, "p.png", image, transparency=0)
    assert load(path).rgb.min() == 255


def test_a_turned_photograph_is_upright(tmp_path):
    image = Image.new("RGB", (40, 20), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _saved(tmp_path, "turned.jpg", image, exif=exif)
    assert (load(path).width, load(path).height) == (20, 40)


@pytest.mark.parametrize("told", range(10))
def test_every_turn_that_exif_knows_is_undone(tmp_path, told):
    """As Pillow itself does it; what is no turn (0, 9) changes nothing."""
    image = Image.fromarray(drawing(0, 64)[:, :48])
    exif = Image.Exif()
    exif[0x0112] = told
    path = _saved(tmp_path, "turned.png", image, exif=exif)
    with Image.open(path) as stored:
        right = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(load(path).rgb, right)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_truncated_files_are_refused_in_one_line(tmp_path, kind, share):
    held = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(held, kind)
    path = tmp_path / "half.png"
    path.write_bytes(held.getvalue()[: int(len(held.getvalue()) * share)])
    with pytest.raises(PictureError, match=r"half\.png") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "no.png"
    path.write_bytes(content)
    with pytest.raises(PictureError):
        load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        load(tmp_path / "none.png")


def test_a_preview_that_went_away_is_told_from_a_damaged_one(tmp_path):
    (tmp_path / "damaged.png").write_bytes(b"hello")
    gone, damaged = (measure_preview(PreviewPath(tmp_path / f"{n}.png", 5), tmp_path) for n in ("gone", "damaged"))
    assert (gone.gone, damaged.gone) == (True, False)
    assert "removed" in (gone.unreadable or "")
    assert "removed" not in (damaged.unreadable or "")


@pytest.mark.parametrize("side", [9_000, 10_000, 20_000, 2**30])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    path = tmp_path / "bomb.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + b"IDAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PictureError, match="too large"):
            load(path)


@pytest.mark.parametrize("side", [1, 20, 128, 700])
def test_thumbnails_are_small_jpegs(tmp_path, side):
    rng = np.random.default_rng(2)
    path = _saved(tmp_path, "n.png", Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)))
    data = base64.b64decode(thumbnail(path, 256))
    with Image.open(io.BytesIO(data)) as small:
        assert small.format == "JPEG"
        assert max(small.size) == min(side, 256)
    assert len(data) <= reading.THUMBNAIL_BYTES or side > 200


def test_thumbnails_of_noise_stay_within_the_limit(tmp_path):
    noisy = Image.fromarray(np.random.default_rng(3).integers(0, 256, (512, 512, 3), dtype=np.uint8))
    assert len(base64.b64decode(thumbnail(_saved(tmp_path, "n.png", noisy)))) <= reading.THUMBNAIL_BYTES


def test_fingerprints_are_box_averages():
    picture = drawing(4, 64)
    slow = picture.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3)) / 255
    assert reading.fingerprint(load_array(picture)) == pytest.approx(tuple(slow.ravel()), abs=0.006)


def load_array(picture):
    """Pixels of an array."""
    from hndoctor.metrics import Pixels

    return Pixels.of(picture)


def test_broken_exif_says_nothing_and_the_picture_is_read() -> None:
    path = Path(__file__).parents[1] / "fuzz" / "corpus" / "picture" / "broken-exif.webp"
    assert load(path).width == 16


def test_exif_that_pillow_warns_of_says_nothing_and_nothing_is_said(tmp_path, recwarn) -> None:
    """The warning would tell where Pillow lies on this machine, in the midst of a report."""
    path = _saved(
        tmp_path, "a.png", Image.new("RGB", (64, 64), "red"), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(99)
    )
    with Image.open(path) as image, pytest.warns(UserWarning, match="EXIF"):
        image.getexif()
    recwarn.clear()
    with Image.open(path) as image:
        assert upright(image) is image
        assert from_picture(image) is None
    assert load(path).width == 64
    assert not recwarn.list


@pytest.mark.parametrize("size", [(4000, 2), (2, 4000)])
def test_a_thread_of_a_picture_is_refused(tmp_path, size):
    with pytest.raises(PictureError, match=f"{size[0]} × {size[1]} pixels, too narrow"):
        load(_saved(tmp_path, "thread.png", Image.new("RGB", size)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_a_large_picture_is_measured_by_its_half(tmp_path, mode, monkeypatch):
    """Which has the same colours: each pixel is the mean of four."""
    blocks = np.arange(64, dtype=np.uint16).reshape(8, 8).repeat(8, 0).repeat(8, 1)
    if mode == "I;16":
        path = _saved(tmp_path, "large.png", Image.fromarray(blocks * 1000))
    else:
        path = _saved(tmp_path, "large.png", Image.fromarray((blocks * 4).astype(np.uint8)).convert(mode))
    whole = load(path)
    monkeypatch.setattr(reading, "WHOLE", 1000)
    half = load(path)
    assert (half.width, half.height) == (whole.width // 2, whole.height // 2)
    np.testing.assert_allclose(half.rgb, whole.rgb[::2, ::2], atol=1.01)
