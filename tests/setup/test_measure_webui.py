"""A web UI's folder, of several years."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hndoctor.setup.webui import launch_arguments, read_webui, template_file


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ('#export COMMANDLINE_ARGS="--medvram"\n', ""),
        ('export COMMANDLINE_ARGS="--medvram --xformers"\n', "--medvram --xformers"),
        ("@echo off\r\nset COMMANDLINE_ARGS=--lowvram\r\n", "--lowvram"),
        ('@echo off\n\nset "COMMANDLINE_ARGS=--medvram"\n', "--medvram"),
        ("rem set COMMANDLINE_ARGS=--medvram\n:: set COMMANDLINE_ARGS=--medvram\nset COMMANDLINE_ARGS=\n", ""),
        ("set COMMANDLINE_ARGS=--a\nset COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --b\n", "--a --b"),
        ("COMMANDLINE_ARGS='--a'\nexport COMMANDLINE_ARGS=\"$COMMANDLINE_ARGS --b\"\n", "--a --b"),
        ("#!/bin/bash\n", ""),
    ],
)
def test_g10_launch_scripts_are_read_without_their_comments(script: str, arguments: str) -> None:
    assert launch_arguments(script) == arguments


def home(folder: Path) -> Path:
    """A web UI's folder with the files that it writes."""
    (folder / "config.json").write_text(
        json.dumps({"CLIP_stop_at_last_layers": 2, "save_optimizer_state": False, "api_key": "secret"}),
        encoding="utf-8",
    )
    tabs = {"train/Max steps/value": 100000, "txt2img/Prompt/value": "private", "txt2img/Seed/value": -1.0}
    (folder / "ui-config.json").write_text(json.dumps(tabs), encoding="utf-8")
    (folder / "webui-user.bat").write_text("set COMMANDLINE_ARGS=--medvram\n", encoding="utf-8")
    (folder / "webui-user.sh").write_text('#export COMMANDLINE_ARGS=""\n', encoding="utf-8")
    return folder


def test_settings_are_text_by_file_and_key_and_nothing_private(tmp_path: Path) -> None:
    settings, skipped = read_webui(home(tmp_path))
    assert skipped == ()
    assert settings == {
        "config.json": "read",
        "config.json:CLIP_stop_at_last_layers": "2",
        "config.json:save_optimizer_state": "false",
        "ui-config.json": "read",
        "ui-config.json:train/Max steps/value": "100000",
        "ui-config.json:txt2img/Seed/value": "-1.0",
        "webui-user.bat:COMMANDLINE_ARGS": "--medvram",
        "webui-user.sh:COMMANDLINE_ARGS": "",
    }


@pytest.mark.parametrize("text", ["{", "[1]", "\x00"])
def test_settings_that_cannot_be_read_are_said(tmp_path: Path, text: str) -> None:
    (home(tmp_path) / "config.json").write_text(text, encoding="utf-8")
    settings, skipped = read_webui(tmp_path)
    assert [one.what for one in skipped] == ["config.json"]
    assert "ui-config.json" in settings


def test_a_folder_of_networks_named_with_an_equals_sign_is_found(tmp_path: Path) -> None:
    """Both ways of giving an option, as the web UI's argparse takes them."""
    for way in ("--hypernetwork-dir={}", "--hypernetwork-dir {}"):
        (home(tmp_path) / "webui-user.sh").write_text(
            f'export COMMANDLINE_ARGS="{way.format("elsewhere")}"\n', encoding="utf-8"
        )
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "elsewhere" / "fischl.pt").touch()
        settings, _ = read_webui(tmp_path)
        assert settings["hypernetworks:fischl"] == "fischl.pt"


@pytest.mark.parametrize("field", ["Prompt template", "Prompt template file"])
@pytest.mark.parametrize("there", ["textual_inversion_templates/mine.txt", "mine.txt", None])
def test_the_template_of_the_train_tab_is_found_by_name_or_path(
    tmp_path: Path, field: str, there: str | None
) -> None:
    if there is not None:
        (tmp_path / there).parent.mkdir(exist_ok=True)
        (tmp_path / there).write_text("[filewords]", encoding="utf-8")
    told = {f"ui-config.json:train/{field}/value": "mine.txt"}
    assert template_file(tmp_path, told) == (None if there is None else tmp_path / there)
