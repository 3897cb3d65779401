"""What `hndoctor validate` adds: `python -m benchmarks.lab.validated --work FOLDER`, then `… validated` for the table.

FOLDER holds what `benchmarks.lab.run --work FOLDER` left.  Every checkpoint is measured as `hndoctor validate
--held-out` does, on `MORE` pictures that neither the run nor the oracle was shown, beside those that its user held
out.  Kept as `validated.json.gz` beside the run; what is kept is not measured again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from benchmarks.lab import accuracy, finer, material, store
from benchmarks.lab.halves import by_half, parser_of
from benchmarks.lab.judges import diagnosed
from benchmarks.lab.oracle import HELD_OUT, one_thread
from benchmarks.lab.run import config_of
from benchmarks.lab.scores import scores_of
from benchmarks.lab.store import Kept
from hndoctor.diagnose.stations import step_of
from hndoctor.records import CheckpointPath, ValidationPoint
from trainer import pocket
from trainer.events import Validated
from trainer.validating import Subject, validate
from trainer.validation import DRAWS

MORE = 16  # pictures of the style that its user has beside those of the training set
FIRST = material.AWAY + HELD_OUT + finer.MORE  # the oracle's own come before


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every kept run whose checkpoints lie there, or print the table."""
    parser = parser_of("The diagnosis after `hndoctor validate` on more pictures.")
    parser.add_argument("--work", type=Path, help="where the runs' checkpoints lie: measure")
    parser.add_argument("--only", nargs="+", help="names of runs")
    args = parser.parse_args(argv)
    if args.work:
        _measure(args)
        return
    for half, kept in by_half(args):
        print(f"\n## The {half} half\n\n" + "\n".join(table(kept)))


def _measure(args: argparse.Namespace) -> None:
    for kept in store.all_kept(args.runs):
        name, begun = kept.configuration.name, monotonic()
        if kept.validated or (args.only and name not in args.only):
            continue
        with one_thread():
            points = list(measured(kept, args.work / name))
        if points:
            store.save_validated(args.runs / name, points)
        print(f"{name}: {len(points)} points, {monotonic() - begun:.0f} s", flush=True)


def measured(kept: Kept, place: Path) -> Iterator[ValidationPoint]:
    """The points of all checkpoints; none where they do not lie there."""
    one, root = kept.configuration, place / "run" / kept.configuration.name
    files = [CheckpointPath(root / told.path, step_of(told)) for told in kept.vitals.checkpoints]
    if not files or not all(file.path.is_file() for file in files):
        return
    with TemporaryDirectory() as held_out:
        for at in range(MORE):
            image, text = material.picture(one.dataset, 0, FIRST + at)
            image.save(Path(held_out, f"held-{at:02d}.png"))
            Path(held_out, f"held-{at:02d}.txt").write_text(text, encoding="utf-8")
        config = config_of(one, pocket.path(), place)
        subject = Subject(config, tuple(files), Path(held_out, "log.jsonl"), config.data, Path(held_out))
        with closing(validate(subject)) as events:
            yield from (event.point for event in events if isinstance(event, Validated))


def table(kept: Sequence[Kept]) -> Iterator[str]:
    """A row for what the user held out, one for more, and the same for a run of which none were."""
    there = [one for one in kept if one.validated]
    yield f"{len(there)} runs whose checkpoints were measured.\n"
    yield "| held-out pictures | " + " | ".join(accuracy.HEADS[1:]) + " |"
    yield "|---" * len(accuracy.HEADS) + "|"
    rows: Mapping[str, Sequence[Kept]] = {
        "none, as in the web UI": [_with(one, ()) for one in there],
        f"none, then `hndoctor validate` on {MORE}": [_with(one, _without_own(one)) for one in there],
        "the run's own, while it was trained": there,
        f"then `hndoctor validate` on {MORE} more": [_with(one, one.validated) for one in there],
    }
    for name, runs in rows.items():
        yield accuracy.row(name, scores_of(accuracy.cases(runs, diagnosed)))


def _with(kept: Kept, points: Sequence[ValidationPoint]) -> Kept:
    return replace(kept, vitals=replace(kept.vitals, validation=tuple(points)))


def _without_own(kept: Kept) -> Iterator[ValidationPoint]:
    """Of `MORE` pictures alone; those of the run's user come first."""
    for point in kept.validated:
        own = len(point.items) // DRAWS - MORE
        items, base = point.items[DRAWS * own :], point.base_items[DRAWS * own :]
        gaps, base_gaps = point.caption_gaps[own:], point.base_caption_gaps[own:]
        means = (sum(items) / len(items), sum(base) / len(base))
        yield ValidationPoint(point.step, *means, point.train, point.train_base, items, base, gaps, base_gaps)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
