"""Captions as text: underscores, attention syntax, order, tokens."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.setup.tokens import ROUGH, Tokenizer, find_tokenizer
from hndoctor.setup.words import descents, emphasised, escaped, is_underscored, order_of, plain, spaced


@pytest.mark.parametrize("tag", ["red_hair", "looking_at_viewer", "a_cat", "saber_(fate)"])
def test_g2_words_parted_by_underscores_are_seen(tag: str) -> None:
    assert is_underscored(tag)
    assert "_" not in spaced(tag)


@pytest.mark.parametrize("tag", ["^_^", ">_<", "o_o", "0_0", "@_@", "red hair", "|_|"])
def test_g2_emoticons_are_left_alone(tag: str) -> None:
    assert not is_underscored(tag)
    assert spaced(tag) == tag


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a, (b), c", ("b",)),
        ("a, [b]", ("b",)),
        ("((b:1.3))", ("b",)),
        ("saber \\(fate\\)", ()),
        ("smile :)", ()),
        ("sad :(, rain", (", rain",)),
        ("[name], [filewords]", ()),
        ("a, b]", ()),
        ("(a:0), b, (c:-1)", ("a", "c")),
        ("(a:1.0), [(b)], c", ()),
        ("time: 12:30", ()),
    ],
)
def test_g4_attention_syntax_is_read_as_the_web_ui_reads_it(text: str, pieces: tuple[str, ...]) -> None:
    assert emphasised(text) == pieces


@pytest.mark.parametrize(
    ("tag", "mended"),
    [
        ("saber (fate)", "saber \\(fate\\)"),
        ("(red hair)", "red hair"),
        ("((red hair:1.3))", "red hair"),
        (" [dim]", " dim"),
        ("saber \\(fate\\)", "saber \\(fate\\)"),
        ("[name]", "[name]"),
        ("by [name] (x)", "by [name] \\(x\\)"),
        (":(", ":\\("),
        ("(red hair", "red hair"),
        ("blue eyes:1.2)", "blue eyes"),
        ("[[dim", "dim"),
        ("smile :)", "smile :\\)"),
    ],
)
def test_g4_brackets_are_removed_or_escaped(tag: str, mended: str) -> None:
    assert escaped(tag) == mended


@given(st.text("ab ()[]:1.\\,", max_size=15))
def test_g4_no_mended_tag_is_weighed(tag: str) -> None:
    mended = escaped(tag)
    assert emphasised(mended) == ()
    assert escaped(mended) == mended or emphasised(tag) != ()


@given(st.text(max_size=30))
def test_no_caption_makes_reading_or_mending_fail(text: str) -> None:
    words = text.split(",")
    assert Tokenizer().count(plain(text)) >= 0
    assert order_of([words, words[::-1]]).chance <= 0
    assert isinstance(emphasised(", ".join(spaced(escaped(word)) for word in words)), tuple)


def test_plain_text_is_what_reaches_the_tokenizer() -> None:
    assert plain("saber \\(fate\\), (smile:1.2), [name]") == "saber (fate), smile, "


def test_g3_the_chance_of_an_order_is_exact() -> None:
    for n in (4, 5, 6):
        orders = list(itertools.permutations("abcdef"[:n]))
        share = sum(descents(order) == 0 for order in orders) / len(orders)
        assert order_of([tuple("abcdef"[:n])]).chance == pytest.approx(math.log10(share))


def test_g3_one_slip_in_eight_tags_is_a_sorted_caption_of_its_own_chance() -> None:
    counted = [sum(b < a for a, b in itertools.pairwise(order)) <= 1 for order in itertools.permutations(range(8))]
    order = order_of([tuple("abcdefhg")])
    assert order.sorted == 1
    assert order.chance == pytest.approx(math.log10(sum(counted) / len(counted)))


def test_g3_sorted_sets_are_recognised_around_a_name_and_common_tags() -> None:
    rng = random.Random(1)
    pool = [f"{letter} tag" for letter in "abcdefghijklmnopq"]
    sets = [("zoe", *sorted(rng.sample(pool, 6)), "best quality") for _ in range(8)]
    order = order_of(sets)
    assert (order.sortable, order.sorted, order.deliberate) == (8, 8, True)


def test_g3_one_short_sorted_caption_says_nothing() -> None:
    assert not order_of([("a", "b", "c", "d")]).deliberate
    assert not order_of([("a", "b", "c", "d"), ("f", "a", "d", "b"), ("q", "b", "a", "z")]).deliberate


@given(st.integers(0, 10_000))
def test_g3_random_orders_are_not_called_deliberate(seed: int) -> None:
    rng = random.Random(seed)
    pool = [f"{chr(97 + n % 26)}{n}" for n in range(60)]
    sets = [tuple(rng.sample(pool, rng.randrange(3, 18))) for _ in range(rng.randrange(1, 20))]
    assert not order_of(sets).deliberate or order_of(sets).chance > -6


def twin_count(word: str, merges: dict[tuple[str, str], int]) -> int:
    """Byte-pair merging, one merge at a time over the whole list of ranks."""
    pieces = [*word[:-1], word[-1] + "</w>"]
    for pair in sorted(merges, key=lambda pair: merges[pair]):
        for i in range(len(pieces) - 2, -1, -1):
            if i + 1 < len(pieces) and (pieces[i], pieces[i + 1]) == pair:
                pieces[i : i + 2] = ["".join(pair)]
    return len(pieces)


@given(st.text("abc", min_size=1, max_size=8))
def test_tokens_are_counted_as_byte_pairs_merge(word: str) -> None:
    pairs = [("a", "b"), ("ab", "c</w>"), ("b", "c"), ("bc", "a</w>"), ("a", "b</w>"), ("c", "ab")]
    merges = {pair: rank for rank, pair in enumerate(pairs)}
    assert Tokenizer("test", merges).count(word) == twin_count(word, merges)


def test_without_a_vocabulary_the_count_is_rough_and_says_so() -> None:
    rough = Tokenizer()
    assert rough.name == ROUGH
    assert not rough.real
    assert rough.count("a photo of an astronaut riding a horse") == pytest.approx(8, abs=2)


def test_tags_after_the_75th_token_are_named() -> None:
    tags = [f"tag{chr(97 + n)}" for n in range(26)] * 2
    rough = Tokenizer()
    late = rough.beyond(tags)
    assert late == tuple(tags[-len(late) :])
    assert rough.count(", ".join(tags[: len(tags) - len(late)])) <= 75
    assert rough.beyond(["a", "b"]) == ()


def test_the_vocabulary_at_hand_counts_as_transformers_does():
    from trainer.clip_vocabulary import tokenizer

    ours, theirs = find_tokenizer(), tokenizer(open_clip=False)
    assert ours.real
    for text in ("1girl, masterpiece, silver hair", "fischl von", "naïve café, 夕焼け", "a (red:1.2) hat!?"):
        assert ours.count(text) == len(theirs(text).input_ids) - 2, text
