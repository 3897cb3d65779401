"""HN110: the rate that an optimizer's state holds, against what ruins and against what was logged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hndoctor.records import LossPoint, Settings
from hndoctor.rules.dose import RUINOUS_RATE
from hndoctor.rules.optimizers import OTHER_RATE, optimizer_state_unfit
from tests.rules.makers import checkpoint, optimizer, signs, vitals


def run(rate, *logged, name="AdamW", steps=(500, 1000), asked=None):
    """Checkpoints whose states hold this rate, and a log of (step, rate)."""
    made = [
        replace(checkpoint(step), optimizer=optimizer(step, step=step - 1, optimizer_name=name, learning_rate=rate))
        for step in steps
    ]
    losses = tuple(LossPoint(step, 0.1, one) for step, one in logged)
    return signs(optimizer_state_unfit, vitals(*made, losses=losses, settings=Settings(learn_rate=asked, steps=9000)))


def test_a_ruinous_rate_that_no_log_tells_is_told_once():
    (sign,) = run(RUINOUS_RATE)
    assert sign.message == (
        "an .optim file's rate of 0.005 is ruinous for Stable Diffusion 1 (from about 0.005 on)"
        " from step 500 to the end (2 checkpoints)"
    )
    assert (sign.step, sign.subject, sign.value) == (500, "hypernetworks/a-500.pt.optim", RUINOUS_RATE)
    assert run(0.99 * RUINOUS_RATE) == []


@pytest.mark.parametrize("name", ["SGD", "Adadelta", "DAdaptAdam"])
def test_rates_of_another_scale_are_not_called_ruinous(name):
    assert run(1.0, name=name) == []


def test_a_rate_that_was_logged_is_told_from_the_log():
    assert run(RUINOUS_RATE, (500, RUINOUS_RATE), (1000, RUINOUS_RATE)) == [], "HN204 tells it"


def test_a_rate_that_no_row_has_is_told():
    (sign,) = run(5e-3, (500, 5e-6), (1000, 1e-6))
    assert sign.message.startswith(
        "an .optim file's rate is 0.005, the nearest that was logged or asked for 5e-06 from step 500"
    )
    assert (sign.value, sign.limit) == (5e-3, 5e-6)
    assert len(run(OTHER_RATE * 5e-6, (500, 5e-6), (1000, 5e-6))) == 1
    assert len(run(5e-6 / OTHER_RATE, (500, 5e-6), (1000, 5e-6))) == 1
    assert run(1.9 * 5e-6, (500, 5e-6), (1000, 5e-6)) == []


def test_the_joints_of_a_schedule_are_no_contradiction():
    assert run(1e-6, (499, 5e-5), (1000, 1e-6)) == []
    assert run(1e-6, (500, 5e-5), (1000, 5e-5), asked="5e-5:1000, 1e-6") == [], "asked for, and next"
    assert run(1e-6, (400, 5e-5)) == [], "no row is near"
    assert len(run(1e-6, (499, 5e-5), steps=(500,))) == len(run(1e-6, (501, 5e-5), steps=(500,))) == 1


def test_an_optimizer_that_finds_its_rate_is_left_alone():
    assert run(5e-3, (500, 1e-5), (1000, 1e-5), name="Prodigy") == []
