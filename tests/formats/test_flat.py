"""A safetensors file, field by field: its header says what is there, and a network in it is one."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from hndoctor.formats import Refused, read
from hndoctor.formats.recognise import SIZE_LIMIT
from hndoctor.formats.safetensors import HEADER_LIMIT, looks_like
from hndoctor.records import Refusal

ONES = np.ones((2, 3), "<f4").tobytes()
NAMES = ("768.k.linear.0.weight", "768.v.linear.0.weight")


def entry(begin=0, end=24, shape=(2, 3), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def network(*names, told=None):
    """A network of these tensors, one behind the other."""
    held = {"hypernetwork": json.dumps({"step": 7, "name": "a"} | (told or {}))}
    places = {name: entry(at * len(ONES), (at + 1) * len(ONES)) for at, name in enumerate(names)}
    return {"__metadata__": held} | places, ONES * len(names)


def packed(header, body=ONES, length=0):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) + length) + raw + body


@pytest.fixture
def tried(tmp_path):
    def of(*given, **more):
        path = tmp_path / "a.safetensors"
        path.write_bytes(packed(*given, **more))
        return read(path)

    return of


def test_a_sound_file_is_read(tried):
    assert tried({"a": entry()}).tensors["a"].tolist() == [[1.0] * 3] * 2
    found = tried(*network(*NAMES))
    assert [(module.size, module.side) for module in found.modules] == [(768, "k"), (768, "v")]
    assert (found.metadata.step, found.metadata.name) == (7, "a")


@pytest.mark.parametrize(
    ("header", "body", "kind"),
    [
        ({"a": entry(4, 28)}, ONES + b"\0" * 4, Refusal.DAMAGED),
        ({"a": entry(), "b": entry(20, 44)}, ONES * 2, Refusal.DAMAGED),
        ({"a": entry(), "b": entry(28, 52)}, ONES * 3, Refusal.DAMAGED),
        ({"a": entry()}, ONES[:-1], Refusal.DAMAGED),
        ({"a": entry()}, ONES + b"\1", Refusal.DAMAGED),
        ({"a": entry()}, ONES + b"\0", Refusal.DAMAGED),
        ({"a": entry(0, 20)}, ONES[:20], Refusal.DAMAGED),
        ({"a": entry(24, 0)}, ONES, Refusal.DAMAGED),
        ({"a": entry(-24, 0)}, ONES, Refusal.DAMAGED),
        ({"a": entry(0.0, 24)}, ONES, Refusal.DAMAGED),
        ({"a": entry(False, 24)}, ONES, Refusal.DAMAGED),
        ({"a": entry(0, 1 << 48)}, ONES, Refusal.DAMAGED),
        ({"a": entry(shape=(2, 3) + (1,) * 31)}, ONES, Refusal.DAMAGED),
        ({"a": entry(shape=(-2, -3))}, ONES, Refusal.DAMAGED),
        ({"a": entry(shape=())}, ONES, Refusal.DAMAGED),
        ({"a": entry(dtype="F3")}, ONES, Refusal.DAMAGED),
        ({"a": entry(dtype="F16")}, ONES, Refusal.DAMAGED),
        ({"a": entry(dtype="F8_E8M0")}, ONES, Refusal.FOREIGN),
        ({"a": entry(dtype="C64")}, ONES, Refusal.FOREIGN),
        ({"a": entry(dtype=[])}, ONES, Refusal.DAMAGED),
        ({"a": [1]}, ONES, Refusal.DAMAGED),
        ({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24, 25]}}, ONES, Refusal.DAMAGED),
        ({"a": entry(), "__metadata__": {"x": 1}}, ONES, Refusal.DAMAGED),
        ({"a": entry(), "__metadata__": ["x"]}, ONES, Refusal.DAMAGED),
        (b'{"a": 1, "a": 2}', ONES, Refusal.UNSAFE),
        (b"{" + b" " * 20, ONES, Refusal.DAMAGED),
        (b'{"\xff": 1}', ONES, Refusal.DAMAGED),
        ({}, b"", Refusal.FOREIGN),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(tried, header, body, kind):
    with pytest.raises(Refused) as found:
        tried(header, body)
    assert found.value.kind is kind


def test_as_many_dimensions_as_numpy_takes_are_taken(tried):
    assert tried({"a": entry(shape=(2, 3) + (1,) * 30)}).tensors["a"].shape == (2, 3) + (1,) * 30


def test_a_header_that_is_cut_short_is_damage(tried):
    with pytest.raises(Refused, match="header is not whole"):
        tried({"a": entry()}, b"", length=1)
    assert tried({"a": entry(0, 4, shape=(1,))}, b"\0" * 4)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (struct.pack("<Q", HEADER_LIMIT) + b"{}", True),
        (struct.pack("<Q", HEADER_LIMIT + 1) + b"{}", False),
        (struct.pack("<Q", 2) + b"{", False),
        (struct.pack("<Q", 2) + b"[]", False),
        (struct.pack("<Q", 2) + b"{}", True),
    ],
)
def test_how_safetensors_begin(data, said):
    assert looks_like(memoryview(data)) is said


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("768.k.w",), "lacks its k or its v"),
        (("768.v.w",), "lacks its k or its v"),
        ((*NAMES, "320.k.w"), "lacks its k or its v"),
        (("768.q.w", *NAMES), "not named size"),
        (("768.k.", *NAMES), "not named size"),
        (("x.k.w", *NAMES), "not named size"),
        (("٣.k.w", *NAMES), "not named size"),
        (("12345678.k.w", *NAMES), "not named size"),
        (("0.k.w", "0.v.w"), "width of no context"),
        ((f"{SIZE_LIMIT}.k.w", f"{SIZE_LIMIT}.v.w"), "width of no context"),
    ],
)
def test_a_network_is_named_size_side_name(tried, names, why):
    with pytest.raises(Refused, match=why):
        tried(*network(*names))


def test_the_widest_context_and_the_order_of_sizes(tried):
    wide = f"{SIZE_LIMIT - 1}"
    names = (f"{wide}.k.w", f"{wide}.v.w", *NAMES, "320.v.w", "320.k.w")

    def sizes(**told):
        return [(module.size, module.side) for module in tried(*network(*names, told=told)).modules]

    def pairs(*sizes_):
        return [(size, side) for size in sizes_ for side in "kv"]

    assert sizes() == pairs(320, 768, int(wide))
    assert sizes(sizes=[768, int(wide), 320]) == pairs(768, int(wide), 320)
    assert sizes(sizes=[768]) == pairs(768, 320, int(wide))
    assert sizes(sizes=["768"]) == sizes(sizes=7) == pairs(320, 768, int(wide))


@pytest.mark.parametrize("told", ["{", "[1]", "[" * 100_000])
def test_metadata_that_is_no_object_is_damage(tried, told):
    header, body = network(*NAMES)
    header["__metadata__"]["hypernetwork"] = told
    with pytest.raises(Refused, match="metadata is not JSON"):
        tried(header, body)


def test_a_network_without_the_headers_word_is_known_by_its_names(tried):
    parts = ("linear.0.weight", "linear.0.bias", "linear2.weight", "linear2.bias")
    names = [f"24.{side}.{part}" for side in "kv" for part in parts]
    header = {name: entry(24 * at, 24 * at + 24) for at, name in enumerate(names)}
    found = tried(header, ONES * len(names))
    assert [(module.size, module.side) for module in found.modules] == [(24, "k"), (24, "v")]
    assert list(found.modules[0].tensors) == ["linear.0.weight", "linear.0.bias", "linear.1.weight", "linear.1.bias"]
    assert (found.metadata.step, found.keys) == (0, ())
    other = header | {"24.k.conv.weight": entry(24 * len(names), 24 * len(names) + 24)}
    assert tried(other, ONES * len(other)).kind == "tensors"
    with pytest.raises(Refused, match="lacks its k or its v"):
        tried(dict(list(header.items())[:4]), ONES * 4)
