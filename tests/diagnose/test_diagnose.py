"""Runs of every kind, and what must hold for any run at all."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor.diagnose import diagnose, parameters
from hndoctor.records import Onset, Refusal, Settings, State, Verdict, Vitals
from tests.makers import POCKET, STEPS, a_checkpoint, a_preview, a_run, losses, unreadable, validation

NAN = float("nan")


def states(diagnosis):
    return {station.step: station.state for station in diagnosis.course}


def healthy_p(diagnosis):
    return [station.p["starting"] + station.p["healthy"] for station in diagnosis.course if station.p]


# --- runs of every kind -----------------------------------------------------------------------------------------------


def test_a_healthy_run():
    diagnosis = diagnose(a_run())
    assert diagnosis.verdict is Verdict.HEALTHY
    assert diagnosis.onset == Onset(None, None)
    assert min(healthy_p(diagnosis)) > 0.9
    assert [station.checkpoint for station in diagnosis.course] == [f"hypernetworks/x-{step}.pt" for step in STEPS]
    assert [station.stored_step for station in diagnosis.course] == [step - 1 for step in STEPS]
    assert "Stable Diffusion 1" in diagnosis.prior
    assert diagnosis.summary.startswith("Healthy at step 6,000")


def test_an_undertrained_run_is_starting():
    diagnosis = diagnose(a_run(steps=(100, 200, 300)))
    assert set(states(diagnosis).values()) == {State.STARTING}
    assert diagnosis.verdict is Verdict.HEALTHY
    assert "Hardly trained" in diagnosis.summary


def test_a_run_that_explodes_late():
    diagnosis = diagnose(a_run(gain={0: 0.1, 4000: 20}, noise={0: 0.02, 4500: 0.99}, loss={0: 0.1, 4200: 0.6}))
    assert diagnosis.verdict is Verdict.BROKEN
    assert diagnosis.onset.broken == 4000, "by the weights first: previews lag"
    assert states(diagnosis)[3500] is State.HEALTHY
    assert "3,500" in diagnosis.summary


def test_a_run_dead_at_the_start():
    diagnosis = diagnose(a_run(gain=20, noise=0.99, loss=0.6, rate=5e-3))
    assert (diagnosis.verdict, diagnosis.onset.broken) == (Verdict.BROKEN, 500)
    assert "Dead from the start" in diagnosis.summary


def test_weights_that_are_not_finite():
    steps = STEPS
    checkpoints = tuple(a_checkpoint(step, 0.1, nan=3 if step >= 3000 else 0) for step in steps)
    diagnosis = diagnose(a_run(checkpoints=checkpoints, noise=None, loss=None))
    assert (diagnosis.verdict, diagnosis.onset.broken) == (Verdict.BROKEN, 3000)
    assert diagnosis.course[-1].p["broken"] > 0.999


def test_a_lasting_nan_loss():
    diagnosis = diagnose(Vitals("r", "x", losses=losses(range(10, 5000, 10), {0: 0.1, 3000: NAN})))
    assert diagnosis.verdict is Verdict.BROKEN
    assert 2800 <= diagnosis.onset.broken <= 3300


def test_overtrained_by_validation():
    curve = {step: 0.09 + 1e-6 * abs(step - 3000) for step in STEPS}
    diagnosis = diagnose(a_run(validation=validation(curve)))
    assert diagnosis.verdict is Verdict.AILING
    assert 3000 < diagnosis.onset.overtrained <= 4500
    assert diagnosis.onset.broken is None


def test_a_grave_rise_of_held_out_loss_is_breakage_only_if_training_pictures_got_worse_too():
    curve = {step: 0.095 if step < 2000 else 0.18 for step in STEPS}
    learnt, ruined = ({step: value if step >= 2000 else 0.09 for step in STEPS} for value in (0.03, 0.2))
    by_heart = diagnose(a_run(noise=None, loss=None, validation=validation(curve, train=learnt)))
    assert (by_heart.onset.overtrained, by_heart.onset.broken) == (2000, None)
    harmed = diagnose(a_run(noise=None, loss=None, validation=validation(curve, train=ruined)))
    assert harmed.onset.broken == 2000


def test_a_benefit_that_is_lost_on_training_pictures_too_is_no_overtraining():
    curve = {step: 0.05 if step < 3000 else 0.09 for step in STEPS}
    learnt = {step: 0.05 if step < 3000 else 0.03 for step in STEPS}
    shared, by_heart = (
        diagnose(a_run(gain=2.0, noise=None, loss=None, validation=validation(curve, train=train)))
        for train in (curve, learnt)
    )
    assert shared.onset.overtrained is None
    assert shared.onset.broken in (3000, 3500)
    assert (by_heart.onset.overtrained, by_heart.onset.broken) == (3000, None)


@pytest.mark.parametrize("later", [0.08, 0.06])
def test_what_lost_its_captions_is_not_called_mended_because_its_loss_falls(later):
    """The lab's guided-01: worse than the bare base model on all pictures, later better, and no caption followed."""
    gain = {0: 0.1, 2000: 5.0}
    curve = {step: 0.09 if step < 2000 else 0.13 if step < 3000 else later for step in STEPS}
    diagnosis = diagnose(a_run(gain=gain, validation=validation(curve, train=curve)))
    assert diagnosis.onset.broken in (2000, 2500)
    assert diagnosis.course[-1].state is State.BROKEN
    calm = {step: min(value, 0.09) for step, value in curve.items()}
    assert diagnose(a_run(gain=gain, validation=validation(calm, train=calm))).onset.broken is None


