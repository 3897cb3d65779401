"""Checkpoints that lie together without being one run: one run for each name.

So it is in `models/hypernetworks`, and in a run's folder to which another network's files were copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hndoctor.collect.parts import (
    CHECKPOINTS,
    FEWEST_STEPS,
    LOOSE,
    PICTURES,
    checkpoint_of,
    in_order,
    is_settings,
    validated_beside,
)
from hndoctor.formats.folders import Folder
from hndoctor.formats.names import own_name, parse_stem, without_copies
from hndoctor.records import PreviewPath, Run, Skipped


def of_loose_files(folder: Folder) -> Iterator[Run]:
    """One run for each name: `x-500.pt`, `x-1000.pt` and the final `x.pt` are one.

    What has a checkpoint's name and is not opened here is named once, with the first run.
    """
    groups = _grouped(file for file in folder.ending(LOOSE) if not file.stem.endswith(".vae"))
    alone, unopened = len(groups) == 1, _unopened(folder)
    for name, files in groups.items():
        known = name if len(files) > 1 else None
        pictures = ((file, parse_stem(file.stem, name)) for file in folder.ending(PICTURES))
        yield Run(
            root=folder.path,
            name=name,
            checkpoints=in_order(checkpoint_of(file, known) for file in files),
            previews=in_order(PreviewPath(file, stem.step) for file, stem in pictures if stem.name == name),
            validation_logs=validated_beside(folder.path, None if alone else name),
            settings=tuple(file for file in folder.files if alone and is_settings(file)),
            skipped=(*(folder.skipped if alone else ()), *unopened),
            shares_folder=not alone,
        )
        unopened = ()


def other_networks(root: Path, name: str, networks: Iterable[Path], pictures: Iterable[Path]) -> Iterator[Run]:
    """A run for each other network in the folder of the run `name`: one that has a step which that run has too.

    A run that was renamed on its way has no step twice: it stays one.
    """
    named = [(file, parse_stem(file.stem, name)) for file in networks]
    own = {stem.step for _, stem in named if stem.name == name and (stem.step or 0) >= FEWEST_STEPS}
    for other in sorted({stem.name for _, stem in named if stem.name != name and stem.step in own}):
        shown = ((file, parse_stem(file.stem, other)) for file in pictures)
        yield Run(
            root=root,
            name=other,
            checkpoints=in_order(checkpoint_of(file, other) for file, stem in named if stem.name == other),
            previews=in_order(PreviewPath(file, stem.step) for file, stem in shown if stem.name == other),
            validation_logs=validated_beside(root, other),
            shares_folder=True,
        )


def _unopened(folder: Folder) -> tuple[Skipped, ...]:
    found = [file.name for file in without_copies(folder.ending(CHECKPOINTS)) if file.suffix.lower() not in LOOSE]
    if not found:
        return ()
    what = found[0] if len(found) == 1 else f"{found[0]} and {len(found) - 1:,} more"
    return (Skipped(what, "beside loose .pt files no others are opened; name the file itself to examine it"),)


def _grouped(files: Iterable[Path]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    stems = [(file, own_name(file.stem), parse_stem(file.stem)) for file in files]
    counts = {stem.name for _, _, stem in stems if stem.step is not None and stem.step >= FEWEST_STEPS}
    for file, whole, stem in stems:
        # `style-2.pt` beside `style-2-500.pt` is that run's last file, not step 2 of `style`
        name = whole if whole in counts or stem.name not in counts else stem.name
        groups.setdefault(name, []).append(file)
    lone = {name: own_name(found[0].stem) for name, found in groups.items() if len(found) == 1}
    return {lone.get(name, name): found for name, found in groups.items()}
