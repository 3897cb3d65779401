"""Which picture comes at which position of the endless stream of samples: worked out from the seed, never stored.

Without buckets, position p is place p mod n of epoch p div n, in that epoch's order.  With buckets every batch must be
of one size.  Each bucket has a stream of its own, epoch after epoch; epoch E of the whole takes from a bucket of n
samples its batches from floor(E·n/B) up to floor((E+1)·n/B), in a drawn order.  So no picture comes more often than its
repeats, none is dropped, every batch is full, and any position is found without walking there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from trainer import seeding


class Order:
    """The order of samples: `buckets` lists, for every size, the pictures of an epoch with their repeats."""

    def __init__(self, seed: int, buckets: Sequence[Sequence[int]], batch_size: int) -> None:
        self.seed, self.batch_size = seed, batch_size
        self.buckets = tuple(tuple(bucket) for bucket in buckets if bucket)
        self.total = sum(len(bucket) for bucket in self.buckets)
        keep = 2 * len(self.buckets) + 2  # a batch may reach over the end of an epoch
        self._permuted = lru_cache(maxsize=keep)(self._permute)
        self._epoch = lru_cache(maxsize=2)(self._plan)
        self._batch = lru_cache(maxsize=4)(self._find)

    def __call__(self, position: int) -> int:
        """The picture of a position."""
        if len(self.buckets) == 1:
            return self._sample(0, position)
        number, place = divmod(position, self.batch_size)
        bucket, batch = self._batch(number)
        return self._sample(bucket, batch * self.batch_size + place)

    def _sample(self, bucket: int, index: int) -> int:
        epoch, place = divmod(index, len(self.buckets[bucket]))
        return self.buckets[bucket][self._permuted(bucket, epoch)[place]]

    def _permute(self, bucket: int, epoch: int) -> tuple[int, ...]:
        return seeding.order(self.seed, epoch, len(self.buckets[bucket]), bucket)

    def _before(self, epoch: int) -> int:
        """How many batches there are before an epoch."""
        return sum(epoch * len(bucket) // self.batch_size for bucket in self.buckets)

    def _plan(self, epoch: int) -> tuple[tuple[int, int], ...]:
        """The batches of an epoch: (bucket, number of the batch in the bucket's own stream)."""
        batches = [
            (which, number)
            for which, bucket in enumerate(self.buckets)
            for number in range(
                epoch * len(bucket) // self.batch_size, (epoch + 1) * len(bucket) // self.batch_size
            )
        ]
        seeding.python(self.seed, "batches", epoch).shuffle(batches)
        return tuple(batches)

    def _find(self, number: int) -> tuple[int, int]:
        """The batch of a number in the whole stream."""
        epoch = number * self.batch_size // self.total  # never too late: no bucket is ahead of its share
        while self._before(epoch + 1) <= number:
            epoch += 1
        return self._epoch(epoch)[number - self._before(epoch)]
