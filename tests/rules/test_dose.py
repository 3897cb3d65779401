"""The dose clock against its slow twin, and where it takes its rates from."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.formats.curve import Curve
from hndoctor.formats.schedule import parse_schedule
from hndoctor.records import LossPoint, Settings, Vitals
from hndoctor.rules.dose import base_of, clock_of, rates_asked
from tests.makers import POCKET, a_checkpoint, a_run, an_optimizer, losses


@given(
    st.lists(st.tuples(st.sampled_from([5e-5, 5e-6, 5e-7, 1e-3]), st.integers(1, 40)), min_size=1, max_size=4),
    st.integers(1, 8),
    st.integers(0, 200),
)
def test_the_same_as_a_sum_over_every_step(parts, batch, step):
    ends, text, by_step = 0, [], []
    for rate, length in parts:
        ends += length
        text.append(f"{rate}:{ends}")
        by_step += [rate] * length
    settings = Settings(learn_rate=", ".join(text), steps=ends, batch_size=batch)
    by_step += [by_step[-1]] * 200  # beyond its end the last rate goes on
    clock = clock_of(Vitals("r", "x", settings=settings))
    assert clock.at(step) == pytest.approx(math.fsum(by_step[:step]) * math.sqrt(batch))
    if step:
        assert clock.rate(step) == by_step[step - 1]


@pytest.mark.parametrize(("shape", "cycles"), [("cosine", 1), ("linear", 1), ("cosine_with_restarts", 4)])
@pytest.mark.parametrize("logged", [False, True])
def test_the_shape_over_a_schedule_counts(shape, cycles, logged):
    asked = Settings(
        learn_rate="5e-5:700, 5e-6:9000", steps=9000, lr_scheduler=shape, lr_num_cycles=cycles, lr_warmup_steps=100
    )
    curve = Curve.of(parse_schedule(asked.learn_rate, 9000), shape, 100, cycles, None)
    rows = tuple(LossPoint(step, 0.1, curve.at(step - 1)) for step in range(1, 9001, 10))
    clock = clock_of(Vitals("r", "x", losses=rows if logged else (), settings=asked))
    assert clock.told == "the schedule"
    for step in (500, 3000, 9000):
        assert clock.at(step) == pytest.approx(math.fsum(curve.at(s) or 0 for s in range(step)), rel=0.02)


def test_a_shape_that_nobody_knows_tells_no_dose():
    asked = Settings(learn_rate="5e-6:1000", steps=1000, lr_scheduler="of another trainer")
    assert clock_of(Vitals("r", "x", settings=asked)).told is None
    assert clock_of(Vitals("r", "x", losses=losses(range(10, 1010, 10)), settings=asked)).told == "the loss log"


def test_the_log_is_believed_where_it_contradicts_the_schedule():
    asked = Settings(learn_rate="5e-7", steps=1000)
    clock = clock_of(Vitals("r", "x", losses=losses(range(10, 1010, 10), rate=5e-6), settings=asked))
    assert (clock.told, clock.at(1000)) == ("the loss log", pytest.approx(5e-3))
    agreeing = Settings(learn_rate="5e-6:1000", steps=1000)
    assert clock_of(Vitals("r", "x", losses=losses(range(10, 1010, 10)), settings=agreeing)).told == "the schedule"


def test_the_optimizer_tells_the_rate_where_nothing_else_does():
    checkpoints = tuple(a_checkpoint(step, optimizer=an_optimizer(1e-5)) for step in (500, 1000))
    clock = clock_of(Vitals("r", "x", checkpoints=checkpoints))
    assert (clock.told, clock.at(1000)) == ("the optimizer's state", pytest.approx(1e-2))


def test_the_optimizer_of_a_file_without_a_number_tells_the_rate_too():
    """The final network, `x.pt`, beside its `.optim`: as a folder of finished networks has it."""
    final = replace(a_checkpoint(1000, optimizer=an_optimizer(1e-5)), path="x.pt", step=None)
    clock = clock_of(Vitals("r", "x", checkpoints=(final,)))
    assert (clock.told, clock.rate(final.stored_step)) == ("the optimizer's state", pytest.approx(1e-5))


def test_without_any_rate_the_guides_is_assumed_and_said_to_be():
    clock = clock_of(a_run(loss=None, settings=Settings()))
    assert clock.told is None
    assert clock.at(6000) == pytest.approx(0.03)


@pytest.mark.parametrize("name", ["SGD", "Adafactor", "Adagrad", "DAdaptAdam", "SGDScheduleFree", "Rprop"])
def test_rates_on_another_scale_than_adams_tell_no_dose(name):
    """At SGD's 0.1 and at Adafactor's 1 a pocket network is sound; on Adam's scale both were ruinous."""
    vitals = a_run(loss=None, settings=Settings(learn_rate="0.1:4000, 1", steps=6000, optimizer=name))
    clock = clock_of(vitals)
    assert clock.told is None
    assert clock.rate(1000) == pytest.approx(5e-6), "what most steps were made at stands for the usual rate"
    assert clock.rate(5000) == pytest.approx(5e-5)
    assert clock.at(4000) == pytest.approx(4000 * 5e-6)
    assert rates_asked(vitals, 5e-6).rate(5000) == 1.0


