"""Which checkpoint: the margins, at both sides of each."""

from dataclasses import replace

import pytest

from hndoctor.prescribe import choice
from hndoctor.prescribe.choice import (
    ADAM_MEMORY,
    GAINED,
    GRADUAL_MARGIN,
    HARDLY_BROKEN,
    LEAST_OF_BEST,
    RAISED,
    SHORT_RUN,
    SOUND,
    Candidate,
    acceptable,
    before_breakage,
    before_overtraining,
    best_so_far,
    candidates_of,
    last_sound,
    nothing_gained,
    worth_going_back_to,
)
from hndoctor.records import Settings, State, ValidationPoint, Vitals
from tests.makers import a_checkpoint, a_run, validation
from tests.prescribe.makers import judged

EPS = 1e-6
SILENT = Vitals("x", "x")  # nobody held pictures out


def some(*steps, sound=0.9, over=0.05):
    return tuple(Candidate(step, a_checkpoint(step), sound, over) for step in steps)


def steps_of(candidates):
    return [one.step for one in candidates]


# --- who may be named -------------------------------------------------------------------------------------------------


def test_only_what_is_finite_whole_and_not_broken_may_be_named():
    files = {step: a_checkpoint(step) for step in range(500, 4000, 500)}
    files[1000] = a_checkpoint(1000, nan=1)
    files[1500] = a_checkpoint(1500, partial="a LoRA")
    files[2500] = a_checkpoint(2500, float("inf"))
    files[3000] = a_checkpoint(3000, None)
    vitals = a_run(checkpoints=tuple(files.values()))
    states = dict.fromkeys(files, State.HEALTHY) | {2000: State.BROKEN}
    del states[3500]
    diagnosis = judged(vitals, states)
    assert steps_of(candidates_of(vitals, diagnosis)) == [500, 3000], "a gain that is not known forbids nothing"


def test_a_candidate_carries_how_sound_and_how_overtrained_it_is():
    vitals = a_run(steps=(500,))
    (found,) = candidates_of(vitals, judged(vitals, {500: (0.2, 0.5, 0.25, 0.05)}))
    assert (found.step, found.file.path) == (500, "hypernetworks/x-500.pt")
    assert (found.sound, found.overtrained) == pytest.approx((0.7, 0.25))


def test_of_two_files_of_one_step_the_numbered_one_is_named_and_candidates_come_by_step():
    final = a_checkpoint(None, stored_step=1000)
    files = (final, a_checkpoint(1000), a_checkpoint(500))
    vitals = a_run(checkpoints=files)
    found = candidates_of(vitals, judged(vitals, {500: State.HEALTHY, 1000: State.HEALTHY}))
    assert [one.file.path for one in found] == ["hypernetworks/x-500.pt", "hypernetworks/x-1000.pt"]
    alone = a_run(checkpoints=(final, a_checkpoint(500)))
    found = candidates_of(alone, judged(alone, {500: State.HEALTHY, 1000: State.HEALTHY}))
    assert [one.file.path for one in found] == ["hypernetworks/x-500.pt", "hypernetworks/x.pt"]


def test_a_file_that_cannot_be_read_leaves_no_candidate():
    vitals = a_run(steps=(500, 1000))
    assert steps_of(candidates_of(vitals, judged(vitals, {500: State.HEALTHY, 1000: State.UNREADABLE}))) == [500]


def test_what_a_resumption_left_behind_may_not_be_named():
    old = [replace(a_checkpoint(step), modified=100.0 + step) for step in (500, 1000, 2500, 3000)]
    new = [replace(a_checkpoint(step), modified=9000.0 + step) for step in (1500, 2000)]
    vitals = a_run(checkpoints=(*old, *new), settings=Settings(resumed_at=(1000,)))
    states = dict.fromkeys((500, 1000, 1500, 2000, 2500, 3000), State.HEALTHY)
    assert steps_of(candidates_of(vitals, judged(vitals, states))) == [500, 1000, 1500, 2000]


# --- before breakage --------------------------------------------------------------------------------------------------


