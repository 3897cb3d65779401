"""Runs at and below a path: what a folder is, and what belongs to a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import gcd
from pathlib import Path
from typing import TypeVar

from hndoctor.collect.days import joined
from hndoctor.collect.loose import of_loose_files, other_networks
from hndoctor.collect.parts import (
    CHECKPOINTS,
    FEWEST_STEPS,
    LOOSE,
    PARTS,
    PICTURES,
    checkpoint_of,
    in_order,
    is_settings,
    validated_beside,
)
from hndoctor.formats.folders import Folder, is_plain, listed
from hndoctor.formats.names import fitting, own_name, parse_stem, without_copies
from hndoctor.formats.run_files import AVERAGES, LOSS_LOG, RUN_FILE, SET_ASIDE, VALIDATED, VALIDATION_LOG, VITALS
from hndoctor.records import CheckpointPath, PreviewPath, Run, Skipped

_UNREAD = "heic heif jp2 jxl tga psd ppm pgm pbm pnm qoi exr hdr ico svg eps xcf kra clip apng jpe"
OTHER_PICTURES = frozenset(f".{name}" for name in _UNREAD.split())  # known by their names, and not read
EMBEDDING_LOG = "textual_inversion_loss.csv"
MAX_DEPTH = 12  # folders below PATH; guess: nobody's training output is nested deeper
MOST_FILES = 5_000  # checkpoints, and previews, of one run: the largest known has some hundred (guess)

_Part = TypeVar("_Part", CheckpointPath, PreviewPath)


class CollectError(ValueError):
    """There is nothing here to examine; one line says what was looked for and where."""


def find_runs(path: Path | str) -> tuple[Run, ...]:
    """Every run at or below PATH, in order of place.  Raises CollectError where there is none."""
    path = Path(path)
    if not path.exists():
        raise CollectError(f"{path}: no such file or folder; give a run's folder, a folder of runs, or a .pt file")
    if path.is_dir():
        folder = listed(path, path.resolve())
        runs = () if folder.closed else joined(map(_within_reason, _below(path, 0, path.resolve())))
        if not runs:
            raise CollectError(f"{path}: {_nothing_in(folder)}")
        return runs
    if not is_plain(path):
        raise CollectError(f"{path}: neither a file nor a folder (a pipe or a device); give a run's folder")
    return (_of_file(path),)


def find_own(path: Path | str) -> tuple[Run, ...]:
    """The same for whoever wants one run: a run's folder is that run, though other networks' files lie in it too."""
    runs = find_runs(path)
    own = tuple(run for run in runs if not run.shares_folder)
    return own if len(own) == 1 and all(run.root == own[0].root for run in runs) else runs


def find_around(path: Path) -> Run | None:
    """The run in whose folder a checkpoint lies, with that checkpoint alone; None for one that lies by itself."""
    path = path.absolute()
    top = path.parent.parent if path.parent.name in PARTS else path.parent
    folder = listed(top, top.resolve())
    parts = [listed(sub, top.resolve()) for sub in folder.folders if sub.name in PARTS]
    runs = _of_run_folder([folder, *parts]) if _is_run(folder, parts) else iter(())
    own = ((run, one) for run in runs for one in run.checkpoints if one.path == path)
    return next((replace(run, checkpoints=(one,)) for run, one in own), None)


def find_pictures(path: Path | str) -> tuple[Path, ...]:
    """The pictures that PATH is, or holds where it holds nothing else to examine; else none."""
    path = Path(path)
    if is_plain(path):
        return (path,) if path.suffix.lower() in PICTURES else ()
    if not path.is_dir() or any(_below(path, 0, path.resolve())):
        return ()
    return listed(path, path.resolve()).ending(PICTURES)


def beside(run: Run, file: str) -> Path:
    """Where a run's own `vitals.json` or `health.html` lies: in its folder, under its name if it shares the folder."""
    return run.root / (fitting(run.name, f".{file}") if run.shares_folder else file)


