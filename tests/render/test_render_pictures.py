"""Pictures judged alone, as text: what each looks like comes first, and the last line counts."""

from __future__ import annotations

import pytest

from hndoctor.calibration.looks import is_spoilt, likeliest, looks_like
from hndoctor.records import PictureJudgement
from hndoctor.render.text import render_text

NONE = {"noise": 0.01, "flat": 0.0, "fried": None, "repetition": 0.02, "grey_noise": 0.0}


def test_what_a_picture_looks_like_comes_first_and_is_counted() -> None:
    told = render_text(
        (),
        (
            PictureJudgement("a.png", NONE, {}),
            PictureJudgement("b.png", NONE | {"noise": 0.97, "repetition": 0.6}, {}, ("because",)),
            PictureJudgement("c.png", NONE | {"grey_noise": 0.8}, {}),
            PictureJudgement("d.png", {}, {}, (), "not a picture"),
            PictureJudgement("e.png", NONE, {}, noise_share=0.5),
            PictureJudgement("f.png", NONE, {}, noise_share=0.3),
        ),
    ).splitlines()
    assert told[0].startswith("a.png  a picture: noise 1%")
    assert told[1].startswith("b.png  noise: noise 97%")
    assert told[2].startswith("c.png  grey noise: ")
    assert told[3] == "d.png  unreadable: not a picture"
    assert told[4].startswith("e.png  partly noise: noise 1%")
    assert told[5].startswith("f.png  a picture: ")
    assert told[-1] == "6 pictures: 1 noise, 1 grey noise, 1 unreadable, 1 partly noise"


def test_noise_of_either_kind_counts_together_under_the_likelier() -> None:
    """A dead network's preview: noise for sure, and with even odds colourful or of one tint."""
    dead = PictureJudgement("dead.png", NONE | {"noise": 0.48, "grey_noise": 0.47}, {})
    tint = PictureJudgement("tint.png", NONE | {"noise": 0.2, "grey_noise": 0.31}, {})
    odd = PictureJudgement("odd.png", NONE | {"noise": 0.2, "grey_noise": 0.2, "repetition": 0.3}, {})
    assert [looks_like(one) for one in (dead, tint, odd)] == ["noise", "grey noise", ""]
    assert [likeliest(one)[0] for one in (dead, tint, odd)] == ["noise", "grey_noise", "noise"]
    assert likeliest(dead)[1] == pytest.approx(0.95)
    assert [is_spoilt(one) for one in (dead, tint, odd)] == [True, True, False]


def test_noise_fails_a_gate_whatever_is_likelier_still() -> None:
    """A sheet of one dead preview again and again: repetition is surer, and it is noise all the same."""
    sheet = PictureJudgement("sheet.png", NONE | {"noise": 0.97, "repetition": 0.99}, {})
    blank = PictureJudgement("blank.png", NONE | {"flat": 0.6, "repetition": 0.9}, {})
    woven = PictureJudgement("woven.png", NONE | {"repetition": 0.99}, {})
    assert [looks_like(one) for one in (sheet, blank, woven)] == ["repetition"] * 3
    assert [is_spoilt(one) for one in (sheet, blank, woven)] == [True, True, False]
