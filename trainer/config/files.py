"""Settings as a TOML file and a command line give them: read, completed, written back."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hndoctor.formats.bounded import read_text
from trainer.config.checks import check
from trainer.config.settings import (
    DEFAULTS,
    KEYS,
    OWN_RATE,
    POCKET,
    SD_LEARN_RATE,
    SD_STEPS,
    VERSION,
    Config,
)
from trainer.errors import TrainerError, why
from trainer.hub import name_of
from trainer.values import KINDS, literal

LIMIT = 1 << 20  # bytes of a configuration
PATH_TEXTS = ("vae", "base_config", "cache")  # paths that may be left empty


def load_config(path: str | Path | None = None, overrides: Mapping[str, object] | None = None) -> Config:
    """The configuration of a TOML file, with options on top.

    Paths in the file count from the file's folder (inputs that are not there, from the working folder); paths in
    `overrides` from the working folder.  Their values may be text, as a command line gives it; None: not given.
    Without a name the network is called as the file is.  Raises `TrainerError`, in one line, for an unknown key (the
    nearest right one is named) or an impossible value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _anchored(_checked(_read(Path(path)), f"{path}"), Path(path).parent)
        values.setdefault("name", Path(path).stem)
    values |= {key: value for key, value in _checked(overrides or {}, "option").items() if value is not None}
    given = frozenset(values)
    if values.get("base_model", POCKET) != POCKET:
        values = {"learn_rate": SD_LEARN_RATE, "steps": SD_STEPS} | values
    if values.get("optimizer") in OWN_RATE and "learn_rate" not in given:
        values["learn_rate"] = "1"
    config = replace(Config(given=given), **values)
    check(config)
    return config


def to_toml(config: Config) -> str:
    """The configuration, complete, as a TOML file that `load_config` reads back to the same."""
    return "".join(f"{key} = {literal(getattr(config, key))}\n" for key in KEYS)


def absolute(config: Config) -> Config:
    """The same with paths that hold wherever it is read from."""
    base = config.base_model
    if base != POCKET and not name_of(base):
        base = str(Path(base).absolute())
    others: dict[str, Any] = {key: str(Path(path).absolute()) for key in PATH_TEXTS if (path := getattr(config, key))}
    template = (str(Path(config.template[0]).absolute()),) if names_a_file(config.template) else config.template
    data, out = config.data.absolute(), config.out.absolute()
    return replace(config, data=data, out=out, base_model=base, template=template, **others)


def names_a_file(template: tuple[str, ...]) -> bool:
    """Whether a template is the path of a text file, not lines."""
    return len(template) == 1 and "[" not in template[0] and Path(template[0]).suffix.lower() == ".txt"


def as_dict(config: Config) -> dict[str, Any]:
    """The configuration in plain JSON values."""
    values = ((key, getattr(config, key)) for key in KEYS)
    return {key: str(v) if isinstance(v, Path) else list(v) if isinstance(v, tuple) else v for key, v in values}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path, LIMIT, "utf-8-sig"))
    except FileNotFoundError:
        raise TrainerError(f"{path}: there is no such file; name a configuration in TOML") from None
    except OSError as error:
        raise TrainerError(f"{path}: cannot be read ({why(error)})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TrainerError(f"{path}: is not TOML: {error}") from None


def _checked(values: Mapping[str, object], where: str) -> dict[str, Any]:
    """Values by known key, each in its key's type."""
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.4)
            hint = f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(KEYS)}"
            raise TrainerError(f'{where}: unknown key "{key}"{hint}')
    checked = {key: None if value is None else _convert(key, value, where) for key, value in values.items()}
    if checked.get("version", VERSION) != VERSION:
        raise TrainerError(f"{where}: version {checked['version']} is not known; this program reads version {VERSION}")
    return checked


def _convert(key: str, value: object, where: str) -> object:
    kind = KINDS["integers" if key == "sizes" else type(getattr(DEFAULTS, key)).__name__]
    try:
        return kind.convert(value)
    except (TypeError, ValueError):
        raise TrainerError(f"{where}: {key} = {value!r}: must be {kind.said}") from None


def _anchored(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths of a file counted from the file's own folder."""
    for key in ("data", "out"):
        if key in values:
            values[key] = _from(folder, values[key], must_exist=key == "data")
    if (base := values.get("base_model", POCKET)) != POCKET:
        values["base_model"] = base if name_of(base) else str(_from(folder, Path(base).expanduser()))
    for key in PATH_TEXTS:
        if values.get(key):
            values[key] = str(_from(folder, Path(values[key]).expanduser(), must_exist=key != "cache"))
    if names_a_file(values.get("template", ())):
        values["template"] = (str(_from(folder, Path(values["template"][0]))),)
    return values


def _from(folder: Path, path: Path, must_exist: bool = True) -> Path:
    anchored = folder / path
    return path if must_exist and not anchored.exists() and path.exists() else anchored
