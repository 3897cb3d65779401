"""`vitals.json`: a measured run as one JSON object, so that it can be judged again in milliseconds, anywhere."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from hndoctor.calibration import judged_again
from hndoctor.formats.atomic import write_whole
from hndoctor.formats.folders import is_plain
from hndoctor.records import SCHEMA, Preview, Vitals
from hndoctor.vitals.believable import contradiction

MAX_BYTES = 64 << 20  # two hundred checkpoints with their previews' thumbnails are some 10 MB, 200,000 losses 14
MOST_OBJECTS = 400_000  # braces in it: an object takes some 500 bytes of memory, whatever its length in the file
MOST_VALUES = 4_000_000  # commas in it: a number takes some 40

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_decode = msgspec.json.Decoder(Vitals).decode
_encode = msgspec.json.Encoder().encode


class VitalsError(ValueError):
    """A `vitals.json` that cannot be used; one line says why and how to mend it."""


class _Head(msgspec.Struct):
    schema: int


_head = msgspec.json.Decoder(_Head).decode


def to_json(vitals: Vitals) -> bytes:
    """One line of UTF-8 JSON, the same bytes for the same vitals.

    File names that are not text come from the system as lone surrogates, which UTF-8 cannot hold: they are spelt out.
    """
    try:
        return _encode(vitals) + b"\n"
    except UnicodeEncodeError:
        return _encode(_spelt_out(msgspec.to_builtins(vitals))) + b"\n"


def _spelt_out(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_spelt_out(key): _spelt_out(held) for key, held in value.items()}
    return [_spelt_out(held) for held in value] if isinstance(value, (list, tuple)) else value


def from_json(data: bytes) -> Vitals:
    """The vitals in `data`, their previews judged by today's calibration.

    Raises VitalsError, in one line, for broken or forged JSON and for another schema.
    """
    try:
        schema = _head(data).schema
        if schema != SCHEMA:
            raise VitalsError(_other_schema(schema))
        vitals = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise VitalsError(f"not a vitals.json ({reason}); delete it and scan the run again") from None
    wrong = contradiction(vitals)
    if wrong is not None:
        raise VitalsError(f"not a vitals.json (nothing measured gives {wrong}); delete it and scan the run again")
    training = tuple(judged_again(picture) for picture in vitals.training)
    return replace(vitals, previews=tuple(map(judged_again, _harmless(vitals))), training=training)


def load(path: Path) -> Vitals:
    """Read a `vitals.json`.  Raises VitalsError, in one line that names the file."""
    try:
        if not is_plain(path):
            raise OSError(errno.EINVAL, "not a regular file" if path.exists() else "no such file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise VitalsError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    if len(data) > MAX_BYTES or data.count(b"{") > MOST_OBJECTS or data.count(b",") > MOST_VALUES:
        raise VitalsError(f"{path}: larger than a run's measurements can be; delete it and scan the run again")
    try:
        return from_json(data)
    except VitalsError as problem:
        raise VitalsError(f"{path}: {problem}") from None


def save(vitals: Vitals, path: Path) -> None:
    """Write a `vitals.json`, whole or not at all.  Raises OSError."""
    write_whole(path, [to_json(vitals)])


def _other_schema(schema: int) -> str:
    if schema > SCHEMA:
        return f"its schema {schema} is newer than this hndoctor's ({SCHEMA}); update hndoctor"
    return f"its schema {schema} is not this hndoctor's ({SCHEMA}); delete it and scan the run again"


def _harmless(vitals: Vitals) -> Iterator[Preview]:
    """Thumbnails go into a page: what is not base64 is dropped."""
    for preview in vitals.previews:
        fit = preview.thumbnail is None or _BASE64.fullmatch(preview.thumbnail)
        yield preview if fit else replace(preview, thumbnail=None)
