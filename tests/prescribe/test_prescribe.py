"""What to do now, for runs of every kind; and what no prescription may ever say."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings

from hndoctor import judge
from hndoctor.diagnose.channels import is_finite
from hndoctor.formats.schedule import parse_schedule
from hndoctor.prescribe.rates import rounded
from hndoctor.records import Action, Settings, State, Vitals
from tests.diagnose.test_diagnose import runs
from tests.makers import POCKET, STEPS, a_checkpoint, a_preview, a_run, an_optimizer, losses, unreadable, validation

NAN = float("nan")
EXPLODED = {"gain": {0: 0.1, 4000: 20}, "noise": {0: 0.02, 4500: 0.99}}


def advice(vitals):
    return judge(vitals).prescription


def test_a_network_that_was_never_of_any_use_is_started_again():
    dead = [a_checkpoint(step, gain=0.0) for step in STEPS]
    told = advice(replace(a_run(), checkpoints=tuple(dead)))
    assert told.action is Action.RESTART
    assert told.sentence.endswith("the network does nothing.")
    unknown = tuple(replace(c, modules=tuple(replace(m, gain=None) for m in c.modules)) for c in dead)
    told = advice(replace(a_run(), checkpoints=unknown))
    assert told.sentence.endswith("its layers or its activation cannot be computed.")


def test_a_network_that_ceased_to_do_anything_goes_back():
    told = advice(a_run(gain={0: 0.1, 4000: 0.0}))
    assert told.action is Action.RESUME
    assert told.step < 4000


def test_late_breakage_goes_back_further_than_the_last_good_looking_one():
    told = advice(a_run(**EXPLODED, settings=Settings(learn_rate="5e-6", steps=20000)))
    assert (told.action, told.checkpoint, told.step) == (Action.RESUME, "hypernetworks/x-3000.pt", 3000)
    assert told.learning_rate == 1e-6
    assert told.schedule == "1e-6:20000"
    assert "HN402" in told.because
    assert any("3,500" in one.what and "lag" in one.why_not for one in told.rejected)
    assert told.how_hndoctor == (
        "hndoctor train CONFIG.toml --resume runs/x/hypernetworks/x-3000.pt --learn-rate 1e-6:20000 --steps 20000",
    )
    assert told.how_webui == (
        "copy hypernetworks/x-3000.pt to models/hypernetworks",
        "Hypernetwork: x-3000",
        "Learning rate: 1e-6:20000",
        "Max steps: 20000",
    )


def test_a_run_of_ours_is_resumed_with_its_own_configuration():
    ours = Settings(source="run.json", learn_rate="5e-6", steps=20000)
    told = advice(a_run(**EXPLODED, settings=ours, run="my runs/x"))
    assert told.how_hndoctor[0].startswith('hndoctor train "my runs/x/config.toml" --resume "my runs/x/hypernetworks/')


def test_nan_divides_the_rate_by_ten_and_never_goes_below_the_floor():
    checkpoints = tuple(a_checkpoint(step, 0.1, nan=5 if step >= 4000 else 0) for step in STEPS)
    assert advice(a_run(checkpoints=checkpoints, noise=None, rate=5e-5)).learning_rate == 5e-6
    assert advice(a_run(checkpoints=checkpoints, noise=None, rate=2e-6)).learning_rate == 5e-7


def test_broken_at_the_floor_stops_with_the_earlier_one():
    told = advice(a_run(**EXPLODED, rate=5e-7))
    assert (told.action, told.learning_rate, told.step) == (Action.STOP, None, 3000)


def test_the_floor_is_carried_to_the_pocket_model():
    told = advice(a_run(**EXPLODED, rate=2e-4, sizes=POCKET))
    assert told.learning_rate == 1e-4  # a tenth of its usual rate, as 5e-7 is of SD1's


def test_dead_at_the_start_begins_again_with_normal():
    metadata = {"weight_initialization": "KaimingUniform"}
    checkpoints = tuple(a_checkpoint(step, 20.0, metadata=metadata) for step in STEPS)
    told = advice(a_run(checkpoints=checkpoints, noise=0.99))
    assert (told.action, told.checkpoint, told.learning_rate) == (Action.RESTART, None, 5e-6)
    assert "KaimingUniform" in told.sentence
    assert "Normal" in told.sentence
    assert "--weight-init Normal" in told.how_hndoctor[0]
    ruinous = advice(a_run(gain=20, noise=0.99, rate=5e-3))
    assert (ruinous.action, ruinous.learning_rate) == (Action.RESTART, 5e-6)


def test_nothing_sound_to_go_back_to_begins_again():
    previews = tuple(a_preview(step, 0.99 if step >= 4500 else 0.02) for step in STEPS)
    assert advice(Vitals("r", "x", previews=previews)).action is Action.RESTART


def test_a_lasting_nan_loss_with_sound_weights_goes_back():
    told = advice(a_run(loss={0: 0.1, 4200: NAN}, noise=None))
    assert told.action is Action.RESUME
    assert told.step in (3000, 3500)


def test_overtrained_by_validation_stops_with_the_best():
    curve = {step: 0.09 + 1e-6 * abs(step - 3000) for step in STEPS}
    told = advice(a_run(validation=validation(curve)))
    assert (told.action, told.step, told.learning_rate) == (Action.STOP, 3000, None)
    steps = dict(told.acceptable)
    assert max(steps, key=steps.get) == 3000
    assert sum(steps.values()) <= 1 + 1e-9
    assert told.how_webui[0] == "copy hypernetworks/x-3000.pt to models/hypernetworks"
    assert any("strength" in remedy for remedy in told.free_remedies)


def test_overtrained_by_dose_alone_and_unfinished_lowers_the_rate():
    vitals = a_run(steps=range(1000, 19000, 1000), settings=Settings(learn_rate="5e-6", steps=40000, images=50))
    told = advice(vitals)
    assert told.action in (Action.RESUME, Action.STOP)
    assert told.step < 17000


def test_healthy_and_finished_stops_healthy_and_unfinished_trains_on():
    assert advice(a_run()).action is Action.STOP
    assert advice(a_run()).step == 6000
    told = advice(a_run(settings=Settings(learn_rate="5e-6", steps=20000, images=50)))
    assert (told.action, told.learning_rate) == (Action.CONTINUE, 5e-6)
    first, second = parse_schedule(told.schedule, 20000)
    assert (first.rate, second.rate, second.end) == (5e-6, 5e-7, 20000)
    assert 6000 < first.end < 20000, "the rate falls before the band of overtraining (G22)"


def test_finished_uses_what_held_out_pictures_say_was_better():
    curve = {step: 0.06 if step == 4000 else 0.06 * 1.0005 if step == 6000 else 0.07 for step in STEPS}
    told = advice(a_run(validation=validation(curve, train=curve)))
    assert (told.action, told.step) == (Action.STOP, 6000), "within a standard error of the best"
    curve[6000] = 0.066
    told = advice(a_run(validation=validation(curve, train=curve)))
    assert (told.action, told.step) == (Action.STOP, 4000)
    assert "held-out pictures" in told.sentence


def test_the_pair_is_copied_where_the_rate_stays_and_left_where_it_falls():
    checkpoints = tuple(a_checkpoint(step, optimizer=an_optimizer(5e-6, hash_matches=True)) for step in STEPS)
    same = advice(a_run(checkpoints=checkpoints, settings=Settings(learn_rate="5e-6", steps=8000, images=50)))
    assert same.how_webui[0].startswith("copy hypernetworks/x-6000.pt and hypernetworks/x-6000.pt.optim")
    loud = tuple(replace(c, modules=a_checkpoint(1, 30.0).modules) if c.step >= 4000 else c for c in checkpoints)
    lower = advice(a_run(checkpoints=loud, noise=None))
    assert any("leave x-3000.pt.optim out" in line for line in lower.how_webui)


def test_an_unreadable_last_file_goes_on_from_the_last_good_one():
    told = advice(a_run(unreadable=(unreadable(6500),), settings=Settings(learn_rate="5e-6", steps=20000)))
    assert (told.action, told.step) == (Action.RESUME, 6000)
    assert "x-6500.pt" in told.sentence


@pytest.mark.parametrize("vitals", [Vitals("r", "x"), Vitals("r", "x", unreadable=(unreadable(500),))])
def test_nothing_examined_gets_no_advice(vitals):
    assert advice(vitals) is None


def test_a_loss_log_alone_is_told_to_begin_again_when_it_broke():
    assert advice(Vitals("r", "x", losses=losses(range(10, 5000, 10), {0: 0.1, 3000: 0.9}))).action is Action.RESTART


def test_a_healthy_loss_log_alone_gets_advice_too():
    told = advice(Vitals("r", "x", losses=losses(range(10, 5000, 10))))
    assert (told.action, told.checkpoint) == (Action.CONTINUE, None)


@pytest.mark.parametrize(
    ("rate", "wanted"), [(1.25e-6, 1e-6), (5e-7, 5e-7), (4.1e-6, 5e-6), (3e-5, 2e-5), (8e-5, 1e-4), (0.0, 0.0)]
)
def test_rates_are_rounded_to_one_two_five(rate, wanted):
    assert rounded(rate) == wanted


@settings(max_examples=60, deadline=None)
@given(runs())
def test_whatever_the_run_the_advice_holds_together(vitals):
    diagnosis = judge(vitals)
    told = diagnosis.prescription
    if told is None:
        assert not any(station.p for station in diagnosis.course) or diagnosis.verdict.value == "unexamined"
        return
    assert told.sentence.endswith(".")
    assert told.rejected
    if told.checkpoint is not None:
        file = next(one for one in vitals.checkpoints if one.path == told.checkpoint)
        station = next(one for one in diagnosis.course if one.step == told.step)
        assert is_finite(file)
        assert station.state is not State.BROKEN
    if told.schedule is not None:
        assert told.learning_rate >= 5e-7
        assert rounded(told.learning_rate) == told.learning_rate
        assert parse_schedule(told.schedule, 10**6)[0].rate == told.learning_rate
        assert re.search(r"--learn-rate \S+", " ".join(told.how_hndoctor))
        assert any(line.startswith("Learning rate: ") for line in told.how_webui)
    if told.action is Action.RESUME:
        assert told.checkpoint
    if told.action is Action.RESTART:
        assert told.checkpoint is None


def test_a_grave_finding_at_the_last_step_is_heeded_though_the_course_is_not_sure():
    previews = tuple(a_preview(step, 0.6 if step == 6000 else 0.02) for step in STEPS)
    scored = tuple(replace(preview, scores={"contrast": 0.2}) for preview in previews)
    diagnosis = judge(a_run(previews=scored, settings=Settings(learn_rate="5e-6", steps=20000)))
    assert diagnosis.course[-1].state is State.HEALTHY
    if any(f.code == "HN301" and f.step == 6000 for f in diagnosis.findings):
        assert diagnosis.prescription.action is Action.RESUME
        assert diagnosis.prescription.step < 6000


def test_averaging_is_told_as_the_command_that_does_it():
    told = advice(a_run(steps=range(500, 40_500, 1000), settings=Settings(learn_rate="5e-6", steps=40_000)))
    (merging,) = (remedy for remedy in told.free_remedies if "hndoctor merge" in remedy)
    words = merging.partition("hndoctor merge ")[2].split()
    files, out = words[:-2], words[-2:]
    assert out == ["--out", "merged.pt"]
    assert f"runs/x/hypernetworks/x-{told.step}.pt" in files
    assert len(files) in (2, 3)


@pytest.mark.parametrize("falls", [True, False])
def test_a_grave_finding_is_not_heeded_where_all_other_channels_contradict_it(falls):
    """One module of a large gain, as in the lab's sound run by-heart-01."""
    files = [a_checkpoint(step, 1.0) for step in STEPS]
    odd = replace(files[-1].modules[0], gain=9.0)
    files[-1] = replace(files[-1], modules=(odd, *files[-1].modules[1:]))
    curve = {step: 0.09 - 5e-6 * step if falls else 0.2 for step in STEPS}
    plan = Settings(learn_rate="5e-6", steps=20000, images=50)
    diagnosis = judge(a_run(checkpoints=tuple(files), validation=validation(curve, train=curve), settings=plan))
    assert any(f.code == "HN102" and f.step == STEPS[-1] for f in diagnosis.findings)
    assert (diagnosis.prescription.action is Action.CONTINUE) == falls


