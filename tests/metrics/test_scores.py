"""Whole judgements: noise is noise, drawings are not, and damaged files are reported."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from hndoctor.metrics import METRICS, judge_picture, measure_preview, score
from hndoctor.records import PreviewPath
from tests.metrics.drawings import drawing, latent_noise, odd_pictures


@pytest.mark.parametrize("side", [128, 512])
@pytest.mark.parametrize(("gain", "smooth"), [(1.5, 0.0), (3.0, 0.0), (2.5, 0.7)])
def test_latent_noise_is_noise(side, gain, smooth):
    assert min(score(latent_noise(seed, side, gain, smooth)).noise for seed in range(2)) > 0.5


@pytest.mark.parametrize("side", [128, 256, 512])
def test_pixel_noise_is_noise(side):
    picture = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert score(picture).noise > 0.5


@pytest.mark.parametrize("side", [128, 256, 512])
def test_flat_colourful_drawings_are_not_noise(side):
    assert max(score(drawing(seed, side)).noise for seed in range(4)) < 0.1


def test_photographs_are_not_noise():
    import skimage.data

    for name in ("astronaut", "coffee", "grass"):
        assert score(getattr(skimage.data, name)()).noise < 0.2, name


def test_half_a_frame_of_noise_is_half_the_tiles():
    picture = drawing(2, 512)
    picture[:, 256:] = latent_noise(1, 512, 2.5)[:, 256:]
    found = score(picture)
    tiles = np.array(found.tiles)
    assert found.noise_share == pytest.approx(0.5, abs=0.15)
    assert tiles[:, 5:].mean() > 0.8 > 0.2 > tiles[:, :3].mean()


@pytest.mark.parametrize("side", [128, 512])
def test_the_map_of_a_picture_that_is_noise_covers_it(side):
    for gain in (0.7, 1.0, 2.5):
        found = score(latent_noise(int(10 * gain), side, gain))
        assert found.noise > 0.5
        assert found.noise_share > 0.8, gain
    assert score(drawing(4, side)).noise_share < 0.1


@pytest.mark.parametrize("side", [128, 512])
@pytest.mark.parametrize("contrast", [0.3, 1.0])
def test_noise_in_the_shades_of_one_colour_is_noise_too_and_a_toned_drawing_none(side, contrast):
    def toned(picture):
        grey = 0.5 + contrast * (picture.mean(axis=2, keepdims=True) / 255 - 0.5)
        return (255 * np.clip(grey * (0.9, 0.7, 0.3), 0, 1)).astype(np.uint8)

    def either(picture):
        judged = score(toned(picture)).judged
        return max(judged.noise.value, judged.grey.value)

    assert np.median([either(latent_noise(seed, side, 1.5)) for seed in range(5)]) > 0.5
    assert max(either(drawing(seed, side)) for seed in range(5)) < 0.1


def test_mirroring_and_jpeg_change_little(tmp_path):
    for picture in (drawing(5, 512), latent_noise(3, 512, 2.0)):
        Image.fromarray(picture).save(tmp_path / "a.jpg", quality=60)
        as_it_is = score(picture).noise
        assert score(picture[:, ::-1]).noise == pytest.approx(as_it_is, abs=0.05)
        assert judge_picture(tmp_path / "a.jpg").p["noise"] == pytest.approx(as_it_is, abs=0.05)


@pytest.mark.parametrize("side", [128, 512])
def test_probability_rises_as_a_picture_drowns(side):
    picture, noise = drawing(6, side).astype(float), latent_noise(6, side, 2.5).astype(float)
    steps = [score((picture * (1 - a) + noise * a).astype(np.uint8)).noise for a in np.linspace(0, 1, 8)]
    assert spearmanr(range(8), steps).statistic > 0.95
    assert steps[0] < 0.05 < 0.9 < steps[-1]


@pytest.mark.parametrize("name", odd_pictures())
def test_odd_pictures_have_every_score(name):
    found = score(odd_pictures()[name])
    assert set(found.scores) == {f.__name__ for f in METRICS}
    assert all(math.isfinite(v) for v in found.scores.values())
    assert 0 <= found.noise <= 1
    assert 0 <= found.noise_share <= 1
    assert len(found.fingerprint) == 192


@pytest.mark.parametrize(("value", "flat"), [(0, 1.0), (255, 1.0), (90, 1.0)])
def test_flat_pictures_are_flat_and_not_noise(tmp_path, value, flat):
    Image.new("RGB", (256, 256), (value, value, value)).save(tmp_path / "f.png")
    judged = judge_picture(tmp_path / "f.png")
    assert judged.p["flat"] == pytest.approx(flat, abs=0.01)
    assert judged.p["noise"] < 0.01
    assert judged.p["fried"] is None
    assert any("no picture" in reason for reason in judged.because)


@pytest.mark.parametrize("side", [128, 512])
def test_an_even_ramp_is_no_noise_no_static_and_no_repetition(side, tmp_path):
    ramp = np.tile(np.linspace(0, 255, side), (side, 1)).astype(np.uint8)
    colours = np.stack((ramp, ramp[::-1].T, 255 - ramp), axis=-1)
    for name, picture in (("grey", ramp), ("colours", colours)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        judged = judge_picture(tmp_path / f"{name}.png")
        assert {kind for kind, p in judged.p.items() if p is not None and p >= 0.5} == set(), name


@pytest.mark.parametrize("quality", [None, 60])
def test_busy_pictures_of_something_are_not_noise(quality):
    from benchmarks.previews import drawn_busy
    from benchmarks.previews.samples import as_jpeg

    for name in ("market", "crowd", "graffiti", "night city", "impressionist"):
        picture = as_jpeg(drawn_busy.BUSY[name](np.random.default_rng(77), 256), quality)
        assert score(picture).noise < 0.2, name


def test_tiling_is_repetition(tmp_path):
    tile = drawing(7, 64)
    Image.fromarray(np.tile(tile, (4, 4, 1))).save(tmp_path / "t.png")
    Image.fromarray(drawing(7, 256)).save(tmp_path / "d.png")
    assert judge_picture(tmp_path / "t.png").p["repetition"] > 0.8
    assert judge_picture(tmp_path / "d.png").p["repetition"] < 0.2


def test_noise_is_explained(tmp_path):
    Image.fromarray(latent_noise(9, 512, 2.5)).save(tmp_path / "n.png")
    judged = judge_picture(tmp_path / "n.png")
    assert judged.p["noise"] > 0.9
    assert "% of the frame" in judged.because[0]
    assert all(", in pictures " in reason for reason in judged.because[1:])
    assert len(judged.because) > 1
    low, high = judged.interval["noise"]
    assert low <= judged.p["noise"] <= high
    assert len(judged.tiles) == 8


def test_severity_rises_from_a_picture_to_noise():
    picture, noise = drawing(6, 512).astype(float), latent_noise(6, 512, 2.5).astype(float)
    steps = [score((picture * (1 - a) + noise * a).astype(np.uint8)).judged.severity for a in np.linspace(0, 1, 6)]
    assert spearmanr(range(6), steps).statistic > 0.9
    assert steps[0] < 0.3 < 0.6 < steps[-1]


@pytest.mark.parametrize("side", [256, 512])
def test_blobs_are_noise_and_called_blobs(side, tmp_path):
    Image.fromarray(latent_noise(2, side, 3.0, smooth=1.5)).save(tmp_path / "b.png")
    judged = judge_picture(tmp_path / "b.png")
    assert judged.p["noise"] > 0.5
    assert "blobs" in judged.because[0]
    Image.fromarray(latent_noise(2, side, 1.5)).save(tmp_path / "f.png")
    assert "blobs" not in judge_picture(tmp_path / "f.png").because[0]


@pytest.mark.parametrize("side", [128, 512])
def test_static_without_colour_is_grey_noise(side, tmp_path):
    static = np.random.default_rng(side).integers(0, 256, (side, side), dtype=np.uint8)
    Image.fromarray(static).save(tmp_path / "s.png")
    Image.fromarray(drawing(4, side)).convert("L").save(tmp_path / "d.png")
    assert judge_picture(tmp_path / "s.png").p["grey_noise"] > 0.5
    assert judge_picture(tmp_path / "d.png").p["grey_noise"] < 0.2


@pytest.mark.parametrize("name", ["grass.png", "gravel.png", "brick.png"])
@pytest.mark.parametrize("side", [128, 256, 512])
def test_a_photograph_of_one_material_is_no_static(name, side, tmp_path):
    from skimage import data

    with Image.open(Path(data.__file__).parent / name) as plate:
        plate.convert("L").resize((side, side)).save(tmp_path / name)
    assert judge_picture(tmp_path / name).p["grey_noise"] < 0.5


@pytest.mark.parametrize("pitch", [1, 2, 3])
def test_a_pattern_finer_than_the_latent_grid_is_a_picture(pitch, tmp_path):
    y, x = np.mgrid[0:512, 0:512] // pitch
    Image.fromarray(((y + x) % 2 * 255).astype(np.uint8)).save(tmp_path / "checks.png")
    assert judge_picture(tmp_path / "checks.png").p["flat"] < 0.5


def test_a_preview_is_measured_relative_to_its_run(tmp_path):
    path = tmp_path / "images" / "fischl-500.png"
    path.parent.mkdir()
    Image.fromarray(drawing(1, 128)).save(path)
    preview = measure_preview(PreviewPath(path, 500), tmp_path)
    assert (preview.path, preview.step, preview.width, preview.height) == ("images/fischl-500.png", 500, 128, 128)
    assert preview.bytes == path.stat().st_size
    assert preview.noise < 0.1
    assert preview.thumbnail
    assert preview.unreadable is None


def test_a_damaged_preview_comes_back_unreadable(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    preview = measure_preview(PreviewPath(path, 3), tmp_path)
    assert "broken.png" in preview.unreadable
    assert preview.scores == {}
    assert judge_picture(path).p["noise"] is None
