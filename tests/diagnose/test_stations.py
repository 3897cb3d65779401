"""Where a run is judged, and which evidence belongs to which stop."""

from dataclasses import replace

import pytest

from hndoctor.diagnose.stations import WINDOWS_ALONE, living, step_of, stops_of
from hndoctor.records import LossPoint, Settings, Vitals
from hndoctor.rules.windows import FEWEST, WINDOW
from tests.makers import a_checkpoint, a_preview, losses, unreadable, validation


def run(**parts):
    return Vitals("r", "x", **parts)


def steps(vitals):
    return [stop.step for stop in stops_of(vitals)]


def files(*at, **more):
    return tuple(a_checkpoint(step, **more) for step in at)


# --- stops ------------------------------------------------------------------------------------------------------------


def test_a_stop_lies_wherever_a_file_or_a_picture_does():
    vitals = run(
        checkpoints=(*files(1000, 500), a_checkpoint(None, stored_step=2000)),
        unreadable=(unreadable(1500), unreadable(None)),
        previews=(a_preview(750), replace(a_preview(1), step=None), a_preview(0)),
    )
    assert steps(vitals) == [500, 750, 1000, 1500, 2000]
    assert stops_of(run()) == ()


def test_evidence_belongs_to_the_stop_at_or_after_it():
    vitals = run(
        checkpoints=files(500, 1000),
        losses=losses((0, 10, 500, 501, 1000)),
        validation=validation({250: 0.1, 500: 0.1, 501: 0.1, 1000: 0.1}),
    )
    first, second = stops_of(vitals)
    assert [point.step for point in first.losses] == [0, 10, 500]
    assert [point.step for point in second.losses] == [501, 1000]
    assert [point.step for point in first.validation] == [250, 500]
    assert [point.step for point in second.validation] == [501, 1000]


def test_a_validation_before_the_first_step_is_the_base_models_and_belongs_to_no_stop():
    (only,) = stops_of(run(checkpoints=files(500), validation=validation({0: 0.1, 500: 0.1})))
    assert [point.step for point in only.validation] == [500]


def test_trailing_losses_are_the_last_window_up_to_the_stop():
    vitals = run(checkpoints=files(400, 500), losses=losses(range(10, 501, 10)))
    first, second = stops_of(vitals)
    assert [point.step for point in second.trailing] == list(range(510 - 10 * WINDOW, 501, 10))
    assert len(first.trailing) == WINDOW
    assert first.trailing[-1].step == 400
    short = run(checkpoints=files(50), losses=losses(range(10, 501, 10)))
    assert [point.step for point in stops_of(short)[0].trailing] == [10, 20, 30, 40, 50]


def test_files_and_pictures_of_one_step_come_together_by_path_and_the_numbered_one_first():
    final = replace(a_checkpoint(None, stored_step=500), path="a.pt")
    bad = replace(a_preview(500), unreadable="cut")
    vitals = run(
        checkpoints=(final, *files(500)),
        previews=(a_preview(500, index=2), a_preview(500, index=1), bad),
        unreadable=(replace(unreadable(500), path="z.pt"), replace(unreadable(500), path="b.pt")),
    )
    (stop,) = stops_of(vitals)
    assert [one.path for one in stop.checkpoints] == ["hypernetworks/x-500.pt", "a.pt"]
    assert [one.path for one in stop.previews] == ["images/x-500-1.png", "images/x-500-2.png"]
    assert [one.path for one in stop.unreadable] == ["b.pt", "z.pt"]


# --- evidence beyond the last file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "wanted"), [(FEWEST - 1, [500]), (FEWEST, [500, 500 + 10 * FEWEST])])
def test_a_log_that_goes_on_is_a_stop_when_it_is_long_enough(rows, wanted):
    log = losses(range(10, 500 + 10 * rows + 1, 10))
    assert steps(run(checkpoints=files(500), losses=log)) == wanted


def test_a_log_that_goes_on_to_nan_is_a_stop_at_once():
    log = (LossPoint(500, 0.1), LossPoint(510, None, nonfinite=True), LossPoint(520, 0.1))
    assert steps(run(checkpoints=files(500), losses=log)) == [500, 520]
    before = (LossPoint(490, None, nonfinite=True), LossPoint(510, 0.1))
    assert steps(run(checkpoints=files(500), losses=before)) == [500]


def test_validations_beyond_the_last_file_are_stops_and_those_before_are_not():
    assert steps(run(checkpoints=files(500), validation=validation({400: 0.1, 500: 0.1, 600: 0.1}))) == [500, 600]


