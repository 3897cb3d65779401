"""Measures every sample once: our measures, and on demand the peers'.  For maps of tiles see mapping.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.peers import Peer
from benchmarks.previews.samples import Sample
from hndoctor.metrics import METRICS
from hndoctor.metrics.pixels import Pixels

BITS = 10  # of mantissa kept: over three significant digits; the file is a third the size
NAMES = tuple(m.__name__ for m in METRICS)


@dataclass(frozen=True)
class Table:
    """Everything measured, a row a picture."""

    piece: NDArray[np.str_]  # the maker it came from
    group: NDArray[np.str_]  # what it is evidence for
    family: NDArray[np.str_]  # what is held out together
    small: NDArray[np.bool_]  # fine values of one pixel: a shorter side below 192 px
    pair: NDArray[np.int64]  # row of the picture that this one is a changed copy of; -1: none
    severity: NDArray[np.float64]  # of a ladder or a dying run; NaN elsewhere
    scores: NDArray[np.float64]  # (n, len(NAMES))
    peers: NDArray[np.float64]  # (n, number of peers); no columns where they were not asked for

    def column(self, name: str) -> NDArray[np.float64]:
        """One measure over all pictures."""
        return self.scores[:, NAMES.index(name)]

    def rows(self, mask: NDArray[np.bool_]) -> Table:
        """Some rows alone; pairs that point outside become -1."""
        place = np.where(mask, np.cumsum(mask) - 1, -1)
        pair = np.where(self.pair >= 0, place[self.pair], -1)[mask]
        held = {f.name: getattr(self, f.name)[mask] for f in fields(self)}
        return Table(**(held | {"pair": pair}))

    def score_of(self, row: int) -> dict[str, float]:
        """The measures of one picture by name."""
        return dict(zip(NAMES, self.scores[row].tolist(), strict=True))


def measured(piece: str, samples: Iterable[Sample], peers: Sequence[Peer] = ()) -> Table:
    """Measure samples one by one; nothing of a picture is kept."""
    rows: list[tuple[object, ...]] = []
    for sample in samples:
        start = len(rows)
        rows.append(_row(piece, sample, -1, peers))
        rows += [_row(piece, twin, start, peers) for twin in sample.twins]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Table(*columns)


def _row(piece: str, sample: Sample, pair: int, peers: Sequence[Peer]) -> tuple[object, ...]:
    pixels = Pixels.of(sample.picture)
    theirs = [peer.of(sample.picture) if pair < 0 else float("nan") for peer in peers]
    return (
        piece, sample.group, sample.family, pixels.block == 1, pair, sample.severity,
        [m(pixels) for m in METRICS], theirs,
    )  # fmt: skip


def joined(tables: Sequence[Table]) -> Table:
    """Tables under each other; pairs keep pointing to their rows."""
    starts = np.cumsum([0, *(len(t.small) for t in tables)])
    shifted = [np.where(t.pair >= 0, t.pair + start, -1) for t, start in zip(tables, starts, strict=False)]
    wide = max(t.peers.shape[1] for t in tables)
    peers = [np.pad(t.peers, ((0, 0), (0, wide - t.peers.shape[1])), constant_values=np.nan) for t in tables]
    plain = [f.name for f in fields(Table) if f.name not in ("pair", "peers")]
    columns = {name: np.concatenate([getattr(t, name) for t in tables]) for name in plain}
    return Table(**columns, pair=np.concatenate(shifted), peers=np.concatenate(peers))


def save(table: Table, path: Path) -> None:
    """Write a table as a compressed .npz, numbers rounded to `BITS`."""
    small = {
        "scores": _short(table.scores), "peers": _short(table.peers), "severity": _short(table.severity),
        "pair": table.pair.astype(np.int32),
    }  # fmt: skip
    held = {f.name: getattr(table, f.name) for f in fields(Table)} | small
    np.savez_compressed(path, names=np.array(NAMES), **_coded(held))


def load(path: Path) -> Table:
    """Read a table.  Raises ValueError where its measures are not today's."""
    with np.load(path) as held:
        if tuple(held["names"]) != NAMES:
            raise ValueError(f"{path.name}: holds other measures than METRICS today; measure again (--measure)")
        texts = {name: held[f"{name}_words"][held[name]] for name in ("piece", "group", "family")}
        numbers = {n: held[n].astype(np.float64) for n in ("severity", "scores", "peers")}
        return Table(**texts, **numbers, small=held["small"], pair=held["pair"].astype(np.int64))


def _short(values: NDArray[np.float64], bits: int = BITS) -> NDArray[np.float32]:
    """Rounded to so many bits of mantissa: what is left is zeros, which compress."""
    whole = np.ascontiguousarray(values, np.float32)
    rounded = whole.view(np.uint32) + np.uint32(1 << (22 - bits))
    kept = (rounded & np.uint32((0xFFFFFFFF << (23 - bits)) & 0xFFFFFFFF)).view(np.float32)
    return np.where(np.isfinite(whole), kept, whole)


def _coded(held: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Texts as numbers into a list of words."""
    for name in ("piece", "group", "family"):
        words, codes = np.unique(held[name], return_inverse=True)
        held |= {name: codes.astype(np.int16), f"{name}_words": words}
    return held
