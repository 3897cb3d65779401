"""The directory of an archive, field by field: each that could make two readers differ is refused when it is off."""

from __future__ import annotations

import struct

import pytest

from hndoctor.formats.directory import ENTRY_LIMIT, NEWEST, Entry, entries
from hndoctor.formats.types import Refused
from hndoctor.records import Refusal

FULL, FULL16 = 0xFFFFFFFF, 0xFFFF
CENTRAL = {
    "signature": b"PK\1\2", "made": 0, "needed": 20, "flags": 0, "method": 0, "time": 0, "date": 0, "crc": 7,
    "packed": 5, "size": 5, "name_length": None, "extra_length": None, "comment": 0, "disk": 0, "internal": 0,
    "external": 0, "offset": 0,
}  # fmt: skip
END = {
    "signature": b"PK\5\6",
    "this": 0,
    "disk": 0,
    "here": None,
    "count": None,
    "length": None,
    "start": None,
    "comment": 0,
}
RECORD = {
    "signature": b"PK\6\6", "record": 44, "made": 45, "needed": 45, "this": 0, "first": 0, "here": None, "count": None,
    "length": None, "start": None,
}  # fmt: skip
LOCATOR = {"signature": b"PK\6\7", "disk": 0, "at": None, "disks": 1}
BODY = b"a member and its bytes"


def packed(layout, table, changes, **known):
    """The bytes of a header; `changes` to a field, added to its value where they are given as a text ("+1")."""
    row = {name: known.get(name) if value is None else value for name, value in table.items()}
    for name, value in changes.items():
        row[name] = row[name] + int(value) if isinstance(value, str) else value
    return struct.pack(layout, *row.values())


def central(name=b"x/data.pkl", extra=b"", **changes):
    head = packed("<4s6H3I5H2I", CENTRAL, changes, name_length=len(name), extra_length=len(extra))
    return head + name + extra


def archive(*headers, end=None, record=None, locator=None, tail=b"", between=b""):
    """An archive of these central headers; with `record` and `locator` one with a 64-bit end."""
    table = b"".join(headers or (central(),))
    count, start, length = max(1, len(headers)), len(BODY), len(table)
    wide = b""
    given = {"here": count, "count": count, "length": length, "start": start}
    if record is not None or locator is not None:
        at = start + length
        wide = packed("<4sQ2H2I4Q", RECORD, record or {}, **given) + between
        wide += packed("<4sIQI", LOCATOR, locator or {}, at=at)
    return memoryview(BODY + table + wide + packed("<4s4H2IH", END, end or {}, **given) + tail)


def refusal(data):
    with pytest.raises(Refused) as found:
        entries(data)
    return found.value.kind


def test_a_sound_directory_is_read_in_its_order():
    found = entries(archive(central(b"x/a", flags=2, method=8, packed=3, crc=9, offset=4), central(b"x/b")))
    assert found == [Entry("x/a", b"x/a", 2, 8, 9, 3, 5, 4), Entry("x/b", b"x/b", 0, 0, 7, 5, 5, 0)]
    assert entries(archive(record={}, locator={})) == entries(archive())


@pytest.mark.parametrize(
    "end",
    [
        *({name: "+1"} for name in ("this", "disk", "here", "count", "length", "start", "comment")),
        *({name: "-1"} for name in ("here", "count", "length", "start")),
        {"here": 2, "count": 2},
        {"here": 0, "count": 0},
    ],
)
def test_the_end_record_says_what_is_there(end):
    assert refusal(archive(end=end)) is Refusal.UNSAFE


def test_what_follows_the_end_and_an_end_that_is_missing():
    assert refusal(archive(tail=b"x")) is Refusal.UNSAFE
    assert refusal(archive(tail=b"x" * (65_557 - 22))) is Refusal.UNSAFE
    assert refusal(archive(tail=b"x" * (65_557 - 21))) is Refusal.DAMAGED
    assert refusal(archive(tail=b"\0" * 512)) is Refusal.DAMAGED, "zeros are a copy that went wrong"
    for cut in (1, 18, 19, 22, 60):
        assert refusal(archive()[:-cut]) is Refusal.DAMAGED, "a download that was cut short is no attack"
    assert refusal(memoryview(b"")) is refusal(memoryview(b"PK\5\6")) is Refusal.DAMAGED
    empty = memoryview(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0))
    assert entries(empty) == []


@pytest.mark.parametrize(
    "record",
    [
        {"signature": b"PK\6\5"},
        *({name: "+1"} for name in ("record", "this", "first", "here", "count", "length", "start")),
        *({name: "-1"} for name in ("record", "here", "count", "length", "start")),
        {"here": 2, "count": 2},
    ],
)
def test_the_64_bit_end_record_says_what_is_there(record):
    saturated = {"here": FULL16, "count": FULL16, "length": FULL, "start": FULL}
    assert entries(archive(record={}, locator={}, end=saturated))
    assert refusal(archive(record=record, locator={}, end=saturated)) is Refusal.UNSAFE


