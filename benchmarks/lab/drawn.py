"""Caption-following on 40 pictures where 10 leave it open: `python -m benchmarks.lab.drawn --work FOLDER`.

FOLDER holds what `benchmarks.lab.run --work FOLDER` left: the checkpoints of each run.  Ten pictures tell the share of
captions that a network follows to .15 (standard error), and where none were drawn it lies on a line between two
checkpoints.  Both leave open which side of the rule's one half a checkpoint is on where they put it near to that.  Kept
as `drawn.json.gz` beside the run, checkpoint by checkpoint; what is kept is not drawn again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

from benchmarks.lab import store
from benchmarks.lab.halves import work_parser
from benchmarks.lab.oracle import SAMPLES, Lab, one_thread
from benchmarks.lab.run import JUDGE
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import READABLE, does_harm, filled, followed_share
from trainer import pocket

MORE = 40  # pictures, the oracle's own ten among them
OPEN = 0.3  # of caption-following, from one half: two standard errors of ten pictures' thirty attributes


def main(argv: Sequence[str] | None = None) -> None:
    """Draw for every kept run whose checkpoints lie there."""
    args = _arguments(argv)
    todo = [one for one in store.all_kept(args.runs) if not args.only or one.configuration.name in args.only]
    with one_thread():
        lab: Lab | None = None
        for kept in todo:
            name, begun, found = kept.configuration.name, monotonic(), dict(kept.drawn)
            folder = args.work / name / "run" / name / "hypernetworks"
            files = {number: folder / f"{name}-{number}.pt" for number in left_open(kept)}
            if not all(file.is_file() for file in files.values()):
                print(f"{name}: its checkpoints are not there", flush=True)
                continue
            for number, file in files.items():
                lab = lab or Lab(args.model, args.judge)
                found[number] = followed(lab, kept, number, file)
                store.save_drawn(args.runs / name, found)
            if files:
                print(f"{name}: {len(files)} checkpoints, {monotonic() - begun:.0f} s", flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = work_parser("Measure caption-following on more pictures where ten leave it open.")
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--judge", type=Path, default=JUDGE)
    return parser.parse_args(argv)


def left_open(kept: Kept) -> Iterator[int]:
    """Checkpoints that neither the loss nor ten pictures settle, and that were not drawn more of yet."""
    oracle = kept.oracle
    for point in filled(oracle):
        settled = not point.finite or not point.held_out or does_harm(point, oracle.base)
        share = None if settled else followed_share(point, oracle)
        if share is not None and abs(share - READABLE) <= OPEN and point.number not in kept.drawn:
            yield point.number


def followed(lab: Lab, kept: Kept, number: int, file: Path) -> float:
    """The share of attributes that MORE pictures show as they were asked for."""
    known = {point.number: point.followed for point in kept.oracle.checkpoints}[number]
    begun = 0 if known is None else SAMPLES
    places = range(begun, MORE)
    rest = lab.followed(kept.configuration.dataset, places, file)
    return round(((known or 0.0) * begun + rest * len(places)) / MORE, 4)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
