"""The cases of a prescription, from diagnoses made by hand: what decides between them, and their figures."""

from dataclasses import replace

import pytest

from hndoctor.diagnose.parameters import GAIN_CERTAIN
from hndoctor.formats.schedule import parse_schedule
from hndoctor.prescribe import CONTRADICTED, SERIOUS, prescribe
from hndoctor.prescribe.rates import FAST, GUIDE_STEPS, rates_of, rounded
from hndoctor.records import Action, Settings, Severity, State, Verdict, Vitals
from tests.makers import STEPS, a_checkpoint, a_run, an_optimizer, losses, unreadable, validation
from tests.prescribe.makers import a_finding, judged

NAN = float("nan")
SOUND = dict.fromkeys(STEPS, State.HEALTHY)
PLAN = Settings(learn_rate="5e-6", steps=20_000, images=50)
DAMAGED = {step: State.BROKEN if step >= 4000 else State.HEALTHY for step in STEPS}
WORN = {step: State.OVERTRAINED if step >= 4000 else State.HEALTHY for step in STEPS}
EPS = 1e-6


def run_at(rate, **more):
    """A run whose files tell this rate, and no other."""
    settings = replace(PLAN, learn_rate=rate, **{key: more.pop(key) for key in ("steps", "resumed_at") if key in more})
    return a_run(settings=settings, **({"loss": None, "noise": None} | more))


def told(vitals=None, states=SOUND, *findings, **more):
    return prescribe(vitals or a_run(settings=PLAN), judged(vitals or a_run(settings=PLAN), states, findings, **more))


# --- which case -------------------------------------------------------------------------------------------------------


def test_nothing_examined_gets_no_advice_even_where_a_station_has_a_state():
    assert told(verdict=Verdict.UNEXAMINED) is None
    assert told(None, {500: State.UNREADABLE}) is None


def test_the_last_station_that_could_be_judged_counts():
    assert told(None, SOUND | {6500: State.UNREADABLE}).action is Action.CONTINUE


def test_a_loss_that_stays_nan_goes_back_to_before_it_does():
    stuck = a_run(loss={0: 0.1, 1000: NAN, 1500: 0.1, 4000: NAN}, settings=PLAN)
    lasting = a_finding("HN202")
    assert told(stuck, SOUND, lasting).action is Action.RESUME
    assert told(stuck, SOUND, lasting).step == 3000, "a thousand steps before 4,000, where it begins to last"
    assert told(stuck, SOUND).action is Action.CONTINUE, "the rule says nothing"
    assert told(stuck, SOUND, replace(lasting, severity=Severity.WARNING)).action is Action.CONTINUE
    over = a_run(loss={0: 0.1, 4000: NAN, 5500: 0.1}, settings=PLAN)
    assert told(over, SOUND, lasting).action is Action.CONTINUE, "it is finite again"
    files = tuple(a_checkpoint(step, nan=int(step == 500)) for step in STEPS)
    assert told(replace(stuck, checkpoints=files), SOUND, lasting).action is Action.CONTINUE, "weights say it better"
    never = a_run(loss=NAN, settings=PLAN)
    assert told(never, SOUND, lasting).action is Action.RESTART, "dead at the first rows: nothing to go back to"


@pytest.mark.parametrize("code", ["HN102", "HN301"])
def test_a_grave_finding_at_the_last_step_is_heeded_from_a_majority_on(code):
    last = STEPS[-1]
    unsure = SOUND | {last: (0.0, 0.9, 0.1 - CONTRADICTED, CONTRADICTED)}
    grave = a_finding(code, last, confidence=SERIOUS)
    assert told(None, unsure, grave).action is Action.RESUME
    assert told(None, unsure, grave).step < last
    for calm in (
        replace(grave, confidence=SERIOUS - EPS),
        replace(grave, severity=Severity.WARNING),
        replace(grave, step=STEPS[-2]),
        replace(grave, code="HN202"),
    ):
        assert told(None, unsure, calm).action is Action.CONTINUE, calm
    contradicted = SOUND | {last: (0.0, 0.9, 0.1 - CONTRADICTED + EPS, CONTRADICTED - EPS)}
    assert told(None, contradicted, grave).action is Action.CONTINUE


