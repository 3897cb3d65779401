"""The course against its slow twin: every path through the states and every pattern of blindness written out."""

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.channels import BREAKING, BROKEN, HEALTHY, OVERTRAINED, STARTING, seen_along
from hndoctor.diagnose.course import judge_course
from hndoctor.diagnose.hazard import at_the_start, prior_of, transition
from hndoctor.diagnose.noise import noise_of
from hndoctor.diagnose.stations import stops_of
from hndoctor.records import Onset, Settings, State, Vitals
from tests.makers import a_checkpoint, a_preview, a_run, losses, unreadable, validation

FOUR = ("starting", "healthy", "overtrained", "broken")
EACH = range(5)
PLAN = Settings(learn_rate="5e-6", steps=20_000, images=50)


def paths(start, steps, signs):
    """P(signs and state at each stop), every path summed."""
    totals = [[0.0] * 5 for _ in steps]
    for path in product(EACH, repeat=len(steps) + 1):
        p = start[path[0]]
        for at, (matrix, sign) in enumerate(zip(steps, signs, strict=True)):
            p *= matrix[path[at]][path[at + 1]] * math.exp(sign[path[at + 1]])
        for at in range(len(steps)):
            totals[at][path[at + 1]] += p
    return totals


def is_nan(checkpoint):
    return any(tensor.nan for tensor in checkpoint.tensors)


def slow(vitals):
    """P of the four states at each stop, as they are defined."""
    prior, stops, noise = prior_of(vitals), stops_of(vitals), noise_of(vitals)
    seen = seen_along(stops, vitals, noise)
    steps, before, left = [], None, 1.0
    each = believed.ONSET_SEEN / max(1, sum(1 for stop in stops if stop.validation))
    for stop in stops:
        back = before is not None and (
            any(before.step <= at < stop.step for at in vitals.settings.resumed_at)
            or (any(map(is_nan, before.checkpoints)) and stop.checkpoints and not any(map(is_nan, stop.checkpoints)))
        )
        mended = believed.RECOVERY if back else believed.RECOVERY_ALONE / len(stops)
        steps.append(transition(prior, before, stop, mended, each / left if stop.validation else None))
        before, left = stop, left - (each if stop.validation else 0.0)
    channels = [name for name in believed.BLIND if any(name in one.rows for one in seen)]
    totals = [[0.0] * 5 for _ in stops]
    for pattern in product((True, False), repeat=len(channels)):
        closed = {name for name, shut in zip(channels, pattern, strict=True) if shut}
        share = math.prod(believed.BLIND[name] if name in closed else 1 - believed.BLIND[name] for name in channels)
        signs = []
        for one in seen:
            sign = [0.0] * 5
            for name, row in one.rows.items():
                for state in EACH:
                    sign[state] += 0.0 if name in closed and state in (BREAKING, BROKEN) else row[state]
            signs.append(sign)
        for at, row in enumerate(paths(at_the_start(vitals), steps, signs)):
            for state in EACH:
                totals[at][state] += share * row[state]
    return [_doubted([p / sum(row) for p in row], seen, at) for at, row in enumerate(totals)]


def _doubted(row, seen, at):
    heard = {name for one in seen[max(0, at - 1) :] for name in one.rows}
    doubt = sum(share for name, share in believed.UNSEEN.items() if name not in heard)
    held = doubt * (row[STARTING] + row[HEALTHY])
    over = row[OVERTRAINED] + held * (1 - believed.UNSEEN_BROKEN)
    broken = row[BREAKING] + row[BROKEN] + held * believed.UNSEEN_BROKEN
    return [row[STARTING] * (1 - doubt), row[HEALTHY] * (1 - doubt), over, broken]


