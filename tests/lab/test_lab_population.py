"""The population is frozen, balanced from its beginning on, and its halves share nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.lab.intents import ADDED, ALL, INTENTS
from benchmarks.lab.population import FRESH, HALVES, OF_EACH, by_name, fresh_runs, long_runs, population
from hndoctor.formats.layout import parse_structure
from hndoctor.formats.schedule import parse_schedule
from trainer.planning import dropouts

FIRST, LAST = (64036, "3.1e-3", "tuning"), (12649, "4e-4:100, 4e-5:1500, 4e-6:10000, 4e-7:25000", "test")


def test_the_same_seed_gives_the_same_population() -> None:
    assert population() == population()
    assert population(1) != population(2)


def test_there_are_enough_of_each_and_names_are_unique() -> None:
    assert len(by_name()) == len(population()) + len(long_runs()) + len(fresh_runs()) >= 60 + 3
    assert all(one.steps == 25_000 for one in long_runs())


@pytest.mark.parametrize("length", [10, 20, 40, 60])
def test_any_beginning_is_a_balanced_sample(length: int) -> None:
    made = Counter(one.intent for one in population()[:length])
    total = sum(count for count, _ in INTENTS.values())
    assert all(abs(made[name] - count * length / total) <= 1.5 for name, (count, _) in INTENTS.items())
    halves = Counter(one.half for one in population()[:length])
    assert abs(halves[HALVES[0]] - halves[HALVES[1]]) <= 0.3 * length


def test_what_was_added_later_left_the_configurations_before_it_as_they_were() -> None:
    before = sum(count for count, _ in INTENTS.values())
    assert {one.intent for one in population()[:before]} == set(INTENTS)
    assert {one.intent for one in population()[before:]} == set(ADDED)
    first, last = population()[0], long_runs()[-1]  # as drawn when only these were there
    assert (first.seed, first.learn_rate, first.half) == FIRST
    assert (last.seed, last.learn_rate, last.half) == LAST


def test_the_halves_share_no_seed_no_training_picture_and_no_configuration() -> None:
    tuning, test = ([one for one in population() if one.half == half] for half in HALVES)
    assert not {one.seed for one in tuning} & {one.seed for one in test}
    assert not {one.data_seed for one in tuning} & {one.data_seed for one in test}
    assert len({one.name for one in (*tuning, *test)}) == len(population())


def test_the_fresh_runs_are_some_of_each_kind_and_share_no_seed_and_no_picture_with_the_halves() -> None:
    halves = (*population(), *long_runs())
    assert Counter(one.intent for one in fresh_runs()) == {intent: OF_EACH for intent in ALL if intent != "long"}
    assert {one.half for one in fresh_runs()} == {FRESH}
    for told in ("name", "seed", "data_seed"):
        assert not {getattr(one, told) for one in fresh_runs()} & {getattr(one, told) for one in halves}


def test_both_halves_have_a_sound_and_a_dying_run_without_a_fixed_preview_seed() -> None:
    unseeded = [(one.half, one.intent) for one in population() if one.preview_seed < 0]
    assert Counter(unseeded) == {(half, intent): 1 for half in HALVES for intent in ("unseeded", "unseeded-sudden")}


def test_every_configuration_is_one_that_the_trainer_takes() -> None:
    from trainer.config import load_config

    for one in by_name().values():
        assert parse_schedule(one.learn_rate, one.steps)[-1].end >= one.steps
        assert len(parse_structure(one.layer_structure)) >= 3
        keys = {"data": "x", "activation": one.activation, "weight_init": one.weight_init, "precision": one.precision}
        shape = {"layer_structure": one.layer_structure, "use_dropout": bool(one.dropout)}
        config = load_config(None, keys | shape | {"dropout_structure": one.dropout_structure})
        assert any(dropouts(config)) == bool(one.dropout)


def test_rates_span_six_decades() -> None:
    rates = [part.rate for one in population() for part in parse_schedule(one.learn_rate, one.steps)]
    assert min(rates) < 1e-5
    assert max(rates) > 1.0
