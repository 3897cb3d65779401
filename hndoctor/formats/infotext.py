"""The text that the web UI writes into a picture: how it was made.

The prompt (of one line or many), a line `Negative prompt: …`, and a last line of parameters:
`Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model hash: …`.  In a PNG it is the text chunk
`parameters`; in JPEG, WebP and AVIF the EXIF UserComment; in GIF the comment.  Source: web UI `processing.py`
(`create_infotext`) and `infotext_utils.py` (`quote`, `parse_generation_parameters`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

LIMIT = 1 << 18  # characters; the longest prompts seen are a few thousand: what is longer is not a prompt
FEWEST = 3  # web UI: a last line with fewer parameters than this is part of the prompt

_NEGATIVE = "Negative prompt:"
_KEY = re.compile(r"\w[\w \-/]+\Z")  # web UI `re_param`; matched against short pieces only, so it cannot run away
_KEY_LENGTH = 100
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})\Z")
_QUOTED = re.compile(r'"(?:\\.|[^\\"])+"')
_JSON = json.JSONDecoder(strict=False)

# The web UI's own order of what it may write (1.10.1).  Other keys come from scripts and stand before "Version".
_ORDER = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Image CFG scale", "Seed", "Face restoration", "Size",
    "Model hash", "Model", "FP8 weight", "Cache FP16 weight for LoRA", "VAE hash", "VAE", "Variation seed",
    "Variation seed strength",
    "Seed resize from", "Denoising strength", "Conditional mask weight", "Clip skip", "ENSD", "Token merging ratio",
    "Token merging ratio hr", "Init image hash", "RNG", "Tiling",
)  # fmt: skip
_LAST = ("Version", "User")


@dataclass(frozen=True)
class Infotext:
    """How a picture was made, as far as its text tells.  None: not told.

    `clip_skip` is None where it was 1: the web UI writes only larger ones.  `extra` holds every other
    parameter as text.
    """

    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    sampler: str | None = None
    schedule_type: str | None = None
    cfg_scale: float | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None  # width, height
    model_hash: str | None = None
    model: str | None = None
    clip_skip: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> Infotext:
    """Read the web UI's text, of any generation.  Never fails: what is not parameters is prompt."""
    lines = text[:LIMIT].strip().split("\n")
    found = dict(_parameters(lines[-1]))
    if len(found) >= FEWEST or "Steps" in found:
        lines.pop()
    else:
        found = {}
    prompt, negative = _prompts(lines)
    return _infotext(prompt, negative, found)


def compose(infotext: Infotext) -> str:
    """The text as the web UI (1.10.1) writes it."""
    given = _texts(infotext)
    order = [key for key in _ORDER if key in given]
    order += [key for key in given if key not in _ORDER and key not in _LAST]
    order += [key for key in _LAST if key in given]
    parameters = ", ".join(key if given[key] == key else f"{key}: {quote(given[key])}" for key in order)
    negative = f"\n{_NEGATIVE} {infotext.negative_prompt}" if infotext.negative_prompt else ""
    return f"{infotext.prompt}{negative}\n{parameters}".strip()


def quote(text: str) -> str:
    """A value as it stands on the line of parameters: in JSON quotes where a comma, colon or new line needs them."""
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",\n:") else text


def from_picture(image: Image.Image) -> Infotext | None:
    """The infotext of an opened picture; None if it carries none."""
    text = image.info.get("parameters") or getattr(image, "text", {}).get("parameters")
    if not isinstance(text, str) or not text.strip():
        text = _user_comment(image) or _comment(image)
    return parse(text) if text and text.strip() else None


def _prompts(lines: list[str]) -> tuple[str, str]:
    prompt: list[str] = []
    negative: list[str] = []
    into = prompt
    for line in (line.strip() for line in lines):
        if line.startswith(_NEGATIVE):
            into = negative
            line = line.removeprefix(_NEGATIVE).strip()
        into.append(line)
    return "\n".join(prompt), "\n".join(negative)


