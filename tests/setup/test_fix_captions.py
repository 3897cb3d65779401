"""Captions put right, never silently, never lossy."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hndoctor.rules.engine import examine
from hndoctor.rules.setup import RULES_SETUP
from hndoctor.rules.setup import captions as rules
from hndoctor.setup import SetupError, fix_captions, measure_setup, words

TAGS = [f"{letter}_tag" for letter in "abcdefghijklmno"]


@pytest.fixture
def tagged(tmp_path: Path, draw: Callable[..., Image.Image]) -> Path:
    """Ten captions as a tagger writes them: underscores, brackets, alphabetical, a name in front."""
    data = tmp_path / "data"
    data.mkdir()
    for number in range(10):
        draw(number).save(data / f"{number}.png")
        tags = ["fischl", *sorted([*random.Random(number).sample(TAGS, 7), "k_(animal)"])]
        (data / f"{number}.txt").write_text(", ".join(tags), encoding="utf-8")
    return data


def codes(data: Path) -> set[str]:
    found, _ = examine(RULES_SETUP, measure_setup(data, name="fischl", config={"width": 128, "height": 128}), {})
    return {finding.code for finding in found}


def test_g2_g3_g4_mended_captions_pass_the_rules(tagged: Path) -> None:
    before = {path.name: path.read_text(encoding="utf-8") for path in tagged.glob("*.txt")}
    assert {"HN503", "HN504", "HN505"} <= codes(tagged)
    changes = fix_captions(tagged, None, 1)
    assert len(changes) == 10
    assert not {"HN503", "HN504", "HN505"} & codes(tagged)
    for change in changes:
        assert change.before == before[change.path]
        assert change.after == (tagged / change.path).read_text(encoding="utf-8")
        assert change.backup is not None
        assert (tagged / change.backup).read_text(encoding="utf-8") == change.before
        assert set(change.what) == {"underscores", "brackets", "order"}
        assert change.after.startswith("fischl, ")
        meant = change.before.replace("_", " ").replace("(", "\\(").replace(")", "\\)")
        assert sorted(change.after.split(", ")) == sorted(meant.split(", "))


def test_the_same_seed_gives_the_same_order(tagged: Path, tmp_path: Path) -> None:
    one, two, other = (fix_captions(tagged, tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert one == two
    assert one != other


def test_into_a_new_folder_the_data_stay_as_they_are(tagged: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in tagged.iterdir()}
    changes = fix_captions(tagged, tmp_path / "out", 1)
    assert {path.name: path.read_bytes() for path in tagged.iterdir()} == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {change.path for change in changes}
    assert all(change.backup is None for change in changes)
    with pytest.raises(SetupError, match="already holds"):
        fix_captions(tagged, tmp_path / "out", 1)


def test_sound_captions_are_not_touched(character: Path, tmp_path: Path) -> None:
    assert fix_captions(character, None, 1) == ()
    assert not list(character.glob("*.bak*"))
    assert fix_captions(character, tmp_path / "out", 1) == ()
    assert len(list((tmp_path / "out").iterdir())) == 20


def test_a_second_mending_changes_nothing_and_keeps_the_backup(tagged: Path) -> None:
    fix_captions(tagged, None, 1)
    first = (tagged / "0.txt.bak").read_bytes()
    assert fix_captions(tagged, None, 1) == ()
    (tagged / "0.txt").write_text("red_hair", encoding="utf-8")
    (change,) = fix_captions(tagged, None, 1)
    assert change.backup == "0.txt.bak2"
    assert (tagged / "0.txt.bak").read_bytes() == first


def test_files_keep_their_mode_and_nothing_is_left_beside_them(tagged: Path) -> None:
    (tagged / "0.txt").chmod(0o640)
    mode = (tagged / "0.txt").stat().st_mode
    fix_captions(tagged, None, 1)
    assert (tagged / "0.txt").stat().st_mode == mode
    assert not list(tagged.glob(".*"))


def test_other_encodings_become_plain_utf8(tmp_path: Path, draw: Callable[..., Image.Image]) -> None:
    draw(1).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes("赤い髪, 少女".encode("cp932"))
    (change,) = fix_captions(tmp_path, None, 1)
    assert change.what == ("encoding",)
    assert (tmp_path / "a.txt").read_bytes() == "赤い髪, 少女".encode()


def test_rule_and_mending_mean_the_same_order() -> None:
    assert rules.ORDER_CHANCE == words.ORDER_CHANCE
    assert rules.ORDER_SHARE == words.ORDER_SHARE


def test_g4_a_weight_over_several_tags_is_taken_off_all_of_them(
    tmp_path: Path, draw: Callable[..., Image.Image]
) -> None:
    draw(1).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("fischl, (red hair, hat:1.2), saber (fate)", encoding="utf-8")
    (change,) = fix_captions(tmp_path, None, 1)
    assert change.after == "fischl, red hair, hat, saber \\(fate\\)"


def test_a_file_is_no_folder_for_mended_captions(tagged: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(SetupError, match="is a file; name a folder"):
        fix_captions(tagged, tmp_path / "out", 1)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_one_tag_and_a_caption_of_no_text_are_left_alone(tmp_path: Path, draw: Callable[..., Image.Image]) -> None:
    for name, text in (("a", b"hat"), ("b", b""), ("c", b"\x00\x01\x02\x00" * 400)):
        draw(1).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_bytes(text)
    assert fix_captions(tmp_path, None, 1) == ()
    assert sorted(path.name for path in tmp_path.glob("*.bak*")) == []


def test_captions_of_the_longest_names_are_mended_with_a_backup(
    tmp_path: Path, draw: Callable[..., Image.Image]
) -> None:
    """251 bytes leave no room for the four letters of `.bak`."""
    stem = "n" * 251
    draw(1).save(tmp_path / f"{stem}.png")
    (tmp_path / f"{stem}.txt").write_text("red_hair, blue_eyes", encoding="utf-8")
    (change,) = fix_captions(tmp_path, None, 1)
    assert change.backup is not None
    assert change.backup.startswith("n" * 200)
    assert change.backup.endswith(".bak")
    assert (tmp_path / change.backup).read_text(encoding="utf-8") == "red_hair, blue_eyes"
    assert (tmp_path / f"{stem}.txt").read_text(encoding="utf-8") == change.after
