"""The course, the dose and paired validation: bounds and figures against the textbook."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hndoctor.records import (
    LossPoint,
    Onset,
    Preview,
    Settings,
    State,
    Station,
    ValidationPoint,
    Vitals,
)
from hndoctor.rules import (
    course,
    dose,
    paired,
)
from tests.makers import POCKET, a_checkpoint, a_preview, a_run, an_optimizer, unreadable
from tests.rules.makers import signs

EPS = 1e-6


# --- the course -------------------------------------------------------------------------------------------------------


def stations(*steps, states=None):
    return tuple(
        Station(step, None, None, State.BROKEN, {"broken": 1.0} if not states or states.get(step, True) else {})
        for step in steps
    )


@pytest.mark.parametrize(
    ("steps", "broken", "said"),
    [
        ((course.EARLY_STEPS,), course.EARLY_STEPS, True),
        ((course.EARLY_STEPS + 1,), course.EARLY_STEPS + 1, False),
        ((1500, 2500), 1500, True),
        ((1501, 2501), 1501, False),
        ((500, 1000), 1000, False),
        ((500, 1000), None, False),
        ((), 500, False),
    ],
)
def test_dead_from_the_start_is_within_the_first_steps_or_the_first_save(steps, broken, said):
    broken = int(str(broken)) if broken else broken  # equal, and another object
    assert course.broke_at_the_start(Vitals("r", "x"), stations(*steps), broken) is said


def of_course(p=0.0, sighted=(), onset=None, **more):
    last = Station(
        2000, 1999, None, State.HEALTHY, {"starting": 0.1, "healthy": 0.8, "overtrained": 0.05, "broken": 0.05}
    )
    return course.Course(a_run(**more), (last,), onset or Onset(), p, sighted)


def test_dose_alone_is_worth_a_word_from_a_majority_on():
    law = course.past_the_guides_band
    assert not signs(law, of_course(course.PRIOR_SURE))
    (sign,) = signs(law, of_course(course.PRIOR_SURE + EPS))
    assert (sign.step, sign.limit, sign.confidence) == (6000, course.PRIOR_SURE, course.PRIOR_CONFIDENCE)
    assert signs(law, of_course(0.9, onset=Onset(overtrained=1234)))[0].step == 1234
    assert not signs(law, of_course(0.9, ("validation",)))
    assert not signs(law, of_course(0.9, onset=Onset(broken=500)))


def below(share, rate="4.89e-7", end=10_000):
    slow = round(share * end)
    plan = Settings(learn_rate=f"5e-6:{end - slow}, {rate}:{end}", steps=end)
    return of_course(steps=(end,), settings=plan, loss=None)


def test_most_of_a_run_below_the_floor():
    law = course.rate_below_the_floor
    assert not signs(law, below(course.FLOOR_SHARE))
    (sign,) = signs(law, below(0.6))
    assert (sign.step, sign.value, sign.limit) == (10_000, 0.6, course.FLOOR_SHARE)
    assert sign.message == "6,000 of 10,000 steps were made below 5e-07"
    assert not signs(law, below(0.6, "4.91e-7")), "but for rounding"
    late = of_course(steps=(1000,), settings=Settings(learn_rate="5e-6:900, 1e-8:100000", steps=100_000), loss=None)
    assert not signs(law, late), "only steps that were made count"


def test_a_resumption_is_matched_by_either_number_of_its_step():
    files = (a_checkpoint(500), a_checkpoint(1000, optimizer=an_optimizer(hash_matches=True)))
    for step, fires in ((500, True), (499, True), (1000, False), (700, False)):
        vitals = a_run(checkpoints=files, settings=Settings(resumed_at=(step,)))
        found = signs(course.resumed_from_a_mismatched_pair, course.Course(vitals, (), Onset()))
        assert bool(found) == fires, step


def test_different_sets_are_counted_once_each():
    plan = Settings(data_fingerprints=("a", "b", "a", "c"), resumed_at=(900, 300))
    (sign,) = signs(course.data_changed_midway, course.Course(a_run(settings=plan), (), Onset()))
    assert (sign.message[:1], sign.step) == ("3", 300)


# --- dose -------------------------------------------------------------------------------------------------------------


def test_the_last_step_is_the_largest_that_anything_speaks_of():
    parts = {
        "checkpoints": (a_checkpoint(500), a_checkpoint(None, stored_step=700)),
        "unreadable": (unreadable(800), unreadable(None)),
        "previews": (a_preview(900), Preview("x.png", None)),
        "losses": (LossPoint(1000, 0.1),),
        "validation": (ValidationPoint(1100, 0.1, 0.1),),
    }
    wanted = {"checkpoints": 700, "unreadable": 800, "previews": 900, "losses": 1000, "validation": 1100}
    for name, step in wanted.items():
        assert dose.last_step(Vitals("r", "x", **{name: parts[name]})) == step
    assert dose.last_step(Vitals("r", "x", **parts)) == 1100
    assert dose.last_step(Vitals("r", "x")) == 0


def test_figures_of_base_models():
    sd1, pocket = dose.base_of(a_run()), dose.base_of(a_run(sizes=POCKET))
    assert (sd1.usual, sd1.ruinous) == (5e-6, 5e-3)
    assert sd1.usual < pocket.usual < pocket.ruinous < 1
    assert dose.base_of(a_run(sizes=(dose.NARROW,))).kind != "pocket"
    assert dose.base_of(a_run(sizes=(dose.NARROW - 1,))).kind == "pocket"
    assert dose.base_of(a_run(sizes=(768, 1024))).kind == "sd1"
    named = dose.base_of(Vitals("r", "x", settings=Settings(model_name="The Pocket Model")))
    assert named.scale == pytest.approx(pocket.scale, rel=0.1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1.0, dose.SAME_RATE, True),
        (dose.SAME_RATE, 1.0, True),
        (1.0, dose.SAME_RATE + EPS, False),
        (None, None, True),
        (None, 1.0, False),
        (0.0, 0.0, True),
        (0.0, 1.0, False),
    ],
)
def test_rates_are_the_same_but_for_rounding(one, other, same):
    assert dose.same_rate(one, other) is same


def test_the_schedule_is_believed_where_most_of_the_log_agrees():
    plan = Settings(learn_rate="5e-6", steps=1000)

    def told(wrong):
        rows = [LossPoint(10 * n, 0.1, 1e-3 if n <= wrong else 5e-6) for n in range(1, 101)]
        return dose.clock_of(Vitals("r", "x", losses=tuple(rows), settings=plan)).told

    allowed = round((1 - dose.AGREEMENT) * 100)
    assert told(allowed) == "the schedule"
    assert told(allowed + 1) == "the loss log"


def test_rows_of_a_log_are_stretches_whose_rate_is_the_later_rows():
    rows = ((100, 1e-6), (200, 1e-6), (300, 3e-6), (400, 1e-6))
    clock = dose.clock_of(Vitals("r", "x", losses=tuple(LossPoint(step, 0.1, rate) for step, rate in rows)))
    assert clock.steps[:3] == (200, 300, 400)
    assert clock.at(400) == pytest.approx(200 * 1e-6 + 100 * 3e-6 + 100 * 1e-6)
    assert (clock.rate(200), clock.rate(201), clock.rate(300), clock.rate(301)) == (1e-6, 3e-6, 3e-6, 1e-6)
    assert clock.at(-5) == clock.at(0) == 0
    assert clock.at(500) == pytest.approx(clock.at(400) + 100 * 1e-6)


def test_batches_are_counted_whole():
    assert dose.effective_batch(Settings(batch_size=3, gradient_step=4)) == 12
    assert dose.effective_batch(Settings()) == dose.effective_batch(Settings(batch_size=0, gradient_step=0)) == 1


# --- paired -----------------------------------------------------------------------------------------------------------


def test_the_error_of_pairs_is_the_textbooks():
    items, others = (0.11, 0.12, 0.16), (0.10, 0.10, 0.10)
    differences = [0.1, 0.2, 0.6]
    mean = sum(differences) / 3
    wanted = math.sqrt(sum((d - mean) ** 2 for d in differences) / 2 / 3)
    assert paired.relative_error(items, others, 0.1) == pytest.approx(wanted)
    assert paired.relative_error(items[:2], others[:2], 0.1) == paired.ERROR_UNKNOWN
    assert paired.relative_error(items, others[:2], 0.1, 0.5) == 0.5
    assert paired.relative_error(items, others, 0.0) == paired.ERROR_UNKNOWN
    assert paired.relative_error(others, others, 0.1) == paired.ERROR_FLOOR


def points(*values, base=0.2):
    return [ValidationPoint(100 * n, value, base) for n, value in enumerate(values, 1)]


def test_a_drift_is_from_the_best_so_far():
    found = paired.drifts(points(0.1, 0.08, 0.1))
    assert [(one.step, one.best_step) for one in found] == [(100, 100), (200, 200), (300, 200)]
    assert [one.rise for one in found] == pytest.approx([0, 0, 0.25])
    assert [one.gained for one in found] == pytest.approx([1.0, 1.5, 1.5])
    first, second, _ = paired.drifts(points(0.3, 0.1, 0.1), from_base=True)
    assert (first.best_step, first.rise, first.gained) == (0, pytest.approx(0.5), 0)
    assert second.best_step == 200
    assert paired.drifts(points(0.0, -1.0)) == ()
    assert paired.drifts(points(0.3, base=0.0), from_base=True)[0].best_step == 100


def test_what_training_items_share_of_a_rise():
    best, worse = ValidationPoint(100, 0.1, 0.2, 0.1, 0.2), ValidationPoint(200, 0.12, 0.2, 0.11, 0.2)
    assert paired.drifts([best, worse])[1].shared == pytest.approx(0.5)
    assert paired.drifts([best, replace(worse, train=0.2)])[1].shared == 1
    assert paired.drifts([best, replace(worse, train=0.05)])[1].shared == 0
    assert paired.drifts([best, replace(worse, train=None)])[1].shared == 0
    assert paired.drifts([replace(best, train=None), worse])[1].shared == 0


def test_roughness_is_that_of_neighbours_and_not_of_a_slope():
    slope = points(*(0.1 - 0.001 * n for n in range(8)))
    assert paired.roughness(slope) == paired.ERROR_FLOOR
    assert paired.roughness(slope[: paired.FEWEST_POINTS - 1]) == paired.ERROR_UNKNOWN
    assert paired.roughness(slope[: paired.FEWEST_POINTS]) == paired.ERROR_FLOOR
    zigzag = points(*(0.1 + 0.01 * (n % 2) for n in range(9)))
    values = [point.held_out for point in zigzag]
    bends = [abs(a - 2 * b + c) / b for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    middle = sorted(bends)[len(bends) // 2]
    assert paired.roughness(zigzag) == pytest.approx(1.4826 * middle / math.sqrt(3), rel=0.2)
