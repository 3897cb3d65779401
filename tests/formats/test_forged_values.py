"""Well-formed pickles that hold the wrong things: each refused with the reason that a person can act on."""

from __future__ import annotations

import collections
import pickle
import struct

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from hndoctor.formats import OptimizerFile, Refused, read
from hndoctor.formats.recognise import HEADER_KEY
from hndoctor.formats.unpickle import MEMO_LIMIT, STACK_LIMIT, unpickle
from hndoctor.records import Refusal
from tests.formats.conftest import torch_root, torch_state

STATE = torch_state(24)
GROUP = {"lr": 1e-5, "params": [0]}
DEEP: list[object] = []
for _ in range(40):
    DEEP = [DEEP]

WRONG: dict[str, tuple[object, Refusal, str]] = {
    "one module": ({24: (STATE,)}, Refusal.DAMAGED, "does not hold two state dicts"),
    "three modules": ({24: (STATE, STATE, STATE)}, Refusal.DAMAGED, "does not hold two state dicts"),
    "no width": ({0: (STATE, STATE)}, Refusal.DAMAGED, "size 0 is the width of no context"),
    "a width below zero": ({-24: (STATE, STATE)}, Refusal.DAMAGED, "size -24 is the width of no context"),
    "an empty module": ({24: (STATE, {})}, Refusal.DAMAGED, "does not hold two state dicts"),
    "too wide": ({1 << 20: (STATE, STATE)}, Refusal.DAMAGED, "size 1048576 is the width of no context"),
    "sizes as text": ({"24": (STATE, STATE)}, Refusal.DAMAGED, "sizes are stored as text"),
    "nothing for a size": ({24: (STATE, STATE), 48: None}, Refusal.DAMAGED, "size 48 does not hold two state dicts"),
    "one size as text": ({24: (STATE, STATE), "48": (STATE, STATE)}, Refusal.DAMAGED, "sizes are stored as text"),
    "a number for a tensor": ({24: (STATE, {"linear.0.weight": 1.0})}, Refusal.DAMAGED, "not a named tensor"),
    "a tensor without a name": ({24: (STATE, {0: torch.ones(2)})}, Refusal.DAMAGED, "not a named tensor"),
    "groups that are none": ({"optimizer_state_dict": {"state": {}}}, Refusal.DAMAGED, "lacks the state"),
    "a group that is none": (
        {"optimizer_state_dict": {"state": {}, "param_groups": [1]}}, Refusal.DAMAGED, "lacks the state",
    ),
    "a state by name": (
        {"optimizer_state_dict": {"state": {"w": {}}, "param_groups": [GROUP]}},
        Refusal.DAMAGED,
        "not listed by parameter number",
    ),
    "a state without entries": (
        {"optimizer_state_dict": {"state": {0: 1.0}, "param_groups": [GROUP]}},
        Refusal.DAMAGED,
        "not listed by parameter number",
    ),
    "nested without end": ({"deep": DEEP}, Refusal.UNSAFE, "nested"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_no_loader_could_use_is_refused_with_its_reason(tmp_path, name, zipped):
    root, kind, reason = WRONG[name]
    torch.save(root, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(Refused, match=reason) as refused:
        read(tmp_path / "x.pt")
    assert refused.value.kind is kind


def test_an_optimizer_alone_is_read_without_what_is_no_number(tmp_path):
    state = {0: {"step": 3, "exp_avg": torch.ones(2), "note": "left out"}}
    torch.save({"state": state, "param_groups": [{"lr": 1e-5, "params": ["w"]}]}, tmp_path / "x.optim")
    file = read(tmp_path / "x.optim")
    assert isinstance(file, OptimizerFile)
    assert (file.optimizer_name, file.hash) == (None, None)
    assert list(file.state[0]) == ["step", "exp_avg"]
    assert file.param_groups[0]["lr"] == 1e-5


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("24.k.linear.0.weight",), "lacks its k or its v"),
        (("24.k.linear.0.weight", "24.x.linear.0.weight"), "not named size.side.name"),
        (("24.k.linear.0.weight", "wide.v.linear.0.weight"), "not named size.side.name"),
        (("24.k.linear.0.weight", "24.v"), "not named size.side.name"),
        (("24.k.linear.0.weight", "12345678.v.linear.0.weight"), "not named size.side.name"),
    ],
)
def test_safetensors_with_wrong_names_are_refused(tmp_path, names, reason):
    tensors = {name: np.ones((2, 2), np.float32) for name in names}
    save_file(tensors, tmp_path / "x.safetensors", {HEADER_KEY: "{}"})
    with pytest.raises(Refused, match=reason):
        read(tmp_path / "x.safetensors")