def test_under_a_shape_the_middle_rate_stands_for_the_usual_one():
    """No rate lasts: the first piece of a warm-up, almost nothing, stood for all, and the rest was ruinous."""
    shaped = Settings(
        learn_rate="0.1", steps=6000, optimizer="SGD", lr_scheduler="cosine", lr_warmup_steps=600, lr_num_cycles=1
    )
    vitals = a_run(loss=None, settings=shaped)
    asked, clock = rates_asked(vitals, 5e-6), clock_of(vitals)
    rates = sorted(asked.rate(step) for step in range(6000))
    assert clock.rate(600) / 5e-6 == pytest.approx(asked.rate(600) / rates[3000], rel=0.02)
    assert max(clock.rates) < 4 * 5e-6


@pytest.mark.parametrize("name", ["AdamW", "NAdam", "AdamW8bit", "AdamWScheduleFree", "Lion8bit", "RMSprop", None])
def test_rates_on_adams_scale_are_compared(name):
    clock = clock_of(a_run(loss=None, settings=Settings(learn_rate="0.1", steps=6000, optimizer=name)))
    assert (clock.told, clock.rate(1000)) == ("the schedule", 0.1)


def test_the_state_tells_the_optimizer_where_no_settings_do():
    state = replace(an_optimizer(0.1), optimizer_name="SGD")
    files = tuple(a_checkpoint(step, optimizer=state) for step in (500, 1000))
    assert clock_of(Vitals("r", "x", checkpoints=files)).told is None


def test_an_optimizer_that_finds_its_rate_is_timed_by_what_it_found():
    asked = Settings(learn_rate="1", steps=1000, optimizer="Prodigy")
    vitals = Vitals("r", "x", losses=losses(range(10, 1010, 10), rate=3e-6), settings=asked)
    assert (clock_of(vitals).told, clock_of(vitals).rate(500)) == ("the loss log", 3e-6)
    assert rates_asked(vitals, 5e-6).rate(500) == 1.0
    assert clock_of(replace(vitals, losses=())).told is None


@pytest.mark.parametrize(
    ("vitals", "kind"),
    [
        (a_run(), "sd1"),
        (a_run(sizes=(320, 640, 1024, 1280)), "sd2"),
        (a_run(sizes=POCKET), "pocket"),
        (a_run(sizes=(2048,)), "unknown"),
        (Vitals("r", "x"), "unknown"),
        (Vitals("r", "x", settings=Settings(model_name="pocket")), "pocket"),
    ],
)
def test_the_base_model_is_told_from_its_widths_and_its_name(vitals, kind):
    assert base_of(vitals).kind == kind


def test_the_pocket_models_scale_is_its_narrowness():
    assert base_of(a_run(sizes=POCKET)).scale == pytest.approx(8, rel=0.1)
    assert base_of(a_run()).scale == 1.0
