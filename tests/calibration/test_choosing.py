"""The fit, and the choice of measures, on numbers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.previews.choosing import Task, choose, nested
from benchmarks.previews.families import unit
from benchmarks.previews.fitting import auc, balanced, logistic, true_positives
from benchmarks.previews.measuring import NAMES, TILES, Table


def made(n: int, seed: int) -> Table:
    """Pictures of twelve families, half of them noise; only `coherence` tells."""
    rng = np.random.default_rng(seed)
    family = np.array([f"f{i % 12}" for i in range(n)])
    noise = np.array([i % 12 < 6 for i in range(n)])
    scores = rng.uniform(0.2, 0.8, (n, len(NAMES)))
    scores[:, NAMES.index("coherence")] = np.where(noise, 0.3, 0.6) + rng.normal(0, 0.05, n)
    group = np.where(noise, "noise", "photo")
    empty = np.zeros((n, TILES, 4)), np.zeros((n, 0))
    return Table(np.full(n, "p"), group, family, np.zeros(n, bool), np.full(n, -1), np.full(n, np.nan), scores, *empty)


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


def test_the_choice_finds_the_one_measure_that_tells_also_without_the_family():
    table = made(240, 1)
    truth = (table.group == "noise").astype(float)
    weight = balanced(table.family, truth > 0.5, np.ones(240, bool), np.ones(240))
    task = Task(table, truth, weight, table.family, ("coherence", "saturation", "hue_entropy"))
    assert choose(task).measures[0] == "coherence"
    odds, choices = nested(task)
    assert len(choices) == 12
    assert auc(odds[truth > 0.5], odds[truth < 0.5]) > 0.99


def test_noise_told_apart_by_chance_alone_is_worth_nothing_when_held_out():
    table = made(240, 2)
    truth = (table.group == "noise").astype(float)
    weight = balanced(table.family, truth > 0.5, np.ones(240, bool), np.ones(240))
    odds, _ = nested(Task(table, truth, weight, table.family, ("saturation", "hue_entropy")))
    assert auc(odds[truth > 0.5], odds[truth < 0.5]) < 0.7


def test_rates_by_hand():
    assert auc(np.array([3.0, 1.0]), np.array([2.0, 0.0])) == 0.75
    assert true_positives(np.array([3.0, 1.0]), np.arange(100) / 100) == 1.0


@pytest.mark.parametrize(
    ("family", "held_with"),
    [("mosaic 8, small", "mosaic"), ("linear white 1.5", "white 1.5"), ("found white1.5", "white 1.5")],
)
def test_kinds_are_held_out_through_all_sizes_and_decoders(family, held_with):
    assert unit(family) == held_with
