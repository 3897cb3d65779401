"""Captions and templates as the web UI reads them."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.formats.captions import CaptionError, create_text, fill, read_caption, read_template, tags


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def test_g1_the_text_beside_the_picture_is_its_caption(tmp_path: Path) -> None:
    write(tmp_path / "01 a.b.txt", "1girl, red hair\r\n")
    caption = read_caption(tmp_path / "01 a.b.png")
    assert caption.text == "1girl, red hair\n"
    assert caption.source == tmp_path / "01 a.b.txt"
    assert caption.problem is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("00012-0-red hair.png", "red hair"),
        ("2girls.jpg", "girls"),
        ("-- dog.webp", "dog"),
        ("a-1.png", "a-1"),
        ("7.png", ""),
    ],
)
def test_g1_without_a_text_the_file_name_is_the_caption(tmp_path: Path, name: str, text: str) -> None:
    caption = read_caption(tmp_path / name)
    assert (caption.text, caption.source) == (text, None)


def test_words_of_a_file_name_are_picked_by_the_regex(tmp_path: Path) -> None:
    assert read_caption(tmp_path / "01_red-hair_x2.png", r"[a-z]{3,}", ", ").text == "red, hair"
    with pytest.raises(CaptionError, match="regular expression"):
        read_caption(tmp_path / "a.png", "[")


def test_the_regex_is_not_used_on_a_caption_file(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "01 x, y")
    assert read_caption(tmp_path / "a.png", "x").text == "01 x, y"


@pytest.mark.parametrize(
    ("raw", "text", "words"),
    [
        (b"\xef\xbb\xbfa, b", "a, b", "byte-order mark"),
        ("a, é".encode("utf-16"), "a, é", "UTF-16"),
        (b"\xfe\xff" + "a".encode("utf-16-be"), "a", "UTF-16"),
        ("赤い髪, 少女".encode("cp932"), "赤い髪, 少女", "Shift-JIS"),
        ("café".encode("cp1252"), "café", "Windows-1252"),
        ("cafés de".encode("cp1252"), "cafés de", "Windows-1252"),
    ],
)
def test_other_encodings_are_recognised_and_said(tmp_path: Path, raw: bytes, text: str, words: str) -> None:
    write(tmp_path / "a.txt", raw)
    caption = read_caption(tmp_path / "a.png")
    assert caption.text == text
    assert caption.problem is not None
    assert words in caption.problem


@given(st.binary(max_size=40))
def test_no_bytes_make_a_caption_fail(raw: bytes) -> None:
    from hndoctor.formats.captions import decode

    text, problem = decode(raw)
    assert isinstance(text, str)
    assert problem is None or problem.endswith("UTF-8")


def test_a_caption_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    caption = read_caption(tmp_path / "a.png")
    assert caption.text == ""
    assert caption.problem is not None
    assert "cannot be read" in caption.problem


def test_blank_lines_of_a_template_are_dropped_unless_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", "\ufeff[name], [filewords]\n\n  art by [name]  \n")
    assert read_template(path) == ("[name], [filewords]", "art by [name]")
    assert read_template(str(path)) == read_template(path)
    assert read_template(path, keep_blank=True) == ("[name], [filewords]", "", "art by [name]")
    assert read_template(["a ", " "]) == ("a",)


def test_a_template_without_a_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptionError, match="no line"):
        read_template(write(tmp_path / "t.txt", "\n \n"))
    with pytest.raises(CaptionError, match="cannot be read"):
        read_template(tmp_path / "missing.txt")


def test_g9_filewords_are_filled_before_the_name() -> None:
    assert fill("a [name] of [filewords]", "[name], hat", "fischl") == "a fischl of fischl, hat"


def test_tags_are_parted_by_commas() -> None:
    assert tags(" 1girl, red hair,,\n hat\n") == ("1girl", "red hair", "hat")


def twin(lines: list[str], filewords: str, name: str, rng: random.Random, shuffle: bool, drop: float) -> str:
    """`create_text` of the web UI, retold from its description."""
    text = rng.choice(lines)
    words = filewords.split(",")
    if drop:
        words = [word for word in words if rng.random() > drop]
    if shuffle:
        rng.shuffle(words)
    text = re.sub(re.escape("[filewords]"), lambda _: ",".join(words), text)
    return text.replace("[name]", name)


@given(st.text("ab, [name]", max_size=20), st.integers(0, 99), st.booleans(), st.sampled_from([0.0, 0.3, 0.9]))
def test_g9_the_same_random_state_draws_the_web_uis_text(words: str, seed: int, shuffle: bool, drop: float) -> None:
    lines = ["[name], [filewords]", "[filewords]", "x [filewords] y [filewords]"]
    expected = twin(lines, words, "n", random.Random(seed), shuffle, drop)
    assert create_text(lines, words, "n", random.Random(seed), shuffle, drop) == expected


def test_the_first_tags_can_be_kept_in_place() -> None:
    words = "fischl," + ",".join("abcdefgh")
    texts = {create_text("[filewords]", words, "n", random.Random(i), True, 0.5, keep_first=1) for i in range(20)}
    assert len(texts) > 1
    assert all(text.startswith("fischl") for text in texts)