def test_a_grave_finding_in_a_file_without_a_number_is_heeded_too():
    unsure = SOUND | {STEPS[-1]: (0.0, 0.9, 0.0, 0.1)}
    file = a_run().checkpoints[-1].path
    assert told(None, unsure, a_finding("HN102", None, subject=file)).action is Action.RESUME
    assert told(None, unsure, a_finding("HN102", None, subject="another.pt")).action is Action.CONTINUE


def test_an_unfit_optimizer_state_is_no_reason_to_leave_the_network():
    unsure = SOUND | {STEPS[-1]: (0.0, 0.9, 0.0, 0.1)}
    assert told(None, unsure, a_finding("HN110", STEPS[-1])).action is Action.CONTINUE


def test_of_several_findings_one_that_is_grave_is_enough():
    unsure = SOUND | {STEPS[-1]: (0.0, 0.9, 0.0, 0.1)}
    findings = (a_finding("HN102", 500), a_finding("HN301", STEPS[-1], confidence=0.1), a_finding("HN101", STEPS[-1]))
    assert told(None, unsure, *findings).action is Action.RESUME


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("HN104", "does nothing"),
        ("HN114", "cannot be computed"),
        ("HN116", "the same to every context"),
        ("HN117", "one of its layers is out of all proportion"),
        ("HN118", "next to nothing is left of it"),
        ("HN119", "its weights are not what training makes"),
    ],
)
def test_what_never_did_anything_is_started_again_and_what_ceased_to_goes_back(code, why):
    whole = a_run(settings=PLAN)
    partial = a_checkpoint(100, partial="a LoRA")
    vitals = replace(whole, checkpoints=(partial, *whole.checkpoints))
    first = a_finding(code, 500, subject="hypernetworks/x-500.pt")
    again = told(vitals, SOUND, first)
    assert (again.action, again.learning_rate) == (Action.RESTART, 5e-6)
    assert again.sentence.endswith(f"{why}.")
    assert why in again.rejected[0].why_not
    late = replace(first, step=5000, subject="hypernetworks/x-5000.pt")
    assert (told(vitals, SOUND, late).action, told(vitals, SOUND, late).step) == (Action.RESUME, 4000)
    assert told(vitals, SOUND, replace(first, severity=Severity.WARNING)).action is Action.CONTINUE


def test_without_a_candidate_it_depends_on_whether_there_were_files():
    nothing = Vitals("r", "x", losses=losses(range(10, 5000, 10)), settings=PLAN)
    assert told(nothing, {5000: State.HEALTHY}).action is Action.CONTINUE
    ruined = replace(nothing, checkpoints=(a_checkpoint(500, nan=1),))
    assert told(ruined, {500: State.HEALTHY, 5000: State.HEALTHY}).action is Action.RESTART


@pytest.mark.parametrize(("planned", "action"), [(6000, Action.STOP), (6001, Action.CONTINUE), (None, Action.CONTINUE)])
def test_it_is_finished_when_the_planned_steps_are_done(planned, action):
    vitals = a_run(settings=replace(PLAN, steps=planned))
    assert told(vitals).action is action
    assert told(vitals, dict.fromkeys(STEPS, State.STARTING)).action is Action.CONTINUE, "hardly trained: go on"


# --- broken -----------------------------------------------------------------------------------------------------------