def _of_file(path: Path) -> Run:
    suffix, name = path.suffix.lower(), _folder_name(path.parent)
    if path.name.lower().endswith(VITALS):
        return Run(path.parent, name, vitals=path)
    if path.name.lower() == VALIDATION_LOG or path.name.lower().endswith(VALIDATED):
        return Run(path.parent, name, validation_logs=(path,), shares_folder=True)
    if suffix == ".csv":
        return Run(path.parent, name, loss_logs=(path,), shares_folder=True)
    if suffix in CHECKPOINTS:
        name, logs = own_name(path.stem), validated_beside(path.parent, own_name(path.stem))
        return Run(path.parent, name, (checkpoint_of(path, None),), validation_logs=logs, shares_folder=True)
    if suffix == ".optim":
        raise CollectError(f"{path}: an optimizer's state says little alone; give {path.with_suffix('').name} instead")
    if suffix in PICTURES:
        raise CollectError(f"{path}: a picture, not a run; give its run's folder to judge it as a preview")
    if suffix in OTHER_PICTURES:
        raise CollectError(
            f"{path}: pictures of this kind are not read; save it as PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF"
        )
    raise CollectError(f"{path}: not a checkpoint, a loss log or a {VITALS}; give a run's folder or a .pt file")


def _nothing_in(folder: Folder) -> str:
    """Why there is no run: what was looked for, and what was not looked into."""
    if folder.closed:
        return folder.skipped[0].why
    parts = (listed(sub, folder.path.resolve()) for sub in folder.folders if sub.name in PARTS)
    left = [one for part in (folder, *parts) for one in part.skipped]
    told = f"no runs in it; looked for hypernetworks/*.pt, *.pt, {LOSS_LOG} and {VITALS}"
    more = f" (and {len(left) - 1:,} more)" if len(left) > 1 else ""
    return f"{told}, but not into {left[0].what}{more}: {left[0].why}" if left else told


def _folder_name(path: Path) -> str:
    return own_name(path.name or path.resolve().name or "run")


# --- folders ----------------------------------------------------------------------------------------------------------


def _below(path: Path, depth: int, top: Path) -> Iterator[Run]:
    folder = listed(path, top)
    if folder.closed:  # nobody knows what is in there
        yield Run(path, _folder_name(path), skipped=folder.skipped)
    if any(file.name == EMBEDDING_LOG for file in folder.files):
        return  # the web UI's other kind of training: textual inversion
    parts = [listed(sub, top) for sub in folder.folders if sub.name in PARTS]
    ours = _is_run(folder, parts)
    if ours:
        yield from _of_run_folder([folder, *parts])
    elif folder.ending(LOOSE):
        yield from of_loose_files(folder)
    elif any(file.name == VITALS for file in folder.files):
        yield Run(path, _folder_name(path), vitals=path / VITALS)
    for sub in folder.folders if depth < MAX_DEPTH else ():
        if not (ours and sub.name in (*PARTS, SET_ASIDE, AVERAGES)):
            yield from _below(sub, depth + 1, top)


def _is_run(folder: Folder, parts: list[Folder]) -> bool:
    if any(file.name in (LOSS_LOG, VALIDATION_LOG, RUN_FILE) for file in folder.files):
        return True
    held = [part for part in parts if part.ending((*CHECKPOINTS, *PICTURES))]
    settings = any(is_settings(file) for file in folder.files)
    if len(held) == len(PARTS) or (bool(parts) and settings) or any(_speaks_of(folder, part) for part in held):
        return True
    return len(folder.folders) == len(parts) == 1 and (_one_course(parts[0]) or _one_series(parts[0]))


def _speaks_of(folder: Folder, part: Folder) -> bool:
    """`fischl/hypernetworks/fischl-500.pt` is a run; `models/hypernetworks/fischl-500.pt` is a shelf of networks."""
    name = _folder_name(folder.path)
    return any(parse_stem(file.stem, name).name == name for file in part.ending((*CHECKPOINTS, *PICTURES)))


