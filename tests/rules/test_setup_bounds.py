"""The setup rules at both sides of their bounds; and the whole table of what they say, word by word where it counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hndoctor.records import PictureVitals, PlanVitals, Setup, Severity
from hndoctor.rules.engine import findings_of
from hndoctor.rules.setup import captions as cap
from hndoctor.rules.setup import common, duplicates, names, network, pictures, plan, tags, terms, webui
from hndoctor.rules.setup.synonyms import sense, stem
from tests.rules.setup_evidence import (
    BY_CODE,
    SD1,
    SHARP,
    caption,
    captions,
    config,
    launch,
    one,
    picture,
    tabs,
    trap,
)
from tests.rules.setup_evidence import plan as planned

EPS = 1e-6
GB = 10**9


def told(code, evidence):
    return list(findings_of(BY_CODE[code], evidence))


def styled(count, kind):
    return replace(picture(count), kind=kind)


def alike(first: int, second: int = 0):
    """Two pictures whose hashes are so many bits apart."""
    other = replace(SHARP, path="b.png", digest="d1")
    hashes = (("0" * 16, "0" * 16), (f"{(1 << first) - 1:016x}", f"{(1 << second) - 1:016x}"))
    made = zip((SHARP, other), hashes, strict=True)
    return Setup("data", pictures=tuple(replace(p, perceptual_hash=one, difference_hash=two) for p, (one, two) in made))


def sized(width, height, resize=None, target=(512, 512)):
    made = PlanVitals(width=target[0], height=target[1], resize=resize)
    return replace(picture(width=width, height=height), plan=made)


def sorted_captions(share, chance):
    return replace(one(), sortable_captions=100, sorted_captions=round(100 * share), sorted_chance=chance)


def room(free, checkpoints=10):
    return planned(checkpoints=checkpoints, checkpoint_bytes=GB, free_bytes=free)


def card(need, size, webui_too=False):
    parts = (("base model", need - GB), ("network", GB), ("nothing", 0))
    if webui_too:
        return replace(planned(memory_webui=parts, card_bytes=size), webui={"config.json": "read"})
    return planned(memory=parts, card_bytes=size)


def passes(count, steps=1000):
    return planned(passes=count, steps_per_epoch=10, steps=steps, pictures=20)


NEED = round(10 * GB * network.SPARE)
MANY = tuple(f"{n}.png" for n in range(common.EACH + 1))
BOUNDS = [  # code, silent, fires
    ("HN504", sorted_captions(cap.ORDER_SHARE - 0.01, -9), sorted_captions(cap.ORDER_SHARE, -9)),
    ("HN504", sorted_captions(1, cap.ORDER_CHANCE), sorted_captions(1, cap.ORDER_CHANCE - EPS)),
    ("HN509", one(tokens=cap.CHUNK, beyond=("x",)), one(tokens=cap.CHUNK + 1, beyond=("x",))),
    ("HN509", one(tokens=99), one(tokens=99, beyond=("x",))),
    ("HN506", captions(*["a, b"] * (tags.ENOUGH - 1)), captions(*["c, a", "d, a", "e, a", "f, a", "g, a"])),
    ("HN507", captions(*["a, b"] * 3, "c, d"), captions("a, b", "a, c", "a, d", "a, e", "a, f")),
    ("HN507", captions("a, b, c, d", "a, b, c, d", "a, b, e", "a, f", "a, b"), captions("a, b", "a, b, c", *"def")),
    ("HN507", captions("a", "a, b", "a, b", "a, b"), captions("a, d", "a, b, e", "a, b", "a, b", "a, c")),
    ("HN516", captions(*["shirt"] * (tags.OFTEN - 1), "shrit"), captions(*["shirt"] * tags.OFTEN, "shrit")),
    ("HN516", captions(*["shirt"] * 9, "shrit", "shrit"), captions(*["shirt"] * 9, "shrit")),
    ("HN516", captions(*["blue"] * 9, "bleu"), captions(*["shirt"] * 9, "shrit")),
    ("HN520", picture(15), picture(14)),
    ("HN520", styled(20, "character"), styled(19, "character")),
    ("HN520", styled(80, "style"), styled(79, "style")),
    ("HN520", styled(pictures.MANY_STYLE, "style"), styled(pictures.MANY_STYLE + 1, "style")),
    ("HN520", picture(0), picture(1)),
    ("HN522", sized(512, 512), sized(511, 512)),
    ("HN522", sized(512, 512), sized(512, 511)),
    ("HN522", sized(512, 768, target=(512, 768)), sized(512, 767, target=(512, 768))),
    ("HN523", sized(639, 512), sized(640, 512)),
    ("HN523", sized(512, 639), sized(512, 640)),
    ("HN523", sized(1023, 512, "crop"), sized(1024, 512, "crop")),
    ("HN523", sized(512, 768, target=(512, 768)), sized(768, 512, target=(512, 768))),
    ("HN525", alike(duplicates.NEAR + 1), alike(duplicates.NEAR)),
    ("HN525", alike(3, duplicates.NEAR_DIFFERENCE + 1), alike(3, duplicates.NEAR_DIFFERENCE)),
    ("HN526", picture(sharpness=pictures.BLURRED), picture(sharpness=pictures.BLURRED - EPS)),
    ("HN526", picture(sharpness=1.0, contrast=common.FLAT - EPS), picture(sharpness=1.0, contrast=common.FLAT)),
    ("HN527", picture(jpeg_quality=pictures.ARTEFACTS), picture(jpeg_quality=pictures.ARTEFACTS - 1)),
    ("HN528", picture(transparent=pictures.SEE_THROUGH), picture(transparent=pictures.SEE_THROUGH + EPS)),
    ("HN531", picture(contrast=common.FLAT), picture(contrast=common.FLAT - EPS)),
    ("HN531", picture(brightness=pictures.DARK), picture(brightness=pictures.DARK - EPS)),
    ("HN531", picture(contrast=None, brightness=None), picture(contrast=None, brightness=0.0)),
    ("HN540", planned(template=("", "")), planned(template=("", "a"))),
    ("HN555", planned(dose=plan.BAND[0] - EPS, **SD1), planned(dose=plan.BAND[0], **SD1)),
    (
        "HN555",
        planned(dose=2 * plan.BAND[0] - EPS, **SD1 | {"context_width": 384}),
        planned(dose=2 * plan.BAND[0], **SD1 | {"context_width": 384}),
    ),
    ("HN555", trap("ruinous", dose=1.0, **SD1), trap("rises", dose=1.0, **SD1)),
    ("HN556", planned(dose=plan.STARVED, **SD1), planned(dose=plan.STARVED - EPS, **SD1)),
    ("HN557", planned(steps=plan.ENOUGH_STEPS), planned(steps=plan.ENOUGH_STEPS + 1)),
    ("HN559", planned(initial_gain=network.DEADLY_GAIN - EPS), planned(initial_gain=network.DEADLY_GAIN)),
    (
        "HN560",
        planned(activate_output=True, activation_func="tanh"),
        planned(activate_output=True, activation_func="relu"),
    ),
    ("HN560", planned(activation_func="relu"), planned(activation_func="x", activation_problem="odd")),
    ("HN561", planned(dropout_structure=None), planned(use_dropout=True)),
    ("HN563", planned(clip_skip=None), planned(clip_skip=0)),
    ("HN564", planned(preview_cfg_scale=terms.CFG + terms.CFG_FAR), planned(preview_cfg_scale=9.0 + EPS)),
    ("HN564", planned(preview_cfg_scale=terms.CFG - terms.CFG_FAR), planned(preview_cfg_scale=5.0 - EPS)),
    ("HN566", planned(width=8), planned(width=7)),
    ("HN566", planned(height=520), planned(height=519)),
    ("HN566", planned(height=8), planned(height=0)),
    ("HN567", planned(batch_size=4, gradient_step=5, pictures=20), planned(batch_size=3, gradient_step=7, pictures=20)),
    ("HN567", planned(batch_size=9), planned(gradient_step=21, pictures=20)),
    ("HN568", planned(validation=0.1, pictures=20), planned(validation=0.099, pictures=20)),
    ("HN568", planned(validation=2, pictures=20), planned(validation=1, pictures=20)),
    ("HN568", planned(validation=19, pictures=20), planned(validation=20, pictures=20)),
    ("HN569", room(NEED), room(NEED - 1)),
    ("HN569", planned(checkpoints=10, checkpoint_bytes=GB), room(0)),
    ("HN569", room(0, checkpoints=0), room(1, checkpoints=1)),
    ("HN583", card(8 * GB, 8 * GB), card(8 * GB, 8 * GB - 1)),
    ("HN583", planned(memory=(), card_bytes=1), card(8 * GB, 1)),
    ("HN584", card(8 * GB, 8 * GB, True), card(8 * GB, 8 * GB - 1, True)),
    ("HN584", card(8 * GB, 1), card(8 * GB, 1, True)),
    ("HN582", passes(terms.PASSES[0]), passes(terms.PASSES[0] - EPS)),
    ("HN582", passes(terms.PASSES[1]), passes(terms.PASSES[1] + EPS)),
    ("HN582", passes(1, steps=terms.MOST_STEPS + 1), passes(1, steps=terms.MOST_STEPS)),
    ("HN578", config(training_write_csv_every="500"), config(training_write_csv_every="501")),
    ("HN578", config(training_write_csv_every="often"), config(training_write_csv_every="0")),
    ("HN575", config(CLIP_stop_at_last_layers="nan"), config(CLIP_stop_at_last_layers="0.5")),
    ("HN577", config(sd_hypernetwork=""), config(sd_hypernetwork="None", sd_hypernetwork_strength="0.9")),
    ("HN571", config(deepbooru_use_spaces="true"), config(deepbooru_use_spaces="false")),
    ("HN571", config(), config(interrogate_deepbooru_sort_alpha="true")),
    ("HN570", launch('"--medvram-sdxl"'), launch('"--medvram"')),
    (
        "HN579",
        tabs({"train/Learning rate/value": "5e-5:100, 4.9e-3"}),
        tabs({"train/Hypernetwork Learning rate/value": "5e-5:100, 5e-3"}),
    ),
    ("HN512", Setup("d", name="xqz"), Setup("d", name="girl")),
    ("HN512", Setup("d", name="x1", name_tokens=1), Setup("d", name="xqz", name_tokens=1)),
    ("HN512", Setup("d", name="girl-xqz"), Setup("d", name="girl_hat")),
    ("HN517", Setup("d", name="a b.c-d_1"), Setup("d", name="a(b)")),
    (
        "HN586",
        Setup("d", name="b", webui={"hypernetworks:a": "a.pt"}),
        Setup("d", name="A", webui={"hypernetworks:a": "a.pt"}),
    ),
]


@pytest.mark.parametrize(("code", "silent", "fires"), BOUNDS, ids=[f"{at}-{row[0]}" for at, row in enumerate(BOUNDS)])
def test_at_both_sides_of_the_bound(code, silent, fires):
    assert told(code, silent) == []
    assert told(code, fires)


@pytest.mark.parametrize(
    ("code", "evidence", "severity", "confidence"),
    [
        ("HN520", picture(10), Severity.INFO, 0.8),
        ("HN520", picture(9), Severity.WARNING, 0.8),
        ("HN520", styled(15, "character"), Severity.INFO, 0.8),
        ("HN520", styled(14, "character"), Severity.WARNING, 0.8),
        ("HN520", styled(40, "style"), Severity.INFO, 0.8),
        ("HN520", styled(39, "style"), Severity.WARNING, 0.8),
        ("HN522", sized(410, 512), Severity.INFO, 1.0),
        ("HN522", sized(409, 512), Severity.WARNING, 1.0),
        ("HN559", planned(initial_gain=network.SURELY_DEADLY), Severity.ERROR, 0.95),
        ("HN559", planned(initial_gain=network.SURELY_DEADLY - EPS), Severity.ERROR, 0.8),
        ("HN555", planned(dose=plan.BAND[1], **SD1), Severity.WARNING, 0.8),
        ("HN555", planned(dose=plan.BAND[1] - EPS, **SD1), Severity.INFO, 0.8),
        ("HN568", planned(validation=20, pictures=20), Severity.ERROR, 1.0),
        ("HN568", planned(validation=1, pictures=20), Severity.INFO, 1.0),
        ("HN509", one(tokens=99, beyond=("x",), number=1), Severity.INFO, cap.ROUGH_CONFIDENCE),
        ("HN509", replace(one(tokens=99, beyond=("x",)), tokenizer="CLIP"), Severity.INFO, 1.0),
        ("HN586", Setup("d", webui={"hypernetworks:a": "a.pt, b/a.pt"}), Severity.INFO, 0.9),
    ],
)
def test_how_grave_and_how_sure(code, evidence, severity, confidence):
    (found,) = told(code, evidence)
    assert (found.severity, found.confidence) == (severity, confidence)


@pytest.mark.parametrize(
    ("code", "evidence", "words", "value", "limit"),
    [
        ("HN523", sized(640, 512), "it is squeezed 1.25 times", 1.25, pictures.DISTORTED),
        ("HN523", sized(1024, 512, "crop"), "the crop loses 50% of it", 2.0, pictures.ELONGATED),
        ("HN522", sized(256, 512), "256×512 is enlarged 2.0 times to 512×512;", 2.0, 1),
        ("HN522", picture(width=256), "512×512 (Stable Diffusion 1's size, as no plan says another)", 2.0, 1),
        ("HN566", planned(width=500), "width 500 is not a multiple of 8; write 496", 500, 8),
        ("HN566", planned(height=3), "height 3 is not a multiple of 8; write 8", 3, 8),
        ("HN569", room(10 * GB), "10 checkpoints of 1.00 GB need 10.0 GB, 10.0 GB are free", 10 * GB, 10 * GB),
        (
            "HN583",
            card(8 * GB, 4 * GB),
            "needs about 8.0 GB of 4.0: base model 7.0, network 1.0; use",
            8 * GB,
            4 * GB,
        ),
        (
            "HN540",
            planned(template=("", "a", "b", "c")),
            "1 of 4 template lines are blank: the web UI trains 25%",
            1,
            0,
        ),
        ("HN528", picture(transparent=0.123), "12.3% transparent", 0.123, pictures.SEE_THROUGH),
        ("HN568", planned(validation=0.05, pictures=20), "1 of 20 pictures", 1, terms.FEW_VALIDATION),
        ("HN568", planned(validation=25, pictures=20), "all 20 pictures", 25, 20),
        (
            "HN582",
            replace(
                planned(passes=50, steps_per_epoch=3, steps=150, pictures=20, left_out=2), webui={"config.json": "x"}
            ),
            "20 pictures are 3 steps an epoch of 6; the web UI leaves 2 of them out",
            2,
            0,
        ),
    ],
)
def test_what_is_said_and_by_which_figures(code, evidence, words, value, limit):
    (found,) = told(code, evidence)
    assert words in found.message
    assert (found.value, found.limit) == (pytest.approx(value), limit)


def test_what_is_left_out_of_an_epoch_matters_only_in_the_web_ui():
    assert not told("HN582", planned(passes=50, steps_per_epoch=3, steps=150, pictures=20, left_out=2))


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("cats", "cat"),
        ("gas", "gas"),
        ("glass", "glass"),
        ("sitting", "sit"),
        ("falling", "fall"),
        ("passing", "pass"),
        ("sing", "sing"),
        ("dancing", "danc"),
        ("dance", "danc"),
        ("ice", "ice"),
        ("1girl", "girl"),
        ("1girls", "girl"),
        ("2girls", "2girl"),
        ("greys", "grey"),
        ("grey", "gray"),
        ("colour", "color"),
    ],
)
def test_stems(word, wanted):
    assert stem(word) == wanted


def test_senses():
    assert sense("standing on the beach") == sense("beach, stand".replace(",", ""))
    assert sense("with a") == frozenset()


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("shirt", "shrit", True),
        ("shirt", "shirts", True),
        ("shirts", "shirt", True),
        ("shirt", "short", True),
        ("shirt", "shirt", False),
        ("shirt", "sohrt", False),
        ("shirt", "shir", True),
        ("shirt", "shi", False),
        ("shirt", "trihs", False),
        ("ab", "ba", True),
        ("abcd", "badc", False),
        ("abc", "xbcd", False),
    ],
)
def test_one_edit(one, other, wanted):
    assert tags.one_edit(one, other) is wanted


def test_many_are_told_together_up_to_so_many_names():
    few, many = (picture(count, jpeg_quality=30) for count in (common.EACH, common.EACH + 1))
    assert len(told("HN527", few)) == common.EACH
    (found,) = told("HN527", many)
    assert found.message.startswith("6 pictures are heavily compressed: 0.png, 1.png")
    assert (found.value, found.limit, found.subjects) == (6, 0, MANY)
    names_of = [str(n) for n in range(common.NAMED + 2)]
    assert common.listed(names_of).endswith(f"{common.NAMED - 1} and 2 more")
    assert common.listed(names_of[: common.NAMED]).endswith(f", {common.NAMED - 1}")


def test_many_of_one_severity_keep_it_and_of_several_have_the_rules():
    mild = replace(picture(9, width=500), plan=None)
    (same,) = told("HN522", mild)
    assert same.severity is Severity.INFO
    mixed = replace(mild, pictures=(*mild.pictures[1:], replace(mild.pictures[0], width=100)))
    (both,) = told("HN522", mixed)
    assert both.severity is Severity.WARNING


def test_what_is_not_readable_is_counted_nowhere():
    broken = replace(SHARP, path="z.png", problem="is an empty file", jpeg_quality=1, digest="d0")
    assert told("HN527", Setup("d", pictures=(broken,))) == []
    assert told("HN524", Setup("d", pictures=(SHARP, broken))) == []
    assert isinstance(broken, PictureVitals)


@pytest.mark.parametrize(
    ("name", "wanted"), [("fischl-pt2", ("fischl",)), ("ab", ("ab",)), ("", ()), ("my_girl-v2", ("girl",))]
)
def test_parts_of_a_name(name, wanted):
    assert names.parts(name) == wanted


def test_the_name_that_nearly_all_captions_begin_with():
    ten = [f"amy, {n}" for n in "abcdefghij"]
    assert names.common_first(captions(*ten)) == "amy"
    assert names.common_first(captions(*ten[:9], "bob")) == "amy"
    assert names.common_first(captions(*ten[:8], "bob", "eve")) is None
    assert names.common_first(captions("amy")) is None
    assert names.common_first(Setup("d", captions=(caption("amy, a", source=False),) * 3)) is None


def test_numbers_of_the_web_ui():
    assert [webui.number(text) for text in ("1.5", "x", None, "inf", "nan")] == [1.5, None, None, None, None]
