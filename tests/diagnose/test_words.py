"""The headline says it in words."""

from __future__ import annotations

import pytest

from hndoctor.diagnose import diagnose
from hndoctor.diagnose.words import in_words
from hndoctor.records import Settings, Severity
from tests.makers import STEPS, a_checkpoint, a_run, validation


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "112.v adds 904 times its input from step 20 to the end (7 checkpoints), the largest gain 2.77e+03",
            "the value network of size 112 adds 904 times its input",
        ),
        (
            "3 NaN of 40 in 768.k.linear.0.weight at step 1000",
            "3 NaN of 40 in linear.0.weight of the key network of size 768",
        ),
        (
            "768.k, 768.v do nothing at step 500, others do",
            "the key network of size 768, the value network of size 768 do nothing, others do",
        ),
        ("x-1.k.pt: cut short", "x-1.k.pt: cut short"),
        ("the preview is colourful noise", "the preview is colourful noise"),
    ],
)
def test_no_raw_module_name_in_the_headline(message: str, said: str) -> None:
    assert in_words(message) == said


def test_the_headline_says_what_not_how_sure_and_why():
    told = "2 of 2 previews are colourful noise, covering 91% of the frame (100%, 98% to 100%): busy (x 2.9, y 7.4)"
    assert in_words(told) == "2 of 2 previews are colourful noise, covering 91% of the frame"
    assert in_words("12 NaN (3.0%) in 768.k.linear.0.weight") == (
        "12 NaN (3.0%) in linear.0.weight of the key network of size 768"
    )


def refused_by_the_web_ui(**more):
    """What a web UI would not load is no reason for anything that happened in training."""
    files = tuple(a_checkpoint(step, refused_by=("web UI: no such layer",)) for step in more.pop("steps", STEPS))
    return a_run(steps=(), checkpoints=files, noise=None, loss=None, **more)


def test_overtraining_is_put_down_to_what_shows_it_and_else_to_the_dose_alone():
    plan = Settings(learn_rate="5e-6", steps=60_000, batch_size=1, images=10)
    by_dose = diagnose(refused_by_the_web_ui(steps=range(5000, 60_001, 5000), settings=plan))
    assert {"HN006", "HN405"} <= {finding.code for finding in by_dose.findings}
    assert by_dose.summary.endswith("): dose alone.")
    rising = {step: 0.09 + step * 4e-6 for step in STEPS}
    told = diagnose(refused_by_the_web_ui(validation=validation(rising, train=dict.fromkeys(rising, 0.05))))
    assert "held-out loss is" in told.summary
    assert "web UI" not in told.summary


def test_what_was_wrong_before_it_recovered_is_no_reservation():
    put_back = a_run(gain={0: 0.1, 2000: 50.0, 3000: 0.1}, noise={0: 0.02, 2000: 1.0, 3000: 0.02})
    told = diagnose(put_back)
    assert "HN102" in {finding.code for finding in told.findings if finding.severity is Severity.ERROR}
    assert told.summary.startswith("Healthy at step 6,000")
    assert told.summary.endswith("); it was broken at step 2,000 and has recovered by step 3,000.")
