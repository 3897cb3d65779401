"""The members of an archive, header by header: the local one is the central one's twin, or the file is refused."""

from __future__ import annotations

import struct
import zlib

import pytest

from hndoctor.formats import zipped
from hndoctor.formats.types import Refused
from hndoctor.formats.zipped import INFLATED_LIMIT, check_sums, content, members
from hndoctor.records import Refusal

FULL = 0xFFFFFFFF
DATA = b"some bytes of a member"
CRC = zlib.crc32(DATA)


class Built:
    """An archive that is made member by member; what a header says may differ from what is there."""

    def __init__(self) -> None:
        self.body, self.table, self.count = b"", b"", 0

    def add(self, name=b"x/data.pkl", data=DATA, local=None, central=None, descriptor=b"", extra=b"", **both):
        told = {"flags": 0, "method": 0, "crc": zlib.crc32(data), "packed": len(data), "size": len(data)} | both
        offset = len(self.body)
        here = told | {"signature": b"PK\3\4", "name": name} | (local or {})
        self.body += here["signature"] + struct.pack(
            "<5H3I2H", 20, here["flags"], here["method"], 0, 0, here["crc"], here["packed"], here["size"],
            len(here["name"]), len(extra),
        )  # fmt: skip
        self.body += here["name"] + extra + data + descriptor
        there = told | {"offset": offset} | (central or {})
        self.table += b"PK\1\2" + struct.pack(
            "<6H3I5H2I", 0, 20, there["flags"], there["method"], 0, 0, there["crc"], there["packed"], there["size"],
            len(name), 0, 0, 0, 0, 0, there["offset"],
        )  # fmt: skip
        self.table += name
        self.count += 1
        return self

    def read(self):
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, self.count, self.count, len(self.table), len(self.body), 0)
        self.bytes = memoryview(self.body + self.table + end)
        return members(self.bytes)


def refusal(built):
    with pytest.raises(Refused) as found:
        built.read()
    return found.value.kind


def test_a_sound_archive_is_read_below_its_top_folder():
    built = Built().add().add(b"x/data/0", b"second").add(b"x/", b"")
    found = built.read()
    assert list(found) == ["data.pkl", "data/0", ""]
    assert [bytes(content(built.bytes, member)) for member in found.values()] == [DATA, b"second", b""]
    assert (found["data/0"].crc, found["data/0"].size, found["data/0"].deflated) == (zlib.crc32(b"second"), 6, False)


@pytest.mark.parametrize("name", ["flags", "method", "crc", "packed", "size"])
def test_each_field_of_a_local_header_is_the_directorys(name):
    odd = {"flags": 2, "method": 8, "crc": 1, "packed": len(DATA) + 1, "size": len(DATA) + 1}[name]
    assert refusal(Built().add(local={name: odd})) is Refusal.UNSAFE


def test_the_local_header_is_there_and_bears_the_name():
    assert refusal(Built().add(local={"name": b"x/data.pkx"})) is Refusal.UNSAFE
    assert refusal(Built().add(local={"signature": b"PK\3\5"})) is Refusal.DAMAGED
    assert refusal(Built().add(central={"offset": 10**6})) is Refusal.DAMAGED
    assert refusal(Built().add(central={"offset": 1})) is Refusal.DAMAGED


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [(0, True), (2, True), (4, True), (0x0800, True), (1, False), (0x40, False), (0x10, False), (0x2000, False)],
)
def test_flags_that_say_nothing_else_are_allowed(flags, allowed):
    built = Built().add(flags=flags)
    if allowed:
        assert built.read()
    else:
        with pytest.raises(Refused, match="encrypted" if flags & 1 else "unexpected flag bits"):
            built.read()


def deflated(data=DATA):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_what_is_deflated_is_unpacked_to_the_size_it_claims():
    packed = deflated()
    sound = {"method": 8, "packed": len(packed), "size": len(DATA), "crc": CRC}
    built = Built().add(data=packed, **sound)
    (member,) = built.read().values()
    assert member.deflated
    assert bytes(content(built.bytes, member)) == DATA
    for size in (len(DATA) - 1, len(DATA) + 1):
        built = Built().add(data=packed, **sound | {"size": size})
        (member,) = built.read().values()
        with pytest.raises(Refused, match="not the one it claims"):
            content(built.bytes, member)
    for spoilt, why in ((packed + b"x", "not the one it claims"), (b"\xff" * len(packed), "cannot be unpacked")):
        built = Built().add(data=spoilt, **sound | {"packed": len(spoilt)})
        (member,) = built.read().values()
        with pytest.raises(Refused, match=why):
            content(built.bytes, member)


def test_all_that_is_deflated_together_is_limited(monkeypatch):
    packed = deflated()
    monkeypatch.setattr(zipped, "INFLATED_LIMIT", 2 * len(DATA))
    sound = {"data": packed, "method": 8, "packed": len(packed), "size": len(DATA), "crc": CRC}
    two = Built().add(**sound).add(b"x/data/0", **sound).add(b"x/data/1")
    assert two.read()
    assert refusal(two.add(b"x/data/2", **sound)) is Refusal.UNSAFE
    assert INFLATED_LIMIT >= 88 << 20, "a wide network"


def test_stored_sizes_are_one_and_methods_are_known():
    assert refusal(Built().add(size=len(DATA) + 1)) is Refusal.UNSAFE
    assert refusal(Built().add(method=1)) is Refusal.UNSAFE
    assert refusal(Built().add(method=9)) is Refusal.UNSAFE


NARROW, WIDE = struct.Struct("<4s3I"), struct.Struct("<4sI2Q")


