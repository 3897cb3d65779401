"""The rule of truth, case by case, on measures made by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from benchmarks.lab.truth import Measures, Oracle, truth_of

ITEMS = 24
BASE = Measures(0, held_out=(0.1,) * ITEMS, train=(0.1,) * 6, followed=0.9, style=1.0)


def point(number: int, held_out: float, train: float, followed: float | None = 0.85, **more: object) -> Measures:
    """A checkpoint; pictures differ a little, alike at every checkpoint, so that pairs are exact."""
    items = tuple(held_out * (1 + 0.0005 * (at % 3 - 1) * (number % 5)) for at in range(ITEMS))
    found = Measures(number, held_out=items, train=(train,) * 6, followed=followed, style=0.3)
    return replace(found, **more)


def oracle(*points: Measures) -> Oracle:
    return Oracle(BASE, points, readable=0.95, chance=0.25)


def test_a_network_that_only_improves_is_healthy_and_its_last_checkpoint_is_the_best() -> None:
    truth = truth_of(oracle(*(point(n, 0.1 - n / 1e5, 0.1 - n / 9e4) for n in (100, 200, 300))))
    assert truth.states == ("healthy",) * 3
    assert (truth.overtrained, truth.broken) == (None, None)
    assert truth.quality[-1] == 1.0
    assert all(a < b for a, b in pairwise(q for q in truth.quality if q is not None))


def test_nothing_learned_is_starting_and_no_checkpoint_is_better_than_another() -> None:
    truth = truth_of(oracle(point(100, 0.1, 0.1), point(200, 0.1, 0.1)))
    assert truth.states == ("starting",) * 2
    assert truth.quality == (None, None)


def test_held_out_loss_that_rises_while_training_pictures_improve_is_overtraining() -> None:
    curve = (point(100, 0.092, 0.09), point(200, 0.090, 0.08), point(300, 0.093, 0.07), point(400, 0.097, 0.06))
    truth = truth_of(oracle(*curve))
    assert truth.states == ("healthy", "healthy", "overtrained", "overtrained")
    assert truth.overtrained == 300
    assert truth.quality[1] == 1.0


def test_a_rise_that_training_pictures_share_is_damage() -> None:
    truth = truth_of(oracle(point(100, 0.090, 0.09), point(200, 0.099, 0.099), point(300, 0.12, 0.12)))
    assert truth.states[1:] == ("harmed", "harmed")
    assert truth.overtrained is None


def test_a_single_rise_between_sound_checkpoints_is_a_fluke() -> None:
    curve = (point(100, 0.09, 0.09), point(200, 0.093, 0.08), point(300, 0.089, 0.07), point(400, 0.088, 0.06))
    assert truth_of(oracle(*curve)).overtrained is None


def test_weights_that_are_not_finite_and_grave_harm_are_breakage() -> None:
    dead = Measures(300, finite=False)
    truth = truth_of(oracle(point(100, 0.09, 0.09), point(200, 0.3, 0.3, None), dead))
    assert truth.states == ("healthy", "broken", "broken")
    assert truth.broken == 200
    assert truth.quality[1:] == (0.0, 0.0)


def test_training_pictures_that_still_improve_make_a_grave_rise_overtraining() -> None:
    truth = truth_of(oracle(point(100, 0.09, 0.09), point(200, 0.16, 0.04), point(300, 0.2, 0.03)))
    assert truth.states == ("healthy", "overtrained", "overtrained")


def test_pictures_that_no_longer_follow_their_captions_are_breakage_though_the_loss_is_low() -> None:
    same = [point(n, 0.08, 0.05, followed=0.3) for n in (200, 300)]
    assert truth_of(oracle(point(100, 0.09, 0.09), *same)).broken == 200


def test_one_broken_checkpoint_among_sound_ones_is_a_fluke_but_not_at_the_end() -> None:
    sound = [point(n, 0.09, 0.09) for n in (100, 300)]
    bad = point(200, 0.09, 0.09, followed=0.3)
    assert truth_of(oracle(sound[0], bad, sound[1])).broken is None
    assert truth_of(oracle(sound[0], replace(bad, number=300))).broken == 300


def test_caption_following_is_read_between_checkpoints_that_were_drawn() -> None:
    drawn = [point(n, 0.09, 0.09, followed=0.2) for n in (200, 400)]
    truth = truth_of(oracle(drawn[0], point(300, 0.09, 0.09, followed=None), drawn[1]))
    assert truth.states == ("broken",) * 3


def test_a_recovered_run_has_an_onset_of_breakage_and_ends_sound() -> None:
    bad = [point(n, 0.3, 0.3, None) for n in (100, 200)]
    truth = truth_of(oracle(*bad, point(300, 0.095, 0.095), point(400, 0.09, 0.09)))
    assert truth.broken == 100
    assert truth.last == "healthy"
