"""A folder becomes a `Setup`, and sound ones stay without a finding."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import examine
from hndoctor.rules.setup import RULES_SETUP
from hndoctor.setup import SetupError, measure_setup


def test_a_sound_set_and_plan_have_no_findings(character: Path, sound: dict[str, object]) -> None:
    setup = measure_setup(character, kind="character", name=None, config=sound, webui=None)
    found, _ = examine(RULES_SETUP, setup, {})
    assert found == ()
    assert msgspec.json.decode(msgspec.json.encode(setup), type=Setup) == setup
    assert setup.name == "fischl-pt"
    assert len(setup.pictures) == len(setup.captions) == 20


def test_what_was_not_given_is_said_and_not_judged(character: Path) -> None:
    setup = measure_setup(character, config=None)
    assert {skipped.what for skipped in setup.skipped} >= {"plan", "web UI"}
    found, _ = examine(RULES_SETUP, setup, {})
    assert {finding.code for finding in found} == {"HN522"}  # 128 px are small where no plan says so
    assert all(finding.severity is not Severity.ERROR for finding in found)


@pytest.mark.parametrize("where", ["missing", "a.png", "empty", "nested"])
def test_a_folder_without_pictures_is_refused_in_one_line(
    tmp_path: Path, where: str, draw: Callable[..., Image.Image]
) -> None:
    draw(1).save(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "deeper").mkdir(parents=True)
    draw(1).save(tmp_path / "nested" / "deeper" / "a.png")
    with pytest.raises(SetupError) as caught:
        measure_setup(tmp_path / where)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ("deeper" in str(caught.value)) == (where == "nested")


def test_an_unknown_kind_is_refused(character: Path) -> None:
    with pytest.raises(SetupError, match="style or character"):
        measure_setup(character, kind="Style")


def test_captions_carry_what_the_rules_ask(tmp_path: Path, draw: Callable[..., Image.Image]) -> None:
    draw(1).save(tmp_path / "01 old tree.png")
    draw(2).save(tmp_path / "b.JPG")
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfred_hair, ^_^, (smile:1.2)")
    (tmp_path / "c.txt").write_text("lost", encoding="utf-8")
    (tmp_path / ".hidden.png").write_bytes(b"")
    setup = measure_setup(tmp_path)
    named, written = setup.captions
    assert (named.source, named.text) == (None, "old tree")
    assert written.source == "b.txt"
    assert written.underscored == ("red_hair",)
    assert written.emphasised == ("smile",)
    assert written.problem is not None
    assert setup.orphans == ("c.txt",)
    assert setup.tokenizer is not None
    assert "CLIP" in setup.tokenizer  # which was used is said


def test_the_base_models_own_vocabulary_counts_the_tokens(character: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base" / "tokenizer"
    folder.mkdir(parents=True)
    (folder / "merges.txt").write_text("#version: 0.2\nf i\nfi s\nfis c\nfisc h\nfisch l</w>\n", encoding="utf-8")
    (tmp_path / "base" / "unet").mkdir()
    unet = (
        '{"cross_attention_dim": 96, "block_out_channels": [32, 64], "down_block_types": ["CrossAttnDownBlock2D", "D"]}'
    )
    (tmp_path / "base" / "unet" / "config.json").write_text(unet, encoding="utf-8")
    setup = measure_setup(character, name="fischl", config={"base_model": str(tmp_path / "base")})
    assert setup.name_tokens == 1
    assert setup.tokenizer is not None
    assert "base model" in setup.tokenizer
    assert setup.plan is not None
    assert setup.plan.context_width == 96


def test_the_web_uis_vocabulary_is_found(character: Path, tmp_path: Path) -> None:
    home = tmp_path / "webui"
    place = home / "venv" / "lib" / "python3.10" / "site-packages" / "open_clip"
    place.mkdir(parents=True)
    merges = gzip.compress(b"#version\na b</w>\n")
    (place / "bpe_simple_vocab_16e6.txt.gz").write_bytes(merges)
    (home / "config.json").write_text("{}", encoding="utf-8")
    setup = measure_setup(character, name="ab", webui=home)
    assert setup.name_tokens == 1


def test_a_folder_that_is_no_web_ui_is_refused(character: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no such folder"):
        measure_setup(character, webui=tmp_path / "nowhere")
    with pytest.raises(SetupError, match="webui-user"):
        measure_setup(character, webui=character)
