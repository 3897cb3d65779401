"""What holds of every file: hypothesis looks for the one of which it does not, and shrinks it to its smallest form.

`test_mutations` spoils far more files, but by chance alone; here every step is drawn, so a failure can be read.
`HNDOCTOR_FUZZ=100000` looks as much longer here as there.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hndoctor.formats import HypernetworkFile, Refused, read_bytes
from hndoctor.formats.unpickle import unpickle
from tests.formats.makers import forge

LONGER = max(1, int(os.environ.get("HNDOCTOR_FUZZ", "20000")) // 20000)
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
SHAPES = st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)


def numbers(file):
    assert isinstance(file, HypernetworkFile)
    return {(m.size, m.side, name): a.tobytes() for m in file.modules for name, a in m.tensors.items()}


def refusal_or_file(data):
    try:
        return read_bytes(data, Path("a.pt"))
    except Refused as refused:
        return refused.reason


def saved(root, **options):
    held = io.BytesIO()
    torch.save(root, held, **options)
    return held.getvalue()


@st.composite
def tensors(draw):
    """A tensor of any type, shape and layout, which may be a view of a larger storage."""
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(SHAPES)
    seed = draw(st.integers(0, 99))
    whole = torch.randn([2 * n for n in shape], generator=torch.Generator().manual_seed(seed)).to(dtype)
    view = whole[tuple(slice(draw(st.integers(0, n)), None, draw(st.integers(1, 2))) for n in shape)]
    view = view.permute(draw(st.permutations(range(len(shape)))))
    return view.contiguous() if draw(st.booleans()) else view


@st.composite
def networks(draw):
    """A hypernetwork as torch holds it, its modules sharing storages now and then."""
    names = ["linear.0.weight", "linear.0.bias", "linear.2.weight", "x"]
    part = st.dictionaries(st.sampled_from(names), tensors(), min_size=1)
    kind = draw(st.sampled_from([tuple, list]))
    sizes = draw(st.lists(st.sampled_from([8, 24, 320, 768]), min_size=1, max_size=2, unique=True))
    root = {size: kind((draw(part), draw(part))) for size in sizes}
    root[next(iter(sizes))][1]["linear.0.weight"] = torch.ones(2, 3)
    return root | draw(st.fixed_dictionaries({}, optional={"step": st.integers(0, 99), "name": st.text()}))


@settings(max_examples=150 * LONGER)
@given(networks(), st.booleans())
def test_what_torch_writes_is_read_to_the_last_bit(root, legacy):
    file = read_bytes(saved(root, _use_new_zipfile_serialization=not legacy), Path("a.pt"))
    wide = {torch.bfloat16: torch.float32}
    assert numbers(file) == {
        (size, side, name): tensor.to(wide.get(tensor.dtype, tensor.dtype)).contiguous().numpy().tobytes()
        for size, pair in root.items()
        if type(size) is int
        for side, part in zip("kv", pair, strict=True)
        for name, tensor in part.items()
    }
    assert file.metadata.step == root.get("step", 0)


KEYS = st.text(max_size=5) | st.integers(-(2**64) + 1, 2**64 - 1)  # of more bits are refused: see check_key
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=300 * LONGER)
@given(PLAIN, st.integers(0, 5))
def test_plain_values_are_what_pythons_own_unpickler_makes_of_them(value, protocol):
    data = pickle.dumps(value, protocol)
    assert unpickle(memoryview(data), 0, lambda ident: None) == (value, len(data))


@settings(max_examples=300 * LONGER)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x80\x02", b"\x80\x04\x95", b"PK\3\4", b"\x80\x02}q\0("]))
def test_any_bytes_are_read_or_refused(data, start):
    with pytest.raises(Refused) as refused:  # no network is as short as that
        read_bytes(start + data, Path("a.pt"))
    assert refused.value.reason.isprintable()
    assert len(refused.value.reason) < 300


MEMBERS = [
    (name, body)
    for root in [{8: tuple({"linear.0.weight": torch.arange(6.0).reshape(2, 3)} for _ in "kv"), "step": 7}]
    for archive in [zipfile.ZipFile(io.BytesIO(saved(root)))]
    for name, body in ((info.filename, archive.read(info)) for info in archive.infolist())
]
RIGHT = numbers(read_bytes(forge(MEMBERS), Path("a.pt")))
FIELDS = ["size", "packed", "crc", "flags", "local_flags", "local_size", "offset", "method"]
EDGES = st.sampled_from([0, 1, 2, 8, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]) | st.integers(0, 0xFFFFFFFF)
PLACES = st.integers(0, 1 << 16)


def inside(array):
    """Whether every number of a view lies in the storage that it was cut from."""
    storage, base = array, array.base
    while base is not None and not isinstance(base, (memoryview, bytes)):
        storage = base if isinstance(base, np.ndarray) else storage
        base = base.base
    low, high = np.lib.array_utils.byte_bounds(array)
    first, last = np.lib.array_utils.byte_bounds(storage)
    return first <= low and high <= last


def changed(body, where, byte):
    """One byte replaced: anywhere, or, for odd places, one that is the number behind a BININT1 opcode."""
    found = [i + 1 for i in range(len(body) - 1) if body[i : i + 1] == b"K"] if where % 2 else []
    at = found[where % len(found)] if found else where % len(body)
    return body[:at] + bytes([byte]) + body[at + 1 :]


class Spoiling(RuleBasedStateMachine):
    """A sound archive that is packed in all honest ways, and spoilt in one of the others after each.

    However it is packed, its numbers are the right ones.  Spoilt, they are the right ones or it is refused; only who
    writes a body anew with a checksum that fits may get other numbers, and even then none from outside its storage.
    """

    @initialize()
    def sound(self):
        self.members = [(name, body, {}) for name, body in MEMBERS]
        self.is_right(forge(self.members))

    def is_right(self, data):
        assert numbers(read_bytes(data, Path("a.pt"))) == RIGHT

    def is_right_or_refused(self, data):
        file = refusal_or_file(data)
        if isinstance(file, str):
            assert file.isprintable()
        else:
            assert (numbers(file), file.metadata.step) == (RIGHT, 7)

    def member(self, at):
        return at % len(self.members), *self.members[at % len(self.members)]

    @rule(chance=st.randoms(use_true_random=False))
    def in_another_order(self, chance):
        chance.shuffle(self.members)
        self.is_right(forge(self.members))

    @rule(at=PLACES, level=st.integers(1, 9))
    def deflate(self, at, level):
        at, name, body, say = self.member(at)
        if not say:
            packer = zlib.compressobj(level, zlib.DEFLATED, -15)
            say = {"crc": zlib.crc32(body), "method": 8, "size": len(body)}
            self.members[at] = (name, packer.compress(body) + packer.flush(), say)
        self.is_right(forge(self.members))

    @rule(top=st.sampled_from(["a", "archive", "x y", "A" * 40]))
    def under_another_top(self, top):
        self.members = [(f"{top}/{name.partition('/')[2]}", body, say) for name, body, say in self.members]
        self.is_right(forge(self.members))

    @rule(at=PLACES, where=PLACES, byte=st.integers(0, 255))
    def twice(self, at, where, byte):
        _, name, body, say = self.member(at)
        other = changed(body, where, byte)
        self.is_right_or_refused(forge([*self.members, (name, other, say)]))

    @rule(at=PLACES)
    def left_out(self, at):
        self.is_right_or_refused(forge([m for i, m in enumerate(self.members) if i != at % len(self.members)]))

    @rule(at=PLACES, field=st.sampled_from(FIELDS), value=EDGES)
    def a_forged_header(self, at, field, value):
        at, name, body, say = self.member(at)
        bits = 0xFFFF if field in ("flags", "local_flags", "method") else 0xFFFFFFFF
        forged = (name, body, say | {field: value & bits})
        self.is_right_or_refused(forge([*self.members[:at], forged, *self.members[at + 1 :]]))

    @rule(where=PLACES, data=st.binary(min_size=1, max_size=9))
    def overwritten_bytes(self, where, data):
        whole = forge(self.members)
        where %= len(whole)
        self.is_right_or_refused(whole[:where] + data + whole[where + len(data) :])

    @rule(at=PLACES, where=PLACES, bit=st.integers(0, 7))
    def a_flipped_bit_of_a_body(self, at, where, bit):
        _, _, body, _ = self.member(at)
        spoilt = bytearray(body)
        spoilt[where % len(body)] ^= 1 << bit
        whole = forge(self.members)
        self.is_right_or_refused(whole.replace(body, bytes(spoilt), 1))

    @rule(where=PLACES, data=st.binary(min_size=1, max_size=9))
    def inserted_bytes(self, where, data):
        whole = forge(self.members)
        self.is_right_or_refused(whole[: where % len(whole)] + data + whole[where % len(whole) :])

    @rule(length=PLACES)
    def cut(self, length):
        whole = forge(self.members)
        self.is_right_or_refused(whole[: length % len(whole)])

    @rule(at=PLACES, places=st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=3))
    def a_body_written_anew(self, at, places):
        pickled = next(i for i, (name, _, _) in enumerate(self.members) if name.endswith("data.pkl"))
        at, name, body, say = self.member(at if at % 3 == 0 else pickled)  # where sizes, offsets and strides stand
        if say:
            return
        for where, byte in places:
            body = changed(body, where, byte)
        file = refusal_or_file(forge([*self.members[:at], (name, body), *self.members[at + 1 :]]))
        if isinstance(file, HypernetworkFile):
            assert all(inside(array) for module in file.modules for array in module.tensors.values())


Spoiling.TestCase.settings = settings(max_examples=150 * LONGER, stateful_step_count=15)
test_spoiling = Spoiling.TestCase