def test_a_log_alone_is_judged_at_even_distances_and_at_its_end():
    few = run(losses=losses(range(10, 10 * WINDOWS_ALONE + 1, 10)))
    assert steps(few) == list(range(10, 10 * WINDOWS_ALONE + 1, 10))
    one_more = run(losses=losses(range(10, 10 * WINDOWS_ALONE + 11, 10)))
    assert steps(one_more) == [*range(20, 10 * WINDOWS_ALONE + 1, 20), 10 * WINDOWS_ALONE + 10]
    many = steps(run(losses=losses(range(1, 10_001))))
    assert len(many) <= WINDOWS_ALONE
    assert many[-1] == 10_000


def test_validations_alone_are_the_stops_even_beside_a_log():
    assert steps(run(losses=losses(range(10, 500, 10)), validation=validation({0: 0.1, 200: 0.1, 400: 0.1}))) == [
        200,
        400,
    ]


# --- what a resumption left behind ------------------------------------------------------------------------------------


def aged(step, age, **more):
    return replace(a_checkpoint(step, **more), modified=age)


def left(vitals):
    return [step_of(one) for one in living(vitals).checkpoints]


def resumed(*checkpoints, at=(1000,), **more):
    return run(checkpoints=checkpoints, settings=Settings(resumed_at=at), **more)


OLD = tuple(aged(step, 100.0 + step) for step in (500, 1000))
NEW = tuple(aged(step, 9000.0 + step) for step in (1500, 2000))
BEHIND = tuple(aged(step, 100.0 + step) for step in (2500, 3000))


def test_files_of_later_steps_that_are_older_were_left_behind():
    assert left(resumed(*OLD, *NEW, *BEHIND)) == [500, 1000, 1500, 2000]
    assert left(resumed(*BEHIND, *NEW, *OLD)) == [1500, 2000, 500, 1000], "in whatever order they are listed"


def test_file_times_alone_prove_nothing():
    assert left(run(checkpoints=(*OLD, *NEW, *BEHIND))) == [500, 1000, 1500, 2000, 2500, 3000]
    alike = tuple(aged(step, 100.0) for step in (500, 1500, 2000))
    assert left(resumed(*alike)) == [500, 1500, 2000], "one time of all: they were copied"
    assert left(resumed(aged(500, 900.0), aged(1000, 800.0), aged(1500, 700.0))) == [500, 1000, 1500]


def test_only_files_after_the_last_resumption_are_compared():
    assert left(resumed(aged(500, 1.0), aged(1000, 9.0), aged(1500, 5.0), aged(2000, 6.0))) == [500, 1000, 1500, 2000]
    assert left(resumed(*OLD, *NEW, *BEHIND, at=(2000, 1000))) == [500, 1000, 1500, 2000, 2500, 3000]


def test_the_final_file_decides_nothing_and_stays_if_it_is_new():
    old, new = aged(None, 1.0, stored_step=1600), aged(None, 20_000.0, stored_step=2600)
    assert left(resumed(*OLD, *NEW, old)) == [500, 1000, 1500, 2000, 1600]
    assert left(resumed(*OLD, *NEW, *BEHIND, new)) == [500, 1000, 1500, 2000, 2600]


def test_pictures_logs_and_refused_files_go_with_the_checkpoints():
    vitals = resumed(
        *OLD,
        *NEW,
        *BEHIND,
        unreadable=tuple(replace(unreadable(s), modified=m) for s, m in ((2000, 1.0), (3500, 1.0), (4000, 11_000.0))),
        previews=tuple(
            replace(a_preview(s or 1, index=i), step=s, modified=m)
            for i, (s, m) in enumerate([(None, 1.0), (2000, 1.0), (2500, 1.0), (3000, 10_999.0), (2500, 11_000.0)])
        ),
        losses=losses((2490, 2500, 2510)),
        validation=validation({2000: 0.1, 2500: 0.1}),
    )
    alive = living(vitals)
    assert [one.step for one in alive.unreadable] == [2000, 4000]
    assert [one.path for one in alive.previews] == ["images/x-1.png", "images/x-2000-1.png", "images/x-2500-4.png"]
    assert [one.step for one in alive.losses] == [2490]
    assert [one.step for one in alive.validation] == [2000]


def test_a_file_as_new_as_the_newest_is_kept():
    same = replace(aged(3000, 11_000.0))
    assert left(resumed(*OLD, *NEW, BEHIND[0], same)) == [500, 1000, 1500, 2000, 3000]