def test_after_breakage_the_rate_is_divided_by_four_and_by_ten_after_nan_or_a_second_time():
    assert told(run_at("2e-5"), DAMAGED).learning_rate == 5e-6
    assert (
        told(
            run_at("2e-5", losses=losses(range(10, 6001, 10), {0: 0.1, 4000: NAN, 4100: 0.1}, 2e-5)), DAMAGED
        ).learning_rate
        == 2e-6
    )
    assert told(run_at("2e-5", resumed_at=(2000,)), DAMAGED).learning_rate == 2e-6
    files = tuple(a_checkpoint(step, nan=int(step >= 4000)) for step in STEPS)
    assert told(run_at("2e-5", checkpoints=files), DAMAGED).learning_rate == 2e-6


def test_the_new_rate_is_at_most_half_of_the_one_at_which_the_checkpoint_was_sound():
    vitals = run_at("5e-6:3500, 2e-3")
    assert told(vitals, DAMAGED).learning_rate == 2e-6
    assert rounded(5e-6 / 2) == 2e-6
    assert "down from 2e-3" in told(vitals, DAMAGED).sentence


def test_after_breakage_the_rate_is_no_longer_fast():
    assert told(run_at("5e-4"), DAMAGED).learning_rate == 1e-5 == pytest.approx(FAST * 5e-6)
    assert told(run_at("4e-5"), DAMAGED).learning_rate == 1e-5


def test_at_the_floor_it_stops_with_the_earlier_one():
    at, above = (told(run_at(rate), DAMAGED) for rate in ("5e-7", "1e-6"))
    assert (at.action, at.step, above.action, above.learning_rate) == (Action.STOP, 3000, Action.RESUME, 5e-7)
    assert "at its floor already (5e-7)" in at.sentence
    lower = told(run_at("1e-7"), DAMAGED)
    assert lower.action is Action.STOP, "never told to train at a higher rate"
    unknown = told(a_run(settings=Settings(steps=20_000), loss=None), DAMAGED)
    assert (unknown.action, unknown.learning_rate) == (Action.RESUME, 5e-7)
    assert "the lowest that is worth training at" in unknown.sentence


def test_broken_goes_on_to_the_planned_end_and_names_only_what_lies_before():
    advice = told(None, DAMAGED)
    assert (advice.step, advice.schedule) == (3000, "1e-6:20000")
    assert advice.sentence == ("Go back to step 3,000 and train on at 1e-6 (down from 5e-6) until step 20,000.")
    assert [step for step, _ in advice.acceptable] == [1500, 2000, 2500, 3000]
    assert [one.what for one in advice.rejected] == [
        "continue as it is",
        "go back only to step 3,500",
        "start again from nothing",
    ]
    assert "3,000 steps" in advice.rejected[-1].why_not


def test_what_lies_nearer_is_rejected_for_what_held_out_pictures_say_of_it_if_they_do():
    best = {1000: 0.09, 2000: 0.07, 3000: 0.08, 3500: 0.08}
    measured = replace(run_at("5e-6"), validation=validation(best))
    advice = told(measured, DAMAGED)
    assert (advice.step, advice.rejected[1].what) == (2000, "go back only to step 3,500")
    assert advice.rejected[1].why_not == "held-out pictures were better before it"
    assert dict(advice.acceptable)[2000] > 0.9, "and so sure is the one that is named"
    later = replace(measured, validation=validation(best | {3500: 0.06, 3000: 0.065}))
    assert told(later, DAMAGED).step == 3000, "the margin stays"
    assert "previews lag the weights" in told(later, DAMAGED).rejected[1].why_not


def test_where_none_lies_nearer_none_is_rejected():
    files = tuple(a_checkpoint(step) for step in (3000, 4000))
    vitals = a_run(checkpoints=files, settings=replace(PLAN, steps=None), noise=None, loss=None)
    advice = told(vitals, {3000: State.HEALTHY, 4000: State.BROKEN})
    assert [one.what for one in advice.rejected] == ["continue as it is", "start again from nothing"]
    assert advice.schedule == "1e-6:4000"


