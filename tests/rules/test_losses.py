"""HN2xx: each fires on what it is for, and is silent on a healthy run."""

import math
from dataclasses import replace

import pytest

from hndoctor.formats.curve import Curve
from hndoctor.formats.schedule import parse_schedule
from hndoctor.records import LossPoint, Settings, Severity
from hndoctor.rules import losses as rules
from hndoctor.rules.engine import findings_of
from hndoctor.rules.windows import FEWEST, WINDOW, Mean, smoothed
from tests.makers import STEPS, a_run, losses, validation

NAN = float("nan")
HEALTHY = a_run(validation=validation({step: 0.1 - step * 1e-6 for step in STEPS}))


def of(rule, vitals):
    return tuple(findings_of(rule, vitals))


def test_loss_over_the_cap_fires():
    (found,) = of(rules.loss_over_the_cap, a_run(loss={0: 0.1, 3000: 0.6}))
    assert found.code == "HN201"
    assert 3000 <= found.step <= 3000 + 10 * WINDOW
    assert found.value == pytest.approx(0.6, rel=0.1)
    assert found.confidence > 0.9


def test_loss_over_the_cap_fires_on_a_short_log_only_when_sure():
    assert of(rules.loss_over_the_cap, a_run(losses=losses(range(10, 10 * (FEWEST + 3), 10), 0.6)))
    noisy = [0.01, 0.02, 0.9, 0.05, 0.8, 0.03, 0.7, 0.02, 0.1, 0.9]
    assert not of(rules.loss_over_the_cap, a_run(losses=losses(range(10), dict(enumerate(noisy)))))


def test_loss_over_the_cap_fires_once_for_each_excursion():
    found = of(rules.loss_over_the_cap, a_run(loss={0: 0.1, 1000: 0.6, 2000: 0.1, 4000: 0.6}))
    assert len(found) == 2
    assert "until step" in found[0].message
    assert "to the end" in found[1].message


@pytest.mark.parametrize(("apart", "count"), [(WINDOW - 1, 1), (WINDOW, 2)])
def test_excursions_of_which_windows_overlap_are_one(apart, count):
    means = [Mean(at, 1, 0.4 if at in (100, 100 + apart) else 0.1, 0.01, WINDOW) for at in range(300)]
    assert len(list(rules._excursions(means))) == count


def test_loss_over_the_cap_is_silent():
    assert not of(rules.loss_over_the_cap, HEALTHY)
    assert not of(rules.loss_over_the_cap, a_run(losses=losses(range(10, 6000, 10), {0: 0.1, 3000: 5.0, 3010: 0.1})))


def test_loss_is_not_a_number_fires_with_its_first_step():
    (found,) = of(rules.loss_is_not_a_number, a_run(loss={0: 0.1, 3000: NAN}))
    assert (found.severity, found.step, found.confidence) == (Severity.ERROR, 3000, 1.0)
    assert "stays so" in found.message
    (once,) = of(rules.loss_is_not_a_number, a_run(loss={0: 0.1, 3000: math.inf, 3010: 0.1}))
    assert "finite again" in once.message


def test_loss_is_not_a_number_is_silent():
    assert not of(rules.loss_is_not_a_number, HEALTHY)


def test_loss_rises_fires():
    (found,) = of(rules.loss_rises, a_run(loss={0: 0.1, 3000: 0.25}))
    assert found.step >= 3000
    assert found.value == pytest.approx(2.5, rel=0.1)


def test_loss_rises_fires_on_spikes():
    (found,) = of(rules.loss_rises, a_run(loss={0: 0.1, 3000: 40.0, 3010: 0.1}))
    assert (found.step, found.limit) == (3000, 1.0)


def test_loss_rises_fires_with_how_many_spikes_there_were():
    for spikes, words in (((30,), "1 logged step has a loss above 1 (up to 40)"), ((30, 50), "2 logged steps have")):
        points = tuple(LossPoint(step, 40.0 if step in spikes else 0.1) for step in range(10, 80, 10))
        (found,) = of(rules.loss_rises, a_run(losses=points))
        assert found.message.startswith(words)
        assert found.step == 30


def test_loss_rises_is_silent():
    assert not of(rules.loss_rises, HEALTHY)
    assert not of(rules.loss_rises, a_run(loss={0: 0.25, 3000: 0.1}))
    assert not of(
        rules.loss_rises, a_run(loss={0: 0.25, 2000: 0.1, 4000: 0.24})
    )  # from a lucky low, not above the start


def test_rate_is_not_what_was_asked_fires():
    ruinous = of(rules.rate_is_not_what_was_asked, a_run(rate=5e-3))
    assert [found.value for found in ruinous] == [5e-3]
    asked = a_run(settings=Settings(learn_rate="5e-7", steps=6000))  # the log says 5e-6: the web UI after a resume
    (found,) = of(rules.rate_is_not_what_was_asked, asked)
    assert found.value == 5e-6
    assert "5e-7 was asked" in found.message


def test_rate_is_not_what_was_asked_is_silent():
    assert not of(rules.rate_is_not_what_was_asked, HEALTHY)
    followed = losses(range(10, 1000, 10), rate=5e-5) + losses(range(1000, 6000, 10), rate=5e-6)
    vitals = a_run(losses=followed, settings=Settings(learn_rate="5e-5:1000, 5e-6:6000", steps=6000))
    assert not of(rules.rate_is_not_what_was_asked, vitals)