def test_harm_that_training_pictures_share_is_no_overtraining_and_what_they_do_not_share_is():
    """The lab's familiar-05 and broad-02: held-out pictures lose several times what training pictures gain."""
    curve = dict.fromkeys(STEPS, 0.108)
    harmed, alone, by_heart = (
        diagnose(a_run(validation=validation(curve, train=dict.fromkeys(STEPS, train)))) for train in (0.108, 0.1, 0.07)
    )
    assert harmed.onset.overtrained is None
    assert alone.onset.overtrained is not None
    assert by_heart.onset.overtrained is not None


def test_what_was_never_better_than_the_base_model_can_be_overtrained():
    """The lab's familiar-07: training pictures are learned from the first step on, held-out ones only get worse."""
    curve = {step: 0.1 + step * 4e-7 for step in STEPS}
    learnt = {step: 0.1 - step * 3e-6 for step in STEPS}
    by_heart, harmed = (diagnose(a_run(validation=validation(curve, train=train))) for train in (learnt, curve))
    assert by_heart.onset.overtrained is not None
    assert harmed.onset.overtrained is None


def test_a_benefit_once_lost_on_all_pictures_is_not_regained_by_learning_some_by_heart():
    """The lab's memorised-03: captions are lost with the benefit, and do not come back with the loss."""
    curve = {step: 0.06 if step < 2000 else 0.08 if step < 3000 else 0.064 for step in STEPS}
    learnt = {step: value if step < 3000 else 0.058 for step, value in curve.items()}
    diagnosis = diagnose(a_run(gain={0: 0.5, 2000: 16.0}, validation=validation(curve, train=learnt)))
    assert diagnosis.onset.broken in (2000, 2500)
    assert diagnosis.course[-1].state is State.BROKEN


def test_a_network_that_is_large_by_nature_is_not_broken_for_being_so_at_every_stop():
    """The lab's drilled-08 and worn-01 as the web UI leaves them: gains of 10 to 20 from early on, clean previews."""
    steps = range(500, 10500, 500)
    run = a_run(steps=steps, gain={0: 3.0, 1500: 8.0, 3000: 14.0})
    assert run.previews
    assert run.losses
    course = diagnose(run).course
    assert max(station.p["broken"] for station in course) < 0.5
    ruined = a_run(steps=steps, gain={0: 1.0, 1500: 2.5, 3000: 40.0})
    assert diagnose(ruined).course[-1].state is State.BROKEN


def test_still_falling_validation_outweighs_the_band():
    steps = range(1000, 26000, 1000)
    curve = {step: 0.1 - step * 1e-6 for step in steps}
    assert diagnose(a_run(steps=steps)).onset.overtrained is not None
    assert diagnose(a_run(steps=steps, validation=validation(curve))).onset.overtrained is None