@pytest.mark.parametrize("layout", [NARROW, WIDE])
def test_a_descriptor_says_what_the_directory_says(layout):
    def built(*said, zeros=True, **more):
        local = {"crc": 0, "packed": 0, "size": 0} if zeros else None
        return Built().add(flags=8, local=local, descriptor=layout.pack(*said), **more)

    sound = (b"PK\7\b", CRC, len(DATA), len(DATA))
    assert built(*sound).add(b"x/data/0").read()
    assert built(*sound, zeros=False).read()
    for odd in (
        (b"PK\7\7", *sound[1:]),
        (sound[0], CRC - 1, *sound[2:]),
        (*sound[:2], 1, sound[3]),
        (*sound[:3], 1),
    ):
        assert refusal(built(*odd).add(b"x/data/0")) is Refusal.DAMAGED
    assert refusal(Built().add(flags=8)) is Refusal.DAMAGED
    assert refusal(Built().add(local={"crc": 0, "packed": 0, "size": 0})) is Refusal.UNSAFE, "no flag, no descriptor"
    some = {"crc": 0, "packed": 0, "size": len(DATA)}
    assert refusal(Built().add(flags=8, local=some, descriptor=layout.pack(*sound))) is Refusal.UNSAFE


def test_full_sizes_of_a_local_header_are_in_its_64_bit_field():
    wide = struct.pack("<2H2Q", 1, 16, len(DATA), len(DATA))
    other = struct.pack("<2H", 9, 2) + b"ab"
    both = {"packed": FULL, "size": FULL}
    for extra in (wide, other + wide, wide + other):
        assert Built().add(local=both, extra=extra).read()
    for local in ({"packed": FULL}, {"size": FULL}):
        assert Built().add(local=local, extra=wide).read()
    for extra in (b"", other, struct.pack("<2HQ", 1, 8, len(DATA)), struct.pack("<2H2Q", 1, 16, 1, len(DATA))):
        assert refusal(Built().add(local=both, extra=extra)) is Refusal.UNSAFE
    assert refusal(Built().add(local=both, extra=struct.pack("<2H2Q", 1, 16, len(DATA), 1))) is Refusal.UNSAFE


def test_members_lie_one_behind_the_other_from_the_beginning():
    shared = Built().add().add(b"x/data/0")
    assert shared.read()
    gap = Built().add()
    gap.body += b"\0" * 7
    assert gap.add(b"x/data/0").read(), "torch aligns members"
    late = Built()
    late.body = b"\0" * 4
    assert refusal(late.add()) is Refusal.UNSAFE
    with pytest.raises(Refused, match="overlap"):
        overlapping().read()


def overlapping():
    """A second member whose bytes are those of the first."""
    inner = Built().add(b"x/data/0", b"inside")
    whole = Built().add(data=inner.body)
    start = whole.body.index(inner.body)
    whole.table += inner.table[: -8 - 4] + struct.pack("<I", start) + inner.table[-8:]
    whole.count += 1
    return whole


def test_a_member_ends_within_the_file():
    built = Built().add()
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(built.table), len(built.body), 0)
    beyond = len(built.table) + len(end)
    for more, kind in ((beyond, None), (beyond + 1, Refusal.DAMAGED)):
        size = {"packed": len(DATA) + more, "size": len(DATA) + more}
        reaching = Built().add(local=size, central=size)
        if kind is None:
            assert reaching.read()["data.pkl"].size == len(DATA) + more
        else:
            assert refusal(reaching) is kind


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ([b"x/other.pkl"], Refusal.FOREIGN),
        ([b"x/data.pklx"], Refusal.FOREIGN),
        ([b"x/data.pkl", b"y/data/0"], Refusal.UNSAFE),
        ([b"data.pkl"], Refusal.UNSAFE),
        ([b"x/data.pkl", b"x/constants.pkl"], Refusal.UNSAFE),
        ([b"x/data.pkl", b"x/code/a.py"], Refusal.UNSAFE),
        ([b"x/data.pkl", b"x/data/a"], Refusal.UNSAFE),
        ([b"x/data.pkl", b"x/data/"], Refusal.UNSAFE),
        ([b"x/data.pkl", b"x/data/0", b"x/data/0"], Refusal.UNSAFE),
    ],
)
def test_names_are_a_torch_files(names, kind):
    built = Built()
    for name in names:
        built.add(name)
    assert refusal(built) is kind


def test_what_torch_writes_beside_the_tensors_is_known():
    known = (b"version", b"byteorder", b".format_version", b".storage_alignment", b".data/serialization_id", b"data/12")
    built = Built().add()
    for name in known:
        built.add(b"x/" + name)
    for folder in (b"x/data/", b"x/.data/", b"x/"):
        built.add(folder, b"")
    assert len(built.read()) == 1 + len(known) + 3


def test_checksums_are_compared_unless_none_was_written():
    built = Built().add().add(b"x/data/0", b"second")
    found = built.read()
    contents = {name: content(built.bytes, member) for name, member in found.items()}
    check_sums(found, contents, {})
    with pytest.raises(Refused, match='"data/0" does not match'):
        check_sums(found, contents | {"data/0": memoryview(b"secunda")}, {})
    bare = Built().add(crc=0).add(b"x/data/0", b"second", crc=0)
    found = bare.read()
    check_sums(found, {name: content(bare.bytes, member) for name, member in found.items()}, {})
    half = Built().add(crc=0).add(b"x/data/0", b"second")
    found = half.read()
    with pytest.raises(Refused, match=r'"data\.pkl" does not match'):
        check_sums(found, {name: content(half.bytes, member) for name, member in found.items()}, {})
