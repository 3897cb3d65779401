"""Every setup rule fires on what it is about, and is silent beside it.  The ids cite the guide's rows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from hndoctor.records import PlanVitals, Setup
from hndoctor.rules.engine import Rule, findings_of
from hndoctor.rules.setup import RULES_SETUP
from tests.rules.setup_evidence import (
    ALIKE,
    ARTIST,
    BY_CODE,
    NAMED,
    SD1,
    TWICE,
    WORDY,
    caption,
    captions,
    config,
    launch,
    old,
    one,
    picture,
    plan,
    tabs,
    trap,
)

READ_TAB = "train/Read parameters (prompt, etc...) from txt2img tab when making previews/value"
ALPHA = "train/Use PNG alpha channel as loss weight/value"

# code, guide row, evidence on which it fires, evidence on which it is silent
CASES: tuple[tuple[str, str, Setup, Setup], ...] = (
    ("HN501", "G1", one("old tree", source=False), one()),
    ("HN502", "G1", one(""), one()),
    ("HN503", "G2", one(underscored=("red_hair",)), one()),
    (
        "HN504",
        "G3",
        Setup("data", sortable_captions=10, sorted_captions=9, sorted_chance=-20.0),
        Setup("data", sortable_captions=10, sorted_captions=2, sorted_chance=-3.0),
    ),
    ("HN505", "G4", one(emphasised=("fate",)), one()),
    ("HN506", "G5", captions(*(f"n{n}, {text}" for n, text in enumerate(WORDY))), captions(*WORDY)),
    ("HN507", "G5", captions(*(f"a{n}, b{n}" for n in range(6))), captions(*["a, b", "b, a"] * 3)),
    ("HN508", "G5", captions("blue eyes", "Blue_eyes"), captions("blue eyes", "blue eyes")),
    ("HN509", "", one(tokens=90, beyond=("late",)), one(tokens=75)),
    ("HN510", "G7", captions("1girl, fischl", **NAMED), captions("fischl, 1girl", **NAMED)),
    ("HN511", "G7", captions("tree, sea", "sky, sea", **ARTIST), captions("by mucha, sea", "by mucha, a", **ARTIST)),
    ("HN512", "G6", Setup("data", name="girl"), Setup("data", name="fischl-pt")),
    ("HN513", "", one(problem="is saved with UTF-16"), one()),
    ("HN514", "", Setup("data", orphans=("lost.txt",)), Setup("data")),
    ("HN515", "", Setup("data", captions=(caption("a"), replace(caption("a"), picture="0.jpg"))), captions("a", "a")),
    ("HN516", "G5", captions(*["standing"] * 4, "standng"), captions(*["standing"] * 4, "stranded")),
    ("HN517", "G13", Setup("data", name="fischl (v2)"), Setup("data", name="fischl v2.1_a-b")),
    ("HN520", "G8", picture(12), picture(20)),
    ("HN521", "G8", picture(2, problem="is an empty file"), picture(2)),
    ("HN522", "G8", picture(width=300), picture()),
    ("HN523", "G8", picture(width=900), picture(width=600)),
    ("HN524", "G5", Setup("data", pictures=TWICE), picture(2)),
    ("HN525", "G5", Setup("data", pictures=ALIKE), picture(2)),
    ("HN526", "G8", picture(sharpness=2.0), picture()),
    ("HN527", "G8", picture(jpeg_quality=40), picture(jpeg_quality=90)),
    ("HN528", "", picture(transparent=0.3), picture()),
    ("HN529", "", picture(orientation=6), picture()),
    ("HN530", "", picture(profile="Adobe RGB (1998)"), picture()),
    ("HN531", "", picture(contrast=0.001), picture()),
    ("HN532", "", picture(mode="I;16"), picture()),
    ("HN540", "G9", plan(template=("[filewords]", "")), plan(template=("[filewords]",))),
    (
        "HN541",
        "G9",
        replace(one(), plan=PlanVitals(template=("a picture of [name]",))),
        replace(one(), plan=PlanVitals(template=("[name], [filewords]",))),
    ),
    ("HN542", "G9", plan(template=("a [caption]",)), plan(template=("[name], [filewords], [a:b:0.5]",))),
    ("HN550", "G13", plan(problems=("steps = 0: write 1 or more",)), plan()),
    ("HN551", "G20", trap("ruinous"), trap("rises")),
    ("HN552", "G23", trap("semicolon"), trap("ruinous")),
    ("HN553", "G22", trap("rises"), trap("order")),
    ("HN554", "G24", trap("needless"), trap("order")),
    ("HN555", "G21", plan(dose=0.1, **SD1), plan(dose=0.02, **SD1)),
    ("HN556", "G24", plan(dose=0.0005, **SD1), plan(dose=0.0168, **SD1)),
    ("HN557", "G19", plan(steps=100_000), plan(steps=15_000)),
    ("HN558", "G15", plan(is_layer_norm=True), plan()),
    (
        "HN559",
        "G18",
        plan(initial_gain=1.42, weight_initialization="KaimingNormal"),
        plan(initial_gain=0.11, weight_initialization="Normal"),
    ),
    (
        "HN560",
        "G16",
        plan(activation_func="softmax", activation_problem="it ties all channels together"),
        plan(activation_func="swish"),
    ),
    (
        "HN561",
        "G17",
        plan(use_dropout=True, dropout_structure=(0, 0, 0)),
        plan(use_dropout=True, dropout_structure=(0, 0.1, 0)),
    ),
    ("HN562", "G25", plan(preview_negative_prompt="bad hands"), plan(preview_negative_prompt=" ")),
    ("HN563", "G26", plan(clip_skip=2), plan(clip_skip=1)),
    ("HN564", "G26", plan(preview_cfg_scale=15.0), plan(preview_cfg_scale=7.5)),
    ("HN565", "G27", plan(preview_seed=-1), plan(preview_seed=0)),
    ("HN566", "", plan(width=500), plan(width=512, height=768)),
    ("HN567", "", plan(batch_size=4, gradient_step=8, pictures=20), plan(batch_size=4, pictures=20)),
    ("HN568", "", plan(validation=0.05, pictures=20), plan(validation=0.2, pictures=20)),
    (
        "HN569",
        "G14",
        plan(checkpoints=40, checkpoint_bytes=10**9, free_bytes=10**10),
        plan(checkpoints=4, checkpoint_bytes=10**9, free_bytes=10**10),
    ),
    ("HN570", "G10", launch("--xformers --medvram"), launch("--xformers")),
    ("HN571", "G11", config(deepbooru_sort_alpha="true"), config(deepbooru_sort_alpha="false")),
    ("HN572", "G11", old("--xformers"), old("--deepdanbooru")),
    ("HN573", "G12", config(unload_models_when_training="false"), config(unload_models_when_training="true")),
    ("HN574", "G33", config(save_optimizer_state="false"), config(save_optimizer_state="true")),
    ("HN575", "G26", config(CLIP_stop_at_last_layers="2"), config(CLIP_stop_at_last_layers="1")),
    ("HN576", "G28", config(sd_vae="anything.vae.pt"), config(sd_vae="Automatic")),
    ("HN577", "G28", config(sd_hypernetwork="anime"), config(sd_hypernetwork="None", sd_hypernetwork_strength="1.0")),
    ("HN578", "", config(training_write_csv_every="0.0"), config(training_write_csv_every="500.0")),
    (
        "HN579",
        "G20",
        tabs({"train/Learning rate/value": "5.0e-03"}),
        tabs({"train/Hypernetwork Learning rate/value": "5e-5:100, 5e-6"}),
    ),
    (
        "HN580",
        "G25-G27",
        tabs({READ_TAB: "true", "txt2img/Negative prompt/value": "bad"}),
        tabs({READ_TAB: "true", "txt2img/Negative prompt/value": "", "txt2img/Seed/value": "7"}),
    ),
    (
        "HN581",
        "",
        replace(picture(mode="RGBA"), webui={f"ui-config.json:{ALPHA}": "true"}),
        replace(picture(mode="RGBA", transparent=0.2), webui={f"ui-config.json:{ALPHA}": "true"}),
    ),
    (
        "HN582",
        "G19",
        plan(pictures=20, steps=20_000, passes=4000.0, steps_per_epoch=5),
        plan(pictures=20, steps=10_000, passes=500.0, steps_per_epoch=20, left_out=3),
    ),
    ("HN583", "", plan(memory=(("base model", 9 * 10**9),), card_bytes=8 * 10**9), plan(memory=(("base model", 9),))),
    (
        "HN584",
        "G12",
        Setup("data", plan=PlanVitals(memory_webui=(("a", 9 * 10**9),), card_bytes=8 * 10**9), webui={"x": "y"}),
        plan(memory_webui=(("a", 9 * 10**9),), card_bytes=8 * 10**9),
    ),
    (
        "HN586",
        "G34",
        Setup("data", name="Fischl", webui={"hypernetworks:fischl": "fischl.pt"}),
        Setup("data", name="fischl-b", webui={"hypernetworks:fischl": "fischl.pt"}),
    ),
    ("HN585", "G5", captions("smile, grey hair", "smiling, gray hair"), captions("smile, hair", "smile, chair")),
)
IDS = [f"{row}-{code}" if row else code for code, row, _, _ in CASES]


@pytest.mark.parametrize(("code", "evidence"), [(code, fires) for code, _, fires, _ in CASES], ids=IDS)
def test_the_rule_fires(code: str, evidence: Setup) -> None:
    found = list(findings_of(BY_CODE[code], evidence))
    assert found
    for finding in found:
        assert finding.code == code
        assert finding.message
        assert "\n" not in finding.message
        assert 0 < finding.confidence <= 1


@pytest.mark.parametrize(("code", "evidence"), [(code, silent) for code, _, _, silent in CASES], ids=IDS)
def test_the_rule_is_silent(code: str, evidence: Setup) -> None:
    assert list(findings_of(BY_CODE[code], evidence)) == []


@pytest.mark.parametrize("law", RULES_SETUP, ids=lambda law: law.code)
def test_without_evidence_every_rule_is_silent(law: Rule) -> None:
    assert list(findings_of(law, Setup("data"))) == []
    assert list(findings_of(law, plan())) == []


def test_every_rule_has_its_cases_and_its_manual() -> None:
    codes = [law.code for law in RULES_SETUP]
    assert codes == sorted(set(codes))
    assert {code for code, _, _, _ in CASES} == set(codes)
    for law in RULES_SETUP:
        assert law.needs == "setup"
        assert law.title.endswith(".")
        assert len(law.manual.split("\n\n")) == 2, law.code


ROWS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27, 28]


@pytest.mark.parametrize(
    ("one_way", "other"),
    [
        ("smile", "smiling"), ("sit", "sitting"), ("flower", "flowers"), ("grey hair", "gray hair"),
        ("1girl", "a girl"), ("hair ribbon", "ribbon in the hair"),
    ],
)  # fmt: skip
def test_g5_forms_of_one_word_mean_the_same(one_way: str, other: str) -> None:
    assert list(findings_of(BY_CODE["HN585"], captions(one_way, other)))


@pytest.mark.parametrize(
    ("one_way", "other"), [("dress", "dressing room"), ("king", "ring"), ("red hair", "red hat"), ("glass", "grass")]
)
def test_g5_other_words_are_other_words(one_way: str, other: str) -> None:
    assert not list(findings_of(BY_CODE["HN585"], captions(one_way, other)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"G{row}")
def test_every_row_of_the_guide_has_a_rule_whose_manual_cites_it(row: int) -> None:
    assert any(re.search(rf"\bG{row}\b", law.manual) for law in RULES_SETUP)
