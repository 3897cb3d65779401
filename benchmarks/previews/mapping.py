"""Whole maps of tiles of many pictures: ``python -m benchmarks.previews.mapping --keep FOLDER``, then ``--pack``.

A tile is judged among its neighbours and its frame, so that a few tiles of a picture do not do.  What is kept is a
byte a feature: 1/255 of its range is finer than any of them is told by.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews import families, families_unseen
from benchmarks.previews.measure import pocket_vae
from benchmarks.previews.measuring import Table
from benchmarks.previews.samples import Part, Sample
from hndoctor.metrics.pixels import Pixels
from hndoctor.metrics.tiles import tile_features

Floats = NDArray[np.float64]
NOISY = ("noise", "pixel noise", "dying")  # groups whose every tile is noise, and those none of whose is
SOUND = ("photo", "art", "pocket", "bare", "dying sound")
MAPPED = Path(__file__).with_name("mapped.npz")
#: pieces of measured.npz whose pictures are mapped; those of the report begin with "unseen"
PIECES = (
    "pasted", "art", "art small", "busy", "busy small", "fresh", "fresh small", "strange", "strange small", "patterns",
    "textures", "photographs", "photographs small", "public", "linear 128", "linear 256", "linear 512", "decoders",
    "strange noise", "unseen pasted", "unseen art", "unseen art small", "unseen fresh", "unseen fresh small",
    "unseen strange", "unseen strange small", "unseen noise 128", "unseen noise 512", "unseen decoders",
    "unseen strange noise", "unseen public",
)  # fmt: skip
#: least and most of the features of `tile_features`, in their order
RANGE = np.array([(-4.7, 0.3), (-4.7, 0.3), (0.0, 8.0), (0.0, 4.1), (0.0, 1.0)])


@dataclass(frozen=True)
class Map:
    """The tiles of one picture."""

    row: int  # of the table of measures
    features: Floats  # (rows, columns, 5)
    noisy: Floats  # (rows, columns): 1 a tile of noise, 0 of a picture, NaN neither


def mapped(samples: Iterable[Sample]) -> dict[str, NDArray[np.generic]]:
    """The maps of a piece, end to end: its bytes, the truth of its tiles (2: neither), and the shape of each."""
    shapes, held, truths = [], [], []
    for sample in samples:
        features = tile_features(Pixels.of(sample.picture))
        shapes.append(features.shape[:2])
        held.append(_coded(features).reshape(-1, len(RANGE)))
        truths.append(np.nan_to_num(_truth(sample, features.shape), nan=2.0).astype(np.uint8).ravel())
    return {"shapes": np.array(shapes, np.uint8), "tiles": np.concatenate(held), "truth": np.concatenate(truths)}


def maps_of(table: Table, path: Path = MAPPED) -> list[Map]:
    """The maps of those pieces that are in a table, beside its rows."""
    with np.load(path) as packed:
        held = {name: packed[name] for name in packed.files}
    present = [piece for piece in PIECES if f"{piece}: shapes" in held and (table.piece == piece).any()]
    return [found for piece in present for found in _maps(piece, held, table)]


def _maps(piece: str, held: dict[str, NDArray[np.generic]], table: Table) -> Iterator[Map]:
    """Raises ValueError where a piece was drawn anew and not mapped again."""
    rows = np.flatnonzero((table.piece == piece) & (table.pair < 0))
    shapes = held[f"{piece}: shapes"].astype(int)
    if len(rows) != len(shapes):
        raise ValueError(f"{piece}: {len(shapes)} maps of {len(rows)} pictures; map the piece again")
    starts = np.cumsum([0, *shapes.prod(axis=1)])
    low, high = RANGE.T
    for row, shape, start, end in zip(rows, shapes, starts[:-1], starts[1:], strict=True):
        features = low + held[f"{piece}: tiles"][start:end].astype(float) / 255 * (high - low)
        truth = held[f"{piece}: truth"][start:end].astype(float)
        noisy = np.where(truth > 1, np.nan, truth)
        yield Map(int(row), features.reshape(*shape, -1), noisy.reshape(*shape))


def _coded(features: Floats) -> NDArray[np.uint8]:
    low, high = RANGE.T
    return np.rint(np.clip((features - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _truth(sample: Sample, shape: Sequence[int]) -> Floats:
    if sample.noisy is not None:
        return tile_truth(sample.noisy, shape)
    what = 1.0 if sample.group in NOISY else 0.0 if sample.group in SOUND else float("nan")
    return np.full(tuple(shape[:2]), what)


def tile_truth(part: Part, shape: Sequence[int]) -> Floats:
    """Of every tile, (rows, columns): 1 where it lies inside the part, 0 where outside, NaN where its edge runs."""
    top, left, bottom, right = part
    inside = _overlap(top, bottom, shape[0])[:, None] * _overlap(left, right, shape[1])[None, :]
    return np.where((inside > 1e-6) & (inside < 1 - 1e-6), np.nan, np.rint(inside))


def _overlap(low: float, high: float, count: int) -> Floats:
    """How much of each of `count` equal parts of a line lies between two of its places."""
    edges = np.linspace(0, 1, count + 1)
    return np.asarray(np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * count)


def main() -> None:
    """Map the named pieces, or all; or pack what is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pieces", nargs="*", help="names of pieces; none: all")
    parser.add_argument("--keep", type=Path, required=True, help="a folder for what is mapped")
    parser.add_argument("--pack", action="store_true", help="map nothing, pack what is kept")
    parser.add_argument("--public", type=Path, help="folders of pictures from public repositories")
    wanted = parser.parse_args()
    wanted.keep.mkdir(parents=True, exist_ok=True)
    places = families.Places(pocket_vae(), None, wanted.public)
    makers = families.tuning(places) | families_unseen.report(places)
    for piece in () if wanted.pack else wanted.pieces or PIECES:
        path = wanted.keep / f"{piece.replace(' ', '-')}.npz"
        if not path.exists():
            np.savez_compressed(path, **mapped(makers[piece]()))  # type: ignore[arg-type]  # names and arrays
            sys.stdout.write(f"{piece}: mapped\n")
            sys.stdout.flush()
    if wanted.pack:
        pack(wanted.keep)


def pack(folder: Path) -> None:
    """Put the maps of all pieces into one file."""
    held = {}
    for piece in PIECES:
        with np.load(folder / f"{piece.replace(' ', '-')}.npz") as one:
            held |= {f"{piece}: {name}": one[name] for name in one.files}
    np.savez_compressed(MAPPED, **held)
    sys.stdout.write(f"{MAPPED.name}: {MAPPED.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
