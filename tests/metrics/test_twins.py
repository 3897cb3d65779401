"""Every measure's clever arithmetic against obvious arithmetic, on noise and on a drawing that is not square.

What test_measures.py already holds against a loop or a published value is not repeated here.
"""

from __future__ import annotations

import colorsys
import math
import zlib
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from scipy.stats import skew

from hndoctor.calibration import WHOLE
from hndoctor.metrics import Pixels, alignment, colour, entropy, local, noise, spectrum, structure, tiles
from tests.metrics.drawings import drawing, latent_noise

PICTURES = {
    "pixel noise": np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8),
    "latent noise": latent_noise(3, 256),
    "drawing": drawing(2, 200)[:150],
}


@pytest.fixture(params=PICTURES)
def picture(request):
    return PICTURES[request.param]


def boxes(picture, block):
    """Means of blocks one by one, 0..1, (h, w, 3)."""
    rows, columns = picture.shape[0] // block, picture.shape[1] // block
    at = product(range(rows), range(columns))
    means = [picture[y * block : (y + 1) * block, x * block : (x + 1) * block].mean((0, 1)) / 255 for y, x in at]
    return np.array(means).reshape(rows, columns, 3)


def grids(picture):
    """The fine, coarse and broad grids: boxes of pixels, their two colours blurred, and boxes of these."""
    block = max(1, min(4, round(min(picture.shape[:2]) / 128)))
    luma, *colours = opponent(boxes(picture, block))
    mixed = np.stack([luma, *(gaussian_filter(c, 1, truncate=2.5) for c in colours)], axis=-1)
    fine = np.clip(mixed @ np.linalg.inv(OPPONENT).T, 0, 1)
    return fine, boxes(255 * fine, 2), boxes(255 * fine, 8)


OPPONENT = np.array([(0.299, 0.587, 0.114), (1, -1, 0), (0.5, 0.5, -1)])


def opponent(grid):
    return (grid @ OPPONENT.T).transpose(2, 0, 1)