def test_broken_with_nothing_sound_before_starts_again():
    states = {step: State.BROKEN if step >= 4000 else State.OVERTRAINED for step in STEPS}
    advice = told(None, states)
    assert (advice.action, advice.learning_rate) == (Action.RESTART, 1e-6)
    assert "no sound checkpoint is left to go back to" in advice.sentence
    fast = told(run_at("5e-4"), states)
    assert fast.learning_rate == 5e-6, "no more than the usual rate"


def test_broken_with_no_checkpoint_at_all_names_where_one_would_have_to_be_from():
    states = {step: State.BROKEN if step >= 4000 else State.HEALTHY for step in STEPS}
    advice = told(a_run(checkpoints=(), settings=replace(PLAN, learn_rate=None), loss=None), states)
    assert (advice.action, advice.learning_rate, advice.step) == (Action.RESTART, 5e-6, None), "the usual rate"
    assert "if one from well before step 4,000 is kept elsewhere, go back to that" in advice.sentence


# --- dead at the start ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "wanted", "why"),
    [
        ("5e-6", 5e-6, "though its rate was not high"),
        ("1e-5", 5e-6, "though its rate was not high"),
        ("1.01e-5", 1e-6, "the rate was far too high"),
        ("2e-5", 2e-6, "the rate was far too high"),
        ("5e-3", 5e-6, "the rate was far too high"),
        ("5e-3:100, 5e-6:20000", 5e-6, "the rate was far too high"),
        (None, 5e-6, "its rate, which no file tells, was probably far too high"),
    ],
)
def test_dead_at_the_start_goes_to_the_usual_rate_or_a_tenth_of_what_was_too_fast(rate, wanted, why):
    advice = told(run_at(rate), dict.fromkeys(STEPS, State.BROKEN))
    assert (advice.action, advice.learning_rate) == (Action.RESTART, wanted)
    assert why in advice.sentence
    assert [one.what for one in advice.rejected] == ["go back to an earlier checkpoint", "continue as it is"]


def test_a_harsh_initialisation_is_blamed_before_the_rate():
    files = tuple(a_checkpoint(step, metadata={"weight_initialization": "XavierNormal"}) for step in STEPS)
    advice = told(a_run(checkpoints=files, settings=PLAN), dict.fromkeys(STEPS, State.BROKEN))
    assert "the weight initialisation XavierNormal kills" in advice.sentence


def test_a_new_start_has_its_own_name_and_as_many_steps_as_planned_or_the_guides():
    advice = told(None, dict.fromkeys(STEPS, State.BROKEN))
    assert advice.schedule == "5e-6:20000"
    assert advice.how_hndoctor[0].endswith("--steps 20000 --name x-again --weight-init Normal")
    free = told(a_run(settings=replace(PLAN, steps=None)), dict.fromkeys(STEPS, State.BROKEN))
    assert free.schedule == f"5e-6:{GUIDE_STEPS}"


# --- no checkpoint ----------------------------------------------------------------------------------------------------


def test_without_checkpoints_the_rate_is_told_where_it_is_known():
    log = losses(range(10, 5000, 10), rate=5e-6)
    known = told(Vitals("r", "x", losses=log), {4990: State.HEALTHY})
    assert (known.learning_rate, known.sentence[:16]) == (5e-6, "Train on at 5e-6")
    unknown = told(Vitals("r", "x", losses=tuple(replace(p, learn_rate=None) for p in log)), {4990: State.HEALTHY})
    assert (unknown.learning_rate, unknown.sentence[:9]) == (None, "Train on,")
    dead = told(Vitals("r", "x", losses=log), {3000: State.HEALTHY, 4990: State.BROKEN})
    assert "there is no checkpoint to go back to" in dead.sentence


# --- overtrained ------------------------------------------------------------------------------------------------------