@st.composite
def short_runs(draw):
    """At most three stops, each with any of the channels."""
    steps = sorted(draw(st.sets(st.integers(1, 30), min_size=1, max_size=3)))
    steps = [500 * step for step in steps]
    gain = st.sampled_from([0.1, 1.5, 4.0, 12.0])
    parts = {
        "checkpoints": tuple(a_checkpoint(step, draw(gain)) for step in steps if draw(st.booleans())),
        "previews": tuple(a_preview(step, draw(st.sampled_from([0.02, 0.9]))) for step in steps if draw(st.booleans())),
        "losses": losses(range(20, steps[-1] + 1, 20), draw(st.sampled_from([0.1, 0.5])))
        if draw(st.booleans())
        else (),
        "settings": Settings(
            learn_rate="5e-6", steps=20_000, images=50, resumed_at=draw(st.sampled_from([(), (500,)]))
        ),
    }
    if draw(st.booleans()):
        parts["losses"] = ()
    if draw(st.booleans()):
        parts["validation"] = validation({step: draw(st.sampled_from([0.08, 0.1, 0.13])) for step in steps})
    if not (parts["checkpoints"] or parts["previews"] or parts.get("validation")):
        parts["checkpoints"] = (a_checkpoint(steps[0]),)
        parts["losses"] = ()
    return replace(a_run(steps), **({"validation": ()} | parts))


@settings(max_examples=40)
@given(short_runs())
def test_the_same_as_every_path_and_every_blindness_written_out(vitals):
    if len(stops_of(vitals)) > 3:
        return
    for station, row in zip(judge_course(vitals, noise_of(vitals)).stations, slow(vitals), strict=True):
        assert list(station.p) == list(FOUR)
        assert list(station.p.values()) == pytest.approx(row, abs=1e-9)


# --- stations ---------------------------------------------------------------------------------------------------------


def judged(**parts):
    vitals = Vitals("r", "x", **parts)
    return judge_course(vitals, noise_of(vitals))


def test_nothing_has_no_course():
    nothing = judged()
    assert (nothing.stations, nothing.last, nothing.onset) == ((), None, Onset(None, None))


def test_a_station_names_its_file_and_which_channels_spoke():
    files = (a_checkpoint(500), a_checkpoint(None, stored_step=700))
    course = judged(checkpoints=files, previews=(a_preview(500), a_preview(600))).stations
    assert [(one.step, one.stored_step, one.checkpoint) for one in course] == [
        (500, 499, "hypernetworks/x-500.pt"),
        (600, None, None),
        (700, 700, "hypernetworks/x.pt"),
    ]
    assert [one.channels for one in course] == [
        ("weights", "previews", "prior"),
        ("previews", "prior"),
        ("weights", "prior"),
    ]


def test_a_file_that_cannot_be_read_is_a_station_without_a_judgement_unless_another_lies_there():
    bad = judged(unreadable=(unreadable(500),), previews=(a_preview(500),)).stations[0]
    assert (bad.state, bad.p, bad.checkpoint) == (State.UNREADABLE, {}, "hypernetworks/x-500.pt")
    assert (bad.stored_step, bad.channels) == (None, ("previews",))
    beside = judged(unreadable=(unreadable(500),), checkpoints=(a_checkpoint(None, stored_step=500),)).stations[0]
    assert beside.state is not State.UNREADABLE
    assert beside.checkpoint == "hypernetworks/x.pt"


def test_the_state_is_the_likeliest():
    course = judged(checkpoints=(a_checkpoint(500, 0.1), a_checkpoint(1000, 50.0))).stations
    for one in course:
        assert one.p[one.state.value] == max(one.p.values())
    assert course[1].state is State.BROKEN


def test_the_last_station_is_the_last_that_was_judged_and_an_onset_is_a_first_one():
    files = tuple(a_checkpoint(step, 50.0 if step >= 1500 else 0.1) for step in (500, 1000, 1500, 2000))
    course = judged(checkpoints=files, unreadable=(unreadable(2500),))
    assert (course.last.step, course.stations[-1].step) == (2000, 2500)
    assert course.onset == Onset(overtrained=None, broken=1500)


