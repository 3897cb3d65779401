"""Floors, divisions and budgets, on the scale of the run's own base model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.diagnose.hazard import prior_of
from hndoctor.prescribe.rates import FLOOR, rates_of, rounded, schedule
from hndoctor.records import Settings, Vitals
from hndoctor.rules.dose import GUIDE_RATE, POCKET_RATE
from tests.makers import POCKET, a_run, losses


def known(rate="5e-6", steps=20_000, **more):
    return a_run(settings=Settings(learn_rate=rate, steps=steps, images=50, **more), loss=None)


def test_the_floor_and_the_usual_rate_are_the_guides_carried_to_the_base_model():
    sd1, pocket = rates_of(known()), rates_of(a_run(sizes=POCKET))
    assert (sd1.floor, sd1.usual) == (FLOOR, GUIDE_RATE)
    assert (pocket.floor, pocket.usual) == (pytest.approx(FLOOR / GUIDE_RATE * POCKET_RATE), POCKET_RATE)


def test_the_rate_is_known_only_where_a_file_tells_it():
    assert rates_of(known("5e-5:1000, 5e-6")).known(1000) == 5e-5
    assert rates_of(known("5e-5:1000, 5e-6")).known(1001) == 5e-6
    assert rates_of(known(None)).known(1000) is None


def test_a_rate_is_divided_and_rounded_but_never_below_the_floor_nor_above_what_is_asked():
    rates = rates_of(known("2e-5"))
    assert rates.divided(1000, 4) == 5e-6
    assert rates.divided(1000, 10) == 2e-6
    assert rates.divided(1000, 1000) == FLOOR
    assert rates.divided(1000, 4, at_most=1.1e-6) == 1e-6
    assert rates.divided(1000, 4, at_most=1e-9) == FLOOR
    assert rates_of(known(None)).divided(1000, 4) == FLOOR
    assert rates_of(known(0.0)).divided(1000, 4) == FLOOR


@pytest.mark.parametrize(("name", "asked"), [("SGD", "0.1"), ("Adafactor", "1"), ("Prodigy", "1")])
def test_a_rate_of_another_scale_is_divided_on_its_own(name, asked):
    rates = rates_of(known(asked, optimizer=name))
    assert rates.usual == rates.known(1000) == float(asked)
    assert rates.divided(1000, 4) == rounded(float(asked) / 4)
    assert rates.divided(1000, 1000) == rates.floor == float(asked) / 10
    assert rates.is_fast(float(asked)), "nobody knows what is usual there"
    assert rates.steps_for(0.010001, float(asked)) == rates_of(known()).steps_for(0.010001, 5e-6)
    assert rates.rate_for(0.01, 2000) == pytest.approx(float(asked))


def test_the_budget_is_what_is_left_of_the_dose_at_which_one_in_ten_is_overtrained():
    rates = rates_of(known())
    prior = prior_of(known())
    early = rates.budget(0)
    share = 0.5 * math.erfc(-math.log(early / prior.median) / prior.spread / math.sqrt(2))
    assert share == pytest.approx(0.1, abs=1e-4)
    assert rates.budget(4000) == pytest.approx(early - 4000 * 5e-6)
    assert rates.budget(10**6) < 0


def test_steps_that_make_up_a_dose_are_fewer_in_larger_batches():
    one, four = rates_of(known()), rates_of(known(batch_size=2, gradient_step=8))
    assert one.steps_for(0.010001, 5e-6) == 2000
    assert four.steps_for(0.010001, 5e-6) == 500
    assert one.steps_for(-0.01, 5e-6) == 0
    assert one.steps_for(5e-6 * 2.9, 5e-6) == 2, "only whole steps that fit"


@pytest.mark.parametrize(("planned", "end"), [(20_000, 20_000), (5000, 6000), (None, 6000)])
def test_the_end_is_what_was_planned_or_what_was_passed(planned, end):
    assert rates_of(known(steps=planned)).end == end
    assert rates_of(Vitals("r", "x")).end == 0


def test_a_log_that_goes_on_beyond_the_files_moves_the_end():
    assert rates_of(a_run(losses=losses(range(10, 7001, 10)), settings=Settings(steps=6500))).end == 7000


@given(st.floats(1e-9, 1e3))
def test_rounding_is_to_the_nearest_by_ratio(rate):
    grid = [float(f"{digit}e{power}") for power in range(-11, 6) for digit in (1, 2, 5)]
    found = rounded(rate)
    assert found in grid
    assert abs(math.log(found / rate)) == pytest.approx(min(abs(math.log(one / rate)) for one in grid), abs=1e-12)


def test_what_is_no_rate_is_rounded_to_none():
    assert (rounded(0.0), rounded(-1.0)) == (0.0, 0.0)
    assert schedule(5e-7, 900) == "5e-7:900"
