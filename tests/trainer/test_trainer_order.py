"""The order of samples: every one as often as it should, any position without walking there."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from trainer import seeding
from trainer.order import Order


def test_one_bucket_is_one_permutation_an_epoch() -> None:
    order = Order(3, [range(5)], 2)
    assert [order(p) for p in range(10)] == [*seeding.order(3, 0, 5), *seeding.order(3, 1, 5)]


def test_repeats_come_so_often_an_epoch() -> None:
    order = Order(0, [[0, 0, 0, 1, 2, 2]], 4)
    for epoch in range(3):
        assert Counter(order(6 * epoch + place) for place in range(6)) == {0: 3, 1: 1, 2: 2}


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=5), st.integers(1, 5), st.integers(0, 99))
def test_buckets_are_never_mixed_and_nothing_comes_too_often(counts: list[int], batch: int, seed: int) -> None:
    starts = [sum(counts[:i]) for i in range(len(counts))]
    buckets = [list(range(start, start + count)) for start, count in zip(starts, counts, strict=True)]
    of = {sample: which for which, bucket in enumerate(buckets) for sample in bucket}
    order = Order(seed, buckets, batch)
    total = sum(counts) * batch  # after `batch` epochs every bucket has come out even
    drawn = [order(position) for position in range(total)]
    assert Counter(drawn) == dict.fromkeys(of, batch)
    assert all(len({of[s] for s in drawn[at : at + batch]}) == 1 for at in range(0, total, batch))


def walked(seed: int, buckets: list[list[int]], batch: int, batches: int) -> list[int]:
    """The slow twin: streams of every bucket, epochs walked one after another."""
    streams: list[list[int]] = [[] for _ in buckets]
    taken = [0] * len(buckets)
    drawn: list[int] = []
    epoch = 0
    while len(drawn) < batches * batch:
        for which, bucket in enumerate(buckets):
            streams[which] += [bucket[i] for i in seeding.order(seed, epoch, len(bucket), which)]
        due = []
        for which in range(len(buckets)):
            while (taken[which] + 1) * batch <= len(streams[which]):
                due.append((which, taken[which]))
                taken[which] += 1
        seeding.python(seed, "batches", epoch).shuffle(due)
        for which, number in due:
            drawn += streams[which][number * batch : (number + 1) * batch]
        epoch += 1
    return drawn[: batches * batch]


@pytest.mark.parametrize(("counts", "batch"), [((3, 5), 2), ((1, 1, 1), 4), ((7, 2, 4), 3), ((1, 9), 1)])
def test_any_position_is_found_without_walking(counts: tuple[int, ...], batch: int) -> None:
    starts = [sum(counts[:i]) for i in range(len(counts))]
    buckets = [list(range(s, s + c)) for s, c in zip(starts, counts, strict=True)]
    slow = walked(5, buckets, batch, 40)
    assert [Order(5, buckets, batch)(position) for position in range(len(slow))] == slow
    backwards = Order(5, buckets, batch)
    assert [backwards(position) for position in reversed(range(len(slow)))] == slow[::-1]


def test_epochs_and_seeds_differ() -> None:
    buckets = [[0, 1, 2], [3, 4, 5, 6]]
    first, second = Order(0, buckets, 1), Order(1, buckets, 1)
    assert [first(p) for p in range(7)] != [first(p) for p in range(7, 14)]
    assert [first(p) for p in range(14)] != [second(p) for p in range(14)]
