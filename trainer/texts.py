"""Embeddings of prompts: encoded once each, kept on disk if asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from trainer.cache import Cache, key_of, weights_digest
from trainer.events import Preparing
from trainer.prompt import TextEncoder, pad_to_longest

TEXT_CACHE_BYTES = 512 << 20  # beyond this the text encoder stays and captions are encoded as they come (guess)


class Texts:
    """Embeddings of prompts by their text; the encoder is let go once all that can come are known (G12)."""

    def __init__(self, encoder: TextEncoder, cache: Cache | None = None) -> None:
        self.encoder: TextEncoder | None = encoder
        self.known: dict[str, Tensor] = {}
        self.cache = cache or Cache(None)
        self._identity: dict[str, Any] | None = None

    def learn(self, prompts: Sequence[str]) -> Iterator[Preparing]:
        """Encode prompts beforehand."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.known]
        for number, prompt in enumerate(new, 1):
            self.known[prompt] = self._kept(prompt)
            yield Preparing("captions", number, len(new))

    def bytes_of(self, count: int) -> int:
        """Roughly how much memory `count` embeddings of one chunk take."""
        assert self.encoder is not None
        return count * 4 * (self.encoder.length + 2) * int(self.encoder.model.config.hidden_size)

    def batch(self, prompts: Sequence[str]) -> Tensor:
        """(prompts, tokens, width)."""
        return pad_to_longest([self.known[p] if p in self.known else self._encode(p) for p in prompts])

    def close(self) -> None:
        """Let the text encoder go."""
        self.encoder = None

    def _encode(self, prompt: str) -> Tensor:
        if self.encoder is None:
            raise KeyError(prompt)
        return self.encoder.encode(prompt)

    def _kept(self, prompt: str) -> Tensor:
        """An embedding from the cache, or encoded and put there."""
        if self.cache.folder is None or self.encoder is None:
            return self._encode(prompt)
        key = key_of("text", prompt=prompt, **self._made_by(self.encoder))
        found = self.cache.get(key, f'caption "{prompt.strip()[:40]}"', ("embedding",))
        if found is not None:
            return found["embedding"].to(self.encoder.model.device)
        embedding = self._encode(prompt)
        self.cache.put(key, {"embedding": embedding})
        return embedding

    def _made_by(self, encoder: TextEncoder) -> dict[str, Any]:
        """Everything beside its text that decides an embedding."""
        if self._identity is None:
            model, tokenizer = encoder.model, encoder.tokenizer
            self._identity = {
                "text_encoder": weights_digest(model),
                "layers": [model.config.hidden_act, model.config.num_attention_heads, model.config.layer_norm_eps],
                "tokenizer": key_of("vocabulary", words=sorted(tokenizer.get_vocab().items())),
                "marks": [encoder.start, encoder.end, encoder.pad, encoder.length, encoder.comma],
                "clip_skip": encoder.clip_skip,
                "emphasis": encoder.emphasis,
                "comma_backtrack": encoder.backtrack,
                "dtype": str(model.dtype),
                "device": model.device.type,
            }
        return self._identity
