"""Measures every sample once: our measures, features of a few tiles, and on demand the peers'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.peers import Peer
from benchmarks.previews.samples import Part, Sample
from hndoctor.metrics import METRICS
from hndoctor.metrics.pixels import Pixels
from hndoctor.metrics.tiles import tile_features

NOISY = ("noise", "pixel noise", "dying")  # groups whose every tile is noise, and those none of whose is
SOUND = ("photo", "art", "pocket", "bare", "dying sound")
TILES = 4  # tiles kept of each picture
BITS, ROUGH = 10, 6  # of mantissa kept: over three significant digits, of tiles two; the file is a third the size
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
    tiles: NDArray[np.float64]  # (n, TILES, 5)
    noisy: NDArray[np.float64]  # (n, TILES): 1 a tile of noise, 0 of a picture, NaN neither
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
    features = tile_features(pixels)
    some, noisy = _some_tiles(sample, features.shape[:2])
    theirs = [peer.of(sample.picture) if pair < 0 else float("nan") for peer in peers]
    return (
        piece, sample.group, sample.family, pixels.block == 1, pair, sample.severity,
        [m(pixels) for m in METRICS], features.reshape(-1, features.shape[2])[some], noisy, theirs,
    )  # fmt: skip


def _some_tiles(sample: Sample, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which tiles are kept of a picture, by number, and what they are: of a pasted one half inside, half outside."""
    if sample.noisy is None:
        some = np.linspace(0, shape[0] * shape[1] - 1, TILES + 2).astype(int)[1:-1]
        what = 1.0 if sample.group in NOISY else 0.0 if sample.group in SOUND else float("nan")
        return some, np.full(TILES, what)
    noisy = tile_truth(sample.noisy, shape).ravel()
    parts = (np.flatnonzero(noisy == side) for side in (1.0, 0.0))
    some = np.concatenate([part[np.linspace(0, len(part) - 1, TILES // 2 + 2).astype(int)[1:-1]] for part in parts])
    return some, noisy[some]


def tile_truth(part: Part, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Of every tile, (rows, columns): 1 where it lies inside the part, 0 where outside, NaN where its edge runs."""
    top, left, bottom, right = part
    inside = _overlap(top, bottom, shape[0])[:, None] * _overlap(left, right, shape[1])[None, :]
    return np.where((inside > 1e-6) & (inside < 1 - 1e-6), np.nan, np.rint(inside))


def _overlap(low: float, high: float, count: int) -> NDArray[np.float64]:
    """How much of each of `count` equal parts of a line lies between two of its places."""
    edges = np.linspace(0, 1, count + 1)
    return np.asarray(np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * count)


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
    tiles = np.where((table.pair < 0)[:, None, None], table.tiles, 0.0)  # those of copies are not needed
    small = {
        "scores": _short(table.scores), "tiles": _short(tiles, ROUGH), "peers": _short(table.peers),
        "noisy": table.noisy.astype(np.float16), "severity": _short(table.severity),
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
        numbers = {n: held[n].astype(np.float64) for n in ("severity", "scores", "tiles", "noisy", "peers")}
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