def test_rate_is_not_what_was_asked_is_silent_on_rates_of_another_scale():
    for optimizer in ("SGD", "Adafactor"):
        run = a_run(rate=0.1, settings=Settings(learn_rate="0.1", steps=6000, optimizer=optimizer))
        assert not of(rules.rate_is_not_what_was_asked, run)
    prodigy = a_run(rate=3e-6, settings=Settings(learn_rate="1", steps=6000, optimizer="Prodigy"))
    assert not of(rules.rate_is_not_what_was_asked, prodigy), "it multiplies what is asked for by its own estimate"


def test_rate_is_not_what_was_asked_is_silent_on_what_was_before_a_resumption():
    rows = losses(range(10, 3000, 10), rate=5e-6) + losses(range(3010, 6000, 10), rate=5e-7)
    vitals = a_run(losses=rows, settings=Settings(learn_rate="5e-7:6000", steps=6000, resumed_at=(3000,)))
    assert not of(rules.rate_is_not_what_was_asked, vitals)


@pytest.mark.parametrize(
    ("shape", "told"), [("cosine_with_restarts", 0), ("cosine", 1), ("linear", 1), ("of another trainer", 0), (None, 1)]
)
def test_rate_is_not_what_was_asked_knows_the_shape_over_the_schedule(shape, told):
    """A run under three cosines after a warm-up was warned of at every step; now only where another shape was asked."""
    asked = Settings(
        learn_rate="1e-5:3000, 5e-6:6000", steps=6000, lr_scheduler="cosine_with_restarts", lr_warmup_steps=200,
        lr_num_cycles=3, lr_min_ratio=0.1,
    )  # fmt: skip
    curve = Curve.of(parse_schedule(asked.learn_rate, 6000), asked.lr_scheduler, 200, 3, 0.1)
    rows = [LossPoint(step, 0.1, curve.at(step - 1)) for step in range(1, 6001, 7)]
    vitals = a_run(losses=tuple(rows), settings=replace(asked, lr_scheduler=shape))
    found = of(rules.rate_is_not_what_was_asked, vitals)
    assert len(found) == told
    if shape and told:
        assert f"1e-5:3000, 5e-6:6000, {shape} was asked" in found[0].message


def test_rate_is_not_what_was_asked_is_silent_on_the_pocket_model_where_sd1s_ruin_is_sane():
    assert not of(rules.rate_is_not_what_was_asked, a_run(rate=5e-3, sizes=(48, 80, 96, 112)))


def test_validation_got_worse_fires():
    curve = {step: 0.09 + 2e-6 * abs(step - 3000) for step in STEPS}
    (found,) = of(rules.validation_got_worse, a_run(validation=validation(curve)))
    assert 3000 < found.step <= 4500
    assert found.value == pytest.approx(6e-3 / 0.09, rel=0.01)


def test_validation_got_worse_is_silent_while_it_falls_and_where_it_recovered():
    assert not of(rules.validation_got_worse, HEALTHY)
    dip = {step: 0.1 - step * 1e-6 + (0.01 if step == 3000 else 0) for step in STEPS}
    assert not of(rules.validation_got_worse, a_run(validation=validation(dip)))


def test_worse_than_no_network_fires():
    (found,) = of(rules.worse_than_no_network, a_run(validation=validation(dict.fromkeys(STEPS, 0.13))))
    assert found.value == pytest.approx(0.3)


def test_worse_than_no_network_is_silent():
    assert not of(rules.worse_than_no_network, HEALTHY)


def test_learns_by_heart_fires():
    curve = dict.fromkeys(STEPS, 0.1)
    points = validation(curve, train=dict.fromkeys(STEPS, 0.085))
    (found,) = of(rules.learns_by_heart, a_run(validation=points))
    assert found.value == pytest.approx(math.log(0.1 / 0.085))


def test_learns_by_heart_is_silent():
    points = validation(dict.fromkeys(STEPS, 0.095), train=dict.fromkeys(STEPS, 0.094))
    assert not of(rules.learns_by_heart, a_run(validation=points))


def test_windows_are_means_of_the_last_points():
    points = losses(range(100), 0.1)
    slow = [
        (points[end].step, math.fsum(p.loss for p in points[max(0, end - WINDOW + 1) : end + 1]) / min(end + 1, WINDOW))
        for end in range(FEWEST - 1, 100)
    ]
    assert [(mean.step, mean.mean) for mean in smoothed(points)] == [(s, pytest.approx(m)) for s, m in slow]


def test_losses_of_other_pictures_held_out_are_not_held_against_those_of_before():
    """As in the lab's changed-02: the data was changed midway, and harder pictures were held out from then on."""
    before = validation(dict.fromkeys(STEPS[:4], 0.08), base=0.1)
    after = validation({step: 0.14 - step * 1e-6 for step in STEPS[4:]}, base=0.18)
    assert not of(rules.validation_got_worse, a_run(validation=(*before, *after)))
    assert of(rules.validation_got_worse, a_run(validation=(*before, *replace_base(after, 0.1))))


def replace_base(points, base):
    """The same losses, of pictures that are as hard as those of before."""
    return validation({point.step: point.held_out for point in points}, base=base)