def test_weights_alone_are_no_proof_of_health():
    diagnosis = diagnose(a_run(noise=None, loss=None, settings=Settings()))
    assert diagnosis.verdict is Verdict.HEALTHY
    assert max(healthy_p(diagnosis)) < 0.9
    assert {"losses", "validation"} <= {skip.what for skip in diagnosis.not_examined}


def test_loss_alone():
    diagnosis = diagnose(Vitals("r", "x", losses=losses(range(10, 5000, 10), {0: 0.1, 3000: 0.6})))
    assert diagnosis.verdict is Verdict.BROKEN
    assert 2700 <= diagnosis.onset.broken <= 3500
    assert all(station.checkpoint is None for station in diagnosis.course)


def test_previews_alone():
    previews = tuple(a_preview(step, 0.99 if step >= 4500 else 0.02) for step in STEPS)
    diagnosis = diagnose(Vitals("r", "x", previews=previews))
    assert (diagnosis.verdict, diagnosis.onset.broken) == (Verdict.BROKEN, 4500)


def test_one_noisy_preview_among_clean_ones_is_no_breakage():
    previews = tuple(a_preview(step, 0.9 if step == 3000 else 0.02) for step in STEPS)
    assert diagnose(a_run(previews=previews)).onset.broken is None


def test_noise_with_sane_weights_is_believed_when_it_lasts():
    diagnosis = diagnose(a_run(noise={0: 0.02, 4500: 0.99}))
    assert (diagnosis.verdict, diagnosis.onset.broken) == (Verdict.BROKEN, 4500)


@pytest.mark.parametrize("sizes", [(768, 320), POCKET])
def test_no_run_is_broken_by_the_clock_alone(sizes):
    """Sound weights, no log that tells the rate, and nothing else, for however long: a watch would stop a training."""
    steps = range(5_000, 200_001, 5_000)
    vitals = Vitals("r", "x", checkpoints=tuple(a_checkpoint(step, sizes=sizes) for step in steps))
    diagnosis = diagnose(vitals)
    assert diagnosis.onset.broken is None
    assert {station.state for station in diagnosis.course} <= {State.STARTING, State.HEALTHY}
    assert max(station.p["broken"] for station in diagnosis.course) < 0.3


def test_files_that_cannot_be_read_are_told_in_order_of_step_however_the_folder_was_listed():
    files = tuple(unreadable(step) for step in (20_000, None, 500, 3000))
    told = [diagnose(a_run(unreadable=order)) for order in (files, files[::-1])]
    steps = [[finding.step for finding in one.findings if finding.code == "HN002"] for one in told]
    assert steps == [[None, 500, 3000, 20_000]] * 2
    assert told[0] == told[1]
    nothing = diagnose(Vitals("r", "x", unreadable=(unreadable(1000), unreadable(500))))
    assert "-500.pt" in nothing.summary, "the first is named, which by name alone would be the last"


def test_an_unreadable_file_among_good_ones():
    vitals = a_run(steps=(500, 1000, 2000), unreadable=(unreadable(1500),))
    diagnosis = diagnose(vitals)
    assert states(diagnosis)[1500] is State.UNREADABLE
    assert next(station for station in diagnosis.course if station.step == 1500).p == {}
    assert diagnosis.verdict is Verdict.AILING


def test_a_file_that_is_just_being_written_is_no_illness():
    diagnosis = diagnose(a_run(unreadable=(unreadable(6500, Refusal.WRITING),)))
    assert diagnosis.verdict is Verdict.HEALTHY
    assert diagnosis.course[-1].state is State.UNREADABLE


@pytest.mark.parametrize(
    "vitals",
    [
        Vitals("r", "x"),
        Vitals("r", "x", unreadable=(unreadable(500), unreadable(None, Refusal.UNSAFE))),
        Vitals("r", "x", settings=Settings(learn_rate="5e-6", steps=9000)),
        Vitals("r", "x", checkpoints=(a_checkpoint(500, modules=(), partial="a LoRA"),)),
    ],
    ids=["empty", "unreadable", "settings only", "partial"],
)
def test_nothing_examined_is_never_healthy(vitals):
    diagnosis = diagnose(vitals)
    assert diagnosis.verdict is Verdict.UNEXAMINED
    assert diagnosis.summary.startswith(("Nothing could be examined", "No hypernetwork to judge: hypernetworks/x-5"))


