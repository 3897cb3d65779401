"""What a run was trained on, where it is here: a few of the pictures, measured as previews are, and the template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PureWindowsPath

from hndoctor.collect import PICTURES
from hndoctor.formats.folders import is_plain
from hndoctor.records import Preview

SAMPLE = 12  # pictures measured: enough for a median and a spread, a third of a second (guess, untested)
MOST = 20_000  # files of a folder that are looked at
TEMPLATES = "textual_inversion_templates"  # the web UI's folder of them, in its own
ABOVE = 4  # folders above a run: webui/textual_inversion/2023-01-01/name/hypernetworks is the deepest of the web UI's


def training_pictures(
    told: str | None, root: Path, previews: Sequence[Preview], known: Callable[[str, Path], Preview | None]
) -> Iterator[Preview]:
    """Measured training pictures of the folder that the run names, at the previews' size; none where it is not here.

    `known`: the record of a picture that was measured before and has not changed.
    """
    sides = sorted(min(p.width, p.height) for p in previews if p.width)
    if not sides:
        return
    from hndoctor.metrics.scores import measure_training

    for path in next(filter(None, map(_some, _places(told, root))), []):
        name = f"training/{path.name}"
        found = known(name, path) or measure_training(path, name, sides[len(sides) // 2])
        if found is not None:
            yield found


def folder_of_training(told: str | None, root: Path) -> Path | None:
    """The first of the places where a run's training pictures may be that has any; None where they are not here."""
    return next((folder for folder in _places(told, root) if _some(folder)), None)


def template_of_training(told: str | None, root: Path) -> Path | None:
    """The text file with a run's prompt template: where it says, else of that name in the web UI that the run lies in.

    None where it is not here.
    """
    name = PureWindowsPath(told or "").name  # it parts at both kinds of slashes
    if not name.lower().endswith(".txt"):
        return None
    places = (*_places(told, root), *_places(f"{TEMPLATES}/{name}", root))
    return next((file for file in places if is_plain(file)), None)


def _places(told: str | None, root: Path) -> Iterator[Path]:
    """Where what a run names may be.  Never a network share: a run from elsewhere must not make us call it.

    A relative path counts from where the trainer was started, which is above the run, and is told nowhere: where the
    doctor is started must not change what it says, so that place comes last.
    """
    if not told or told.startswith(("\\\\", "//")) or "\0" in told:
        return
    root = root.absolute()
    for base in (root, *root.parents[:ABOVE], Path()):
        yield base / told


def _some(folder: Path) -> list[Path]:
    """Pictures spread evenly over the folder's, in order of name."""
    try:
        files = sorted(f for f, _ in zip(folder.iterdir(), range(MOST), strict=False) if f.suffix.lower() in PICTURES)
        files = [f for f in files if f.is_file()]
    except OSError:
        return []
    count = min(SAMPLE, len(files))
    return [files[i * len(files) // count] for i in range(count)]