def test_overtrained_and_seen_by_validation_stops():
    curve = {step: 0.09 + 1e-6 * abs(step - 3000) for step in STEPS}
    vitals = a_run(settings=PLAN, validation=validation(curve))
    advice = told(vitals, WORN, channels=("validation", "prior"))
    assert (advice.action, advice.step) == (Action.STOP, 3000)
    assert [one.what for one in advice.rejected] == ["train on at a lower rate", "use the last step"]


def test_overtrained_where_nothing_was_gained_says_so():
    worse = a_run(settings=PLAN, validation=validation({step: 0.11 + 1e-6 * step for step in STEPS}))
    advice = told(worse, WORN, channels=("validation", "prior"))
    assert advice.action is Action.STOP
    assert "on held-out pictures no checkpoint is surely better than no network at all" in advice.sentence


def test_broken_does_not_go_back_to_what_is_no_better_than_no_network():
    points = tuple(replace(one, train=0.12, train_base=0.1) for one in validation(dict.fromkeys(STEPS, 0.12)))
    advice = told(a_run(settings=PLAN, validation=points), DAMAGED)
    assert (advice.action, advice.checkpoint) == (Action.RESTART, None)
    gained = tuple(replace(one, train=0.09) for one in points)
    assert told(a_run(settings=PLAN, validation=gained), DAMAGED).action is Action.RESUME


def test_overtrained_by_dose_trains_on_only_where_dose_and_steps_are_left():
    vitals = a_run(settings=PLAN)
    rates = rates_of(vitals)
    advice = told(vitals, WORN)
    assert (advice.action, advice.step) == (Action.RESUME, 3500)
    ahead = 5 * 500  # room for five checkpoints
    left = rates.budget(3500)
    rate = rounded(min(5e-6 / 2, left / ahead))
    assert advice.learning_rate == rate
    end = min(20_000, 3500 + max(ahead, int(left / rate)))
    assert advice.schedule == f"{rate:.0e}:{end}".replace("e-0", "e-")
    assert "to step" in advice.sentence
    done = told(a_run(settings=replace(PLAN, steps=6000)), WORN)
    assert done.action is Action.STOP, "no planned step is left"
    one_more = told(a_run(settings=replace(PLAN, steps=6001)), WORN)
    assert (one_more.action, one_more.schedule.partition(":")[2]) == (Action.RESUME, "6001")
    spent = run_at("5e-5")
    assert rates_of(spent).budget(3500) < 0
    assert told(spent, WORN).action is Action.STOP
    seen = told(vitals, WORN, channels=("validation",))
    assert seen.action is Action.STOP, "its best is known"


def test_overtrained_with_a_small_budget_leaves_room_for_some_checkpoints_above_the_floor():
    early, ahead = rates_of(run_at("5e-6")).budget(0), 5 * 500
    for left, wanted in ((1.1e-6, 1e-6), (1e-7, 5e-7)):  # that a rate would take up in so many steps
        rate = (early - left * ahead) / 3500
        advice = told(run_at(f"{rate}"), WORN)
        assert rates_of(run_at(f"{rate}")).budget(3500) == pytest.approx(left * ahead)
        end = 3500 + max(ahead, int(left * ahead / wanted))
        assert advice.learning_rate == wanted
        assert float(advice.schedule.partition(":")[2]) == pytest.approx(end, abs=1)


def test_overtrained_halves_the_rate_that_was_known_and_else_the_usual():
    assert told(run_at("2e-6", steps=100_000), WORN).learning_rate == 1e-6
    assert told(run_at("1e-6", steps=100_000), WORN).learning_rate == 5e-7
    assert told(run_at(None, steps=100_000), WORN).learning_rate == 2e-6


def test_overtrained_from_the_first_file_on_starts_again():
    advice = told(None, dict.fromkeys(STEPS, State.OVERTRAINED))
    assert advice.action is Action.RESTART


# --- finished and healthy ---------------------------------------------------------------------------------------------