@pytest.mark.parametrize("locator", [{"disk": 1}, {"at": "+1"}, {"at": "-1"}, {"at": 10**6}, {"disks": 2}])
def test_the_locator_points_at_the_64_bit_record(locator):
    assert refusal(archive(record={}, locator=locator)) is Refusal.UNSAFE


def test_a_locator_of_no_disks_is_taken_and_bytes_between_are_not():
    assert entries(archive(record={}, locator={"disks": 0}))
    assert refusal(archive(record={}, locator={}, between=b"\0")) is Refusal.UNSAFE
    assert entries(archive(record={"record": 45}, locator={}, between=b"\0"))


@pytest.mark.parametrize("end", [{"here": 2, "count": 2}, {"length": "+1"}, {"start": "+1"}, {"start": FULL - 1}])
def test_the_two_end_records_agree_or_the_narrow_one_is_full(end):
    assert refusal(archive(record={}, locator={}, end=end)) is Refusal.UNSAFE


@pytest.mark.parametrize("full", [{"here": FULL16, "count": FULL16}, {"length": FULL}, {"start": FULL}])
def test_a_full_narrow_field_is_the_wide_ones_to_say(full):
    assert entries(archive(record={}, locator={}, end=full)) == entries(archive())


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"signature": b"PK\1\3"}, Refusal.DAMAGED),
        ({"needed": NEWEST + 1}, Refusal.UNSAFE),
        ({"comment": 1}, Refusal.UNSAFE),
        ({"disk": 1}, Refusal.UNSAFE),
        ({"name_length": "+1"}, Refusal.UNSAFE),
        ({"extra_length": 1}, Refusal.UNSAFE),
        ({"name_length": "-1"}, Refusal.DAMAGED),
    ],
)
def test_a_central_header_is_sound(changes, kind):
    assert refusal(archive(central(**changes))) is kind
    for free in ({"needed": NEWEST}, {"made": 9}, {"time": 9}, {"date": 9}, {"internal": 9}, {"external": 9}):
        assert entries(archive(central(**free))) == entries(archive())


def test_a_header_that_is_cut_short_is_damage():
    whole = central() + central()[:45]
    with pytest.raises(Refused, match=f"damaged at byte {len(BODY) + len(central())}"):
        entries(archive(whole))


def field(tag, *values):
    return struct.pack(f"<2H{len(values)}Q", tag, 8 * len(values), *values)


def test_full_sizes_are_read_from_the_64_bit_field_in_their_order():
    other = struct.pack("<2H", 9, 3) + b"abc"

    def read(extra, **full):
        (one,) = entries(archive(central(extra=extra, **full)))
        return one.size, one.packed, one.offset

    every = {"size": FULL, "packed": FULL, "offset": FULL}
    assert read(field(1, 10, 20, 30), **every) == (10, 20, 30)
    assert read(other + field(1, 10, 20, 30), **every) == (10, 20, 30)
    assert read(field(1, 20, 30), packed=FULL, offset=FULL) == (5, 20, 30)
    assert read(field(1, 10), size=FULL) == (10, 5, 0)
    assert read(field(1, 10, 20, 30)) == (5, 5, 0), "nothing is full"
    assert read(other, size=FULL) == (FULL, 5, 0)
    assert read(field(1, 10, 20, 30)[:3], size=FULL) == (FULL, 5, 0)
    for short in (field(1), field(1, 10)[:-1]):
        with pytest.raises(Refused, match="64-bit size"):
            read(short, size=FULL)


@pytest.mark.parametrize(
    ("name", "flags", "read"),
    [
        (b"x/a", 0, "x/a"),
        ("é/a".encode(), 0x0800, "é/a"),
        ("é/a".encode(), 0, None),
        (b"\xff/a", 0x0800, None),
        (b"x\\a", 0, None),
        (b"x\0a", 0, None),
        (b"/a", 0, None),
        (b"x/../a", 0, None),
        (b"x/..", 0, None),
        (b"x/..a", 0, "x/..a"),
    ],
)
def test_names_stay_inside(name, flags, read):
    data = archive(central(name, flags=flags))
    if read is None:
        assert refusal(data) is Refusal.UNSAFE
    else:
        assert entries(data)[0].name == read


def test_more_members_than_any_network_has_are_refused_before_they_are_read():
    def claimed(count):
        with pytest.raises(Refused) as found:
            entries(archive(record={"here": count, "count": count}, locator={}, end={"here": FULL16, "count": FULL16}))
        return str(found.value)

    assert "claims 100001 members" in claimed(ENTRY_LIMIT + 1)
    assert "lists 1 members but claims 100000" in claimed(ENTRY_LIMIT)