def test_before_breakage_it_goes_beyond_adams_memory_and_never_takes_the_last_good_looking_one():
    onset = 20_000
    at, after = onset - ADAM_MEMORY, onset - ADAM_MEMORY + 1
    assert before_breakage(some(5000, at, onset - 1), SILENT, onset).step == at, "just far enough"
    assert before_breakage(some(5000, after, onset - 1), SILENT, onset).step == 5000, "one step too near"
    assert before_breakage(some(5000, 6000), SILENT, onset).step == 5000, "the last one is not taken, however far"
    assert before_breakage(some(5000), SILENT, onset).step == 5000, "unless it is the only one"


def test_in_a_short_run_the_margin_is_a_part_of_the_way():
    onset = SHORT_RUN * ADAM_MEMORY // 2
    margin = onset // SHORT_RUN
    assert margin < ADAM_MEMORY
    assert before_breakage(some(100, onset - margin, onset - 1), SILENT, onset).step == onset - margin
    assert before_breakage(some(100, onset - margin + 1, onset - 1), SILENT, onset).step == 100


@pytest.mark.parametrize(("times", "wanted"), [(RAISED, 19_999), (RAISED - EPS, 5000), (0.0, 5000)])
def test_a_rate_that_was_raised_after_the_last_good_one_explains_the_breakage(times, wanted):
    def rate(step):
        return 1e-6 * times if step == 20_000 else 1e-6

    assert before_breakage(some(5000, 19_999), SILENT, 20_000, rate).step == wanted
    untold = before_breakage(some(5000, 19_999), SILENT, 20_000, lambda step: 1.0 if step == 20_000 else None)
    assert untold.step == 5000
    assert 2 <= RAISED <= 10


def test_of_what_lies_well_before_a_breakage_the_best_by_held_out_pictures_is_taken(monkeypatch):
    monkeypatch.setattr(choice, "relative_error", lambda items, others, scale: 0.01)
    onset = 20_000
    for worse, wanted in ((0.01 - EPS, 6000), (0.01 + EPS, 5000)):
        told = curve({5000: 0.08, 6000: 0.08 * (1 + worse), onset - 1: 0.07})
        assert before_breakage(some(5000, 6000, onset - 1), told, onset).step == wanted, "what is too near has no say"
    raised = curve({5000: 0.07, onset - 1: 0.08})
    assert before_breakage(some(5000, onset - 1), raised, onset, lambda step: float(step == onset) or 0.1).step == 5000


def test_what_is_near_is_better_than_nothing_and_what_lies_behind_is_not_taken():
    assert before_breakage(some(19_500, 19_900), SILENT, 20_000).step == 19_500
    assert before_breakage(some(20_000, 20_500), SILENT, 20_000) is None
    assert before_breakage((), SILENT, 20_000) is None


def test_what_is_rather_overtrained_than_sound_is_nothing_to_go_back_to():
    even, worse = some(1000, sound=0.4, over=0.4), some(2000, 2500, sound=0.4, over=0.4 + EPS)
    assert before_breakage((*even, *worse), SILENT, 20_000).step == 1000
    assert before_breakage(worse, SILENT, 20_000) is None


def point(step, held_out, train, base=0.1, spread=0.01):
    """Held-out pictures on both sides of their mean, `spread` from it; under the bare base model .01 from `base`."""
    items, others = ([mean - by, mean + by] * 2 for mean, by in ((held_out, spread), (base, 0.01)))
    return ValidationPoint(step, held_out, base, train, base if train else None, tuple(items), tuple(others))


@pytest.mark.parametrize(
    ("held_out", "train", "worth"),
    [(0.1, 0.1, False), (0.1, 0.1 - 1e-9, True), (0.1 - 1e-9, 0.1, True), (0.11, None, True)],
)
def test_what_is_no_better_than_the_bare_base_model_on_any_picture_is_nothing_to_go_back_to(held_out, train, worth):
    vitals = Vitals("r", "x", validation=(point(1000, held_out, train), point(2000, 0.09, 0.09)))
    assert steps_of(worth_going_back_to(some(1000, 2000), vitals)) == ([1000, 2000] if worth else [2000])


def test_without_validation_all_are_worth_going_back_to():
    assert steps_of(worth_going_back_to(some(1000, 2000), Vitals("r", "x"))) == [1000, 2000]


