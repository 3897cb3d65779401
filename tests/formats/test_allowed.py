"""The few things that a pickle may make: right where they are rightly asked for, else a refusal with its reason."""

from __future__ import annotations

import collections
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hndoctor.formats import Refused
from hndoctor.formats.allowed import NumpyArray, Parameters, Storage, Tensor
from hndoctor.formats.unpickle import unpickle
from hndoctor.records import Refusal

STORED = Storage("0", "float32", 4)


def value(held: object) -> bytes:
    """The opcodes of a plain value."""
    return pickle.dumps(held, 2)[2:-1]


def many(*parts: bytes) -> bytes:
    """The opcodes of a tuple."""
    return b"(" + b"".join(parts) + b"t"


def made(name: str, *parts: bytes) -> bytes:
    """The opcodes of a call."""
    return f"c{name.replace(':', chr(10))}\n".encode() + many(*parts) + b"R"


def named(name: str) -> bytes:
    return f"c{name.replace(':', chr(10))}\n".encode()


def read(opcodes: bytes) -> object:
    return unpickle(memoryview(b"\x80\x02" + opcodes + b"."), 0, lambda told: STORED)[0]


SIZE, STEPS = value((2, 2)), value((2, 1))
STORAGE, ZERO, NONE, FALSE = b"Pid\n", value(0), value(None), value(False)
PLAIN = "torch._utils:_rebuild_tensor_v2"
FLOATS = made("numpy:dtype", value("f4"), value(False), value(True))
EMPTY = made("numpy._core.multiarray:_reconstruct", named("numpy:ndarray"), value((0,)), value(b"b"))


def array(*state: bytes) -> bytes:
    return EMPTY + many(*state) + b"b"


FORGED = {
    "a tensor without a storage": made(PLAIN, value("data"), ZERO, SIZE, STEPS),
    "differ in length": made(PLAIN, STORAGE, ZERO, SIZE, value((1,))),
    "a shape or its strides are not a short list": made(PLAIN, STORAGE, ZERO, value("22"), STEPS),
    "not a plain number": made(PLAIN, STORAGE, value(-1), SIZE, STEPS),
    "offset or stride is not": made(PLAIN, STORAGE, ZERO, value((True, 2)), STEPS),
    "a tensor of an unknown type": made(
        "torch._utils:_rebuild_tensor_v3", STORAGE, ZERO, SIZE, STEPS, FALSE, NONE, value("float32"), NONE
    ),
    "a parameter without a tensor": made("torch._utils:_rebuild_parameter", value([1.0]), FALSE, NONE),
    "made by something else than torch": made(
        "torch._tensor:_rebuild_from_type_v2", value("f"), named("torch:Tensor"), value(()), NONE
    ),
    "something else than pairs": made("collections:OrderedDict", value([(1, 2, 3)])),
    "an OrderedDict of something else": made("collections:OrderedDict", value({"a": 1})),
    "not plain": made("collections:OrderedDict", value([((1, 2), 3)])),
    "a set of something else than a list": made("builtins:set", value("ab")),
    "set member that is not plain": made("builtins:set", value([(1, 2)])),
    "key or set member of more than 64 bits": b"}" + value(1 << 64) + b"Ns",
    "set member of more than 64": made("builtins:set", value([-1 << 64])),
    "a memo slot that no pickler numbers": b"Np4294967296\n",
    "a numpy type that is not a plain number": made("numpy:dtype", value("O8"), value(False), value(True)),
    "a numpy type that is": FLOATS + value((3, "!", None, None, None, -1, -1, 0)) + b"b",
    "a numpy number without a type": made("numpy.core.multiarray:scalar", value("f4"), value(b"\0\0\0\0")),
    "raw bytes expected": made("numpy.core.multiarray:scalar", FLOATS, value([0])),
    "a numpy array that is not plain": array(value(1), value((1,)), value("f4"), FALSE, value(bytes(4))),
    "an encoding other than latin-1": made("_codecs:encode", value("a"), value("zlib")),
    "a ParameterDict without entries": made("torch.nn.modules.container:ParameterDict") + value([1]) + b"b",
}


