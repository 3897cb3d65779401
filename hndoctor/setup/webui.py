"""The web UI's folder: the settings that decide how a training there goes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hndoctor.formats.bounded import read_text
from hndoctor.records import Skipped

CONFIG, UI_CONFIG = "config.json", "ui-config.json"
ARGUMENTS = "COMMANDLINE_ARGS"
NETWORKS = Path("models") / "hypernetworks"
TEMPLATES = "textual_inversion_templates"
LISTED = "hypernetworks:"  # key of a network in the web UI's folder, before its name
LIMIT = 8 << 20  # bytes of a settings file or script; styles and all, they have some hundred kB
MOST_NETWORKS = 2000  # files listed (guess: nobody has more)

# Only what a rule asks for is taken: the files hold paths and sometimes secrets that have no place in a report.
_OPTIONS = frozenset(
    {
        "CLIP_stop_at_last_layers",
        "deepbooru_sort_alpha",
        "deepbooru_use_spaces",
        "interrogate_deepbooru_sort_alpha",
        "save_optimizer_state",
        "save_training_settings_to_txt",
        "sd_hypernetwork",
        "sd_hypernetwork_strength",
        "sd_vae",
        "training_enable_tensorboard",
        "training_write_csv_every",
        "unload_models_when_training",
    }
)
_TABS = re.compile(r"^(train/|txt2img/(Negative prompt|Seed|CFG Scale|Clip skip)/)")
_ASSIGNED = re.compile(r"^\s*(?:export\s+|set\s+)?(?P<quote>\"?)COMMANDLINE_ARGS=(?P<value>.*)$", re.IGNORECASE)
_COMMENT = re.compile(r"^\s*(#|::|@?rem\b)", re.IGNORECASE)
_EXPANSION = re.compile(r"\$\{?COMMANDLINE_ARGS\}?|%COMMANDLINE_ARGS%", re.IGNORECASE)


def read_webui(folder: Path) -> tuple[dict[str, str], tuple[Skipped, ...]]:
    """Settings as text by ``file:key``, and what could not be read."""
    found: dict[str, str] = {}
    skipped: list[Skipped] = []
    for name, wanted in ((CONFIG, _OPTIONS.__contains__), (UI_CONFIG, lambda key: bool(_TABS.match(key)))):
        try:
            settings = _read_json(folder / name)
        except ValueError as error:
            skipped.append(Skipped(name, str(error)))
            continue
        found.update({f"{name}:{key}": as_text(value) for key, value in settings.items() if wanted(key)})
        if (folder / name).is_file():
            found[name] = "read"
    for path in _launchers(folder):
        found[f"{path.name}:{ARGUMENTS}"] = _launch_arguments_of(path)
    found.update(_networks(folder, arguments_of(found)))
    return found, tuple(skipped)


def arguments_of(settings: Mapping[str, str]) -> tuple[str, ...]:
    """What all launch scripts pass on, word by word."""
    texts = (value for key, value in settings.items() if key.endswith(f":{ARGUMENTS}"))
    return tuple(word for text in texts for word in _words(text))


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments.replace("\\", "/"))
    except ValueError:  # a quotation mark without its partner
        return arguments.split()


def networks_folder(root: Path, arguments: Sequence[str]) -> Path:
    """``--hypernetwork-dir``, else models/hypernetworks below ``--data-dir``, else below the root."""
    named = _value(arguments, "--hypernetwork-dir")
    if named is not None:
        return root / named
    data = _value(arguments, "--data-dir")
    return (root / data if data is not None else root) / NETWORKS


def _value(arguments: Sequence[str], flag: str) -> str | None:
    for at, word in enumerate(arguments):
        if word == flag and at + 1 < len(arguments):
            return arguments[at + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def _networks(root: Path, arguments: Sequence[str]) -> dict[str, str]:
    """The networks that the web UI lists, by name: ``hypernetworks:fischl`` -> ``fischl.pt, old/fischl.pt``."""
    folder = networks_folder(root, arguments)
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.pt"))[:MOST_NETWORKS] if folder.is_dir() else ():
        found.setdefault(path.stem, []).append(path.relative_to(folder).as_posix())
    return {f"{LISTED}{name}": ", ".join(files) for name, files in found.items()}


def template_file(root: Path, settings: Mapping[str, str]) -> Path | None:
    """The prompt template that the Train tab starts with, where it is there: since 2023 a name, before it a path."""
    for field in ("Prompt template", "Prompt template file"):
        named = settings.get(f"{UI_CONFIG}:train/{field}/value")
        for place in (root / TEMPLATES / named, root / named) if named else ():
            if place.is_file():
                return place
    return None


def _launchers(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("webui-user*")) if path.suffix in (".sh", ".bat") and path.is_file())


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        settings = json.loads(read_text(path, LIMIT, "utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read ({error}); the web UI would not start with it either") from None
    if not isinstance(settings, dict):
        raise ValueError(f"{path.name} is no table of settings")
    return settings


def as_text(value: object) -> str:
    """A setting as JSON spells it, strings bare: ``true``, ``2``, ``vae.pt``."""
    return value if isinstance(value, str) else json.dumps(value)


def _launch_arguments_of(path: Path) -> str:
    try:
        return launch_arguments(read_text(path, LIMIT, errors="replace"))
    except OSError:
        return ""  # of a size that no script has, or not ours to read


def launch_arguments(script: str) -> str:
    """The arguments a launch script passes on; comments are not settings, later lines build on earlier ones."""
    arguments = ""
    for line in script.splitlines():
        assigned = None if _COMMENT.match(line) else _ASSIGNED.match(line)
        if assigned:
            value = _unquoted(assigned["value"].strip(), quoted_whole=bool(assigned["quote"]))
            arguments = _EXPANSION.sub(arguments.replace("\\", "\\\\"), value).strip()
    return arguments


def _unquoted(value: str, *, quoted_whole: bool) -> str:
    """Without the quotation marks around all of it; those around single arguments stay."""
    if quoted_whole:  # set "COMMANDLINE_ARGS=--xformers"
        return value.removesuffix('"')
    whole = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" and value[0] not in value[1:-1]
    return value[1:-1] if whole else value