def _parameters(line: str) -> Iterator[tuple[str, str]]:
    """`key: value` pairs of a line, values in quotes or braces taken whole; in linear time."""
    at = 0
    while at < len(line):
        comma = line.find(",", at)
        colon = line.find(":", at, comma if comma >= 0 else len(line))
        if colon < 0:
            at = len(line) if comma < 0 else comma + 1
            continue
        key = line[at:colon].strip()
        value, at = _value(line, colon + 1)
        if len(key) <= _KEY_LENGTH and _KEY.match(key):
            yield key, value


def _value(line: str, at: int) -> tuple[str, int]:
    """The value that starts at `at`, and where the next piece begins."""
    while at < len(line) and line[at].isspace():
        at += 1
    if line[at : at + 1] in ('"', "{"):
        whole = _whole(line, at)
        if whole is not None and line[whole[1] : whole[1] + 1] in ("", ","):
            return whole[0], whole[1] + 1
    end = line.find(",", at)
    end = len(line) if end < 0 else end
    return line[at:end].strip(), end + 1


def _whole(line: str, at: int) -> tuple[str, int] | None:
    try:
        value, end = _JSON.raw_decode(line, at)
    except (ValueError, RecursionError):
        match = _QUOTED.match(line, at)
        return (match.group(), match.end()) if match else None
    return (value if isinstance(value, str) else line[at:end]), end


def _infotext(prompt: str, negative: str, found: dict[str, str]) -> Infotext:
    rest = dict(found)
    return Infotext(
        prompt=prompt,
        negative_prompt=negative,
        steps=_take_int(rest, "Steps"),
        sampler=rest.pop("Sampler", None),
        schedule_type=rest.pop("Schedule type", None),
        cfg_scale=_take_number(rest, "CFG scale"),
        seed=_take_int(rest, "Seed"),
        size=_take_size(rest),
        model_hash=rest.pop("Model hash", None),
        model=rest.pop("Model", None),
        clip_skip=_take_int(rest, "Clip skip"),
        extra=rest,
    )


def _take_int(rest: dict[str, str], key: str) -> int | None:
    try:
        value = int(rest[key])
    except (KeyError, ValueError):
        return None  # what is not a number stays among the extras
    del rest[key]
    return value


def _take_number(rest: dict[str, str], key: str) -> float | None:
    """A whole number stays one ("7", not "7.0"), so that composing gives the same text again."""
    whole = _take_int(rest, key)
    if whole is not None or key not in rest:
        return whole
    try:
        value = float(rest[key])
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    del rest[key]
    return value


def _take_size(rest: dict[str, str]) -> tuple[int, int] | None:
    match = _SIZE.match(rest.get("Size", ""))
    if not match:
        return None
    del rest["Size"]
    return int(match[1]), int(match[2])


def _texts(infotext: Infotext) -> dict[str, str]:
    known = {
        "Steps": infotext.steps,
        "Sampler": infotext.sampler,
        "Schedule type": infotext.schedule_type,
        "CFG scale": infotext.cfg_scale,
        "Seed": infotext.seed,
        "Size": f"{infotext.size[0]}x{infotext.size[1]}" if infotext.size else None,
        "Model hash": infotext.model_hash,
        "Model": infotext.model,
        "Clip skip": infotext.clip_skip,
    }
    return {key: str(value) for key, value in (known | dict(infotext.extra)).items() if value is not None}


_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286


def _user_comment(image: Image.Image) -> str | None:
    from hndoctor.formats.upright import exif_value  # it needs Pillow, and few who read infotext have a picture

    value = exif_value(image, _USER_COMMENT, _EXIF_IFD)
    if isinstance(value, str):
        return value
    return _decode_comment(value) if isinstance(value, bytes) else None


def _decode_comment(data: bytes) -> str:
    """EXIF UserComment: 8 bytes name the code, the rest is text.  The web UI writes UTF-16, high byte first."""
    code, body = data[:8], data[8 : 8 + 4 * LIMIT]
    if code == b"UNICODE\0":
        little = body.startswith(b"\xff\xfe") or body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", "replace").strip("\ufeff\0")
    if code in (b"ASCII\0\0\0", bytes(8)):
        return body.decode("utf-8", "replace").strip("\0")
    return data[: 4 * LIMIT].decode("utf-8", "replace").strip("\0")


def _comment(image: Image.Image) -> str | None:
    value = image.info.get("comment")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None