@pytest.mark.parametrize("reason", FORGED)
def test_forged_arguments_are_refused_with_their_reason(reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        read(FORGED[reason])
    assert refused.value.kind is Refusal.DAMAGED
    assert "\n" not in refused.value.reason


def test_a_key_may_be_as_long_as_a_machine_number() -> None:
    """Of longer ones a million may hash alike (multiples of 2**61 - 1): sixty thousand took over a minute to refuse."""
    longest = (1 << 64) - 1
    assert read(b"}" + value(longest) + b"Ns") == {longest: None}
    assert read(b"Np4294967295\n0g4294967295\n") is None


@pytest.mark.parametrize("length", [32, 33])
def test_a_shape_may_have_as_many_numbers_as_numpy_has_axes(length: int) -> None:
    opcodes = made("torch:Size", value([1] * length))
    if length == 32:
        assert read(opcodes) == (1,) * 32
    else:
        with pytest.raises(Refused, match="not a short list"):
            read(opcodes)


def test_a_tensor_is_described_as_torch_would_make_it() -> None:
    last = many(STORAGE, value(1), SIZE, STEPS, FALSE, made("collections:OrderedDict"))
    tensor = Tensor(STORED, "float32", 1, (2, 2), (2, 1))
    assert read(named(PLAIN) + last + b"R") == tensor
    assert read(made("torch._utils:_rebuild_parameter", named(PLAIN) + last + b"R", FALSE, NONE)) == tensor
    kept = many(named(PLAIN), named("torch:Tensor"), last, value({"note": 1}))
    assert read(named("torch._tensor:_rebuild_from_type_v2") + kept + b"R") == tensor
    third = made(
        "torch._utils:_rebuild_tensor_v3", STORAGE, value(1), SIZE, STEPS, FALSE, NONE, named("torch:int16"), NONE
    )
    assert read(third) == Tensor(STORED, "int16", 1, (2, 2), (2, 1))
    assert read(made("torch:device", value("cuda"), ZERO)) == "cuda"
    assert read(made("torch:device", ZERO)) == "?"


@pytest.mark.parametrize(
    "held",
    [
        np.arange(6, dtype="<f4").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        np.zeros((3, 1), np.float64),
        np.array([True, False]),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_numpy_arrays_are_read_as_numpy_reads_them(held: np.ndarray, protocol: int) -> None:
    data = memoryview(pickle.dumps(held, protocol))
    found = unpickle(data, 0, str)[0]
    assert isinstance(found, NumpyArray)
    assert found.array is not None
    np.testing.assert_array_equal(found.array, held)
    assert found.array.dtype == held.dtype


@pytest.mark.parametrize("held", [np.float32(1.5), np.int64(-3), np.float64("inf"), np.bool_(True)])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_numpy_numbers_are_plain_numbers(held: np.generic, protocol: int) -> None:
    assert unpickle(memoryview(pickle.dumps(held, protocol)), 0, str)[0] == held.item()


@pytest.mark.parametrize(
    "held", [collections.OrderedDict(a=1, b=[2]), {1, "a", None}, torch.Size((3, 4)), frozenset({1, 2})]
)
def test_plain_collections_are_what_they_were(held: object) -> None:
    assert unpickle(memoryview(pickle.dumps(held, 4)), 0, str)[0] == held


def test_a_parameter_dict_gives_its_entries() -> None:
    tensor = made(PLAIN, STORAGE, ZERO, SIZE, STEPS)
    empty = made("torch.nn.modules.container:ParameterDict")
    entries = b"}" + value("w") + tensor + b"s"
    newer = read(empty + b"}" + value("w") + tensor + b"s" + value("training") + value(True) + b"s" + b"b")
    older = read(empty + b"}" + value("_parameters") + entries + b"s" + b"b")
    forged = read(empty + b"}" + value("_parameters") + value("none") + b"s" + b"b")
    for found in (newer, older):
        assert isinstance(found, Parameters)
        assert list(found.entries) == ["w"]
    assert isinstance(forged, Parameters)
    assert forged.entries == {}
    assert SimpleNamespace(**newer.entries).w == Tensor(STORED, "float32", 0, (2, 2), (2, 1))


def test_a_call_with_keywords_is_one_without_where_there_are_none() -> None:
    """NEWOBJ_EX of protocol 4."""
    ordered = named("collections:OrderedDict") + many(value([("a", 1)]))
    assert read(ordered + value({}) + b"\x92") == {"a": 1}
    with pytest.raises(Refused, match="keyword arguments"):
        read(ordered + value({"a": 1}) + b"\x92")
