"""Means over windows of losses, with the error that a textbook gives them."""

from __future__ import annotations

import math
import statistics

import pytest

from hndoctor.records import LossPoint
from hndoctor.rules.windows import FEWEST, above, lasting_nan, mean_of, normal, smoothed

LOSSES = [0.11, 0.07, 0.19, 0.13, 0.05, 0.16, 0.12, 0.09, 0.21]


def test_a_mean_has_the_textbooks_error() -> None:
    found = mean_of([LossPoint(10 * n, loss) for n, loss in enumerate(LOSSES, 1)])
    assert (found.step, found.count) == (90, 9)
    assert found.mean == pytest.approx(statistics.fmean(LOSSES))
    assert found.error == pytest.approx(statistics.stdev(LOSSES) / 3)


def test_one_point_has_no_spread_and_what_it_says_is_certain() -> None:
    found = mean_of([LossPoint(10, 0.4)])
    assert (found.mean, found.error, found.count) == (0.4, 0, 1)
    assert (above(found, 0.3), above(found, 0.4), above(found, 0.5)) == (1, 0, 0)


def test_a_window_speaks_from_its_eighth_point_on() -> None:
    found = list(smoothed([LossPoint(10 * n, loss) for n, loss in enumerate(LOSSES, 1)]))
    assert FEWEST == 8
    assert [mean.step for mean in found] == [80, 90]


@pytest.mark.parametrize(("z", "share"), [(0, 0.5), (1, 0.8413), (-1, 0.1587), (1.96, 0.975)])
def test_the_normal_distribution(z: float, share: float) -> None:
    assert normal(z) == pytest.approx(share, abs=1e-4)
    assert math.isclose(normal(z) + normal(-z), 1)


def test_a_loss_that_is_no_number_is_passed_over() -> None:
    points = [LossPoint(10 * n, loss) for n, loss in enumerate(LOSSES, 1)]
    odd = LossPoint(55, None, nonfinite=True)
    assert list(smoothed([*points[:5], odd, *points[5:]])) == list(smoothed(points))


@pytest.mark.parametrize(
    ("values", "since"),
    [((), None), ((0.1, 0.2), None), ((0.1, None, None), 20), ((None, 0.1, None), 30), ((None, 0.1), None)],
)
def test_a_loss_that_is_none_to_the_end_begins_somewhere(values: tuple[float | None, ...], since: int | None) -> None:
    log = [LossPoint(10 * at, value, None, value is None) for at, value in enumerate(values, 1)]
    assert lasting_nan(reversed(log)) == since
