"""Counting CLIP tokens: with a real vocabulary where one lies at hand, else roughly, and saying which."""

from __future__ import annotations

import gzip
import html
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

CHUNK = 75  # tokens the text encoder takes at once (web UI)
ROUGH = "rough count (no CLIP vocabulary at hand)"
_FILE = "bpe_simple_vocab_16e6.txt.gz"
OURS = "models/clip/merges.txt.gz"  # in the trainer's folder, installed with this one; read, not imported
_MERGES = 49152 - 256 - 2  # entries of that file that CLIP uses
_LETTERS_PER_TOKEN = 6  # of long words; guess: on captions of tags the count comes out a tenth low (measured)
_WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+", re.IGNORECASE)


@dataclass(frozen=True)
class Tokenizer:
    """Counts tokens.  Without `merges` the count is rough, and `name` says so."""

    name: str = ROUGH
    merges: Mapping[tuple[str, str], int] = field(default_factory=dict, repr=False)

    @property
    def real(self) -> bool:
        """Whether a real vocabulary counts."""
        return bool(self.merges)

    def count(self, text: str) -> int:
        """How many tokens a text has, without the two that frame it."""
        words = _WORDS.findall(html.unescape(text).lower())
        return sum(self._word(word) for word in words)

    def _word(self, word: str) -> int:
        if not self.real:
            return _rough(word)
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = _pairs_merged(word, self.merges)
        return known

    @cached_property
    def _known(self) -> dict[str, int]:
        return {}

    def beyond(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The tags that end after the first chunk of 75 tokens, commas counted."""
        end, late = 0, []
        for tag in tags:
            end += self.count(tag)
            if end > CHUNK:
                late.append(tag)
            end += 1
        return tuple(late)


def _rough(word: str) -> int:
    if not word.isascii():
        return 2 * len(word) if word[0] > "\u2fff" else 1 + len(word) // 3
    if word.isalpha():
        return 1 if len(word) <= _LETTERS_PER_TOKEN + 2 else -(-len(word) // _LETTERS_PER_TOKEN)
    return 1


def _pairs_merged(word: str, ranks: Mapping[tuple[str, str], int]) -> int:
    """The number of pieces left when byte pairs are merged in order of rank, as CLIP does.

    With CLIP's vocabulary, 4,000 captions had the counts of transformers' CLIPTokenizer, without exception.
    """
    pieces = [_BYTES[byte] for byte in word.encode("utf-8")]
    pieces[-1] += "</w>"
    while len(pieces) > 1:
        pairs = list(pairwise(pieces))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        pieces = _merged(pieces, best)
    return len(pieces)


def _merged(pieces: Sequence[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    for piece in pieces:
        if result and (result[-1], piece) == pair:
            result[-1] = "".join(pair)
        else:
            result.append(piece)
    return result


def _byte_letters() -> dict[int, str]:
    """CLIP's visible letter for each byte."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in visible}
    hidden = (byte for byte in range(256) if byte not in letters)
    letters.update({byte: chr(256 + n) for n, byte in enumerate(hidden)})
    return letters


_BYTES = _byte_letters()


def find_tokenizer(base_model: Path | None = None, webui: Path | None = None) -> Tokenizer:
    """The best counter at hand: the base model's vocabulary, the web UI's, an installed package's, or the rough one."""
    for label, path in _places(base_model, webui):
        merges = _read_merges(path)
        if merges:
            return Tokenizer(label, merges)
    return Tokenizer()


def _places(base_model: Path | None, webui: Path | None) -> Iterator[tuple[str, Path]]:
    if base_model is not None:
        yield "the base model's vocabulary", base_model / "tokenizer" / "merges.txt"
    if webui is not None:
        for pattern in ("venv/lib/python*/site-packages", "venv/Lib/site-packages"):
            for packages in sorted(webui.glob(pattern)):
                yield "CLIP's vocabulary (of the web UI's open_clip)", packages / "open_clip" / _FILE
                yield "CLIP's vocabulary (of the web UI's clip)", packages / "clip" / _FILE
    for package, file in (("open_clip", _FILE), ("clip", _FILE), ("trainer", OURS)):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield f"CLIP's vocabulary (of the package {package})", Path(place) / file


def _read_merges(path: Path) -> dict[tuple[str, str], int]:
    """The ranks of byte pairs; empty if the file is missing or no vocabulary."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError):
        return {}
    lines = text.split("\n")
    start = 1 if "#version" in lines[0] else 0
    pairs = [tuple(line.split()) for line in lines[start : start + _MERGES]]
    return {(pair[0], pair[1]): rank for rank, pair in enumerate(pairs) if len(pair) == 2}