# --- before overtraining ----------------------------------------------------------------------------------------------


def test_without_validation_the_last_calm_one_before_the_onset_is_taken():
    bound = 1 - SOUND
    calm, stirred = some(1000, 2000, over=bound), some(3000, over=bound + EPS)
    assert before_overtraining((*calm, *stirred, *some(9000, over=0.0)), Vitals("r", "x"), 9000).step == 2000
    assert before_overtraining((*calm, *some(9000, over=0.0)), Vitals("r", "x"), None).step == 9000
    assert before_overtraining(some(9000), Vitals("r", "x"), 9000) is None


def test_where_none_is_calm_the_last_sound_one_is_taken_and_failing_that_the_soundest():
    assert last_sound((*some(1000, 2000, sound=SOUND), *some(3000, sound=SOUND - EPS))).step == 2000
    assert last_sound((*some(1000, sound=0.3), *some(2000, sound=0.5), *some(3000, sound=0.4))).step == 2000
    assert last_sound(()) is None
    stirred = (*some(1000, sound=0.3, over=0.6), *some(2000, sound=0.5, over=0.45))
    assert before_overtraining(stirred, Vitals("r", "x"), None).step == 2000


def curve(values, items=8):
    return Vitals("r", "x", validation=validation(values, items=items))


def test_by_validation_the_earliest_that_is_as_good_as_the_best_is_taken_but_not_the_best_itself():
    flat = dict.fromkeys((1000, 5000, 9000, 9500, 9600, 10000), 0.08) | {10_000: 0.07999}
    limit, least = 10_000 * (1 - GRADUAL_MARGIN), 10_000 * LEAST_OF_BEST
    assert (limit, least) == (9500, 5000), "the steps below stand at these"
    assert before_overtraining(some(*flat), curve(flat), None).step == 5000
    late = {1000: 0.08, 4999: 0.08, 9500: 0.08, 9600: 0.08, 10_000: 0.07999}
    assert before_overtraining(some(*late), curve(late), None).step == 9500
    later = {1000: 0.08, 4999: 0.08, 9501: 0.08, 10_000: 0.07999}
    assert before_overtraining(some(*later), curve(later), None).step == 10_000


def test_a_gain_is_looked_for_in_what_may_be_named():
    harm = {1000: 0.1002, 5000: 0.1001, 9000: 0.11, 10_000: 0.12}
    points = tuple(point(step, loss, 0.09, spread=0.01 + 1e-7 * step) for step, loss in harm.items())
    vitals = Vitals("r", "x", validation=points)
    assert nothing_gained(some(*harm), vitals)
    better = Vitals("r", "x", validation=(*points[1:], point(1000, 0.05, 0.05)))
    assert not nothing_gained(some(*harm), better)
    assert nothing_gained(some(5000, 9000), better), "what is no candidate counts for nothing"
    assert not nothing_gained(some(*harm), Vitals("r", "x")), "nothing is known"


def test_as_good_as_the_best_is_within_one_standard_error(monkeypatch):
    monkeypatch.setattr(choice, "relative_error", lambda items, others, scale: 0.01)
    near = {6000: 0.08 * (1 + 0.01 - EPS), 7000: 0.08, 10_000: 0.09}
    assert before_overtraining(some(*near), curve(near), None).step == 6000
    worse = near | {6000: 0.08 * (1 + 0.01 + EPS)}
    assert before_overtraining(some(*worse), curve(worse), None).step == 7000


def test_points_without_a_loss_or_without_a_file_say_nothing():
    told = {500: 0.0, 6000: 0.08, 7000: 0.2}
    assert before_overtraining(some(500, 6000), curve(told), None).step == 6000, "one measured: no comparison"
    assert before_overtraining(some(6000, 7000, 8000), curve(told), 8000).step == 6000, "two are a comparison"
    assert before_overtraining(some(6000, 7000, 8000), curve({7000: 0.2}), 8000).step == 7000, "one is none"


