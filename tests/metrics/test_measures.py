"""Measures against slow twins, published values, and pictures that break careless arithmetic."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import kurtosis

from hndoctor.metrics import METRICS, Pixels, alignment, colour, entropy, local, noise, spectrum, structure
from hndoctor.metrics.grids import averaged
from hndoctor.metrics.pixels import DETAIL
from tests.metrics.drawings import drawing, latent_noise, odd_pictures

#: these look at single pixels, or nearly
FULL_SIZE = {"immerkaer_sigma", "haar_mad_sigma", "clipping", "grey_entropy", "edge_kurtosis", "edge_overshoot"}
RANDOM = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def boxes(picture, block):
    """Box averages of a picture, (h, w, 3)."""
    return averaged(picture.transpose(2, 0, 1), block).transpose(1, 2, 0)


def plain(picture):
    """Pixels whose colours are not averaged first: for the formulas alone."""
    pixels = Pixels.of(picture)
    vars(pixels)["fine"] = pixels.boxes
    return pixels


@pytest.mark.parametrize("name", odd_pictures())
def test_measures_are_finite_on_odd_pictures(name):
    pixels = Pixels.of(odd_pictures()[name])
    assert [f.__name__ for f in METRICS if not math.isfinite(f(pixels))] == []


def test_names_are_unique_and_documented():
    assert len({f.__name__ for f in METRICS}) == len(METRICS)
    assert [f.__name__ for f in METRICS if len(f.__doc__) < 30] == []


def test_half_the_size_is_the_same_picture():
    picture = drawing(3, 512)
    half = boxes(picture, 2)
    for function in METRICS:
        if function.__name__ in FULL_SIZE:
            continue
        assert function(half) == pytest.approx(function(picture), rel=0.06, abs=0.02), function.__name__


# --- pixels


def test_box_averages_are_means_of_blocks():
    slow = np.array([[RANDOM[y : y + 5, x : x + 5].mean((0, 1)) for x in range(0, 60, 5)] for y in range(0, 60, 5)])
    assert boxes(RANDOM, 5) == pytest.approx(slow / 255, abs=1e-6)


def test_colours_are_averaged_and_luma_is_not():
    muted = (drawing(1, 200) // 2 + 64).astype(np.uint8)  # no colour is clipped
    luma, *colours = Pixels.of(muted).fine_opponent
    luma_before, *before = plain(muted).fine_opponent
    assert luma == pytest.approx(luma_before, abs=1e-5)
    for now, then in zip(colours, before, strict=True):
        assert now == pytest.approx(gaussian_filter(then, 1, truncate=2.5), abs=1e-5)


@pytest.mark.parametrize(("side", "block"), [(128, 1), (256, 2), (512, 4), (1024, 4), (64, 1), (1, 1)])
def test_the_fine_grid_follows_the_size(side, block):
    assert Pixels.of(np.zeros((side, side + 8, 3), np.uint8)).block == block


def test_alpha_lies_over_white():
    clear = np.zeros((4, 4, 4), np.uint8)
    assert Pixels.of(clear).rgb.min() == 255


def test_sixteen_bits_are_scaled():
    assert Pixels.of(np.full((2, 2), 65535, np.uint16)).rgb.max() == 255
    assert Pixels.of(np.full((2, 2), 32768, np.uint16)).rgb[0, 0, 0] == 128


@pytest.mark.parametrize("shape", [(3,), (0, 4, 3), (4, 4, 5), (2, 4, 4, 3)])
def test_other_shapes_are_refused_in_one_line(shape):
    with pytest.raises(ValueError, match="height, width") as caught:
        Pixels.of(np.zeros(shape))
    assert "\n" not in str(caught.value)


# --- entropies


def test_grey_entropy_is_shannons():
    assert entropy.grey_entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8.0)
    assert entropy.grey_entropy(np.array([[0, 255]], np.uint8)) == pytest.approx(1.0)


def test_grey_entropy_of_uniform_rgb_noise_is_the_published_one():
    big = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    assert entropy.grey_entropy(big) == pytest.approx(7.63, abs=0.01)


def test_joint_entropy_counts_colours():
    codes = Counter(tuple(int(v) * 32 // 255 if v < 255 else 31 for v in p) for p in RANDOM.reshape(-1, 3))
    slow = -sum(n / 4096 * math.log2(n / 4096) for n in codes.values())
    assert entropy.joint_entropy(plain(RANDOM)) == pytest.approx(slow, abs=1e-6)


def test_local_colour_entropy_is_a_percentile_over_tiles():
    tiles = []
    for y, x in product(range(0, 64, 16), repeat=2):
        codes = Counter(
            tuple(int(v / 255 * 8) if v < 255 else 7 for v in p) for p in RANDOM[y : y + 16, x : x + 16].reshape(-1, 3)
        )
        tiles.append(-sum(n / 256 * math.log2(n / 256) for n in codes.values()))
    assert entropy.local_colour_entropy(plain(RANDOM)) == pytest.approx(np.percentile(tiles, 10), abs=1e-6)


def test_lossless_size_knows_repetition():
    assert entropy.lossless_size(np.full((256, 256, 3), 77, np.uint8)) < 0.01
    assert entropy.lossless_size(latent_noise(0, 512)) > 0.9


# --- spectrum


def test_white_noise_is_flat_and_a_wave_is_not():
    grey = np.random.default_rng(3).integers(0, 256, (256, 256), dtype=np.uint8)
    wave = (np.sin(np.arange(256) * 0.4)[None, :] * 100 + 128).repeat(256, axis=0).astype(np.uint8)
    assert spectrum.spectral_flatness(grey) > 0.9 > 0.2 > spectrum.spectral_flatness(wave)
    assert spectrum.spectral_slope(grey) == pytest.approx(0, abs=0.3)
    assert spectrum.high_frequency_ratio(grey) == pytest.approx(0.8, abs=0.03)  # 1 − π/16, less the window's leak


@pytest.mark.parametrize("slope", [1.0, 2.0, 3.0])
def test_slope_of_a_made_spectrum(slope):
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None, :])
    frequency[0, 0] = 1
    field = np.fft.irfft2(np.fft.rfft2(np.random.default_rng(4).standard_normal((128, 128))) / frequency ** (slope / 2))
    grey = np.clip(field / field.std() * 30 + 128, 0, 255).astype(np.uint8)
    assert spectrum.spectral_slope(grey) == pytest.approx(-slope, abs=0.35)


def test_energy_is_in_the_band_of_its_wave():
    def wave(cycles):
        return (np.sin(np.arange(128) * 2 * np.pi * cycles)[None, :] * 100 + 128).repeat(128, axis=0).astype(np.uint8)

    assert spectrum.coarse_energy(wave(2 / 128)) > 0.95
    assert spectrum.cell_energy(wave(3 / 16)) > 0.95
    assert spectrum.high_frequency_ratio(wave(3 / 8)) > 0.95


# --- pixel noise


def test_sigma_of_gaussian_noise_is_found():
    flat = np.random.default_rng(6).normal(128, 10, (300, 300))
    picture = np.repeat(flat[..., None], 3, axis=2).round().astype(np.uint8)
    assert noise.immerkaer_sigma(picture) == pytest.approx(10, rel=0.03)
    assert noise.haar_mad_sigma(picture) == pytest.approx(10, rel=0.04)


def test_latent_noise_is_invisible_to_pixel_estimators():
    picture = latent_noise(1, 512)
    assert noise.immerkaer_sigma(picture) < 2
    assert noise.haar_mad_sigma(picture) < 4


# --- local


def test_kurtosis_is_scipys_for_one_channel():
    grey = np.random.default_rng(7).exponential(30, (64, 64)).clip(0, 255).astype(np.uint8)
    values = grey / 255
    steps = np.r_[np.diff(values, axis=0).ravel(), np.diff(values, axis=1).ravel()]
    slow = (steps**4).mean() / (steps**2).mean() ** 2
    assert local.fine_gradient_kurtosis(grey) == pytest.approx(slow, rel=1e-4)
    assert slow == pytest.approx(kurtosis(steps, fisher=False), rel=1e-2)  # their mean is nearly 0


def test_gaussian_noise_has_kurtosis_three_and_drawings_more():
    gaussian = np.random.default_rng(8).normal(128, 20, (256, 256, 3)).clip(0, 255).astype(np.uint8)
    assert local.gradient_kurtosis(gaussian) == pytest.approx(3.0, abs=0.15)
    assert local.gradient_kurtosis(drawing(1, 256)) > 10


def test_tile_contrasts_are_those_of_a_loop():
    fine = RANDOM / 255
    rms, chroma = [], []
    for y, x in product(range(0, 64, 16), repeat=2):
        r, g, b = (fine[y : y + 16, x : x + 16, i] for i in range(3))
        variances = (0.299 * r + 0.587 * g + 0.114 * b).var(), (r - g).var(), ((r + g) / 2 - b).var()
        rms.append(math.sqrt(sum(variances)))
        chroma.append(math.sqrt(sum(variances[1:])))
    assert local.calm_tile_rms(plain(RANDOM)) == pytest.approx(np.percentile(rms, 10), rel=1e-4)
    assert local.calm_tile_chroma(plain(RANDOM)) == pytest.approx(np.percentile(chroma, 10), rel=1e-4)
    assert local.tile_rms_variation(plain(RANDOM)) == pytest.approx(np.std(rms) / np.mean(rms), rel=1e-3)
    assert local.tile_chroma_variation(plain(RANDOM)) == pytest.approx(np.std(chroma) / np.mean(chroma), rel=1e-3)


def test_colour_dimensions_count_independent_channels():
    assert local.tile_colour_dimensions(plain(RANDOM)) == pytest.approx(3, abs=0.1)
    assert local.tile_colour_dimensions(RANDOM[:, :, 0]) == pytest.approx(1, abs=1e-3)


def test_autocorrelation_of_a_ramp_is_high_and_of_noise_zero():
    ramp = np.linspace(0, 255, 128).astype(np.uint8)[None, :].repeat(128, axis=0)
    assert local.long_lag_autocorrelation(ramp) > 0.8
    assert local.long_lag_autocorrelation(RANDOM.repeat(2, axis=0).repeat(2, axis=1)) == pytest.approx(0, abs=0.06)


# --- colour


def test_colourfulness_is_hasler_and_suesstrunks():
    r, g, b = (RANDOM[:, :, i].astype(float) for i in range(3))
    rg, yb = r - g, (r + g) / 2 - b
    slow = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert colour.colourfulness(plain(RANDOM)) == pytest.approx(slow, rel=1e-4)
    assert colour.colourfulness(RANDOM[:, :, 0]) == pytest.approx(0, abs=1e-3)


def test_hue_entropy_of_one_and_of_all_hues():
    from colorsys import hsv_to_rgb

    wheel = np.array([[hsv_to_rgb((i + 0.5) / 36, 1, 1) for i in range(36)]] * 36) * 255
    assert colour.hue_entropy(wheel.round().astype(np.uint8)) == pytest.approx(1, abs=0.02)
    assert colour.hue_entropy(np.full((8, 8, 3), (200, 10, 10), np.uint8)) == pytest.approx(0, abs=1e-9)


def test_clipping_and_saturation_are_shares():
    picture = np.full((10, 10, 3), 128, np.uint8)
    picture[0] = (255, 0, 0)
    picture[1] = (2, 128, 128)
    picture[2] = (3, 128, 240)
    assert colour.clipping(picture) == pytest.approx(0.2)
    assert colour.saturated_clipping(plain(picture)) == pytest.approx(0.1)
    assert colour.saturation(np.full((4, 4, 3), (255, 0, 51), np.uint8)) == pytest.approx(1.0)


def test_channels_of_grey_go_together_and_of_noise_apart():
    assert colour.channel_correlation(RANDOM[:, :, 0]) == pytest.approx(1, abs=1e-3)
    assert colour.channel_correlation(plain(RANDOM)) == pytest.approx(0, abs=0.05)
    assert colour.chroma_ratio(plain(RANDOM)) > 5


def test_bands_of_all_hues_have_one_outline_and_noise_one_for_each_colour():
    turns = np.hypot(*np.mgrid[-1:1:128j, -1:1:128j]) * 9
    film = np.stack([np.cos(turns * k) for k in (1.0, 1.2, 1.45)], axis=-1) * 127 + 127
    fields = gaussian_filter(np.random.default_rng(4).normal(0, 1, (128, 128, 3)), (3, 3, 0), mode="wrap")
    noise = fields / fields.std() * 40 + 127
    for measure in (alignment.fine_colour_alignment, alignment.colour_alignment):
        assert measure(film.clip(0, 255).astype(np.uint8)) > 0.95
        assert measure(noise.clip(0, 255).astype(np.uint8)) < 0.85
        assert measure(np.full((64, 64, 3), 90, np.uint8)) == 1
    assert alignment.colour_alignment(RANDOM[:, :, 0]) == pytest.approx(1, abs=1e-4)


# --- structure


def test_coherence_of_stripes_and_of_noise():
    stripes = ((np.arange(128) // 8 % 2) * 255).astype(np.uint8)[None, :].repeat(128, axis=0)
    assert structure.coherence(stripes) > 0.95
    assert structure.coherence(np.random.default_rng(9).integers(0, 256, (128, 128), dtype=np.uint8)) < 0.15


def _slow_repetition(high):
    best = -1.0
    rows, columns = high.shape
    for dy, dx in product(range(3 * rows // 4), range(-3 * columns // 4 + 1, 3 * columns // 4)):
        if (
            math.hypot(dy, dx) < structure.NEAREST
            or (rows - dy) * (columns - abs(dx)) < structure.SHARED * rows * columns
        ):
            continue
        one = high[dy:, max(dx, 0) : columns + min(dx, 0)]
        other = high[: rows - dy, max(-dx, 0) : columns - max(dx, 0)]
        least = min((one**2).sum(), (other**2).sum())
        if least >= 0.5 * structure.SHARED * (high**2).sum():
            best = max(best, float((one * other).sum() / math.sqrt((one**2).sum() * (other**2).sum())))
    return best


def test_repetition_is_that_of_a_loop():
    from scipy.ndimage import gaussian_filter

    picture = RANDOM[:26, :30]
    luma = Pixels.of(picture).fine_opponent[0]
    high = luma - gaussian_filter(luma, DETAIL, truncate=2.5)
    assert structure.repetition(picture) == pytest.approx(_slow_repetition(high.astype(float)), abs=1e-4)


def test_tiling_repeats_and_noise_does_not():
    tile = np.random.default_rng(10).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert structure.repetition(np.tile(tile, (4, 4, 1))) > 0.98
    assert structure.repetition(np.random.default_rng(11).integers(0, 256, (128, 128), dtype=np.uint8)) < 0.3


def test_flat_area_is_a_share():
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, 32:] = RANDOM[:, 32:]
    assert structure.flat_area(plain(half)) == pytest.approx(31 / 63, abs=0.01)


# --- the halo of a fried picture


def _slow_overshoot(luma):
    beyond = height = 0.0
    for grid in (luma, luma.T):
        for row in grid:
            for x in range(structure.FAR, len(row) - structure.FAR):
                step = float(row[x + structure.NEAR]) - float(row[x - structure.NEAR])
                if abs(step) >= structure.STRONG:
                    sign = math.copysign(1, step)
                    beyond += max(0.0, sign * (row[x + structure.NEAR] - row[x + structure.FAR]))
                    beyond += max(0.0, sign * (row[x - structure.FAR] - row[x - structure.NEAR]))
                    height += abs(step)
    return beyond / height if height else 0.0


def test_overshoot_is_that_of_a_loop():
    pixels = Pixels.of(RANDOM[:40, :50])
    assert structure.edge_overshoot(pixels) == pytest.approx(_slow_overshoot(pixels.sharp_opponent[0]), rel=1e-3)


def test_a_clean_edge_has_no_halo_and_a_sharpened_one_has():
    from scipy.ndimage import gaussian_filter

    edge = np.full((128, 128), 80.0)
    edge[:, 64:] = 170
    soft = gaussian_filter(edge, 1.0)
    sharpened = np.clip(soft + 2 * (soft - gaussian_filter(soft, 2.0)), 0, 255)
    assert structure.edge_overshoot(edge.astype(np.uint8)) == 0
    assert structure.edge_overshoot(soft.astype(np.uint8)) < 0.02
    assert structure.edge_overshoot(sharpened.astype(np.uint8)) > 0.15
