"""SECURITY.md promises limits: they are those of the code, to the byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hndoctor import collect
from hndoctor.cli import checking
from hndoctor.cli import settings as gate_settings
from hndoctor.formats import (
    captions,
    infotext,
    losslog,
    mapped,
    pictures,
    recognise,
    safetensors,
    settings,
    shelf,
    unpickle,
    zipped,
)
from hndoctor.metrics import picture
from hndoctor.setup import pictures as training_pictures
from hndoctor.vitals import believable, stored

PROMISES = Path(__file__).parents[2] / "SECURITY.md"
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "million": 10**6}
LIMITS = {
    "a pickle": (unpickle.PICKLE_LIMIT, unpickle.OPCODE_LIMIT, unpickle.STACK_LIMIT),
    "packed members of a zip, together": (zipped.INFLATED_LIMIT,),
    "the header of a safetensors file": (safetensors.HEADER_LIMIT,),
    "numbers that must be unpacked or put in order (bfloat16, float8, big-endian, scattered views)": (shelf.ROOM,),
    "the width of a context": (recognise.SIZE_LIMIT,),
    "one weight matrix whose singular values and gain are computed": (mapped.LARGE,),
    "a preview": (picture.LARGEST, pictures.FILE_LIMIT),
    "a training picture in `check`": (training_pictures.MAX_PIXELS, training_pictures.FILE_LIMIT),
    "a picture's text": (infotext.LIMIT,),
    "a loss log": (losslog.MAX_BYTES, losslog.MOST_POINTS),
    "`validation.jsonl`, `run.json`, `settings-*`": (settings.MAX_BYTES,),
    "`vitals.json`": (stored.MAX_BYTES, stored.MOST_OBJECTS, believable.MOST_FILES),
    "checkpoints, and previews, of one run": (collect.finding.MOST_FILES,),
    "a configuration, a prompt template": (captions.TEMPLATE_LIMIT,),
    "a caption": (captions.CAPTION_LIMIT,),
}


def promised() -> dict[str, tuple[int, ...]]:
    """What the table says of each kind of input, in bytes, pixels or pieces."""
    rows = re.findall(r"^\| (.+) \| (.+) \|$", PROMISES.read_text(encoding="utf-8"), re.MULTILINE)
    return {what: tuple(amounts(said)) for what, said in rows if re.search(r"\d", said)}


def amounts(said: str) -> list[int]:
    """``16 MiB, a million opcodes`` -> 16777216, 1000000."""
    numbers = re.findall(r"(\d[\d,]*)(?: (KiB|MiB|million))?", said.replace("a million", "1 million"))
    return [int(number.rstrip(",").replace(",", "")) * UNITS[unit] for number, unit in numbers]


def test_every_limit_that_is_promised_is_known_here() -> None:
    assert promised().keys() == LIMITS.keys()


@pytest.mark.parametrize("what", sorted(LIMITS))
def test_the_limit_is_the_promised_one(what: str) -> None:
    assert promised()[what] == LIMITS[what]


def test_all_configurations_have_the_promised_limit() -> None:
    (limit,) = promised()["a configuration, a prompt template"]
    assert gate_settings.LIMIT == checking.CONFIG_LIMIT == limit
