"""`demo`: a run at a sane rate and a run at a ruinous one, on the pocket model; both scanned.  Nothing is scripted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from hndoctor.cli import scanning, training
from hndoctor.cli.console import UsageError, error_console, escape
from hndoctor.cli.reports import INDEX

STYLE = "amberglass"  # a mixture of looks that the pocket model knows only apart
PICTURES = 40
MARK = ".hndoctor-demo"  # a folder with this file in it is ours to write into again


@dataclass(frozen=True)
class Act:
    """One of the two runs."""

    name: str
    learn_rate: str
    steps: int
    every: int  # steps between checkpoints, each with its previews
    said: str


# The rates are the pocket model's own: benchmarks/pocket/README.md has the experiment that found them.
ACTS = (
    Act("sane", "1e-3", 400, 50, "a sane rate"),
    Act("ruined", "2e-1", 120, 20, "a ruinous rate"),
)


def demo(folder: Path, *, open_report: bool, lang: str = "en") -> None:
    """Train both, scan both, print where the reports are."""
    training.require_trainer()
    from trainer.pocket import datasets

    console = error_console()
    begun = time.monotonic()
    claim(folder)
    data = folder / "data"
    console.print(f"Drawing {PICTURES} pictures, in a style new to the pocket model, into {escape(str(data))}")
    datasets.write(STYLE, data, PICTURES)
    for act in ACTS:
        console.rule(f"Training at {act.said}: {act.learn_rate}")
        perform(folder, act)
    console.rule("What the doctor says")
    scanning.scan([folder / "runs"], "text", None, "error", open_report=open_report, lang=lang)
    console.print(f"The whole story took {(time.monotonic() - begun) / 60:.1f} minutes.")
    print(folder / "runs" / INDEX)


def claim(folder: Path) -> None:
    """Make the folder, or take an earlier demo's; never anybody else's."""
    if folder.exists() and not (folder / MARK).exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already and is no demo of ours; name a new folder: hndoctor demo DIR")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("Made by `hndoctor demo`, which will write here again.\n", encoding="utf-8")


def perform(folder: Path, act: Act) -> None:
    """Train one run."""
    from trainer.config import load_config

    values = {
        "name": act.name,
        "data": folder / "data",
        "out": folder / "runs",
        "learn_rate": act.learn_rate,
        "steps": act.steps,
        "save_every": act.every,
        "image_every": act.every,
        "batch_size": 4,
        "csv_every": 1,
        "validation": 8,
        "preview_seed": 1,
    }
    training.drive(error_console(), load_config(None, values), act.name, overwrite=True)