def test_finished_uses_the_last_or_the_best_that_was_measured():
    done = replace(PLAN, steps=6000)
    last = told(a_run(settings=done))
    assert last.sentence == "Stop and use step 6,000: all planned steps are done and nothing is wrong."
    assert [one.what for one in last.rejected] == ["train on"]
    curve = {step: 0.06 if step == 4000 else 0.07 for step in STEPS}
    best = told(a_run(settings=done, validation=validation(curve)))
    assert best.step == 4000
    assert [one.what for one in best.rejected] == ["train on at a lower rate", "use the last step"]
    assert best.rejected[-1].why_not == "it is past its best"


def test_finished_without_held_out_pictures_says_only_that_what_comes_later_is_likelier_to_be_broken():
    unsure = SOUND | dict.fromkeys([step for step in STEPS if step > 4000], (0.0, 0.8, 0.0, 0.2))
    advice = told(a_run(settings=replace(PLAN, steps=6000)), unsure)
    assert advice.sentence.startswith("Stop and use step 4,000: all planned steps are done, and what was saved")
    assert advice.rejected[-1].why_not == "it is likelier to be broken"
    fast = replace(PLAN, steps=6000, learn_rate="5e-5")
    assert told(a_run(settings=fast), unsure).rejected[-1].why_not == "it is likelier to be broken"


def test_healthy_lowers_the_rate_where_the_band_begins():
    vitals = a_run(settings=PLAN)
    advice = told(vitals)
    left = rates_of(vitals).budget(6000)
    switch = 6000 + int(left / 5e-6)
    assert advice.schedule == f"5e-6:{switch}, 5e-7:20000"
    told_so = f"at 5e-6 until step {switch:,}, before overtraining usually begins, then at 5e-7 until step 20,000."
    assert advice.sentence.endswith(told_so)
    assert advice.sentence.startswith("Train on at")
    assert (advice.action, advice.free_remedies) == (Action.CONTINUE, ())
    assert [(part.rate, part.end) for part in parse_schedule(advice.schedule, 20_000)] == [
        (5e-6, switch),
        (5e-7, 20_000),
    ]


def test_healthy_keeps_the_rate_where_it_is_at_its_floor_or_past_the_band_or_ends_before():
    floor = told(run_at("5e-7", steps=10**6))
    assert floor.schedule == "5e-7:1000000"
    past = run_at("5e-5")
    assert rates_of(past).budget(6000) < 0
    assert told(past).schedule == "5e-5:20000"
    left = int(rates_of(a_run(settings=PLAN)).budget(6000) / 5e-6)
    at, after = (told(a_run(settings=replace(PLAN, steps=6000 + left + more))) for more in (0, 1))
    assert at.schedule == f"5e-6:{6000 + left}"
    assert after.schedule == f"5e-6:{6000 + left}, 5e-7:{6001 + left}"


@pytest.mark.parametrize(
    ("step", "end"), [(6000, 12_000), (12_000, GUIDE_STEPS), (19_999, 24_998), (20_000, 25_000), (1, 2), (0, 1)]
)
def test_without_a_plan_it_goes_on_for_as_long_again_up_to_the_guides_steps_but_at_least_a_quarter(step, end):
    vitals = a_run(steps=(step,), settings=Settings(learn_rate="5e-7"), noise=None, loss=None)
    assert told(vitals, {step: State.HEALTHY}).schedule == f"5e-7:{end}"


def test_healthy_at_an_unknown_rate_says_so():
    advice = told(a_run(settings=Settings(steps=20_000), loss=None))
    assert "at the rate it had (5e-6 is usual)" in advice.sentence


@pytest.mark.parametrize(("rate", "state", "raised"), [
    ("1e-9", State.STARTING, True), ("1e-9", State.HEALTHY, False), ("4.9e-7", State.STARTING, True),
    ("5e-7", State.STARTING, False),
])  # fmt: skip
def test_a_rate_below_the_floor_at_which_nothing_is_learned_is_raised_to_the_usual_one(rate, state, raised):
    advice = told(run_at(rate, steps=8000), dict.fromkeys(STEPS, state))
    assert advice.learning_rate == pytest.approx(5e-6 if raised else float(rate))
    assert (f"as next to nothing is learned at {rate}" in advice.sentence) is raised
    assert [one.what for one in advice.rejected] == ["the rate it had" if raised else "a higher rate"]


