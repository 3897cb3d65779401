"""What runs are made of: which files may be checkpoints or previews, and which step each is from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from hndoctor.formats.captions import PICTURE_SUFFIXES
from hndoctor.formats.folders import is_plain
from hndoctor.formats.names import fitting, parse_stem
from hndoctor.formats.run_files import VALIDATED
from hndoctor.records import CheckpointPath, PreviewPath

LOOSE = (".pt",)  # looked for in folders that are not runs; nothing else is opened beside 50 GB of models
CHECKPOINTS = (*LOOSE, ".pth", ".safetensors", ".ckpt", ".bin")
PARTS = ("hypernetworks", "images")  # the folders of a run, as the web UI and we name them
PICTURES = tuple(sorted(PICTURE_SUFFIXES))
FEWEST_STEPS = 10  # guess: a lone `style-2.pt` is version 2 of a network, not its second step

_Part = TypeVar("_Part", CheckpointPath, PreviewPath)


def checkpoint_of(path: Path, name: str | None) -> CheckpointPath:
    """A checkpoint of the network `name`, with the optimizer state beside it; None: of one that lies alone."""
    optim = path.with_name(path.name + ".optim")
    step = parse_stem(path.stem, name).step
    if name is None and step is not None and step < FEWEST_STEPS:
        step = None
    return CheckpointPath(path, step, optim if is_plain(optim) and not optim.is_symlink() else None)


def validated_beside(folder: Path, name: str | None) -> tuple[Path, ...]:
    """The log of `hndoctor validate` in a folder, if it is there; `name`: of the run, where others share the folder."""
    log = folder / (VALIDATED if name is None else fitting(name, f".{VALIDATED}"))
    return (log,) if is_plain(log) else ()


def in_order(parts: Iterable[_Part]) -> tuple[_Part, ...]:
    """By step; what has no step (the final file) comes last, and a copy, whose name is longer, after its original."""
    return tuple(sorted(parts, key=_order))


def _order(part: CheckpointPath | PreviewPath) -> tuple[bool, int, int, str]:
    return part.step is None, part.step or 0, len(part.path.stem), part.path.as_posix()


def is_settings(file: Path) -> bool:
    """A settings file of the web UI, of either kind."""
    return file.name == "settings.txt" or (file.name.startswith("settings-") and file.suffix.lower() == ".json")
