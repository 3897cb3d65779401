"""A run's folder, laid out as the web UI lays out its own, and everything that is written into it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from hndoctor.formats import losslog
from hndoctor.formats.atomic import write_whole
from hndoctor.formats.run_files import (
    AVERAGES,
    CONFIG,
    LOSS_LOG,
    PAGE,
    RUN_FILE,
    SET_ASIDE,
    VALIDATED,
    VALIDATION_LOG,
    VITALS,
)
from hndoctor.formats.settings import read_validation
from hndoctor.records import ValidationPoint
from trainer.optimizer import optim_path
from trainer.saving import COPY, copy_path, remove

TENSORBOARD = "tensorboard"
SHEET = "-sheet.png"
VALIDATION_BASE = "validation-base.json"  # the bare base model's losses, which a resumed run need not measure again


class RunFolder:
    """`<out>/<name>/`: checkpoints in `hypernetworks/`, previews in `images/`, logs and settings beside them.

    ``name-500.pt`` is written when 499 steps are done, and stores 499 (web UI); ``name.pt`` is the final one.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.checkpoints, self.images, self.sheets = root / "hypernetworks", root / "images", root / "sheets"
        self.averages = root / AVERAGES

    # --- where things are ---------------------------------------------------------------------------------------------

    @property
    def final(self) -> Path:
        """The checkpoint that a training ends with."""
        return self.checkpoints / f"{self.name}.pt"

    def checkpoint(self, number: int) -> Path:
        """The checkpoint of a number."""
        return self.checkpoints / f"{self.name}-{number}.pt"

    def preview(self, number: int, which: int = 0) -> Path:
        """A preview of a number: `name-500.png` of the first prompt, `name-500-1.png` of the second."""
        return self.images / (f"{self.name}-{number}-{which}.png" if which else f"{self.name}-{number}.png")

    def average_preview(self, number: int, which: int = 0) -> Path:
        """The same by the moving average, beside its network."""
        return self.averages / self.preview(number, which).name

    def sheet(self, number: int) -> Path:
        """All previews of a number in one picture."""
        return self.sheets / f"{self.name}-{number}{SHEET}"

    def exists(self) -> bool:
        """Whether there is a run already."""
        return (self.root / RUN_FILE).exists() or any(self.checkpoints.glob("*.pt"))

    def numbered(self) -> list[tuple[int, Path]]:
        """Numbered checkpoints, in order."""
        return sorted((n, p) for p in self.checkpoints.glob("*.pt") if (n := _number(p.stem, self.name)) is not None)

    # --- written ------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the folders."""
        for folder in (self.checkpoints, self.images):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self.checkpoints, self.images, self.averages):
            for half in folder.glob("*.tmp"):  # left by a crash while writing
                half.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove a run that is to be overwritten: its own files, nothing else."""
        parts = (self.checkpoints, self.images, self.sheets, self.averages)
        for folder in (*parts, self.root / TENSORBOARD, self.root / SET_ASIDE):
            shutil.rmtree(folder, ignore_errors=True)
        logs = (LOSS_LOG, VALIDATION_LOG, VALIDATED, VALIDATION_BASE)
        own = (*logs, RUN_FILE, CONFIG, VITALS, PAGE)
        for path in (*(self.root / name for name in own), *self.root.glob("settings-*.json")):
            path.unlink(missing_ok=True)

    def write(self, path: Path, data: bytes | str) -> None:
        """A file whole or not at all.  Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, [data if isinstance(data, bytes) else data.encode("utf-8")])

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """A JSON file in the run's folder."""
        self.write(self.root / name, json.dumps(values, indent=2, ensure_ascii=False) + "\n")

    def write_settings(self, values: Mapping[str, Any]) -> None:
        """The web UI's own settings file, `settings-<date>.json`."""
        now = datetime.now()
        told = {"datetime": now.strftime("%Y-%m-%d %H:%M:%S"), **values}
        path = self.root / now.strftime("settings-%Y-%m-%d-%H-%M-%S.json")
        self.write(path, json.dumps(told, indent=4, ensure_ascii=False))

    def told(self) -> dict[str, Any]:
        """What `run.json` says; empty if there is none."""
        try:
            found = json.loads((self.root / RUN_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def log_loss(self, step: int, loss: float, rate: float, steps_per_epoch: int) -> None:
        """One row of the loss log."""
        losslog.append_row(self.root / LOSS_LOG, step, loss, rate, steps_per_epoch)

    def log_validation(self, point: ValidationPoint, more: Mapping[str, Any]) -> None:
        """One line of the validation log; `more` is told for whoever reads it, and not read back."""
        line = json.dumps({**asdict(point), **more}) + "\n"
        with (self.root / VALIDATION_LOG).open("a", encoding="utf-8", newline="\n") as file:
            file.write(line)

    # --- let go -------------------------------------------------------------------------------------------------------

    def go_back(self, step: int) -> Path | None:
        """Make the run what it was when `step` steps were done; what came later moves to `set-aside/<number>/`."""
        later = list(self._later_than(step))
        rows = self._later_rows(step)
        if not later and not any(rows.values()):
            return None
        aside = self._new_aside()
        for path in later:
            path.replace(aside / (f"ema-{path.name}" if path.parent == self.averages else path.name))
        for name, lost in rows.items():
            if lost:
                shutil.copyfile(self.root / name, aside / name)
                self._drop_rows(name, step)
        return aside

    def retain(self, keep_last: int, keep_every: int) -> None:
        """Remove numbered checkpoints but the last ones, those of round steps, and the one that validated best."""
        if not keep_last:
            return
        best = self.best()
        for number, path in self.numbered()[:-keep_last]:
            if number != best and (not keep_every or number % keep_every):
                remove(path)

    def best(self) -> int | None:
        """The number of the checkpoint with the lowest held-out loss; None if none was validated."""
        there = {number for number, _ in self.numbered()}
        points = [point for point in self._validations() if point.step in there]
        return min(points, key=lambda point: point.held_out).step if points else None

    def validated(self, number: int) -> bool:
        """Whether the validation log holds a number."""
        return any(point.step == number for point in self._validations())

    def _validations(self) -> tuple[ValidationPoint, ...]:
        try:
            return tuple(read_validation(self.root / VALIDATION_LOG))
        except (OSError, ValueError):
            return ()

    def _later_than(self, step: int) -> Iterator[Path]:
        """Checkpoints and previews of after `step`; a number is one more than the step it holds."""
        networks = ((self.checkpoints, ".pt.optim"), (self.averages, ".pt"), (self.averages, ".png"),
                    (self.checkpoints, ".pt"))  # fmt: skip
        for folder, suffix in (*networks, (self.checkpoints, COPY), (self.images, ".png"), (self.sheets, SHEET)):
            for path in folder.glob(f"*{suffix}"):
                number = _number(path.name.removesuffix(suffix), self.name)
                if number is not None and number - 1 > step:
                    yield path

    def set_final_aside(self) -> Path:
        """Move the final checkpoint to what was left behind: it holds a later step than the run goes on from."""
        aside = self._new_aside()
        for path in (self.final, optim_path(self.final), copy_path(self.final)):
            if path.exists():
                path.replace(aside / path.name)
        return aside

    def _new_aside(self) -> Path:
        number = 1 + sum(1 for _ in (self.root / SET_ASIDE).glob("*"))
        aside = self.root / SET_ASIDE / str(number)
        aside.mkdir(parents=True)
        return aside

    def _lines(self, name: str) -> list[bytes]:
        path = self.root / name
        return path.read_bytes().splitlines(keepends=True) if path.exists() else []

    def _later_rows(self, step: int) -> dict[str, int]:
        return {
            name: sum(not _keeps(name, line, step) for line in self._lines(name))
            for name in (LOSS_LOG, VALIDATION_LOG, VALIDATED)
        }

    def _drop_rows(self, name: str, step: int) -> None:
        self.write(self.root / name, b"".join(line for line in self._lines(name) if _keeps(name, line, step)))


def _keeps(name: str, line: bytes, step: int) -> bool:
    """Whether a line of a log is of `step` or before; half a line, left by a crash, is not kept."""
    if not line.endswith(b"\n"):
        return False
    if name == LOSS_LOG:
        first = line.split(b",", 1)[0]
        return not first.isdigit() or int(first) <= step
    try:
        return int(json.loads(line)["step"]) - 1 <= step
    except (ValueError, KeyError, TypeError):
        return False


def _number(stem: str, name: str) -> int | None:
    """The number in `name-500` or `name-500-1`; None for anything else."""
    if not stem.startswith(f"{name}-"):
        return None
    first, _, rest = stem.removeprefix(f"{name}-").partition("-")
    return int(first) if first.isdigit() and (not rest or rest.isdigit()) else None