def test_after_a_rate_was_raised_the_new_one_stays_below_the_one_that_was_sound():
    """As in the lab's sudden-02, sound at 6.8e-4 and ruined within three steps of 2e-2."""
    plan = Settings(learn_rate="5e-6:3000, 2e-3:6000", steps=6000, images=50)
    told = losses(range(10, 6001, 10), {0: 0.1, 3200: 0.9}, rate=5e-6)
    told = tuple(replace(point, learn_rate=2e-3) if point.step > 3000 else point for point in told)
    advice = judge(a_run(gain={0: 0.1, 3500: 30.0}, noise=None, losses=told, settings=plan)).prescription
    assert advice.action is Action.RESUME
    assert advice.step == 3000  # nothing was on its way there yet
    assert advice.learning_rate <= 2.5e-6


@pytest.mark.parametrize(("rate", "action"), [(5e-6, Action.STOP), (5e-5, Action.RESUME)])
def test_past_its_best_at_a_fast_rate_the_rest_is_trained_again_at_the_usual_one(rate, action):
    """As in the lab's slow-07 and slow-11: at such rates a network swings around its best."""
    curve = {step: 0.09 + 1e-6 * abs(step - 3000) for step in STEPS}
    plan = Settings(learn_rate=f"{rate:g}", steps=STEPS[-1], images=50)
    told = advice(a_run(validation=validation(curve), rate=rate, settings=plan))
    assert (told.action, told.step) == (action, 3000)
    assert told.learning_rate == (5e-6 if action is Action.RESUME else None)


