"""The page of loose pictures: those that look wrong first, in both languages, and nothing of a file can act."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from hndoctor.metrics import Pixels, thumbnail
from hndoctor.records import PictureJudgement
from hndoctor.render import render_pictures

SOUND = {"noise": 0.01, "flat": 0.0, "fried": None, "repetition": 0.02, "grey_noise": 0.0}
PICTURES = (
    PictureJudgement("in/a.png", SOUND, {}),
    PictureJudgement(
        "in/b.png",
        SOUND | {"noise": 0.97},
        {},
        ("colourful noise: noise covers 75% of the frame",),
        interval={"noise": (0.9, 0.99)},
        noise_share=0.75,
        tiles=((0.9, 0.8), (0.7, 0.1)),
        thumbnail=thumbnail(Pixels.of(np.zeros((64, 64), np.uint8))),
    ),
    PictureJudgement("in/c<script>.png", SOUND | {"grey_noise": 0.8}, {}),
    PictureJudgement("in/d.png", {}, {}, (), "d.png: not a picture that Pillow can read"),
)


def names(page: str) -> list[str]:
    return re.findall(r'class="picname"><bdi>(.*?)</bdi>', page)


def test_those_that_look_wrong_come_first_under_the_name_of_their_folder() -> None:
    page = render_pictures(PICTURES)
    assert names(page) == ["b.png", "c&lt;script&gt;.png", "d.png", "a.png"]
    assert '<p class="run"><bdi>in/</bdi>' in page
    assert "3 of these pictures look wrong." in page
    assert "97% (90% to 99%)" in page


def test_noise_is_shown_where_it_lies() -> None:
    assert render_pictures(PICTURES).count('height="1" fill-opacity') == 3  # of four tiles; of the other pictures none


def test_pictures_of_several_folders_keep_their_whole_names() -> None:
    assert names(render_pictures((PICTURES[0], replace(PICTURES[0], picture="out/a.png")))) == ["in/a.png", "out/a.png"]


def test_sound_pictures_are_said_to_be_sound() -> None:
    page = render_pictures(PICTURES[:1])
    assert "Nothing is wrong with these pictures." in page
    assert "<details open>" in page


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_is_whole_and_asks_nothing_of_anybody(language: str) -> None:
    page = render_pictures(PICTURES, language=language)
    assert f'<html lang="{language}">' in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page == render_pictures(PICTURES, language=language)


def test_reasons_are_told_in_japanese() -> None:
    page = render_pictures(PICTURES, language="ja")
    assert "カラフルなノイズ：画面の 75% を覆っています" in page
