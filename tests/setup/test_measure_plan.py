"""The plan as numbers."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import examine
from hndoctor.rules.setup import RULES_SETUP
from hndoctor.setup.base import Base, find_base
from hndoctor.setup.plan import measure_plan

SD1 = Base(768, (768, 320, 640, 1280), 512)
SMALL = Base(96, (96, 32), 512)  # quick to compute


def test_g13_layer_structures_are_read_in_the_web_uis_grammar() -> None:
    for text in ("1, 2, 1", "1, 1.5, 1.5, 1", [1, 3, 1]):
        plan = measure_plan({"layer_structure": text}, SMALL, 20)
        assert plan.problems == ()
        assert plan.layer_structure is not None
        assert plan.layer_structure[0] == plan.layer_structure[-1] == 1


def test_g14_wider_networks_make_larger_files() -> None:
    usual = measure_plan({"layer_structure": "1, 2, 1", "save_optimizer_state": False}, SD1, 20)
    wide = measure_plan({"layer_structure": "1, 3, 3, 1", "save_optimizer_state": False}, SD1, 20)
    assert usual.parameters == 21_939_840
    assert usual.checkpoint_bytes == pytest.approx(87_768_351, rel=1e-3)
    assert wide.checkpoint_bytes is not None
    assert wide.checkpoint_bytes / 2**20 == pytest.approx(313.8, rel=0.01)


def test_g21_dose_and_onset_follow_the_schedule() -> None:
    plan = measure_plan({"learn_rate": 5e-6, "steps": 10000}, SD1, 20)
    assert plan.dose == pytest.approx(0.05)
    assert plan.onset == (9000, 15000, 25000)
    four = measure_plan({"learn_rate": "5e-6", "steps": 10000, "batch_size": 2, "gradient_step": 2}, SD1, 20)
    assert four.dose == pytest.approx(0.1)
    assert four.onset == (4500, 7500, 12500)


def test_g21_the_band_is_carried_by_width() -> None:
    plan = measure_plan({"learn_rate": 5e-6, "steps": 10000}, Base(96, (96, 32), 128), 20)
    assert plan.onset == (72000, 120000, 200000)
    assert plan.context_width == 96
    assert (plan.width, plan.height) == (128, 128)


def test_a_ruinous_rate_is_one_for_the_width_it_meets() -> None:
    for base, ruinous in ((SD1, True), (Base(96, (96,), 128), False)):
        plan = measure_plan({"learn_rate": "6e-3", "steps": 100}, base, 20)
        assert any(kind == "ruinous" for kind, _ in plan.traps) is ruinous


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("layer_structure", "1, 2", "start and end with 1"),
        ("layer_structure", [1, "x", 1], "could not convert"),
        ("layer_structure", [1, 1e30, 1], "smaller numbers"),
        ("activation", "ReLU", "relu"),
        ("activation", "threshold", "cannot be created"),
        ("weight_init", "Xavier", "XavierNormal"),
        ("steps", 0, "1 or more"),
        ("steps", "many", "whole number"),
        ("batch_size", 1.5, "whole number"),
        ("layer_norm", "yes", "true or false"),
        ("dropout_structure", "0, 2, 0", "dropout"),
        ("width", float("inf"), "whole number"),
        ("preview_cfg", float("nan"), "a number"),
        ("template", "missing.txt", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_named(key: str, value: object, words: str) -> None:
    plan = measure_plan({key: value}, SMALL, 20)
    assert any(words in problem for problem in plan.problems)
    assert all("\n" not in problem for problem in plan.problems)


KEYS = (
    "layer_structure activation weight_init layer_norm dropout_structure learn_rate steps template batch_size "
    "gradient_step width preview_seed preview_cfg validation save_every out name"
)
simple = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text("1, .:-e5\x00", max_size=6))


@settings(max_examples=80)
@given(st.dictionaries(st.sampled_from(KEYS.split()), st.one_of(simple, st.lists(simple, max_size=3)), max_size=6))
def test_no_configuration_makes_measuring_or_judging_fail(config: dict[str, object]) -> None:
    plan = measure_plan(config, SMALL, 20)
    assert all("\n" not in problem for problem in plan.problems)
    setup = Setup("data", plan=plan)
    assert msgspec.json.decode(msgspec.json.encode(setup), type=Setup) == setup
    found, _ = examine(RULES_SETUP, setup, {})
    assert bool(plan.problems) <= any(finding.severity is Severity.ERROR for finding in found)


def test_nothing_given_is_nothing_said() -> None:
    plan = measure_plan({}, Base(), 20)
    assert plan.problems == plan.traps == ()
    assert plan.learn_rate is plan.steps is plan.dose is plan.template is plan.width is None


def test_a_rate_is_judged_even_where_the_steps_are_not_told() -> None:
    plan = measure_plan({"learn_rate": "5e-3:100, 5e-6:200"}, SD1, 20)
    assert [kind for kind, _ in plan.traps] == ["ruinous"]
    assert plan.dose is None


def test_tables_and_other_spellings_are_understood(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("[name]\n\n", encoding="utf-8")
    config = {
        "preview": {"seed": 3, "negative_prompt": "bad"},
        "activation_func": "relu",
        "training_width": 640,
        "template": [str(tmp_path / "t.txt")],
    }
    plan = measure_plan(config, SMALL, 20)
    assert (plan.preview_seed, plan.preview_negative_prompt) == (3, "bad")
    assert (plan.activation_func, plan.width, plan.height) == ("relu", 640, 512)
    assert plan.template == ("[name]", "")


def test_checkpoints_and_room_are_counted(tmp_path: Path) -> None:
    config = {"steps": 10000, "learn_rate": "5e-6", "save_every": 500, "out": str(tmp_path / "not" / "yet")}
    plan = measure_plan(config, SMALL, 20)
    assert plan.checkpoints == 21
    assert plan.free_bytes is not None
    assert measure_plan({**config, "keep_last": 3}, SMALL, 20).checkpoints == 4


def test_a_base_models_own_settings_tell_its_widths(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    unet = {
        "cross_attention_dim": 80,
        "block_out_channels": [64, 96, 128, 128],
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "sample_size": 16,
    }
    (tmp_path / "unet" / "config.json").write_text(json.dumps(unet), encoding="utf-8")
    base = find_base(str(tmp_path))
    assert (base.width, base.sizes, base.side) == (80, (80, 64, 96, 128), 128)


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("stable-diffusion-v1-5", 768),
        ("models/sd1.5.safetensors", 768),
        ("v2-1_768-ema-pruned.ckpt", 1024),
        ("stabilityai/stable-diffusion-2-1", 1024),
        ("sd_xl_base_1.0", 2048),
        ("anything-v3", None),
        ("", None),
        (None, None),
    ],
)
def test_well_known_names_tell_the_width(name: str | None, width: int | None) -> None:
    assert find_base(name).width == width


def test_a_broken_base_folder_is_not_guessed_at(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "config.json").write_text("[]", encoding="utf-8")
    assert find_base(str(folder)).width is None


def test_a_shape_halves_the_dose_and_delays_the_onset() -> None:
    plain = measure_plan({"learn_rate": "5e-6", "steps": 60000}, SD1, 20)
    bent = measure_plan({"learn_rate": "5e-6", "steps": 60000, "lr_scheduler": "cosine"}, SD1, 20)
    assert bent.dose == pytest.approx((plain.dose or 0) / 2, rel=1e-3)
    assert (bent.onset[0] or 0) > (plain.onset[0] or 0)
    assert "lr_scheduler" in " ".join(measure_plan({**PLAN, "lr_scheduler": "sine"}, SD1, 20).problems)


PLAN = {"learn_rate": "5e-6", "steps": 1000}
