"""Readers at both sides of their limits, and figures by their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hndoctor.formats import layout, mapped
from hndoctor.formats.allowed import Storage, Tensor
from hndoctor.formats.bounded import read_bounded
from hndoctor.formats.dtypes import decode
from hndoctor.formats.emit import storage_class
from hndoctor.formats.plain import (
    DEPTH_LIMIT,
    LEAF_LIMIT,
    STEP_LIMIT,
    TEXT_LIMIT,
    check_leaves,
    leaves,
    metadata_of,
    plain_values,
)
from hndoctor.formats.recognise import kind_of, modern
from hndoctor.formats.types import Refused

# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ([0] * 64, True),
        ([0] * 65, False),
        ([[1]], False),
        ((1, "a", None, True, 0.5), True),
        ("a" * (TEXT_LIMIT - 1), True),
        ("a" * TEXT_LIMIT, False),
        (["a" * TEXT_LIMIT], False),
        ({"a": 1}, False),
        (b"a", False),
    ],
)
def test_only_plain_values_are_kept(value, kept):
    assert plain_values({"x": value, "step": 1, 3: 4}) == ({"x": value} if kept else {})


@pytest.mark.parametrize(
    ("step", "read"),
    [
        (0, 0),
        (STEP_LIMIT - 1, STEP_LIMIT - 1),
        (STEP_LIMIT, None),
        (-1, None),
        (7.0, 7),
        (7.5, None),
        (True, None),
        ("7", None),
    ],
)
def test_a_step_is_a_whole_number_that_a_training_can_reach(step, read):
    metadata, wrong = metadata_of({"step": step}, "x")
    assert metadata.step == (read or 0)
    assert wrong == (() if read is not None else ("step",))


@pytest.mark.parametrize(
    ("structure", "read"),
    [
        ([1, 2, 1], (1.0, 2.0, 1.0)),
        ([1] * 64, (1.0,) * 64),
        ([1] * 65, None),
        ([999_999], (999_999.0,)),
        ([1_000_000], None),
        ([-1_000_000], None),
        ([math.nan], None),
        (["1"], None),
        ("121", None),
    ],
)
def test_a_structure_is_a_short_list_of_numbers(structure, read):
    metadata, wrong = metadata_of({"layer_structure": structure}, "x")
    assert metadata.layer_structure == read
    assert wrong == (() if read else ("layer_structure",))


def test_defaults_are_the_web_uis():
    metadata, wrong = metadata_of({}, "fischl")
    assert (metadata.name, metadata.layer_structure, metadata.dropout_structure) == ("fischl", (1.0, 2.0, 1.0), None)
    assert (metadata.activate_output, metadata.use_dropout, metadata.weight_initialization) == (True, False, "Normal")
    assert wrong == ()
    told, wrong = metadata_of({"layer_structure": None, "dropout_structure": (0, 0.1), "activate_output": "0"}, "x")
    assert (told.layer_structure, told.use_dropout, told.activate_output) == (None, True, True)
    assert wrong == ("activate_output",)
    assert metadata_of({"dropout_structure": (0, 0)}, "x")[0].use_dropout is False
    for value in (0, 1, None):
        assert metadata_of({"activate_output": value}, "x")[0].activate_output is bool(value)


@pytest.mark.parametrize(
    ("key", "value", "default"),
    [
        ("name", 5, "x"),
        ("activation_func", b"relu", None),
        ("weight_initialization", None, "Normal"),
        ("sd_checkpoint", [], None),
        ("optional_info", True, None),
    ],
)
def test_what_is_no_text_is_not_taken_for_one(key, value, default):
    metadata, wrong = metadata_of({key: value}, "x")
    assert (getattr(metadata, key), wrong) == (default, (key,))


def test_long_texts_are_cut():
    assert metadata_of({"name": "a" * (TEXT_LIMIT + 1)}, "x")[0].name == "a" * TEXT_LIMIT


def test_a_tensor_is_written_into_the_storage_of_its_type():
    names = {"uint8": "ByteStorage", "float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}
    names |= {"float64": "DoubleStorage", "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage"}
    for dtype, storage in names.items():
        assert storage_class(np.zeros(1, dtype)) == storage
    with pytest.raises(ValueError, match="cannot be written"):
        storage_class(np.zeros(1, "U1"))


def test_a_file_of_at_most_so_many_bytes_is_read(tmp_path):
    file = tmp_path / "a.json"
    for limit, size in ((1 << 20, "1 MiB"), (3 << 20, "3 MiB"), (2 << 10, "2 KiB")):
        file.write_bytes(b"a" * limit)
        assert len(read_bounded(file, limit)) == limit
        file.write_bytes(b"a" * (limit + 1))
        with pytest.raises(OSError, match=f"larger than {size}"):
            read_bounded(file, limit)
    with pytest.raises(OSError, match="not a regular file"):
        read_bounded(tmp_path, 9)


def test_only_large_files_have_their_pages_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "LARGE", 8192)
    monkeypatch.setattr(mapped, "_large", set())
    file = tmp_path / "a.pt"
    for size, remembered in ((8191, 0), (8192, 1)):
        file.write_bytes(bytes([7]) * size)
        with file.open("rb") as opened:
            found = mapped.mapping(opened.fileno(), size)
        assert bytes(found) == bytes([7]) * size
        assert len(mapped._large) == remembered
        with pytest.raises(TypeError):
            found[0] = 1  # read-only
    assert [reference() for reference in mapped._large] == [found]
    mapped.ease()
    assert found[8191] == 7


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_and_number_of_values_are_limited():
    assert len(list(leaves(nested(DEPTH_LIMIT)))) == 1
    with pytest.raises(Refused, match="nested without end"):
        list(leaves(nested(DEPTH_LIMIT + 2)))
    assert len(list(leaves([0] * (LEAF_LIMIT - 2)))) == LEAF_LIMIT - 2
    with pytest.raises(Refused, match="more than"):
        list(leaves([0] * (LEAF_LIMIT + 1)))
    assert [where for where, _ in leaves({"a": [5, {"b": 6}], "c": {7}})] == [("a", "0"), ("a", "1", "b"), ("c", "*")]


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        (b"\x80\x02N.", True),
        (b"\x80\x05N.", True),
        (b"\x80\x06N.", False),
        (b"\x80\x01N.", False),
        (b"\x80\x02.", False),
        (b"\x80\x02N", False),
        (b"\x7f\x02N.", False),
        ("80024e2e", True),
        ("8002 4e\n2e", True),
        ("gAJOLg==", True),
        ("gAJO", False),
        ("a caption", False),
    ],
)
def test_a_pickle_in_disguise_is_told_from_text(value, hidden):
    if not hidden:
        check_leaves({"x": value})
        return
    with pytest.raises(Refused, match='"x" is a pickle in disguise'):
        check_leaves({"x": value})


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        ({"lora_up.weight": (4, 4)}, "lora"),
        ({"a.hada_w1_a": (4, 4)}, "lora"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (4, 4)}, "model"),
        ({"state_dict.cond_stage_model.transformer.x": (4,), "clip_l": (2, 5)}, "model"),
        ({"emb_params": (2, 5)}, "embedding"),
        ({"clip_l": (2, 5), "x": (1,)}, "embedding"),
        ({"<cat>": (768,)}, "embedding"),
        ({"<cat>": (3, 1280)}, "embedding"),
        ({"<cat>": (1, 3, 768)}, "tensors"),
        ({"<cat>": (767,)}, "tensors"),
        ({"<cat>": ()}, "tensors"),
        ({"a": (768,), "b": (768,)}, "tensors"),
        ({}, "tensors"),
    ],
)
def test_kinds_are_told_from_names_and_shapes(shapes, kind):
    assert kind_of({name: np.zeros(shape) for name, shape in shapes.items()}) == kind


def test_old_names_are_made_new():
    names = ("linear1.weight", "linear2.bias", "linear.0.weight", "xlinear1.weight")
    assert [modern(name) for name in names] == ["linear.0.weight", "linear.1.bias", *names[2:]]


def test_views_begin_at_the_beginning_unless_told():
    storage = Storage("0", "float32", 4)
    assert storage.skip == 0
    assert Tensor(storage, "float32", 0, (2, 2), (2, 1)).storage is storage


def test_half_and_quarter_floats_by_their_definition():
    assert decode(np.array([0x3F80, 0xC000], np.uint16), "bfloat16").tolist() == [1.0, -2.0]
    codes = np.array([0x00, 0x01, 0x08, 0x38, 0x7E, 0xB8], np.uint8)
    assert decode(codes, "float8_e4m3fn").tolist() == [0.0, 2**-9, 2**-6, 1.0, 448.0, -1.0]
    assert np.isnan(decode(np.array([0x7F, 0xFF], np.uint8), "float8_e4m3fn")).all()
    codes = np.array([0x01, 0x04, 0x3C, 0x7B, 0x7C, 0xFC], np.uint8)
    assert decode(codes, "float8_e5m2").tolist() == [2**-16, 2**-14, 1.0, 57344.0, math.inf, -math.inf]
    assert np.isnan(decode(np.array([0x7D], np.uint8), "float8_e5m2")).all()
    assert decode(np.array([0, 2], np.uint8), "bool").tolist() == [False, True]


# --- layers -----------------------------------------------------------------------------------------------------------


def stack(*given, **more):
    return [(layer.index, layer.kind, layer.n_in, layer.n_out, layer.p) for layer in layout.layers(*given, **more)]


def test_layers_stand_where_the_web_ui_puts_them():
    plain = stack(10, (1, 2.55, 1), "relu")
    assert plain == [(0, "linear", 10, 25, 0), (1, "activation", 25, 25, 0), (2, "linear", 25, 10, 0)]
    full = stack(10, (1, 2, 1), "relu", True, (0, 0.1, 0.2), True)
    assert [row[1] for row in full] == ["linear", "activation", "layer_norm", "dropout"] * 2
    assert [row[0] for row in full] == list(range(8))
    assert [row[4] for row in full if row[1] == "dropout"] == [0.1, 0.2]
    assert [row[1] for row in stack(10, (1, 2, 1))] == ["linear", "linear"]
    assert [row[1] for row in stack(10, (1, 2, 1), None, activate_output=True)] == ["linear", "linear"]
    assert layout.layers(10, (1, 1))[0].prefix == "linear.0"


@pytest.mark.parametrize(
    ("structure", "dropout", "why"),
    [
        ((1,), None, "at least two numbers"),
        ((1, 0, 1), None, "above 0 and finite"),
        ((1, math.inf, 1), None, "above 0 and finite"),
        ((2, 2, 1), None, "start and end with 1"),
        ((1, 2, 2), None, "start and end with 1"),
        ((1, 0.09, 1), None, "without any channel"),
        ((1, 2, 1), (0, 0), "has 2 numbers, the layer structure 3"),
        ((1, 2, 1), (0, 1, 0), "between 0 and 1"),
        ((1, 2, 1), (0, -0.1, 0), "between 0 and 1"),
    ],
)
def test_structures_that_cannot_be_built(structure, dropout, why):
    with pytest.raises(ValueError, match=why):
        layout.layers(10, structure, dropout_structure=dropout)
    assert layout.layers(10, (1, 0.1, 1), dropout_structure=(0, 0.99, 0, 7e-1))


def test_dropout_of_old_files():
    p = layout.LEGACY_DROPOUT
    assert layout.parse_dropout_structure((1, 2, 2, 1), True, False) == (0, p, 0, 0)
    assert layout.parse_dropout_structure((1, 2, 2, 1), True, True) == (0, p, p, 0)
    assert layout.parse_dropout_structure((1, 2, 2, 1), False, True) == (0, 0, 0, 0)
    assert layout.parse_dropout_structure(None, True, True) == (0, p, 0)
    assert layout.parse_dropout_structure((1, 1), True, True) == (0, p, 0)


def test_parameters_are_weights_biases_norms_and_slopes():
    bare = 2 * (20 * 11 + 10 * 21)
    assert layout.parameters((10,), (1, 2, 1)) == bare
    assert layout.parameters((10,), (1, 2, 1), "prelu") == bare + 2
    assert layout.parameters((10,), (1, 2, 1), "relu", True) == bare + 2 * 2 * (20 + 10)
    assert layout.file_bytes((10,), (1, 2, 1)) == layout.OVERHEAD + 4 * bare
    assert layout.file_bytes((10,), (1, 2, 1), itemsize=2) == layout.OVERHEAD + 2 * bare