def test_the_pocket_model_has_its_own_scale():
    steps = range(50, 650, 50)
    diagnosis = diagnose(a_run(steps=steps, rate=5e-4, sizes=POCKET))
    assert diagnosis.verdict is Verdict.HEALTHY
    assert "pocket" in diagnosis.prior
    assert diagnose(a_run(steps=steps, rate=5e-4)).course[-1].p["overtrained"] > diagnosis.course[-1].p["overtrained"]


def test_the_final_file_is_the_last_station():
    final = a_checkpoint(None, 0.1, stored_step=6400)
    course = diagnose(a_run(checkpoints=(*a_run().checkpoints, final))).course
    assert (course[-1].step, course[-1].checkpoint) == (6400, "hypernetworks/x.pt")
    same = a_checkpoint(None, 50.0, stored_step=6000)
    doubled = diagnose(a_run(checkpoints=(*a_run().checkpoints, same)))
    assert doubled.course[-1].checkpoint == "hypernetworks/x-6000.pt"
    assert doubled.verdict is Verdict.BROKEN, "the worse of two files of one step counts"


def test_previews_between_checkpoints_are_stations_of_their_own():
    vitals = a_run(previews=tuple(a_preview(step) for step in range(250, 6250, 250)))
    course = diagnose(vitals).course
    assert [station.step for station in course] == list(range(250, 6250, 250))
    assert course[0].checkpoint is None


def test_what_a_resumption_left_behind_is_not_judged():
    broken = {step: replace(a_checkpoint(step, 30.0), modified=100.0 + step) for step in (3000, 3500, 4000)}
    sound = {step: replace(a_checkpoint(step, 0.1), modified=9000.0 + step) for step in (1500, 2000, 2500)}
    first = {step: replace(a_checkpoint(step, 0.1), modified=100.0 + step) for step in (500, 1000)}
    vitals = a_run(
        checkpoints=(*first.values(), *sound.values(), *broken.values()),
        noise=None,
        loss=None,
        settings=Settings(learn_rate="5e-6", resumed_at=(1000,)),
    )
    diagnosis = diagnose(vitals)
    assert [station.step for station in diagnosis.course] == [500, 1000, 1500, 2000, 2500]
    assert diagnosis.verdict is Verdict.HEALTHY


# --- what must hold for any run ---------------------------------------------------------------------------------------

level = st.sampled_from([0.02, 0.1, 0.5, 0.9, 0.99])
gains = st.sampled_from([0.05, 0.3, 1.0, 2.0, 5.0, 20.0])


@st.composite
def runs(draw):
    steps = sorted(draw(st.sets(st.integers(1, 20), min_size=1, max_size=6)))
    steps = [step * 500 for step in steps]
    parts = {
        "checkpoints": tuple(a_checkpoint(step, draw(gains)) for step in steps if draw(st.booleans())),
        "previews": tuple(a_preview(step, draw(level), i) for step in steps for i in range(draw(st.integers(0, 2)))),
        "losses": losses(range(20, steps[-1], 20), draw(st.sampled_from([0.05, 0.2, 0.6])))
        if draw(st.booleans())
        else (),
    }
    if draw(st.booleans()):
        parts["validation"] = validation({step: draw(st.sampled_from([0.08, 0.09, 0.1, 0.12])) for step in steps})
    return a_run(steps, **parts)


@settings(max_examples=40, deadline=None)
@given(runs(), st.integers(0, 99))
def test_probabilities_sum_to_one_and_order_does_not_matter(vitals, seed):
    diagnosis = diagnose(vitals)
    for station in diagnosis.course:
        assert sum(station.p.values()) == pytest.approx(1)
        assert all(0 <= p <= 1 for p in station.p.values())
        assert station.p[station.state.value] == max(station.p.values())

    def shuffled(parts):
        return tuple(random.Random(seed).sample(parts, len(parts)))

    parts = {name: shuffled(getattr(vitals, name)) for name in ("checkpoints", "previews", "losses", "validation")}
    assert diagnose(replace(vitals, **parts)) == diagnosis


