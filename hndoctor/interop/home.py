"""A web UI's own folder: where its hypernetworks lie, which generation it is, and how it hashes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hndoctor.formats.bounded import read_text
from hndoctor.formats.generations import WEB_UIS, WEBUI, Generation
from hndoctor.interop.errors import InteropError
from hndoctor.setup.webui import CONFIG, LIMIT, NETWORKS, arguments_of, networks_folder, read_webui

_MARKS = ("webui.py", "launch.py", "webui.sh", "webui.bat", CONFIG, "ui-config.json", "modules")
# Since which generation a word stands in the web UI's own hypernetwork.py (its history)
_WORDS = (
    ("dropout_structure", "webui"),
    ("activate_output", "2022-11-04"),
    ("weight_initialization", "2022-10-26"),
    ("use_dropout", "2022-10-22"),
    ("activation_func", "2022-10-21"),
    ("layer_structure", "2022-10-19"),
    ("sd_checkpoint_name", "2022-10-11"),
    ("class HypernetworkModule", "novelai"),
)
_SOURCES = (Path("modules/hypernetworks/hypernetwork.py"), Path("modules/hypernetwork.py"))
_SOURCE_LIMIT = 1 << 20  # bytes; the real file has 40 thousand


@dataclass(frozen=True)
class Home:
    """What an export must know of the web UI it goes to."""

    root: Path
    networks: Path  # folder of hypernetworks; may not exist yet
    hashing: int  # 1: 8 digits, before 14 January 2023; 2: 10 digits; 0: started with --no-hashing
    told_by: str  # what says so
    generation: Generation = WEBUI
    saves_optimizer: bool | None = None  # its option "Saves Optimizer state as separate *.optim file"


def find_home(folder: Path) -> Home:
    """Look at a web UI's folder, or at its folder of hypernetworks.  Raises InteropError if it is neither."""
    root = folder.parent.parent if folder.name == NETWORKS.name and folder.parent.name == "models" else folder
    if not root.is_dir():
        raise InteropError(
            f"{folder}: there is no such folder; name the web UI's own, which holds webui-user.sh or .bat"
        )
    launchers = any(root.glob("webui-user*"))
    if not (launchers or (root / NETWORKS).is_dir() or any((root / mark).exists() for mark in _MARKS)):
        raise InteropError(
            f"{folder}: does not look like a web UI's folder; name the one that holds webui-user.sh or .bat"
        )
    settings, _ = read_webui(root)
    arguments = arguments_of(settings)
    form = _generation(root)
    hashing, told_by = _hashing(root, arguments, form)
    state = settings.get(f"{CONFIG}:save_optimizer_state")
    return Home(
        root,
        networks_folder(root, arguments),
        hashing,
        told_by,
        form or WEBUI,
        None if state is None else state == "true",
    )


def _generation(root: Path) -> Generation | None:
    """Told from the web UI's own source, where it is there."""
    known = {form.name: form for form in WEB_UIS}
    for source in _SOURCES:
        try:
            text = read_text(root / source, _SOURCE_LIMIT, errors="replace")
        except OSError:
            continue
        return next((known[name] for word, name in _WORDS if re.search(rf"\b{word}\b", text)), None)
    return None


def _hashing(root: Path, arguments: Sequence[str], form: Generation | None) -> tuple[int, str]:
    """Which hash the web UI compares, and what tells it."""
    if "--no-hashing" in arguments:
        return 0, "it is started with --no-hashing"
    if (root / "modules" / "hashes.py").is_file():  # came with the new hash on 14 January 2023
        return 2, "modules/hashes.py is there"
    if form is not None:
        return 1, "modules/hashes.py is missing"
    if (root / "CHANGELOG.md").is_file() or _has_new_options(root):
        return 2, "its files are from after January 2023"
    return 2, "nothing in its folder tells its age, so the hash used since January 2023"


def _has_new_options(root: Path) -> bool:
    try:
        return "sd_checkpoint_hash" in json.loads(read_text(root / CONFIG, LIMIT, "utf-8-sig"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def taken(networks: Path, deep: bool = True) -> frozenset[str]:
    """The names in use, in small letters.  `deep`: in folders below too, as the web UI keeps one file of each name."""
    if not networks.is_dir():
        return frozenset({"none"})
    found = networks.rglob("*") if deep else networks.iterdir()
    names = (path.name for path in found if path.suffix.lower() in (".pt", ".optim", ".safetensors"))
    stems = (name.removesuffix(".optim").removesuffix(".pt").removesuffix(".safetensors") for name in names)
    return frozenset({"none", *(stem.lower() for stem in stems)})
