"""The rate of every step: shapes and warm-up over the web UI's schedule."""

from __future__ import annotations

import math

import pytest

from hndoctor.formats.curve import SHAPES, Curve
from hndoctor.formats.schedule import ScheduleError, dose, parse_schedule, rate_at, strict_schedule

SCHEDULES = ("1e-3", "1e-3:4, 5e-4", "1e-5:100, 1e-6:50, 1e-7:200", "1e-3:3, 1e-4:6", "5e-5:100, 5e-6:-1")


@pytest.mark.parametrize("text", SCHEDULES)
def test_without_a_shape_it_is_the_web_uis_schedule(text: str) -> None:
    curve, segments = Curve.parse(text, 300), parse_schedule(text, 300)
    assert [curve.at(step) for step in range(310)] == [rate_at(segments, step) for step in range(310)]
    assert curve.dose(4, 7) == pytest.approx(dose(segments, 4, 7))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_warm_up_begins_above_nothing_and_reaches_the_rate(shape: str) -> None:
    curve = Curve(parse_schedule("1e-3", 100), shape, warmup=10)
    rates = [curve.at(step) or 0.0 for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[:11] == sorted(rates[:11])
    assert rates[9] == rates[10] == pytest.approx(1e-3)


def test_shapes_end_where_they_should() -> None:
    def last(shape: str, floor: float = 0.0, cycles: int = 1) -> float:
        return Curve(parse_schedule("1", 1000), shape, floor=floor, cycles=cycles).at(999) or 0.0

    assert last("constant") == 1
    assert last("linear") == pytest.approx(0.001)
    assert last("cosine") == pytest.approx(0, abs=1e-5)
    assert last("cosine", floor=0.1) == pytest.approx(0.1, abs=1e-5)
    halves = Curve(parse_schedule("1", 1000), "cosine_with_restarts", cycles=2)
    assert (halves.at(499) or 0) < 1e-4 < 0.99 < (halves.at(500) or 0)


def test_the_dose_of_a_shape_is_what_its_steps_add_up_to() -> None:
    curve = Curve(parse_schedule("1e-3:40, 1e-4:90", 200), "cosine", warmup=5, floor=0.2)
    slow = sum((curve.at(step) or 0.0) * math.sqrt(2) for step in range(3, 90))
    assert curve.dose(2, 3) == pytest.approx(slow)
    assert curve.at(90) is None
    reached = curve.step_at_dose(2, 0.01) or 0
    assert Curve(parse_schedule("1e-3:40, 1e-4:90", 200), "cosine", 5, floor=0.2).dose(2) > 0.01
    rates = [(curve.at(step) or 0.0) * math.sqrt(2) for step in range(90)]
    assert sum(rates[: reached - 1]) < 0.01 <= sum(rates[:reached])
    assert curve.step_at_dose(2, 1.0) is None


@pytest.mark.parametrize("text", ["1e-5:100;1e-6:200", "1e-5:10:3", "1e-5:10, 1e-6:20:30"])
def test_what_nobody_means_is_refused_before_a_training(text: str) -> None:
    parse_schedule(text, 500)  # the web UI takes it
    with pytest.raises(ScheduleError, match=r"\A[^\n]+\Z"):
        strict_schedule(text, 500)


def test_what_can_be_meant_is_not_refused() -> None:
    for text in SCHEDULES:
        assert strict_schedule(text, 500) == parse_schedule(text, 500)
