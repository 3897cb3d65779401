"""Prompts against the web UI's published rules, and against a slow twin of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.attention_syntax import parse
from trainer.prompt import TextEncoder, pad_to_longest


def pairs(prompt: str) -> list[list[Any]]:
    return [[piece.text, round(piece.weight, 6)] for piece in parse(prompt)]


# The examples that the web UI's own source gives for its syntax, and those of its tests.
@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("normal text", [["normal text", 1.0]]),
        ("an (important) word", [["an ", 1.0], ["important", 1.1], [" word", 1.0]]),
        ("(unbalanced", [["unbalanced", 1.1]]),
        (r"\(literal\]", [["(literal]", 1.0]]),
        ("(unnecessary)(parens)", [["unnecessaryparens", 1.1]]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ["a ", 1.0], ["house", round(1.3 * 1.1 * 1.1, 6)], [" ", 1.1], ["on", 1.0], [" a ", 1.1],
                ["hill", 0.55], [", sun, ", 1.1], ["sky", round(1.1**4, 6)], [".", 1.1],
            ],
        ),
        ("", [["", 1.0]]),
        ("a:1.3) b", [["a:1.3) b", 1.0]]),
        ("x BREAK y", [["x", 1.0], ["BREAK", -1.0], ["y", 1.0]]),
        ("[less]", [["less", round(1 / 1.1, 6)]]),
    ],
)  # fmt: skip
def test_attention_syntax(prompt: str, expected: list[list[Any]]) -> None:
    assert pairs(prompt) == expected


@pytest.fixture(scope="module")
def parts(pipeline: Path) -> tuple[Any, Any]:
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(pipeline, subfolder="tokenizer")
    return tokenizer, CLIPTextModel.from_pretrained(pipeline, subfolder="text_encoder").eval()


@pytest.fixture(scope="module")
def encoder(parts: tuple[Any, Any]) -> TextEncoder:
    return TextEncoder(*parts)


def words(count: int, comma_at: tuple[int, ...] = ()) -> str:
    """A prompt of so many tokens, one a word, with commas in some places."""
    return " ".join("," if place in comma_at else "cat" for place in range(count))


@pytest.mark.parametrize(
    ("count", "commas", "lengths"),
    [
        (0, (), [0]),
        (75, (), [75]),
        (76, (), [75, 1]),
        (80, (60,), [61, 19]),  # 15 tokens after the comma move on
        (80, (55,), [56, 24]),  # 75 - 55 = 20: still moved
        (80, (54,), [75, 5]),  # one too far
        (76, (75,), [75, 1]),  # the comma itself is the 76th
        (160, (70, 140), [71, 70, 19]),
    ],
)
def test_chunks_break_where_the_web_ui_breaks_them(
    encoder: TextEncoder, count: int, commas: tuple[int, ...], lengths: list[int]
) -> None:
    assert encoder.count(words(count)) == count
    assert [len(chunk.tokens) for chunk in encoder.chunks(words(count, commas))] == lengths


def test_how_far_a_tail_reaches_back_is_a_setting(parts: tuple[Any, Any]) -> None:
    text = words(80, (54,))
    lengths = {
        backtrack: [len(c.tokens) for c in TextEncoder(*parts, backtrack=backtrack).chunks(text)]
        for backtrack in (0, 20, 21)
    }
    assert lengths == {0: [75, 5], 20: [75, 5], 21: [55, 25]}


def test_break_begins_a_new_chunk(encoder: TextEncoder) -> None:
    assert [len(c.tokens) for c in encoder.chunks("cat BREAK cat cat")] == [1, 2]
    assert encoder.encode("cat BREAK cat").shape == (154, 20)


def test_a_plain_prompt_is_what_transformers_gives(parts: tuple[Any, Any], encoder: TextEncoder) -> None:
    tokenizer, model = parts
    ids = tokenizer("red cat, sky", padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.equal(encoder.encode("red cat, sky"), model(ids).last_hidden_state[0])


def test_emphasis_scales_tokens_and_restores_the_mean(encoder: TextEncoder) -> None:
    plain, emphasised = encoder.encode("red cat"), encoder.encode("red (cat:1.5)")
    scaled = plain.clone()
    scaled[2] *= 1.5  # start, red, cat
    assert torch.allclose(emphasised, scaled * (plain.mean() / scaled.mean()), atol=1e-6)
    assert not torch.allclose(emphasised, plain)


def test_clip_skip_counts_as_the_web_ui_does(parts: tuple[Any, Any]) -> None:
    tokenizer, model = parts
    skipped = TextEncoder(tokenizer, model, clip_skip=2).encode("red cat")
    ids = tokenizer("red cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True).hidden_states[-2]
        expected = getattr(model, "text_model", model).final_layer_norm(hidden)[0]
    assert torch.equal(skipped, expected)


def test_another_padding_token_follows_the_end_mark_as_in_stable_diffusion_2(parts: tuple[Any, Any]) -> None:
    tokenizer, model = parts
    encoder = TextEncoder(tokenizer, model)
    seen: list[list[int]] = []
    encoder._hidden = lambda tokens: seen.append(tokens[0].tolist()) or torch.zeros(1, 77, 20)
    encoder.pad = 0
    encoder.encode("cat cat")
    assert seen[0][:1] + seen[0][3:] == [encoder.start, encoder.end] + [0] * 73


def test_prompts_of_unlike_length_are_filled_with_their_last_vector() -> None:
    short, long = torch.randn(77, 4), torch.randn(154, 4)
    batch = pad_to_longest([short, long])
    assert torch.equal(batch[0, 77:], short[-1:].expand(77, -1))
    assert torch.equal(batch[1], long)


def test_emphasis_is_read_as_the_web_uis_option_says(parts: tuple[Any, Any]) -> None:
    def encode(prompt: str, emphasis: str) -> torch.Tensor:
        return TextEncoder(*parts, emphasis=emphasis).encode(prompt)

    plain, loud = encode("a red cat", "Original"), encode("a (red:1.5) cat", "Original")
    assert torch.allclose(loud.mean(), plain.mean(), rtol=1e-4)
    unrestored = encode("a (red:1.5) cat", "No norm")
    tokens = TextEncoder(*parts).chunks("a (red:1.5) cat")[0]
    weights = torch.tensor([1.0, *tokens.weights, *[1.0] * (76 - len(tokens.weights))])[:, None]
    assert torch.allclose(unrestored, plain * weights)
    assert torch.equal(encode("a (red:1.5) cat", "Ignore"), plain)
    literal = TextEncoder(*parts, emphasis="None")
    assert literal.count("a (red:1.5) cat") > TextEncoder(*parts).count("a (red:1.5) cat")
    assert len(literal.chunks("a BREAK b")) == 1
