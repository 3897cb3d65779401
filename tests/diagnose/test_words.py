"""The headline says it in words."""

from __future__ import annotations

import pytest

from hndoctor.diagnose.words import in_words


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "the gain of 112.v is 904 from step 20 to the end (7 checkpoints), the largest gain 2.77e+03",
            "the gain of the value network of size 112 is 904",
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