def waves(grey):
    """(power, frequency) of every wave of a Hann-windowed plane, from the two-sided transform's left half."""
    rows, columns = grey.shape
    window = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1])
    still = (grey - (grey * window).sum() / window.sum()) * window
    power = np.abs(np.fft.fft2(still)) ** 2 / (window**2).sum()
    found = []
    for y, x in product(range(rows), range(columns // 2 + 1)):
        if (y, x) != (0, 0):
            found.append((power[y, x], math.hypot(min(y, rows - y) / rows, x / columns)))
    return np.array(found).T


def test_spectral_measures_of_the_coarse_grid(picture):
    power, frequency = waves(opponent(grids(picture)[1])[0])
    side = min(grids(picture)[1].shape[:2])
    rings: dict[int, list[float]] = {}
    for p, f in zip(power, frequency, strict=True):
        if f <= 0.5 and round(f * side) >= 1:
            rings.setdefault(round(f * side), []).append(p)
    means = [np.mean(ring) for ring in rings.values()]
    flatness = math.exp(np.mean(np.log(means))) / np.mean(means)
    share = power / power.sum()
    spread = -(share * np.log(share)).sum() / math.log(len(share))
    assert spectrum.spectral_flatness(picture) == pytest.approx(flatness, rel=2e-3)
    assert spectrum.spectral_entropy(picture) == pytest.approx(spread, rel=1e-4)


def test_spectral_measures_of_the_fine_grid(picture):
    power, frequency = waves(opponent(grids(picture)[0])[0])
    for measure, low, high in (
        (spectrum.coarse_energy, 0, 1 / 32),
        (spectrum.cell_energy, 1 / 8, 1 / 4),
        (spectrum.high_frequency_ratio, 1 / 4, 1),
    ):
        slow = sum(p for p, f in zip(power, frequency, strict=True) if low < f <= high) / power.sum()
        assert measure(picture) == pytest.approx(slow, rel=1e-3, abs=1e-6), measure.__name__
    points = []
    for low, high in pairwise(np.geomspace(0.02, 0.45, 13)):
        inside = [p for p, f in zip(power, frequency, strict=True) if low <= f < high]
        if inside:
            points.append((math.log(math.sqrt(low * high)), math.log(np.mean(inside))))
    x, y = np.array(points).T
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    assert spectrum.spectral_slope(picture) == pytest.approx(slope, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("measure", "grid"),
    [(local.fine_gradient_kurtosis, 0), (local.gradient_kurtosis, 1), (local.broad_gradient_kurtosis, 2)],
)
def test_kurtosis_is_weighted_by_variance(picture, measure, grid):
    channels = []
    for channel in opponent(grids(picture)[grid]):
        steps = np.r_[np.diff(channel, axis=0).ravel(), np.diff(channel, axis=1).ravel()]
        channels.append(((steps**2).mean(), (steps**4).mean() / (steps**2).mean() ** 2))
    slow = sum(v * k for v, k in channels) / sum(v for v, _ in channels)
    assert measure(picture) == pytest.approx(min(slow, 200.0), rel=1e-3)


def test_edges_are_looked_at_twice_as_closely():
    picture = PICTURES["latent noise"]  # 256 px: the sharp grid is the picture itself
    channels = opponent(picture / 255)
    moments = []
    for channel in channels:
        steps = np.r_[np.diff(channel, axis=0).ravel(), np.diff(channel, axis=1).ravel()]
        moments.append(((steps**2).mean(), (steps**4).mean() / (steps**2).mean() ** 2))
    slow = sum(v * k for v, k in moments) / sum(v for v, _ in moments)
    assert local.edge_kurtosis(picture) == pytest.approx(slow, rel=1e-3)


def test_long_lag_autocorrelation_is_that_of_a_loop(picture):
    centred = opponent(grids(picture)[1])
    centred = centred - centred.mean((1, 2), keepdims=True)
    lag, found = min(centred.shape[1:]) // 8, []
    for turned in (centred, centred.transpose(0, 2, 1)):
        above = below = 0.0
        for channel in turned:
            for row, other in zip(channel[lag:], channel[:-lag], strict=True):
                above += 2 * float(row @ other)
                below += float(row @ row + other @ other)
        found.append(above / below)
    assert local.long_lag_autocorrelation(picture) == pytest.approx(np.mean(found), abs=1e-4)


def test_colour_dimensions_are_those_of_eigenvalues(picture):
    fine = grids(picture)[0]
    side, found = max(1, min(16, min(fine.shape[:2]) // 4)), []
    for y, x in product(range(fine.shape[0] // side), range(fine.shape[1] // side)):
        tile = fine[y * side : (y + 1) * side, x * side : (x + 1) * side].reshape(-1, 3)
        values = np.linalg.eigvalsh(np.cov(tile.T, bias=True))
        found.append(values.sum() ** 2 / (values**2).sum() if values.sum() > 3e-5 else 1.0)
    assert local.tile_colour_dimensions(picture) == pytest.approx(np.percentile(found, 25), rel=1e-3)


def test_detail_of_colours_is_what_a_gaussian_leaves(picture):
    fine = grids(picture)[0]
    high = fine - gaussian_filter(fine, (4, 4, 0), truncate=2.5)
    pairs = [(high[..., i].ravel(), high[..., j].ravel()) for i, j in ((0, 1), (0, 2), (1, 2))]
    slow = np.mean([(a * b).mean() / math.sqrt((a * a).mean() * (b * b).mean()) for a, b in pairs])
    assert colour.channel_correlation(picture) == pytest.approx(slow, abs=1e-3)
    luma, red_green, yellow_blue = ((channel**2).mean() for channel in opponent(high))
    assert colour.chroma_ratio(picture) == pytest.approx((red_green + yellow_blue) / luma, rel=2e-3)


def test_hues_are_those_of_the_hexagon():
    """Hue by the exact angle in the chroma plane, one value at a time; near the corners it is the hexagon's."""
    picture, counts, total = PICTURES["pixel noise"], Counter(), 0.0
    for r, g, b in picture.reshape(-1, 3) / 255:
        turn = math.atan2(math.sqrt(3) * (g - b), 2 * r - g - b) / (2 * math.pi) % 1
        hexagon = colorsys.rgb_to_hsv(r, g, b)[0]
        assert min(abs(turn - hexagon), 1 - abs(turn - hexagon)) < 0.004
        counts[min(int(turn * 36), 35)] += max(r, g, b) - min(r, g, b)
        total += max(r, g, b) - min(r, g, b)
    slow = -sum(c / total * math.log(c / total) for c in counts.values()) / math.log(36)
    assert colour.hue_entropy(picture) == pytest.approx(slow, abs=2e-4)


def test_local_grey_entropy_is_a_mean_over_tiles(picture):
    luma = opponent(grids(picture)[0])[0]
    side, found = max(1, min(16, min(luma.shape) // 4)), []
    for y, x in product(range(luma.shape[0] // side), range(luma.shape[1] // side)):
        tile, counts = luma[y * side : (y + 1) * side, x * side : (x + 1) * side], Counter()
        for v in tile.ravel():
            level = math.floor(v * 32 - 0.5)
            counts[level + 1] += v * 32 - 0.5 - level
            counts[level] += level + 1.5 - v * 32
        found.append(-sum(n / tile.size * math.log2(n / tile.size) for n in counts.values() if n > 0))
    assert entropy.local_grey_entropy(picture) == pytest.approx(np.mean(found), abs=2e-3)


def test_skewness_is_the_textbooks(picture):
    luma = opponent(grids(picture)[0])[0]
    detail = luma - gaussian_filter(luma, 4, truncate=2.5)
    assert local.detail_skewness(picture) == pytest.approx(abs(skew(detail.ravel())), abs=2e-3)


def test_lossless_size_is_what_zlib_makes_of_it(picture):
    raw = (grids(picture)[1] * 255).round().astype(np.uint8).tobytes()
    assert entropy.lossless_size(picture) == pytest.approx((len(zlib.compress(raw, 6)) - 8) / len(raw), rel=0.01)


def test_pixel_noise_estimators_are_the_published_sums(picture):
    luma = picture @ np.array((0.299, 0.587, 0.114))
    kernel = np.array(((1, -2, 1), (-2, 4, -2), (1, -2, 1)))
    rows, columns = luma.shape
    slow = math.sqrt(math.pi / 2) / (6 * (rows - 2) * (columns - 2)) * np.abs(convolve2d(luma, kernel, "valid")).sum()
    assert noise.immerkaer_sigma(picture) == pytest.approx(slow, rel=0.02, abs=0.1)
    diagonal = [
        abs(luma[y, x] - luma[y + 1, x] - luma[y, x + 1] + luma[y + 1, x + 1]) / 2
        for y, x in product(range(0, rows - 1, 2), range(0, columns - 1, 2))
    ]
    assert noise.haar_mad_sigma(picture) == pytest.approx(np.median(diagonal) / 0.6745, rel=0.02, abs=0.15)


def test_coherence_is_that_of_the_structure_tensor(picture):
    down, across = np.gradient(opponent(grids(picture)[0])[0])
    xx, yy, xy = (gaussian_filter(v, 3, truncate=2.5) for v in (across**2, down**2, across * down))
    above = below = 0.0
    for a, b, c in zip(xx.ravel(), yy.ravel(), xy.ravel(), strict=True):
        if a + b > 1e-12:
            above += (a + b) * ((a - b) ** 2 + 4 * c * c) / (a + b) ** 2
            below += a + b
    assert structure.coherence(picture) == pytest.approx(above / below, rel=1e-3)


def test_colour_alignment_is_that_of_the_colour_tensor(picture):
    fine, coarse, broad = grids(picture)
    for measure, grid in (
        (alignment.fine_colour_alignment, fine),
        (alignment.colour_alignment, coarse),
        (alignment.broad_colour_alignment, broad),
    ):
        assert measure(picture) == pytest.approx(_slow_alignment(opponent(grid)), rel=1e-3)


def _slow_alignment(channels):
    """Corner by corner: gradients from a plane through four values, eigenvalues by numpy."""
    count, rows, columns = channels.shape
    slopes = np.zeros((rows - 1, columns - 1, count, 2))
    for y, x, c in product(range(rows - 1), range(columns - 1), range(count)):
        four = channels[c, y : y + 2, x : x + 2]
        slopes[y, x, c] = (four[1].mean() - four[0].mean(), four[:, 1].mean() - four[:, 0].mean())
    energy = (slopes**2).sum(axis=3).mean(axis=(0, 1))
    rounding = (2 / 255) ** 2
    weight = 1 / (energy + 0.1 * energy.max() + rounding)
    apart = whole = (rows - 1) * (columns - 1) * rounding * weight.sum()
    for y, x in product(range(rows - 1), range(columns - 1)):
        tensor = sum(w * np.outer(slope, slope) for w, slope in zip(weight, slopes[y, x], strict=True))
        low, high = np.linalg.eigvalsh(tensor)
        apart, whole = apart + high - low, whole + high + low
    return apart / whole


def test_brightness_contrast_and_saturation_are_plain_statistics(picture):
    fine, coarse, _ = grids(picture)
    assert structure.brightness(picture) == pytest.approx(opponent(fine)[0].mean(), abs=1e-5)
    assert structure.contrast(picture) == pytest.approx(math.sqrt(sum(c.var() for c in opponent(coarse))), rel=1e-4)
    chroma = [max(v) - min(v) for v in fine.reshape(-1, 3)]
    assert colour.saturation(picture) == pytest.approx(np.mean(chroma), abs=1e-5)
    assert colour.saturated_clipping(picture) == pytest.approx(np.mean([c >= 240 / 255 for c in chroma]), abs=1e-3)


def test_flat_area_is_counted_pair_by_pair(picture):
    fine, still = grids(picture)[0], 0
    for y, x in product(range(fine.shape[0] - 1), range(fine.shape[1] - 1)):
        steps = abs(fine[y + 1, x] - fine[y, x]).max(), abs(fine[y, x + 1] - fine[y, x]).max()
        still += max(steps) <= 1.01 / 255
    share = still / (fine.shape[0] - 1) / (fine.shape[1] - 1)
    assert structure.flat_area(picture) == pytest.approx(share, abs=1e-3)


def test_a_mirrored_picture_measures_the_same(picture):
    from hndoctor.metrics import METRICS

    even = picture[: picture.shape[0] // 8 * 8, : picture.shape[1] // 8 * 8]  # no block is cut at an edge
    for measure in METRICS:
        assert measure(even[:, ::-1]) == pytest.approx(measure(even), rel=0.02, abs=0.01), measure.__name__


def test_the_grids_are_the_pictures_own(picture):
    pixels = Pixels.of(picture)
    for ours, slow in zip((pixels.fine, pixels.coarse, pixels.broad), grids(picture), strict=True):
        assert ours.transpose(1, 2, 0) == pytest.approx(slow, abs=1e-5)


def test_a_tile_among_others_is_what_its_neighbours_and_its_frame_say():
    rng = np.random.default_rng(9)
    features, own = rng.normal(0, 2, (3, 5, 5)), rng.normal(0, 5, (3, 5))
    found = tiles.tiles_among(features, own, 7.0)
    near = np.clip(own, -tiles.NEIGHBOUR, tiles.NEIGHBOUR)
    calmest = np.sort(np.clip(own, -tiles.OWN, tiles.OWN).ravel())
    fifth = calmest[2] + 0.8 * (calmest[3] - calmest[2])  # 15 tiles: a fifth of the way over 14 steps is 2.8
    for y in range(3):
        for x in range(5):
            around = [
                near[j, i]
                for j in range(max(0, y - 1), min(3, y + 2))
                for i in range(max(0, x - 1), min(5, x + 2))
                if (j, i) != (y, x)
            ]
            apart = [features[y, x, k] - np.median(features[:, :, k]) for k in range(5)]
            expected = [np.clip(own[y, x], -tiles.OWN, tiles.OWN), np.mean(around), fifth, WHOLE, *apart]
            assert found[y, x] == pytest.approx(expected)


def test_a_frame_of_one_tile_has_no_neighbours():
    assert tiles.tiles_among(np.ones((1, 1, 5)), np.full((1, 1), 2.0), 1.0).tolist() == [[[2, 0, 2, 1, 0, 0, 0, 0, 0]]]