def test_overtraining_has_begun_where_held_out_pictures_show_it_for_good_and_by_dose_where_it_is_likeliest():
    """Of what is likelier than not: the rise, beyond a tenth of the benefit, that is not gone again."""
    rising = {step: 0.09 * (1 + max(0, step - 2000) / 2e5) for step in range(500, 6001, 250)}
    course = judged(validation=validation(rising, train=dict.fromkeys(rising, 0.05)))
    likely = [one.step for one in course.stations if one.p[State.OVERTRAINED.value] >= 0.5]
    risen = [step for step, loss in rising.items() if loss / 0.09 - 1 > believed.OVER_SHARE * (0.1 / 0.09 - 1)]
    assert risen[0] > 2500
    assert course.onset.overtrained == max(likely[0], risen[0])
    back = {**rising, 5000: 0.09}
    again = judged(validation=validation(back, train=dict.fromkeys(rising, 0.05)))
    assert again.stations[-1].state is State.OVERTRAINED
    assert again.onset.overtrained == 5250
    long = a_run(steps=range(1000, 31_000, 1000))
    by_dose = judge_course(long, noise_of(long))
    assert by_dose.onset.overtrained == next(s.step for s in by_dose.stations if s.state is State.OVERTRAINED)


def test_a_rise_that_training_pictures_share_is_no_onset_of_overtraining_until_most_is_the_held_out_ones_alone():
    steps = range(500, 6001, 250)
    rising = {step: 1 + max(0, step - 2000) / 4e4 for step in steps}
    alike = {step: 0.05 * rising[min(step, 2500)] for step in steps}
    held_out = {step: 0.09 * times for step, times in rising.items()}
    onsets = [
        judged(validation=validation(held_out, train=train)).onset.overtrained
        for train in (alike, dict.fromkeys(steps, 0.05))
    ]
    shared = rising[2500] - 1
    assert onsets == [next(step for step, times in rising.items() if times - 1 > 2 * shared + 1e-9), 2500]


def test_finite_weights_after_nan_ones_are_no_longer_broken():
    files = tuple(a_checkpoint(step, nan=step == 1000) for step in (500, 1000, 1500, 2000))
    course = judged(checkpoints=files)
    assert [one.state is State.BROKEN for one in course.stations] == [False, True, False, False]
    assert course.onset.broken == 1000
    assert judged(checkpoints=files[:2]).stations[-1].state is State.BROKEN


def test_a_resumption_counts_between_the_stop_at_or_before_it_and_the_one_after():
    files = tuple(a_checkpoint(step, 50.0 if step == 1000 else 0.1) for step in (500, 1000, 1500))

    def broken(*resumed_at):
        return judged(checkpoints=files, settings=Settings(resumed_at=resumed_at)).stations[-1].p["broken"]

    within, beside = (broken(1000), broken(1499), broken(0, 1200)), (broken(), broken(999), broken(1500))
    assert max(within) < min(beside) / 2


def test_what_looks_sound_again_has_recovered_and_what_is_not_seen_again_has_not():
    """One broken stop among twelve: at the end everything speaks for health, or nothing speaks at all."""
    steps = range(500, 6500, 500)
    gains = {step: 50.0 if step == 1000 else 0.1 for step in steps}
    again = judged(checkpoints=tuple(a_checkpoint(step, gain) for step, gain in gains.items()))
    assert again.onset.broken == 1000
    assert again.recovered == 1500
    lost = judged(checkpoints=(a_checkpoint(500), a_checkpoint(1000, 50.0)), losses=losses(range(1010, 6010, 10)))
    assert lost.recovered is None


def test_a_missing_channel_withholds_its_share_of_health():
    alone = judged(checkpoints=(a_checkpoint(5000),)).stations[0]
    missing = sum(share for name, share in believed.UNSEEN.items() if name != "weights")
    sound = alone.p["starting"] + alone.p["healthy"]
    assert sound <= 1 - missing
    later = judged(checkpoints=(a_checkpoint(5000), a_checkpoint(5500)), previews=(a_preview(5500),)).stations[0]
    assert later.p["starting"] + later.p["healthy"] > sound, "what speaks later would have spoken of this too"
