"""The log of validation after the fact: what was measured of which checkpoint, on which pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hndoctor.formats.atomic import write_whole
from hndoctor.formats.settings import read_validation
from hndoctor.records import ValidationPoint
from trainer.errors import TrainerError, why


@dataclass
class Log:
    """What was measured of one set of pictures: a line a checkpoint, as in the trainer's own `validation.jsonl`."""

    path: Path
    key: str  # of pictures, draws, base model and precision: what else was measured cannot be compared
    known: set[tuple[int, str]]  # step and content of the checkpoints that are in it
    torn: bool = False  # its last line was being written when something died
    before: bool = False  # what lies there is of other pictures: our first line takes its place

    @classmethod
    def opened(cls, path: Path, key: str, overwrite: bool) -> Log:
        """What is there already.  Raises `TrainerError` if it is of something else and must not be overwritten."""
        lines = list(_lines(path))
        if all(line.get("key") == key for line in lines):
            torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
            return cls(path, key, {(line["step"], line["content"]) for line in lines}, torn)
        if not overwrite:
            raise TrainerError(
                f"{path}: was measured on other pictures, another base model or another machine; "
                "measure as then, or all anew with --overwrite"
            )
        return cls(path, key, set(), before=True)

    def add(self, point: ValidationPoint) -> None:
        """A line, whole.  Raises `TrainerError` where it cannot be written."""
        line = json.dumps({**asdict(point), "key": self.key}) + "\n"
        try:
            if self.before:
                write_whole(self.path, [line.encode()])
            else:
                with self.path.open("a", encoding="utf-8", newline="\n") as file:
                    file.write("\n" * self.torn + line)  # else ours would be torn too
        except OSError as error:
            raise TrainerError(f"{self.path}: cannot be written: {why(error)}") from None
        self.torn = self.before = False
        self.known.add((point.step, point.content))

    def best(self) -> ValidationPoint | None:
        """The point with the lowest held-out loss."""
        points = read_validation(self.path) if self.known else ()
        return min(points, key=lambda point: point.held_out, default=None)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines; half a one, left by a crash, is none."""
    try:
        raw = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: cannot be read ({error}); remove it") from None
    for line in raw:
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(told, dict) and isinstance(told.get("step"), int) and isinstance(told.get("content"), str):
            yield told


def writable(log: Path) -> None:
    """Known before an hour of measuring."""
    if not os.access(log if log.exists() else log.parent, os.W_OK):
        raise TrainerError(f"{log}: cannot be written; copy the run to where it can be")