@settings(max_examples=40, deadline=None)
@given(runs(), st.data())
def test_more_noise_never_makes_it_healthier(vitals, data):
    if not vitals.previews:
        return
    at = data.draw(st.integers(0, len(vitals.previews) - 1))
    step = vitals.previews[at].step  # earlier and later steps may gain: it broke, or has recovered from it, by then
    noisier = tuple(replace(p, noise=0.995) if i == at else p for i, p in enumerate(vitals.previews))
    before, after = diagnose(vitals).course, diagnose(replace(vitals, previews=noisier)).course
    for one, other in zip(before, after, strict=True):
        if one.step == step:
            assert other.p["healthy"] + other.p["starting"] <= one.p["healthy"] + one.p["starting"] + 1e-9


@settings(max_examples=40, deadline=None)
@given(runs(), st.data())
def test_a_larger_gain_never_makes_it_healthier(vitals, data):
    if not vitals.checkpoints:
        return
    at = data.draw(st.integers(0, len(vitals.checkpoints) - 1))
    step = vitals.checkpoints[at].step
    larger = tuple(a_checkpoint(step, 40.0) if i == at else c for i, c in enumerate(vitals.checkpoints))
    before = {s.step: s.p for s in diagnose(vitals).course}[step]
    after = {s.step: s.p for s in diagnose(replace(vitals, checkpoints=larger)).course}[step]
    assert after["healthy"] + after["starting"] <= before["healthy"] + before["starting"] + 1e-9


@settings(max_examples=40, deadline=None)
@given(runs(), st.sampled_from(["checkpoints", "previews", "losses", "validation"]))
def test_a_missing_channel_never_makes_health_nearly_certain(vitals, channel):
    without = diagnose(replace(vitals, **{channel: ()}))
    assert all(p <= 0.97 for p in healthy_p(without))


def test_a_single_broken_file_of_a_late_step_does_not_tell_how_it_broke():
    diagnosis = diagnose(Vitals("x-9000.pt", "x-9000", checkpoints=(a_checkpoint(9000, 40.0),)))
    assert (diagnosis.verdict, diagnosis.onset.broken) == (Verdict.BROKEN, 9000)
    assert "from the start" not in diagnosis.summary


def test_a_hundred_checkpoints():
    diagnosis = diagnose(a_run(steps=range(100, 10100, 100), loss=None))
    assert len(diagnosis.course) == 100


def test_rates_beyond_all_measure_are_judged_too():
    """Forged or mistyped: no overflow, and nothing but probabilities."""
    for rate in (1e300, 1e-300):
        diagnosis = diagnose(a_run(rate=rate))
        assert all(0 <= p <= 1 for station in diagnosis.course for p in station.p.values())


def test_the_chance_of_overtraining_where_held_out_pictures_are_measured_is_the_same_at_each_and_bounded_in_all():
    from hndoctor.diagnose.hazard import onsets_seen
    from hndoctor.diagnose.stations import Stop

    measured = validation(dict.fromkeys(range(1, 5), 0.1))
    chances = list(onsets_seen([Stop(1, validation=measured[:1]), Stop(2), *(Stop(3, validation=measured[1:2]),) * 3]))
    assert chances[1] is None
    left, onsets = 1.0, []
    for chance in chances:
        onsets += [left * chance] if chance is not None else []
        left *= 1 - (chance or 0.0)
    assert onsets == pytest.approx([parameters.ONSET_SEEN / 4] * 4)
    assert left == pytest.approx(1 - parameters.ONSET_SEEN)
    assert left > 0.5


def test_held_out_pictures_are_believed_at_a_dose_at_which_no_clock_expects_anything():
    """As in the lab's familiar-09: worse from the first checkpoints on, while training pictures gain."""
    curve = {step: 0.1 + step * 2e-6 for step in STEPS}
    learnt = {step: 0.1 - step * 3e-6 for step in STEPS}
    found = diagnose(a_run(rate=1e-8, validation=validation(curve, train=learnt)))
    assert found.onset.overtrained is not None
    assert diagnose(a_run(rate=1e-8)).onset.overtrained is None