@pytest.mark.parametrize("header", ["[1]", "{", "[" * 100_000])
def test_safetensors_whose_metadata_are_no_object_are_refused(tmp_path, header):
    save_file({"24.k.linear.0.weight": np.ones((2, 2), np.float32)}, tmp_path / "x.safetensors", {HEADER_KEY: header})
    with pytest.raises(Refused, match="metadata is not JSON"):
        read(tmp_path / "x.safetensors")


def legacy(path, ident):
    """A legacy stream with one storage, named as the test wants, below one tensor."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, held: object) -> object:
            return ident if isinstance(held, Here) else None

    class Here:
        pass

    class View:
        def __reduce__(self) -> object:
            return torch._utils._rebuild_tensor_v2, (Here(), 0, (2,), (1,), False, collections.OrderedDict())

    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(value, file, 2)
        Pickler(file, 2).dump({"w": View()})
        pickle.dump(["0"], file, 2)
        file.write(struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes())
    return path


def test_a_legacy_view_begins_where_it_says(tmp_path):
    ident = ("storage", torch.FloatStorage, "0", "cpu", 4, ("0-1", 1, 2))
    file = read(legacy(tmp_path / "x.pt", ident))
    np.testing.assert_array_equal(file.tensors["w"], [1, 2])


@pytest.mark.parametrize("view", [("0-1", 5, 2), ("0-1", -1, 2), ("0-1", "1", 2), ("0-1", 1), 1])
def test_a_forged_legacy_view_is_refused(tmp_path, view):
    with pytest.raises(Refused):
        read(legacy(tmp_path / "x.pt", ("storage", torch.FloatStorage, "0", "cpu", 4, view)))


@pytest.mark.parametrize(
    ("opcodes", "kind", "reason"),
    [
        (b"N(tR", Refusal.UNSAFE, "would call something that is not a function"),
        (b"ctorch\nfloat32\n(tR", Refusal.UNSAFE, "would call .*float32"),
        (b"ccollections\nOrderedDict\nNR", Refusal.DAMAGED, "arguments that are not a tuple"),
        (b"](NNu", Refusal.DAMAGED, "not a dictionary"),
        (b"}(Nu", Refusal.DAMAGED, "not a dictionary"),
        (b"K\x01N\x93", Refusal.UNSAFE, "name is not text"),
        (b"K\x01}b", Refusal.UNSAFE, "set the state of something"),
    ],
)
def test_opcodes_used_wrongly_are_refused(opcodes, kind, reason):
    with pytest.raises(Refused, match=reason) as refused:
        unpickle(memoryview(b"\x80\x02" + opcodes + b"."), 0, str)
    assert refused.value.kind is kind


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(K\x01(K\x02K\x030K\x04tt",  # a mark above a mark
        b"K\x01((00",  # POP takes a mark where nothing lies above it
        b"K\x01(K\x02K\x031",  # POP_MARK takes all that lies above it
        b"](K\x01](K\x02ee",
        b"}(K\x01(K\x02tu",
        b"(K\x012l",
        b"((K\x01K\x02d",
        b"(K\x01K\x02\x86t",
    ],
)
def test_marks_mean_what_they_do_to_pythons_own_unpickler(opcodes):
    data = b"\x80\x04" + opcodes + b"."
    assert unpickle(data, 0, str) == (pickle.loads(data), len(data))


@pytest.mark.parametrize(
    "opcodes",
    [b"K\x01(\x85", b"K\x01(K\x02\x86", b"K\x01(2", b"K\x01(q\0", b"](K\x01(a", b"K\x01(", b"K\x01t", b"0", b"1"],
)
def test_nothing_is_taken_from_below_a_mark(opcodes):
    data = b"\x80\x04" + opcodes + b"."
    with pytest.raises((pickle.UnpicklingError, IndexError, TypeError)):
        pickle.loads(data)
    with pytest.raises(Refused) as refused:
        unpickle(data, 0, str)
    assert refused.value.kind is Refusal.DAMAGED


@pytest.mark.parametrize(
    ("filled", "limit"),
    [
        (lambda count: b"(" * (count // 2) + b"N" * (count - count // 2) + b"0" * count + b"N", STACK_LIMIT),
        (lambda count: b"N" + b"\x94" * count, MEMO_LIMIT),
    ],
    ids=["stack", "memo"],
)
def test_the_stack_and_the_memo_hold_so_much_and_no_more(filled, limit):
    assert unpickle(b"\x80\x04" + filled(limit) + b".", 0, str)[0] is None
    with pytest.raises(Refused, match="fills the memory") as refused:
        unpickle(b"\x80\x04" + filled(limit + 1) + b".", 0, str)
    assert refused.value.kind is Refusal.UNSAFE


def test_the_root_of_every_generation_is_still_read(tmp_path):
    torch.save(torch_root(), tmp_path / "x.pt")
    assert read(tmp_path / "x.pt").modules
