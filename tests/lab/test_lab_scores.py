"""Counting: every kind of right and wrong, intervals against known values, and the judges on a run made by hand."""

from __future__ import annotations

import pytest

from benchmarks.lab.scores import Case, Opinion, Share, chosen_quality, scores_of
from benchmarks.lab.truth import Truth

NUMBERS = (100, 200, 300, 400)


def truth(states: str, overtrained: int | None = None, broken: int | None = None) -> Truth:
    names = {"s": "starting", "h": "healthy", "o": "overtrained", "d": "harmed", "b": "broken"}
    return Truth(NUMBERS, tuple(names[s] for s in states), overtrained, broken, (0.5, 1.0, 0.96, 0.2), (None,) * 4)


def case(name: str, what: Truth, **opinion: int) -> Case:
    return Case(name, 100, what, Opinion(**opinion))


def test_breakage_is_counted_by_run_and_its_onset_by_interval() -> None:
    dead = truth("hhbb", broken=300)
    cases = [
        case("near", dead, broken=400),
        case("late", truth("bbbb", broken=100), broken=300),
        case("missed", dead),
        case("alarm", truth("hhhh"), broken=200),
        case("calm", truth("hhhh")),
        case("grey", truth("hhdd"), broken=300),
    ]
    scores = scores_of(cases)
    assert (scores.found.hits, scores.found.of, scores.found.failed) == (2, 3, ("missed",))
    assert (scores.onset.hits, scores.onset.failed) == (1, ("late", "missed"))
    assert (scores.alarms.hits, scores.alarms.of, scores.alarms.failed) == (1, 2, ("alarm",))


def test_overtraining_is_counted_with_precision_recall_and_error() -> None:
    over = truth("hhoo", overtrained=300)
    cases = [
        case("right", over, overtrained=300),
        case("late", over, overtrained=400),
        case("missed", over),
        case("wrong", truth("hhhh"), overtrained=200),
        case("grey", truth("hhdd"), overtrained=300),
    ]
    scores = scores_of(cases)
    assert (scores.precision.hits, scores.precision.of, scores.precision.failed) == (2, 3, ("wrong",))
    assert (scores.recall.hits, scores.recall.of) == (2, 3)
    assert scores.overtrained_error is not None
    assert scores.overtrained_error[0] == pytest.approx(1 / 6)


@pytest.mark.parametrize(("chosen", "quality"), [(200, 1.0), (199, 1.0), (300, 0.96), (50, 0.0), (399, 0.2)])
def test_a_chosen_checkpoint_counts_as_the_measured_one_at_its_step(chosen: int, quality: float) -> None:
    assert chosen_quality(case("x", truth("hhho"), chosen=chosen)) == quality


def test_no_choice_where_something_was_gained_is_a_miss() -> None:
    scores = scores_of([case("none", truth("hhho")), case("good", truth("hhho"), chosen=300)])
    assert (scores.best.hits, scores.best.failed) == (1, ("none",))


def test_wilsons_interval_is_the_published_one() -> None:
    low, high = Share(8, 10).interval  # Wilson 1927: 0.4902, 0.9433
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert Share(0, 0).interval == (0.0, 1.0)