def test_where_the_dose_is_behind_and_the_course_doubts_the_rate_is_lowered_now_unless_held_out_pictures_tell():
    past, doubt = run_at("5e-5"), (0.0, 0.88, 0.11, 0.01)
    states = SOUND | {6000: doubt}
    advice = told(past, states)
    assert (advice.action, advice.schedule) == (Action.CONTINUE, "5e-6:20000")
    assert "(down from 5e-5), as overtraining may begin any time now" in advice.sentence
    assert told(past, SOUND | {6000: (0.0, 0.9, 0.09, 0.01)}).schedule == "5e-5:20000", "no doubt"
    assert told(past, states, channels=("weights", "validation")).schedule == "5e-5:20000", "they tell more than dose"
    assert told(run_at("5e-6"), states).schedule.startswith("5e-6:"), "dose is left"
    assert told(run_at("5e-7", steps=500_000), states).learning_rate == 5e-7, "never below the floor"


def test_the_final_file_of_a_step_that_has_a_number_is_no_other_candidate():
    files = (*(a_checkpoint(step) for step in STEPS), a_checkpoint(None, stored_step=STEPS[-1] - 1))
    done = a_run(checkpoints=files, settings=replace(PLAN, steps=6000))
    advice = told(done, SOUND | {5999: State.HEALTHY})
    assert (advice.action, advice.step) == (Action.STOP, 6000)
    assert 5999 not in dict(advice.acceptable)
    assert "x.pt" not in "".join(advice.free_remedies)
    later = (*files[:-1], a_checkpoint(None, stored_step=6100))
    assert told(a_run(checkpoints=later, settings=PLAN), SOUND | {6100: State.HEALTHY}).step == 6100


def test_overtraining_by_dose_alone_is_told_as_no_more_than_that():
    by_dose = told(run_at("5e-5"), WORN)
    assert (by_dose.action, "compare their pictures" in by_dose.sentence) == (Action.STOP, True)
    measured = told(run_at("5e-5"), WORN, channels=("weights", "validation"))
    assert "compare their pictures" not in measured.sentence


def test_a_file_that_cannot_be_read_behind_the_last_one_is_told():
    for bad, action in (
        (unreadable(6500), Action.RESUME),
        (unreadable(None), Action.RESUME),
        (unreadable(6000), Action.CONTINUE),
    ):
        advice = told(a_run(settings=PLAN, unreadable=(bad,)))
        assert advice.action is action, bad
        assert ("cannot be read" in advice.sentence) == (action is Action.RESUME)
        assert advice.sentence.startswith("Resume from step 6,000" if action is Action.RESUME else "Train on")


# --- what comes with it -----------------------------------------------------------------------------------------------


def test_reasons_are_those_of_the_course_each_once_and_those_of_files_only_where_there_are_no_others():
    codes = ("HN002", "HN102", "HN301", "HN102", "HN501")
    findings = [a_finding(code) for code in codes] + [a_finding("HN407", severity=Severity.INFO)]
    assert told(None, SOUND, *findings).because == ("HN102", "HN301")
    assert told(None, SOUND, a_finding("HN501"), a_finding("HN002")).because == ("HN501", "HN002")


