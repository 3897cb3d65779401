"""The fit, and what it is worth to families left out, on numbers that are known."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from benchmarks.previews.families import unit
from benchmarks.previews.fitting import auc, balanced, logistic, true_positives
from benchmarks.previews.mapping import Map, mapped, maps_of, tile_truth
from benchmarks.previews.measuring import NAMES, Table, measured
from benchmarks.previews.samples import Sample
from benchmarks.previews.tasks import Task, left_out
from benchmarks.previews.writing import branch
from hndoctor.calibration import FORMS
from hndoctor.metrics.pixels import Pixels
from hndoctor.metrics.tiles import tile_features


def made(n: int, seed: int) -> Table:
    """Pictures of twelve families, half of them noise; only `coherence` tells."""
    rng = np.random.default_rng(seed)
    family = np.array([f"f{i % 12}" for i in range(n)])
    noise = np.array([i % 12 < 6 for i in range(n)])
    scores = rng.uniform(0.2, 0.8, (n, len(NAMES)))
    scores[:, NAMES.index("coherence")] = np.where(noise, 0.3, 0.6) + rng.normal(0, 0.05, n)
    group = np.where(noise, "noise", "photo")
    alone, none = np.full(n, -1), np.zeros((n, 0))
    return Table(np.full(n, "p"), group, family, np.zeros(n, bool), alone, np.full(n, np.nan), scores, none)


def test_a_logistic_finds_the_coefficients_of_its_own_making():
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (6000, 2))
    y = (rng.random(6000) < 1 / (1 + np.exp(-(0.5 + 1.2 * x[:, 0] - 0.8 * x[:, 1])))).astype(float)
    fit = logistic(x, y, np.ones(6000), ridge=1e-8)
    assert fit.coefficients[1:] / fit.spread == pytest.approx((1.2, -0.8), abs=0.1)


def test_families_weigh_the_same_whatever_their_number():
    families, noise = np.array(["a"] * 9 + ["b"] + ["c"] * 5), np.array([True] * 10 + [False] * 5)
    weight = balanced(families, noise, np.ones(15, bool), np.ones(15))
    assert weight[:9].sum() == pytest.approx(weight[9]) == pytest.approx(0.5)
    assert weight[10:].sum() == pytest.approx(1.0)


def task(table: Table, *measures: str, steady: float = 0.0) -> Task:
    truth = (table.group == "noise").astype(float)
    judged = truth > 0.5
    weight = balanced(table.family, judged, table.group != "steady copy", np.ones(len(truth)))
    return Task(table, truth, weight, table.family, measures, steady)


def test_the_one_measure_that_tells_does_so_without_the_family_too():
    wanted = task(made(240, 1), "coherence", "saturation", "hue_entropy")
    weights = np.abs(wanted.fit().coefficients[1:])
    assert weights[0] > 5 * weights[1:].max()
    odds = left_out(wanted)
    assert auc(odds[wanted.truth > 0.5], odds[wanted.truth < 0.5]) > 0.99


def test_what_is_best_in_the_middle_is_found_by_its_square_alone():
    table = made(480, 4)
    where = NAMES.index("coherence")
    middle = np.where(table.group == "noise", 0.5, np.where(np.arange(480) % 2 == 0, 0.3, 0.7))
    table.scores[:, where] = middle + np.random.default_rng(4).normal(0, 0.03, 480)
    straight = task(table, "coherence", "saturation")
    assert auc_of(straight) < 0.7
    assert auc_of(replace(straight, bends=True)) > 0.99


def auc_of(wanted: Task) -> float:
    odds = left_out(wanted)
    return auc(odds[wanted.truth > 0.5], odds[wanted.truth < 0.5])


@pytest.mark.parametrize("bends", [False, True])
def test_a_branch_says_what_its_fit_says(bends):
    table = made(240, 5)
    wanted = replace(task(table, "coherence", "saturation", "hue_entropy"), bends=bends)
    fit = wanted.fit()
    one = branch(wanted.measures, fit, None, [0.5] * 3, [0.5] * 3, 0.8, wanted.scale if bends else None)
    told = [one.log_odds(one.features(table.score_of(i), FORMS)) for i in range(240)]
    assert told == pytest.approx(0.8 * fit.log_odds(wanted.design(table)), rel=5e-3, abs=5e-3)
    assert one.bends is bends


def test_a_part_of_a_frame_covers_the_tiles_that_lie_inside_it():
    truth = tile_truth((0.0, 0.5, 0.6, 1.0), (5, 4))
    assert truth[:3].tolist() == [[0, 0, 1, 1]] * 3
    assert truth[3:].tolist() == [[0, 0, 0, 0]] * 2
    assert np.isnan(tile_truth((0.0, 0.0, 0.5, 1.0), (5, 1))[2, 0])


def half_noise(seed: int) -> Sample:
    """A black picture whose right half is noise of pixels."""
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[:, 64:] = np.random.default_rng(seed).integers(0, 256, (128, 64, 3))
    return Sample("pasted", "pasted p", picture, noisy=(0.0, 0.5, 1.0, 1.0))


def packed_maps(samples: list[Sample], tmp_path) -> list[Map]:
    path = tmp_path / "maps.npz"
    np.savez(path, **{f"pasted: {name}": values for name, values in mapped(samples).items()})
    return maps_of(measured("pasted", samples[:2]), path)


def test_a_map_comes_back_with_the_truth_of_each_tile(tmp_path):
    first, second = packed_maps([half_noise(6), half_noise(7)], tmp_path)
    assert (first.row, second.row) == (0, 1)
    assert first.features.shape == (8, 8, 5)
    assert first.noisy.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]] * 8
    assert first.features[:, 4:, 0].min() > first.features[:, :4, 0].max()
    exact = tile_features(Pixels.of(half_noise(7).picture))
    assert second.features == pytest.approx(exact, abs=0.5 * 8 / 255 + 1e-9)  # half a byte of the widest range


def test_maps_of_other_pictures_than_were_measured_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pasted: 3 maps of 2 pictures; map the piece again"):
        packed_maps([half_noise(i) for i in range(3)], tmp_path)


def test_noise_told_apart_by_chance_alone_is_worth_nothing_when_held_out():
    wanted = task(made(240, 2), "saturation", "hue_entropy")
    odds = left_out(wanted)
    assert auc(odds[wanted.truth > 0.5], odds[wanted.truth < 0.5]) < 0.7


def test_a_measure_that_harmless_changes_move_loses_its_weight_to_one_that_stands():
    table = made(240, 3)
    scores = np.concatenate((table.scores, table.scores[:24]))
    scores[:, NAMES.index("saturation")] = 1 - scores[:, NAMES.index("coherence")]  # tells as well
    scores[240:, NAMES.index("saturation")] += np.tile((-0.2, 0.2), 12)  # but not in a copy
    columns = {f.name: np.concatenate((getattr(table, f.name), getattr(table, f.name)[:24])) for f in fields(table)}
    group, pair = np.array([*table.group, *["steady copy"] * 24]), np.r_[table.pair, np.arange(24)]
    both = Table(**(columns | {"scores": scores, "group": group, "pair": pair}))
    free, held = (task(both, "coherence", "saturation", steady=s).fit().coefficients for s in (0.0, 10.0))
    assert abs(held[2]) < 0.2 * abs(free[2])
    assert abs(held[1]) > abs(free[1])


def test_rates_by_hand():
    assert auc(np.array([3.0, 1.0]), np.array([2.0, 0.0])) == 0.75
    assert true_positives(np.array([3.0, 1.0]), np.arange(100) / 100) == 1.0


@pytest.mark.parametrize(
    ("family", "held_with"),
    [("mosaic 8, small", "mosaic"), ("linear white 1.5", "white 1.5"), ("found white1.5", "white 1.5")],
)
def test_kinds_are_held_out_through_all_sizes_and_decoders(family, held_with):
    assert unit(family) == held_with


def test_ladders_turn_the_weights_so_that_each_step_scores_above_the_one_before():
    rng = np.random.default_rng(3)
    truth = (rng.random(400) < 0.5).astype(float)
    x = np.c_[truth + rng.normal(0, 0.3, 400), truth + rng.normal(0, 0.3, 400)]
    rises = np.c_[np.full(20, 0.1), np.full(20, -0.3)]  # the second measure falls along the ladders
    alone = logistic(x, truth, np.ones(400))
    ranked = logistic(x, truth, np.ones(400), rises=rises, rank=1.0)
    falls, climbs = (rises / fit.spread @ fit.coefficients[1:] for fit in (alone, ranked))
    assert falls.max() < 0 < climbs.min()
