"""The page of `check`: a contact sheet by need, and nothing in it that could act."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hndoctor.records import (
    CaptionVitals,
    Diagnosis,
    Finding,
    PictureVitals,
    PlanVitals,
    Setup,
    Severity,
    Skipped,
    Verdict,
)
from hndoctor.render.check import MOST_CARDS, cards_of, render_check
from hndoctor.render.templates import LANGUAGES, Words
from hndoctor.rules import RULES
from hndoctor.setup.thumbnails import Small

NAMES = ("a.png", "b.png", "c.png", "d.png")
SETUP = Setup(
    "data",
    name="fischl",
    pictures=tuple(PictureVitals(name, 512, 512) for name in NAMES),
    captions=tuple(CaptionVitals(name, f"{name[0]}.txt", "fischl, red hair", ("fischl", "red hair")) for name in NAMES),
    plan=PlanVitals(
        learn_rate="5e-6", steps=10000, steps_per_epoch=20, passes=500.0, onset=(9000, 15000, 25000), initial_gain=0.05,
        memory=(("base model", 3 * 10**9),), memory_webui=(("base model", 6 * 10**9),), card_bytes=8 * 10**9,
    ),
    webui={"config.json": "read", "config.json:sd_vae": "x.vae.pt"},
    tokenizer="rough count",
)  # fmt: skip
FOUND = (
    Finding("HN521", Severity.ERROR, 1.0, "d.png: is an empty file; remove it", subject="d.png"),
    Finding("HN503", Severity.WARNING, 1.0, 'b.txt: underscores in "red_hair"; use spaces', subject="b.txt"),
    Finding("HN525", Severity.WARNING, 0.8, "b.png, c.png look alike", subject="c.png", subjects=("b.png", "c.png")),
)
DIAGNOSIS = Diagnosis("data", "fischl", Verdict.AILING, "4 pictures.", FOUND, (Skipped("web UI", "not given"),))
SMALL = {name: Small("AAAA", 20, 10) for name in NAMES[:3]}


def page(setup: Setup = SETUP, **more: object) -> str:
    return render_check(setup, DIAGNOSIS, SMALL, RULES, **more)


def test_pictures_come_by_need() -> None:
    cards = cards_of(SETUP, DIAGNOSIS, SMALL, Words("en"))
    assert [card.name for card in cards] == ["d.png", "b.png", "c.png", "a.png"]
    assert [[need.code for need in card.needs] for card in cards] == [["HN521"], ["HN503", "HN525"], ["HN525"], []]
    assert cards[0].needs[0].text.text == "is an empty file; remove it"
    assert (cards[0].thumbnail, cards[1].thumbnail) == (None, "AAAA")


def test_many_told_together_are_still_found_at_each_picture() -> None:
    many = Finding(
        "HN526", Severity.WARNING, 0.7, "4 pictures are blurred: a.png, b.png; use sharper ones", subjects=NAMES
    )
    cards = cards_of(SETUP, replace(DIAGNOSIS, findings=(many,)), {}, Words("en"))
    assert {card.needs[0].text.text for card in cards} == {"pictures are blurred (4); use sharper ones"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_holds_it_all(language: str) -> None:
    text = page(language=language)
    for word in (
        "d.png",
        "data:image/jpeg;base64,AAAA",
        "red hair",
        "15,000",
        "3.00 GB",
        "6.00 GB",
        "x.vae.pt",
        "HN525",
    ):
        assert word in text
    assert not re.search(r"(src|href)=.(?!data:|#)", text)  # nothing is asked of any server
    HTMLParser().feed(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_golden(language: str, golden: Callable[[str, str], None]) -> None:
    golden("check.html" if language == "en" else f"check.{language}.html", page(language=language))


def test_the_first_screen_says_what_to_mend_first() -> None:
    text = page()
    assert '<h1 id="verdict">A picture cannot be opened.</h1>' in text
    assert "Mend first" in text
    mild = render_check(SETUP, replace(DIAGNOSIS, findings=FOUND[1:]), SMALL, RULES)
    assert "2 things to look at before training; none of them ruins it." in mild
    sound = render_check(SETUP, replace(DIAGNOSIS, findings=()), SMALL, RULES)
    assert "Nothing stands against training on these pictures." in sound


def test_what_holds_for_most_pictures_is_said_once() -> None:
    names = tuple(f"{n}.png" for n in range(20))
    setup = Setup("data", pictures=tuple(PictureVitals(name, 512, 512) for name in names))
    text = "12 pictures are blurred: 0.png; use a sharper one"
    most = Finding("HN526", Severity.WARNING, 0.7, text, subjects=names[:12])
    some = Finding("HN527", Severity.WARNING, 0.7, "7 pictures are heavily compressed: 0.png; use", subjects=names[:7])
    cards = cards_of(setup, replace(DIAGNOSIS, findings=(most, some)), {}, Words("en"))
    assert {need.code for card in cards for need in card.needs} == {"HN527"}
    assert '<b class="count">12</b>' in render_check(setup, replace(DIAGNOSIS, findings=(most,)), {}, RULES)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert page() == page()


def test_names_and_captions_cannot_act() -> None:
    evil = '<script>alert(1)</script>"\u202e'
    setup = replace(
        SETUP,
        name=evil,
        pictures=(PictureVitals(f"{evil}.png", 1, 1),),
        captions=(CaptionVitals(f"{evil}.png", "a.txt", evil, (evil,)),),
        webui={f"config.json:{evil}": evil},
    )
    text = page(setup)
    assert "<script>alert" not in text
    assert "\u202e" not in text


def test_without_plan_web_ui_and_findings_it_is_whole() -> None:
    bare = Setup("data", pictures=SETUP.pictures)
    text = render_check(bare, Diagnosis("data", "x", Verdict.HEALTHY, "4 pictures."), {})
    assert "No configuration was given" in text
    assert "<details open>" in text  # nothing is in need, so the sound ones are shown


def test_a_very_large_set_is_cut_and_says_so() -> None:
    pictures = tuple(PictureVitals(f"{n}.png", 9, 9) for n in range(MOST_CARDS + 7))
    assert "7 more pictures are not shown" in render_check(Setup("data", pictures=pictures), DIAGNOSIS, {})