def test_a_gain_of_less_than_two_errors_may_be_chance():
    error = 0.01  # of the mean of four differences of ±.002 around it, relative to the base's .1
    spread = error * 0.1 * 3**0.5 + 0.01
    for gain, chance in ((GAINED - 0.01, True), (GAINED + 0.01, False)):
        vitals = Vitals("r", "x", validation=(point(1000, 0.1 * (1 - gain * error), 0.09, spread=spread),))
        assert nothing_gained(some(1000), vitals) is chance


def test_where_nothing_was_gained_the_first_that_is_as_good_as_the_best_so_far_is_taken():
    losses = {1000: 0.1001, 2000: 0.1, 3000: 0.11}
    vitals = Vitals("r", "x", validation=tuple(point(step, one, 0.09, spread=0.01 + 1e-7 * step)
                                               for step, one in losses.items()))  # fmt: skip
    assert best_so_far(some(*losses), vitals).step == 1000
    gained = Vitals("r", "x", validation=tuple(point(step, one - 0.05, 0.04, spread=0.01 + 1e-7 * step)
                                               for step, one in losses.items()))  # fmt: skip
    assert best_so_far(some(*losses), gained).step == 2000


def test_the_last_one_is_the_best_so_far_unless_one_before_is_better_by_more_than_an_error(monkeypatch):
    monkeypatch.setattr(choice, "relative_error", lambda items, others, scale: 0.01)
    for rise, best in ((0.01 - EPS, 7000), (0.01 + EPS, 6000)):
        told = {5000: 0.09, 6000: 0.08, 7000: 0.08 * (1 + rise)}
        assert best_so_far(some(*told), curve(told)).step == best
    assert best_so_far(some(6000, 7000), Vitals("r", "x")).step == 7000
    assert best_so_far(some(5000, 6000, 7000), curve({5000: 0.07, 6000: 0.08})).step == 7000, (
        "the last was not measured"
    )


def test_without_held_out_pictures_the_last_that_is_hardly_likelier_to_be_broken_is_the_best_so_far():
    for more, best in ((HARDLY_BROKEN - EPS, 7000), (HARDLY_BROKEN + EPS, 6000)):
        told = (*some(5000, sound=0.78), *some(6000), *some(7000, sound=0.9 - more))
        assert best_so_far(told, SILENT).step == best


# --- how sure ---------------------------------------------------------------------------------------------------------


def test_the_chosen_one_is_the_most_acceptable_and_shares_add_up():
    chosen = some(2000)[0]
    told = dict(acceptable(some(1000, 2000, 4000), chosen))
    assert told[2000] == pytest.approx(1 / (1 + 0.25 + 0.25))
    assert told[1000] == pytest.approx(told[4000]) == pytest.approx(told[2000] / 4)


def test_a_less_sound_one_is_less_acceptable():
    told = dict(acceptable((*some(1000, sound=0.5), *some(2000, sound=1.0)), some(2000)[0]))
    assert told[1000] / told[2000] == pytest.approx(0.25 * 0.5)


def test_what_is_hardly_likely_is_not_listed_but_the_chosen_one_always_is():
    far = (*some(10, sound=1.0), *some(10_000, sound=1.0))
    assert steps_of_shares(acceptable(far, far[1])) == [10_000]
    bad = (*some(9000, sound=1.0), *some(10_000, sound=0.001))
    assert steps_of_shares(acceptable(bad, bad[1])) == [9000, 10_000]
    assert acceptable(some(1000, sound=0.0), some(1000)[0]) == ()


def steps_of_shares(shares):
    return [step for step, _ in shares]


def test_by_validation_the_shares_fall_with_the_rise_in_standard_errors(monkeypatch):
    monkeypatch.setattr(choice, "relative_error", lambda items, others, scale: 0.01)
    told = {1000: 0.08 * 1.01, 9000: 0.08, 10_000: 0.08 * 1.02}
    found = dict(acceptable(some(*told), some(9000)[0], curve(told)))
    assert found[1000] / found[9000] == pytest.approx(2.718281828**-0.5, rel=1e-3)
    assert found[10_000] / found[9000] == pytest.approx(2.718281828**-2, rel=1e-3)
    with_one_more = dict(acceptable(some(*told, 9500), some(9000)[0], curve(told)))
    assert 9500 not in with_one_more, "what was not measured is not named where others were"
