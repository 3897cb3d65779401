"""Whole data sets and whole web UI homes, measured from disk and judged: each fault is found, and only those."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from hndoctor.records import Finding
from hndoctor.rules.engine import examine
from hndoctor.rules.setup import RULES_SETUP
from hndoctor.setup import measure_setup

Draw = Callable[..., Image.Image]


def findings(data: Path, **more: object) -> dict[str, list[Finding]]:
    found, _ = examine(RULES_SETUP, measure_setup(data, **more), {})
    by_code: dict[str, list[Finding]] = {}
    for finding in found:
        by_code.setdefault(finding.code, []).append(finding)
    return by_code


def spoil(data: Path, draw: Draw) -> None:
    """One file for each fault of pictures."""
    draw(0).resize((96, 96)).save(data / "copy.jpg", quality=30)
    draw(1).save(data / "twin.bmp")
    draw(50).filter(ImageFilter.GaussianBlur(5)).save(data / "blurred.png")
    clear = draw(51).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(data / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    draw(52).save(data / "turned.jpg", exif=exif, quality=95)
    Image.new("RGB", (128, 128)).save(data / "black.png")
    draw(53, (600, 150)).save(data / "wide.png")
    (data / "broken.png").write_bytes(b"\x89PNG\r\n")
    for name in ("copy", "twin", "blurred", "clear", "turned", "black", "wide", "broken"):
        (data / f"{name}.txt").write_text("fischl, red hair, hat", encoding="utf-8")


def test_g8_each_fault_of_a_picture_is_found_in_the_right_file(
    character: Path, sound: dict[str, object], draw: Draw
) -> None:
    spoil(character, draw)
    found = findings(character, kind="character", config=sound)
    where = {code: [finding.subject for finding in signs] for code, signs in found.items()}
    assert where == {
        "HN521": ["broken.png"],
        "HN522": ["copy.jpg"],
        "HN523": ["wide.png"],
        "HN524": ["twin.bmp"],
        "HN525": ["copy.jpg"],
        "HN526": ["blurred.png"],
        "HN527": ["copy.jpg"],
        "HN528": ["clear.png"],
        "HN529": ["turned.jpg"],
        "HN531": ["black.png"],
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"learn_rate": "5e-3"}, "HN551"),
        ({"learn_rate": 0.005}, "HN551"),
        ({"learn_rate": "5e-6:100;5e-7:8000", "steps": 8000}, "HN552"),
        ({"learn_rate": "5e-5:1e2, 5e-6"}, "HN550"),
        ({"learn_rate": "5e-6", "steps": 20000}, "HN555"),
        ({"weight_init": "KaimingNormal", "activation": "relu"}, "HN559"),
        ({"weight_init": "XavierUniform", "activation": "linear"}, "HN559"),
        ({"layer_norm": True}, "HN558"),
        ({"layer_structure": "2, 1"}, "HN550"),
        ({"steps": 50000, "learn_rate": "5e-7"}, "HN557"),
        ({"preview_negative_prompt": "bad"}, "HN562"),
        ({"clip_skip": 2}, "HN563"),
        ({"preview_seed": -1}, "HN565"),
        ({"width": 124}, "HN566"),
        ({"template": ["[filewords]", "", "x [filewords]"]}, "HN540"),
        ({"name": "girl"}, "HN512"),
    ],
)
def test_g20_each_fault_of_a_plan_is_found(
    character: Path, sound: dict[str, object], change: dict[str, object], code: str
) -> None:
    assert set(findings(character, config={**sound, **change})) - {"HN510"} == {code}


def test_a_plan_that_names_no_base_model_is_one_for_the_pocket_model(character: Path) -> None:
    """As `hndoctor train` takes it; without any plan the doctor speaks of Stable Diffusion 1."""
    told = measure_setup(character, config={"learn_rate": "1e-3", "steps": 4000}).plan
    asked = measure_setup(character, config={"learn_rate": "1e-3", "steps": 4000, "base_model": "pocket"}).plan
    assert told is not None
    assert asked is not None
    assert (told.context_width, told.width, told.onset) == (asked.context_width, asked.width, asked.onset)
    assert told.context_width == 80
    assert measure_setup(character).plan is None


OPTIONS_2022_10 = {"CLIP_stop_at_last_layers": 1, "sd_hypernetwork": "None", "interrogate_deepbooru_sort_alpha": True}
OPTIONS_1_10 = {
    "CLIP_stop_at_last_layers": 1,
    "deepbooru_sort_alpha": True,
    "deepbooru_use_spaces": True,
    "save_optimizer_state": False,
    "sd_vae": "Automatic",
    "training_enable_tensorboard": False,
    "training_write_csv_every": 500.0,
    "unload_models_when_training": False,
}
OPTIONS_PREPARED = {
    **OPTIONS_1_10,
    "deepbooru_sort_alpha": False,
    "save_optimizer_state": True,
    "unload_models_when_training": True,
}
OPTIONS_SPOILT = {
    **OPTIONS_1_10,
    "CLIP_stop_at_last_layers": 2,
    "deepbooru_use_spaces": False,
    "sd_vae": "anything.vae.pt",
    "sd_hypernetwork": "anime",
    "training_write_csv_every": 0,
}
TAB = "train/Read parameters (prompt, etc...) from txt2img tab when making previews/value"


def home(folder: Path, options: dict[str, object], arguments: str, tabs: dict[str, object]) -> Path:
    """A web UI's folder of some year."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(options, indent=4), encoding="utf-8")
    (folder / "ui-config.json").write_text(json.dumps(tabs, indent=4), encoding="utf-8")
    script = f"@echo off\n\nset PYTHON=\nset GIT=\nset VENV_DIR=\nset COMMANDLINE_ARGS={arguments}\n\ncall webui.bat\n"
    (folder / "webui-user.bat").write_text(script, encoding="utf-8")
    (folder / "webui-user.sh").write_text('#!/bin/bash\n#export COMMANDLINE_ARGS="--medvram"\n', encoding="utf-8")
    (folder / "models" / "hypernetworks").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("options", "arguments", "tabs", "codes"),
    [
        (OPTIONS_2022_10, "", {"train/Learning rate/value": "5.0e-03"}, {"HN571", "HN572", "HN579", "HN580"}),
        (OPTIONS_1_10, "--xformers", {}, {"HN571", "HN573", "HN574"}),
        (
            OPTIONS_PREPARED,
            "--xformers",
            {TAB: True, "txt2img/Seed/value": 1, "txt2img/Negative prompt/value": ""},
            set(),
        ),
        (
            OPTIONS_SPOILT,
            "--medvram --xformers",
            {TAB: True, "txt2img/Seed/value": -1, "txt2img/Negative prompt/value": "bad"},
            {"HN570", "HN571", "HN573", "HN574", "HN575", "HN576", "HN577", "HN578", "HN580"},
        ),
    ],
    ids=["2022-10-G20", "1.10", "1.10-prepared", "1.10-spoilt-G10-G11-G12-G26-G28"],
)
def test_web_ui_homes_of_several_years(
    character: Path,
    sound: dict[str, object],
    tmp_path: Path,
    options: dict[str, object],
    arguments: str,
    tabs: dict[str, object],
    codes: set[str],
) -> None:
    place = home(tmp_path / "webui", options, arguments, tabs)
    assert set(findings(character, kind="character", config=sound, webui=place)) == codes