@pytest.mark.parametrize(
    ("gain", "nan", "helps"),
    [(GAIN_CERTAIN - EPS, 0, True), (GAIN_CERTAIN, 0, False), (None, 0, True), (0.1, 1, False)],
)
def test_a_lower_strength_is_offered_for_what_is_finite_and_not_beyond_all_measure(gain, nan, helps):
    files = tuple(a_checkpoint(step, gain, nan=nan) if step == STEPS[-1] else a_checkpoint(step) for step in STEPS)
    vitals = a_run(checkpoints=files, settings=PLAN)
    for states in (WORN, DAMAGED):
        strength = [one for one in told(vitals, states).free_remedies if "strength" in one]
        assert bool(strength) == helps
        assert all("<hypernet:x-6000:0.6>" in one for one in strength)
    finished = replace(vitals, settings=replace(PLAN, steps=6000))
    assert not any("strength" in one for one in told(finished, SOUND).free_remedies), "it is sound as it is"


def averaged(states, steps=STEPS):
    vitals = a_run(steps=steps, settings=replace(PLAN, steps=steps[-1]), noise=None)
    advice = told(vitals, states)
    found = [one.partition("hndoctor merge ")[2].split()[:-2] for one in advice.free_remedies if "merge" in one]
    return advice.step, [[name.rpartition("-")[2] for name in files] for files in found]


def test_neighbours_are_averaged_where_three_are_sound():
    assert averaged(SOUND) == (6000, [["5500.pt", "6000.pt"]])
    assert averaged(WORN) == (3500, [["3000.pt", "3500.pt"]])
    assert averaged({500: State.HEALTHY, 1000: State.HEALTHY}, (500, 1000)) == (1000, [])
    assert averaged(dict.fromkeys((500, 1000, 1500), State.HEALTHY), (500, 1000, 1500))[1]
    half = dict.fromkeys((500, 1000, 1500), (0.0, 0.5, 0.45, 0.05))
    assert averaged(half, (500, 1000, 1500))[1], "even odds are enough"
    less = half | {500: (0.0, 0.5 - EPS, 0.45 + EPS, 0.05)}
    assert not averaged(less, (500, 1000, 1500))[1]


def test_a_broken_run_is_not_averaged():
    assert not any("merge" in one for one in told(None, DAMAGED).free_remedies)


@pytest.mark.parametrize(
    ("run", "source", "command"),
    [
        ("runs/x", "run.json", "hndoctor validate runs/x --held-out PICTURES"),
        ("my runs/x", "settings.txt", 'hndoctor validate "my runs/x" --held-out PICTURES --base-model MODEL'),
        ("s3://bucket/x", None, None),
        ("shelf/x-*.pt", None, None),
        ("shelf/x-500.pt", None, None),
    ],
)
def test_where_nothing_was_held_out_the_advice_says_how_to_measure_it(run, source, command):
    finished = replace(PLAN, steps=6000, source=source)
    vitals = replace(a_run(settings=finished), run=run)

    def measuring(vitals, states=SOUND):
        return [one.partition(": ")[2] for one in told(vitals, states).free_remedies if "hndoctor validate" in one]

    assert measuring(vitals) == ([command] if command else [])
    assert measuring(vitals, DAMAGED) == [], "it is broken already"
    assert measuring(replace(vitals, validation=validation(dict.fromkeys(STEPS, 0.06)))) == []


def test_between_two_neighbours_three_are_averaged():
    curve = {step: 0.06 if step == 4000 else 0.07 for step in STEPS}
    vitals = a_run(settings=replace(PLAN, steps=6000), validation=validation(curve))
    (line,) = (one for one in told(vitals).free_remedies if "merge" in one)
    assert all(f"x-{step}.pt" in line for step in (3500, 4000, 4500))
    assert "x-3000.pt" not in line
    assert "x-5000.pt" not in line


def test_the_pair_goes_along_where_the_rate_stays():
    files = tuple(a_checkpoint(step, optimizer=an_optimizer(5e-6)) for step in STEPS)
    assert ".pt.optim to" in told(a_run(checkpoints=files, settings=PLAN)).how_webui[0]
    assert "leave" in told(a_run(checkpoints=files, settings=PLAN), DAMAGED).how_webui[1]
