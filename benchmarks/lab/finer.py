"""The oracle's held-out losses on 48 pictures, not 16: `python -m benchmarks.lab.finer --work FOLDER [--only NAME …]`.

FOLDER holds what `benchmarks.lab.run --work FOLDER` left: the checkpoints of each run.  With 16 pictures the rule's 2.5
standard errors are 1 to 2 % of the loss where little is to be gained, which is as much as is lost there by learning by
heart.  Kept as `finer.json.gz` beside the run, checkpoint by checkpoint; what is kept is not measured again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

from benchmarks.lab import material, store
from benchmarks.lab.halves import work_parser
from benchmarks.lab.oracle import HELD_OUT, Lab, one_thread
from benchmarks.lab.run import JUDGE
from benchmarks.lab.store import Kept
from trainer import pocket

MORE = 32  # held-out pictures, after the oracle's own


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every kept run whose checkpoints lie there."""
    args = _arguments(argv)
    todo = [one for one in store.all_kept(args.runs) if not args.only or one.configuration.name in args.only]
    todo = [one for one in todo if any(number not in one.more for number in numbers(one))]
    with one_thread():
        lab = Lab(args.model, args.judge)
        for kept in todo:
            name, begun, losses = kept.configuration.name, monotonic(), dict(kept.more)
            folder = args.work / name / "run" / name / "hypernetworks"
            if not all((folder / f"{name}-{number}.pt").is_file() for number in numbers(kept)[1:]):
                print(f"{name}: its checkpoints are not there", flush=True)
                continue
            for number, found in measured(lab, kept, folder):
                losses[number] = found
                store.save_finer(args.runs / name, losses)
            print(f"{name}: {len(losses)} points, {monotonic() - begun:.0f} s", flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = work_parser("Measure the oracle's held-out losses on more pictures.")
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--judge", type=Path, default=JUDGE)
    return parser.parse_args(argv)


def numbers(kept: Kept) -> list[int]:
    """The bare base model (0), then the checkpoints that the oracle read losses of."""
    return [0, *(point.number for point in kept.oracle.checkpoints if point.held_out)]


def measured(lab: Lab, kept: Kept, folder: Path) -> Iterator[tuple[int, tuple[float, ...]]]:
    """The losses of MORE pictures at each checkpoint that lacks them."""
    one = kept.configuration
    items = lab.items(one.dataset, 0, [material.AWAY + HELD_OUT + at for at in range(MORE)])
    for number in numbers(kept):
        if number not in kept.more:
            yield number, lab.losses(items, folder / f"{one.name}-{number}.pt" if number else None)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
