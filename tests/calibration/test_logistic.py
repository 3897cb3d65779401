"""The arithmetic of branches, against numpy and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hndoctor.calibration.logistic import BENT, NINETY, Branch, Form, Probability, Term, log_odds, probability

FORMS = {"a": Form(0.0, 10.0), "b": Form(1.0, 60.0, 0.0)}
SPREAD = ((0.5, 0.1), (0.2, 0.3), (-0.1, 0.05))
BRANCH = Branch(-1.0, (Term("a", 2.0, 4.0, 2.0, 3.0, 6.0), Term("b", -1.5, 1.0, 0.5, 12.0, 3.0)), SPREAD)


def test_log_odds_are_those_of_the_formula():
    features = BRANCH.features({"a": 6.0, "b": math.e}, FORMS)
    assert features == pytest.approx((1.0, 1.0, 0.0))
    assert BRANCH.log_odds(features) == pytest.approx(-1.0 + 2.0)


def test_values_outside_the_range_seen_are_not_extrapolated():
    assert BRANCH.features({"a": 1e9, "b": 0.0}, FORMS) == BRANCH.features({"a": 10.0, "b": 1.0}, FORMS)


def test_the_deviation_is_that_of_the_covariance():
    spread, x = np.array(SPREAD), np.array([1.0, 0.7, -1.3])
    assert BRANCH.deviation(tuple(x)) == pytest.approx(math.sqrt(x @ spread @ spread.T @ x))
    assert replace(BRANCH, deviations=()).deviation(tuple(x)) == 0


def test_an_interval_holds_the_value_and_widens_with_the_deviation():
    narrow, wide = Probability.of(0.4, 0.2), Probability.of(0.4, 2.0)
    assert narrow.value == wide.value == pytest.approx(1 / (1 + math.exp(-0.4)))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert log_odds(wide.high) - log_odds(wide.value) == pytest.approx(NINETY * 2.0)


def test_one_or_the_other():
    either = Probability(0.5, 0.2, 0.8).or_else(Probability(0.5, 0.1, 0.9))
    assert (either.value, either.low, either.high) == pytest.approx((0.75, 0.28, 0.98))


def test_one_and_not_the_other():
    only = Probability(0.5, 0.2, 0.8).unless(Probability(0.5, 0.1, 0.9))
    assert (only.value, only.low, only.high) == pytest.approx((0.25, 0.02, 0.72))


def test_reasons_are_those_that_speak_for_it_the_loudest_first():
    found = BRANCH.reasons({"a": 5.0, "b": 2.0}, FORMS)
    assert [r.measure for r in found] == ["b", "a"]
    assert found[1].odds == pytest.approx(2.0 * (5 - 3) / 2)
    assert [r.measure for r in BRANCH.reasons({"a": 2.0, "b": 2.0}, FORMS)] == ["b"]


def test_a_bend_weighs_the_square_of_at_most_three_spreads():
    curved = replace(BRANCH, terms=(replace(BRANCH.terms[0], bend=-0.5), BRANCH.terms[1]), deviations=())
    features = curved.features({"a": 8.0, "b": math.e}, FORMS)
    assert features == pytest.approx((1.0, 2.0, 0.0, 4.0, 0.0))
    assert curved.log_odds(features) == pytest.approx(-1.0 + 2.0 * 2 - 0.5 * 4)
    steep = replace(curved, terms=(replace(curved.terms[0], spread=0.1), curved.terms[1]))
    assert steep.features({"a": 8.0, "b": math.e}, FORMS)[3] == BENT**2


def test_a_reason_counts_its_bend():
    curved = replace(BRANCH, terms=(replace(BRANCH.terms[0], bend=0.5), BRANCH.terms[1]))
    (found,) = (r for r in curved.reasons({"a": 6.0, "b": 12.0}, FORMS) if r.measure == "a")
    assert found.odds == pytest.approx(2.0 * 1.5 + 0.5 * (1.0**2 - 0.5**2))


def test_what_moved_away_from_what_is_looked_for_is_no_reason_whatever_its_weight():
    turned = replace(BRANCH, terms=(replace(BRANCH.terms[0], found=1.0), BRANCH.terms[1]))
    assert [r.measure for r in turned.reasons({"a": 5.0, "b": 2.0}, FORMS)] == ["b"]


@pytest.mark.parametrize("odds", [-5.0, 0.0, 3.2])
def test_log_odds_undo_probability(odds):
    assert log_odds(probability(odds)) == pytest.approx(odds)
    assert (log_odds(0.0), log_odds(1.0)) == (-8.0, 8.0)
