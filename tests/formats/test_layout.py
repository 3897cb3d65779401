"""The layer layout, against the web UI's own module rebuilt in torch, and its published parameter counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor.formats import layout

SIZES = (768, 320, 640, 1280)


def web_ui_module(dim, ls, func, norm, ds, activate_output):
    """HypernetworkModule.__init__, as the web UI writes it."""
    linears = []
    for i in range(len(ls) - 1):
        linears.append(torch.nn.Linear(int(dim * ls[i]), int(dim * ls[i + 1])))
        if not (func in ("linear", None) or (i >= len(ls) - 2 and not activate_output)):
            linears.append({"relu": torch.nn.ReLU, "prelu": torch.nn.PReLU, "swish": torch.nn.Hardswish}[func]())
        if norm:
            linears.append(torch.nn.LayerNorm(int(dim * ls[i + 1])))
        if ds[i + 1] > 0:
            linears.append(torch.nn.Dropout(p=ds[i + 1]))
    return torch.nn.Sequential(*linears)


KINDS = {"Linear": "linear", "LayerNorm": "layer_norm", "Dropout": "dropout"}


@settings(max_examples=60, deadline=None)
@given(
    dim=st.integers(3, 24),
    inner=st.lists(st.sampled_from([0.5, 1.0, 1.2, 1.5, 2.0, 3.0]), max_size=3),
    func=st.sampled_from([None, "linear", "relu", "prelu", "swish"]),
    norm=st.booleans(),
    out=st.booleans(),
    data=st.data(),
)
def test_the_layout_is_the_web_uis(dim, inner, func, norm, out, data):
    structure = (1.0, *inner, 1.0)
    dropout = data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.3]), min_size=len(structure), max_size=len(structure)))
    twin = web_ui_module(dim, structure, func, norm, dropout, out)
    mine = layout.layers(dim, structure, func, norm, dropout, out)
    assert [layer.kind for layer in mine] == [KINDS.get(type(m).__name__, "activation") for m in twin]
    assert [layer.index for layer in mine] == list(range(len(twin)))
    assert [layer.p for layer in mine if layer.kind == "dropout"] == [m.p for m in twin if hasattr(m, "p")]
    count = sum(p.numel() for p in twin.parameters())
    assert layout.parameters([dim], structure, func, norm, out) == 2 * count


def test_every_activation_of_this_torch_is_known():
    import inspect

    classes = inspect.getmembers(torch.nn.modules.activation, inspect.isclass)
    theirs = {n.lower() for n, c in classes if c.__module__ == "torch.nn.modules.activation"}
    assert theirs | {"linear", "swish"} == set(layout.ACTIVATIONS)


@pytest.mark.parametrize(
    ("sizes", "structure", "count"),
    [
        ((768,), (1, 1), 1_181_184),
        (SIZES, (1, 1), 5_486_464),
        ((768,), (1, 0.1, 1), 235_160),
        (SIZES, (1, 0.1, 1), 1_100_248),
        ((768,), (1, 2, 1), 4_723_200),
        (SIZES, (1, 2, 1), 21_939_840),
    ],
)
def test_parameter_counts_of_the_web_ui(sizes, structure, count):
    assert layout.parameters(sizes, structure) == count


def test_file_size_is_the_web_uis_to_a_few_kilobytes():
    assert abs(layout.file_bytes(SIZES, (1, 2, 1)) - 87_768_351) < 4096
    assert abs(layout.file_bytes((320,), (1, 2, 1)) - 3_287_801) < 10_000


def test_a_structure_is_read_as_in_the_text_box():
    assert layout.parse_structure("1, 2, 1") == (1.0, 2.0, 1.0)
    assert layout.parse_structure(" 1,1.5 ,1.5,1") == (1.0, 1.5, 1.5, 1.0)


@pytest.mark.parametrize("text", ["", "1", "1,2", "2,1", "1,x,1", "1,,1", "1,0,1", "1,-2,1", "1,nan,1", "1,inf,1"])
def test_a_wrong_structure_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="layer structure") as problem:
        layout.parse_structure(text)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    ("length", "use", "last", "expected"),
    [
        (3, False, True, (0, 0, 0)),
        (3, True, False, (0, 0, 0)),
        (3, True, True, (0, 0.3, 0)),
        (5, True, False, (0, 0.3, 0.3, 0, 0)),
        (5, True, True, (0, 0.3, 0.3, 0.3, 0)),
        (2, True, True, (0, 0.3, 0)),
    ],
)
def test_missing_dropout_structures_are_filled_in_as_there(length, use, last, expected):
    assert layout.parse_dropout_structure((1.0,) * length, use, last) == expected


def test_truncation_and_its_limit():
    assert [layer.n_out for layer in layout.layers(768, (1, 1.2, 1))] == [921, 768]
    with pytest.raises(ValueError, match="without any channel"):
        layout.layers(8, (1, 0.1, 1))


@pytest.mark.parametrize("name", ["ReLU", "nonsense", "threshold", "multiheadattention"])
def test_what_the_web_ui_cannot_build_is_refused(name):
    with pytest.raises(ValueError, match="activation"):
        layout.layers(8, (1, 2, 1), name)


@pytest.mark.parametrize("dropout", [(0, 0.1), (0, 1.0, 0), (0, -0.1, 0), (0, float("nan"), 0)])
def test_a_wrong_dropout_structure_is_refused(dropout):
    with pytest.raises(ValueError, match="dropout structure"):
        layout.layers(8, (1, 2, 1), "relu", False, dropout)
