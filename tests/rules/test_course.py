"""HN4xx: the course as a whole, through the diagnosis that makes it."""

from dataclasses import replace

import pytest

from hndoctor.diagnose import diagnose
from hndoctor.records import Settings, Severity
from tests.makers import STEPS, a_checkpoint, a_run, an_optimizer, validation

HEALTHY = a_run(validation=validation({step: 0.1 - step * 1e-6 for step in STEPS}))
OVERTRAINED = a_run(validation=validation({step: 0.09 + 2e-6 * abs(step - 3000) for step in STEPS}))


def found(code, vitals):
    return [finding for finding in diagnose(vitals).findings if finding.code == code]


def test_overtrained_fires():
    (finding,) = found("HN401", OVERTRAINED)
    assert 3000 < finding.step <= 4500
    assert finding.confidence > 0.8
    assert "validation" in finding.message


def test_overtrained_is_silent():
    assert not found("HN401", HEALTHY)
    assert not found("HN401", a_run(steps=range(1000, 31000, 1000)))  # by dose alone: that is HN405's to say


def test_broken_fires_late():
    (finding,) = found("HN402", a_run(gain={0: 0.1, 4000: 20}, noise={0: 0.02, 4500: 0.99}))
    assert (finding.severity, finding.step, finding.subject) == (Severity.ERROR, 4000, "hypernetworks/x-4000.pt")
    assert finding.message == "broke at step 4,000"


def test_broken_fires_at_the_start_and_says_so():
    (finding,) = found("HN402", a_run(gain=20, noise=0.99))
    assert finding.step == 500
    assert "from the start" in finding.message


def test_broken_fires_as_a_warning_where_the_run_went_back_and_recovered():
    vitals = a_run(gain={0: 0.1, 2000: 30, 2600: 0.1}, noise={0: 0.02, 2000: 0.99, 2600: 0.02})
    vitals = replace(vitals, settings=replace(vitals.settings, resumed_at=(2500,)))
    (finding,) = found("HN402", vitals)
    assert finding.severity is Severity.WARNING
    assert "recovered" in finding.message


def test_a_network_that_was_dead_at_the_start_and_lives_now_is_not_called_dead():
    vitals = a_run(gain={0: 30, 1500: 0.1}, noise={0: 0.99, 1500: 0.02}, loss={0: 0.9, 1500: 0.1})
    (finding,) = found("HN402", vitals)
    assert finding.message == "broke at step 500; it has recovered since"


def test_broken_is_silent():
    assert not found("HN402", HEALTHY)
    assert not found("HN402", a_run(loss=None, noise=None))


def test_data_changed_midway_fires():
    settings = Settings(data_fingerprints=("a", "b"), resumed_at=(2000,))
    (finding,) = found("HN403", a_run(settings=settings))
    assert finding.step == 2000


def test_data_changed_midway_is_silent():
    assert not found("HN403", a_run(settings=Settings(data_fingerprints=("a",), resumed_at=(2000,))))


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [(None, "without"), (an_optimizer(hash_matches=False), "another network"), (an_optimizer(unreadable="cut"), "cut")],
)
def test_resumed_from_a_mismatched_pair_fires(optimizer, says):
    checkpoints = tuple(a_checkpoint(step, optimizer=optimizer) for step in STEPS)
    (finding,) = found("HN404", a_run(checkpoints=checkpoints, settings=Settings(resumed_at=(2000,))))
    assert finding.step == 2000
    assert says in finding.message


def test_resumed_from_a_mismatched_pair_is_silent():
    matched = tuple(a_checkpoint(step, optimizer=an_optimizer(hash_matches=True)) for step in STEPS)
    assert not found("HN404", a_run(checkpoints=matched, settings=Settings(resumed_at=(2000,))))
    assert not found("HN404", HEALTHY)


def test_past_the_guides_band_fires():
    (finding,) = found("HN405", a_run(steps=range(1000, 31000, 1000)))
    assert 9_000 <= finding.step <= 25_000
    assert finding.confidence <= 0.5


def test_past_the_guides_band_is_silent():
    assert not found("HN405", HEALTHY)
    assert not found("HN405", OVERTRAINED)
    assert not found("HN405", a_run(steps=range(1000, 31000, 1000), rate=5e-8))
    unknown = a_run(steps=range(1000, 99000, 1000), loss=None, settings=Settings())
    assert not found("HN405", unknown), "no file tells the rate"


def test_rate_below_the_floor_fires():
    (finding,) = found("HN406", a_run(rate=1e-8))
    assert finding.value == pytest.approx(1.0)


def test_rate_below_the_floor_is_silent():
    assert not found("HN406", HEALTHY)
    assert not found("HN406", a_run(rate=5e-7))
    assert found("HN406", a_run(rate=1e-6, sizes=(48, 80, 96, 112))), "the floor is carried to narrower models"


def test_still_starting_fires():
    assert found("HN407", a_run(steps=(100, 200)))


def test_still_starting_is_silent():
    assert not found("HN407", HEALTHY)