def test_overtrained_where_no_checkpoint_lies_says_what_to_look_for():
    curve = {step: 0.09 + max(0, step - 3000) * 1e-5 for step in range(500, 8001, 500)}
    train = {step: 0.08 - 5e-6 * step for step in curve}
    told = advice(a_run(steps=(), validation=validation(curve, train=train)))
    assert (told.action, told.checkpoint, told.step) == (Action.STOP, None, None)
    assert re.search(r"saved well before step \d,\d{3}; none lies here", told.sentence)
    assert told.because


@pytest.mark.parametrize(
    ("files", "said"), [((), "save checkpoints"), ((500,), "find out why the checkpoints cannot be read")]
)
def test_without_a_checkpoint_to_go_back_to_it_says_why(files, said):
    falling = validation({step: 0.1 - 5e-6 * step for step in range(500, 4001, 500)})
    vitals = replace(a_run(steps=(), validation=falling), unreadable=tuple(map(unreadable, files)))
    assert f", and {said}: without them there is nothing to go back to." in advice(vitals).sentence


def test_a_run_that_lies_elsewhere_is_named_by_its_url():
    told = advice(a_run(**EXPLODED, run="s3://bucket/runs/x"))
    assert " --resume s3://bucket/runs/x/hypernetworks/x-3000.pt " in told.how_hndoctor[0]


def test_of_changed_data_the_best_is_looked_for_among_those_measured_with_the_pictures_held_out_now():
    """As in the lab's changed-02: easier pictures, held out before the change, say nothing of what is best."""
    half = len(STEPS) // 2
    before = validation({step: 0.05 + 1e-6 * abs(step - STEPS[1]) for step in STEPS[:half]}, base=0.1)
    after = validation({step: 0.15 - 1e-6 * step for step in STEPS[half:]}, base=0.2)
    plan = Settings(learn_rate="5e-6", steps=STEPS[-1], images=50)
    told = advice(a_run(validation=(*before, *after), settings=plan))
    assert (told.action, told.step) == (Action.STOP, STEPS[-1])
