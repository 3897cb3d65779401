"""Prompts to text embeddings, as the web UI makes them: chunks of 75 tokens, emphasis, clip skip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainer.attention_syntax import Piece, parse

COMMA_BACKTRACK = 20  # tokens; web UI's default


@dataclass
class Chunk:
    """The tokens of one chunk between its start and its end mark, and the weight of each."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    comma: int | None = None  # index of the last comma

    def add(self, token: int, weight: float) -> None:
        self.tokens.append(token)
        self.weights.append(weight)

    def split(self, at: int) -> Chunk:
        """Cut everything from `at` on off, into a new chunk."""
        tail = Chunk(self.tokens[at:], self.weights[at:])
        del self.tokens[at:], self.weights[at:]
        return tail


class TextEncoder:
    """A CLIP tokenizer and text model, read as the web UI reads them.

    `clip_skip` is the web UI's number: 1 is the last layer's output, 2 the one before, then normalised.  As in the web
    UI it has no effect on Stable Diffusion 2, whose text encoder has lost its last layer already.
    `emphasis` is the web UI's option: "Original" restores the mean that weights change, "No norm" does not, "Ignore"
    reads the brackets and gives them no weight, "None" takes them for text.
    `backtrack` too: a tail of so many tokens after the last comma of a full chunk moves to the next one.
    """

    def __init__(
        self, tokenizer: Any, model: Any, clip_skip: int = 1, emphasis: str = "Original",
        backtrack: int = COMMA_BACKTRACK,
    ) -> None:  # fmt: skip
        self.tokenizer, self.model, self.emphasis, self.backtrack = tokenizer, model, emphasis, backtrack
        self.start, self.end = int(tokenizer.bos_token_id), int(tokenizer.eos_token_id)
        pad = tokenizer.pad_token_id
        self.pad = self.end if pad is None else int(pad)
        self.open_clip = self.pad != self.end and model.config.hidden_act == "gelu"  # OpenAI's CLIP has quick_gelu
        self.clip_skip = 1 if self.open_clip else clip_skip
        self.length = int(model.config.max_position_embeddings) - 2  # 75 for CLIP
        self.comma = self._comma_token()

    def _comma_token(self) -> int | None:
        tokens = self.tokenizer(",", add_special_tokens=False)["input_ids"]
        return int(tokens[0]) if len(tokens) == 1 else None

    def chunks(self, prompt: str) -> tuple[Chunk, ...]:
        """The chunks of a prompt, not yet padded; at least one."""
        parsed = (Piece(prompt),) if self.emphasis == "None" else parse(prompt)
        pieces = [(piece, self._tokens(piece)) for piece in parsed]
        return tuple(_chunks(pieces, self.length, self.comma, self.backtrack))

    def count(self, prompt: str) -> int:
        """How many tokens a prompt has, without marks and padding."""
        return sum(len(chunk.tokens) for chunk in self.chunks(prompt))

    @torch.no_grad()
    def encode(self, prompt: str) -> Tensor:
        """The embedding of one prompt: (chunks × 77, width), on the model's device, float32.

        Prompts are encoded one by one, because the mean that emphasis restores is taken over a whole call.
        """
        return torch.cat([self._encode_chunk(chunk) for chunk in self.chunks(prompt)])

    def _tokens(self, piece: Piece) -> list[int]:
        if piece.is_break:
            return []
        return list(self.tokenizer(piece.text, truncation=False, add_special_tokens=False, verbose=False)["input_ids"])

    def _encode_chunk(self, chunk: Chunk) -> Tensor:
        missing = self.length - len(chunk.tokens)
        tokens = [self.start, *chunk.tokens, *[self.end] * (missing + 1)]
        if self.pad != self.end:  # Stable Diffusion 2: one end mark, then its own padding
            first = tokens.index(self.end) + 1
            tokens[first:] = [self.pad] * (len(tokens) - first)
        hidden = self._hidden(torch.tensor([tokens], device=self.model.device))
        return self._emphasised(hidden, [1.0, *chunk.weights, *[1.0] * (missing + 1)])[0].float()

    def _hidden(self, tokens: Tensor) -> Tensor:
        output = self.model(input_ids=tokens, output_hidden_states=self.clip_skip > 1)
        if self.clip_skip == 1:
            return output.last_hidden_state  # type: ignore[no-any-return]  # transformers has no types
        inner = getattr(self.model, "text_model", self.model)  # transformers before 5.6 wraps it
        depth = min(self.clip_skip, len(output.hidden_states))
        return inner.final_layer_norm(output.hidden_states[-depth])  # type: ignore[no-any-return]  # the same

    def _emphasised(self, hidden: Tensor, weights: Sequence[float]) -> Tensor:
        """Every token times its weight, then the mean restored (web UI, "Original")."""
        if self.emphasis in ("Ignore", "None") or all(weight == 1.0 for weight in weights):
            return hidden
        before = hidden.mean()
        hidden = hidden * torch.tensor(weights, device=hidden.device, dtype=hidden.dtype)[None, :, None]
        return hidden if self.emphasis == "No norm" else hidden * (before / hidden.mean())


def _chunks(
    pieces: Sequence[tuple[Piece, list[int]]], length: int, comma: int | None, backtrack: int
) -> Iterator[Chunk]:
    chunk, yielded = Chunk(), False
    for piece, tokens in pieces:
        if piece.is_break:
            yield chunk
            chunk, yielded = Chunk(), True
        for token in tokens:
            if token == comma:
                chunk.comma = len(chunk.tokens)
            elif len(chunk.tokens) == length and _near(chunk, backtrack):
                tail = chunk.split((chunk.comma or 0) + 1)
                yield chunk
                chunk, yielded = tail, True
            if len(chunk.tokens) == length:
                yield chunk
                chunk, yielded = Chunk(), True
            chunk.add(token, piece.weight)
    if chunk.tokens or not yielded:
        yield chunk


def _near(chunk: Chunk, backtrack: int) -> bool:
    """Whether the last comma is so near to the end that the words after it move to the next chunk."""
    return chunk.comma is not None and len(chunk.tokens) - chunk.comma <= backtrack


def pad_to_longest(embeddings: Sequence[Tensor]) -> Tensor:
    """Embeddings of unlike length as one batch: the last vector repeated (web UI, `stack_conds`)."""
    longest = max(embedding.shape[0] for embedding in embeddings)
    filled = [
        e if e.shape[0] == longest else torch.cat([e, e[-1:].expand(longest - e.shape[0], -1)]) for e in embeddings
    ]
    return torch.stack(filled)