def _one_course(part: Folder) -> bool:
    """Numbered checkpoints of one network and nothing else: a run whose folder has another name than the network."""
    found = [parse_stem(file.stem, None) for file in part.ending(CHECKPOINTS)]
    return len({one.name for one in found}) == 1 and any((one.step or 0) >= FEWEST_STEPS for one in found)


def _one_series(part: Folder) -> bool:
    """Pictures of one name at regular steps: a run of which only the previews are left, no folder of photographs."""
    stems = [file.stem for file in part.ending(PICTURES)]
    name = min((parse_stem(stem).name for stem in stems), key=len, default="")  # `x-500-1` is a second one of `x-500`
    found = [parse_stem(stem, name) for stem in stems]
    steps = [one.step for one in found if one.name == name and one.step is not None]
    return len(steps) == len(stems) and len(set(steps)) > 1 and gcd(*steps) >= FEWEST_STEPS


def _of_run_folder(parts: list[Folder]) -> Iterator[Run]:
    """The run, and after it those of other networks whose files lie among its own."""
    top = parts[0]
    networks = without_copies(file for part in parts for file in part.ending(CHECKPOINTS))
    inside = [file for part in parts[1:] for file in part.ending(PICTURES)]
    name = _name_of_run(_folder_name(top.path), networks, inside)
    others = list(other_networks(top.path, name, networks, inside))
    elsewhere = {part.path for run in others for part in run.checkpoints}
    elsewhere |= {part.path for run in others for part in run.previews}
    pictures = [*inside, *(file for file in top.ending(PICTURES) if parse_stem(file.stem, name).name == name)]
    skipped = (skip for part in parts for skip in part.skipped)
    yield Run(
        root=top.path,
        name=name,
        checkpoints=in_order(checkpoint_of(file, name) for file in networks if file not in elsewhere),
        previews=in_order(
            PreviewPath(file, parse_stem(file.stem, name).step) for file in pictures if file not in elsewhere
        ),
        loss_logs=tuple(file for part in parts for file in part.files if file.name == LOSS_LOG),
        validation_logs=tuple(f for name in (VALIDATION_LOG, VALIDATED) for f in top.files if f.name == name),
        settings=tuple(file for file in top.files if is_settings(file) or file.name == RUN_FILE),
        skipped=tuple(skipped),
    )
    yield from others


def _name_of_run(folder: str, networks: list[Path], pictures: list[Path]) -> str:
    """The folder's name, unless its files agree on another (a folder that was renamed)."""
    for files in (networks, pictures):
        names = Counter(parse_stem(file.stem, folder).name for file in files)
        if folder in names:
            return folder
        if names:
            return names.most_common(1)[0][0]
    return folder


def _within_reason(run: Run) -> Run:
    """Of very many files, as many as can be compared with each other, spread evenly; the others are named as one."""
    left = [_left_out("checkpoints", run.checkpoints), _left_out("previews", run.previews)]
    if not any(left):
        return run
    skipped = tuple(one for one in left if one)
    checkpoints, previews = _spread(run.checkpoints), _spread(run.previews)
    return replace(run, checkpoints=checkpoints, previews=previews, skipped=(*run.skipped, *skipped))


def _left_out(what: str, files: tuple[_Part, ...]) -> Skipped | None:
    more = len(files) - MOST_FILES
    why = f"of {len(files):,} in one run {MOST_FILES:,}, spread evenly, are examined"
    return Skipped(f"{more:,} {what}", why) if more > 0 else None


def _spread(files: tuple[_Part, ...]) -> tuple[_Part, ...]:
    last = len(files) - 1
    return tuple(files[at * last // (MOST_FILES - 1)] for at in range(MOST_FILES)) if last >= MOST_FILES else files
