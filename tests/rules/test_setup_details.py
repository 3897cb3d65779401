"""What the setup rules weigh: severity, names, groups, messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from hndoctor.records import PlanVitals, Setup, Severity
from hndoctor.rules.engine import findings_of
from hndoctor.rules.setup import duplicates
from tests.rules.setup_evidence import ALIKE, BY_CODE, NAMED, SD1, SHARP, captions, config, launch, picture, plan, trap


def severities(code: str, evidence: Setup) -> Sequence[Severity]:
    return [finding.severity for finding in findings_of(BY_CODE[code], evidence)]


@pytest.mark.parametrize(
    ("code", "evidence", "severity"),
    [
        ("HN520", picture(9), Severity.WARNING),
        ("HN520", replace(picture(18), kind="character"), Severity.INFO),
        ("HN520", replace(picture(60), kind="style"), Severity.INFO),
        ("HN520", replace(picture(30), kind="style"), Severity.WARNING),
        ("HN520", replace(picture(200), kind="style"), Severity.INFO),
        ("HN521", picture(1, problem="x"), Severity.ERROR),
        ("HN522", picture(width=500), Severity.INFO),
        ("HN555", plan(dose=0.05, **SD1), Severity.INFO),
        ("HN555", plan(dose=0.13, **SD1), Severity.WARNING),
        ("HN568", plan(validation=20, pictures=20), Severity.ERROR),
        ("HN570", launch("--lowvram"), Severity.ERROR),
        ("HN578", config(training_write_csv_every="0", training_enable_tensorboard="true"), Severity.INFO),
        ("HN578", config(training_write_csv_every="5000"), Severity.INFO),
    ],
)
def test_severity_follows_the_harm(code: str, evidence: Setup, severity: Severity) -> None:
    assert severities(code, evidence)[0] is severity


@pytest.mark.parametrize("rare", ["skirt", "shirts", "hirt", "short"])
def test_g5_other_words_are_no_misspellings(rare: str) -> None:
    assert not severities("HN516", captions(*["shirt"] * 5, rare))


@pytest.mark.parametrize("rare", ["shrit", "shiirt", "shurt"])
def test_g5_letters_swapped_put_in_or_changed_are_misspellings(rare: str) -> None:
    assert severities("HN516", captions(*["shirt"] * 5, rare))


def test_g5_sentences_are_not_counted_as_tags() -> None:
    sentences = (f"a girl with {n} red flowers in her hair stands there" for n in "abcdefg")
    assert not severities("HN507", captions(*sentences))


def test_g8_eighty_to_a_hundred_and_fifty_pictures_are_right_for_a_style() -> None:
    for count in (80, 100, 150):
        assert not severities("HN520", replace(picture(count), kind="style"))
    for count in (20, 40):
        assert not severities("HN520", replace(picture(count), kind="character"))


def test_g6_a_single_token_of_a_real_vocabulary_is_an_ordinary_word() -> None:
    rare = Setup("data", name="gundam", name_tokens=1, tokenizer="CLIP vocabulary")
    assert severities("HN512", rare)
    assert not severities("HN512", replace(rare, name_tokens=2))


def test_g7_a_template_that_begins_with_the_name_does_for_all_captions() -> None:
    unnamed = captions("1girl, hat", "1girl, rain", **NAMED)
    assert len(severities("HN510", unnamed)) == 2
    assert not severities("HN510", replace(unnamed, plan=PlanVitals(template=("[name], [filewords]",))))
    assert severities("HN510", replace(unnamed, plan=PlanVitals(template=("art of [name], [filewords]",))))


def test_g7_another_name_that_all_captions_begin_with_is_the_characters() -> None:
    assert not severities("HN510", captions("amy, hat", "amy, rain", "amy, sea", **NAMED))


def test_g7_only_the_kind_that_was_given_is_judged() -> None:
    assert not severities("HN510", captions("1girl, hat", kind="style", name="fischl"))
    assert not severities("HN511", captions("tree, sea", "sky, sea", kind="character", name="fischl"))


def test_many_offenders_are_told_together_and_few_by_name() -> None:
    few = [finding.subject for finding in findings_of(BY_CODE["HN527"], picture(3, jpeg_quality=30))]
    assert few == ["0.png", "1.png", "2.png"]
    (many,) = findings_of(BY_CODE["HN527"], picture(30, jpeg_quality=30))
    assert many.value == 30
    assert "0.png" in many.message
    assert "10 more" in many.message


def test_near_duplicates_are_grouped_as_a_slow_search_finds_them() -> None:
    hashes = [0x0F0F0F0F0F0F0F0F ^ (bits * 0x0101) for bits in range(40)]
    made = [replace(SHARP, path=f"{n}.png", digest=f"{n}", perceptual_hash=f"{h:016x}") for n, h in enumerate(hashes)]
    close = {
        (a.path, b.path)
        for i, a in enumerate(made)
        for b in made[i + 1 :]
        if (int(a.perceptual_hash, 16) ^ int(b.perceptual_hash, 16)).bit_count() <= duplicates.NEAR
    }
    groups = duplicates.alike(made)
    together = {(a, b) for names in groups for i, a in enumerate(names) for b in names[i + 1 :]}
    assert close
    assert close <= together


def test_near_duplicates_are_found_by_any_equal_byte_of_their_hashes() -> None:
    """Six bits apart, each in another byte, next to the bytes that are equal."""
    for apart in ("0010100010101010", "1000101010100010", "1010101010100000", "0000101010101010"):
        other = replace(SHARP, path="b.png", digest="d1", perceptual_hash=apart)
        assert duplicates.alike([replace(SHARP, perceptual_hash="0" * 16), other]) == [["a.png", "b.png"]], apart


def test_the_second_hash_keeps_unlike_pictures_apart() -> None:
    unlike = replace(ALIKE[1], difference_hash="ffffffffffffffff")
    assert severities("HN525", Setup("data", pictures=ALIKE))
    first = replace(ALIKE[0], difference_hash="0000000000000000")
    assert not severities("HN525", Setup("data", pictures=(first, unlike)))


def test_g21_the_message_says_where_overtraining_begins_and_whose_figures_these_are() -> None:
    (known,) = findings_of(BY_CODE["HN555"], plan(dose=0.1, **SD1))
    assert "near step 15,000 (between 9,000 and 25,000)" in known.message
    (carried,) = findings_of(BY_CODE["HN555"], plan(dose=1.0, **{**SD1, "context_width": 96}))
    assert "carried to width 96" in carried.message
    assert carried.confidence < known.confidence
    assert not severities("HN555", plan(dose=0.1, **{**SD1, "context_width": 96}))


def test_g21_the_guides_band_does_not_warn_of_the_pocket_model_where_the_lab_found_it_astray() -> None:
    (pocket,) = findings_of(BY_CODE["HN555"], plan(dose=3.0, **{**SD1, "context_width": 80}))
    assert pocket.severity is Severity.INFO
    assert "carried to width 80, which the lab found up to thirty times too low" in pocket.message
    (wide,) = findings_of(BY_CODE["HN555"], plan(dose=3.0, **{**SD1, "context_width": 256}))
    assert wide.severity is Severity.WARNING
    assert "width 256, untested" in wide.message


def test_g21_a_schedule_that_stops_learning_never_reaches_the_end_of_the_band() -> None:
    (finding,) = findings_of(BY_CODE["HN555"], plan(dose=0.05, **{**SD1, "onset": (450, None, None)}))
    assert "near step never" not in finding.message
    assert "450" in finding.message


def test_g20_figures_of_another_model_are_no_errors() -> None:
    assert severities("HN551", trap("ruinous", base_model="mine")) == [Severity.WARNING]
    assert severities("HN551", trap("ruinous", base_model="mine", context_width=768)) == [Severity.ERROR]
    assert severities("HN551", trap("ruinous")) == [Severity.ERROR]
    foreign = plan(dose=0.5, **{**SD1, "context_width": None, "base_model": "mine"})
    assert severities("HN555", foreign) == [Severity.INFO]
