"""What a project has settled about its gate: `hndoctor.toml`, or `[tool.hndoctor]` in `pyproject.toml`.

Everything is checked when it is read: a key or a code that nobody knows is refused, with the nearest right one, for a
misspelt rule would otherwise be silence.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from hndoctor.formats.bounded import read_text
from hndoctor.records import Severity

OWN, SHARED = "hndoctor.toml", "pyproject.toml"
LIMIT = 1 << 20  # bytes of a settings file
OFF = "off"
EVIDENCE = ("files", "checkpoints", "optimizers", "previews", "losses", "validation", "course", "setup")
_KEYS = ("fail-on", "select", "ignore", "require", "baseline", "severity", "ignores")
_IGNORE_KEYS = ("code", "reason", "expires", "run", "subject")
_TYPED = str.maketrans("OIL", "011")  # letters that are typed for digits
_CODE = re.compile(r"HN[0-9]{0,3}")


class SettingsError(ValueError):
    """Settings that cannot be used; one line says where, what and how to mend it."""


@dataclass(frozen=True)
class Ignore:
    """Findings that may stand for a while, and why."""

    code: str  # or the beginning of one
    reason: str
    expires: date | None = None  # the last day on which it holds
    run: str = "*"  # glob over the run's path or name
    subject: str = "*"  # glob over the file within the run


@dataclass(frozen=True)
class Settings:
    """What the project wants; None where it says nothing."""

    source: Path | None = None
    fail_on: str | None = None
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    require: tuple[str, ...] | None = None
    baseline: Path | None = None
    severity: tuple[tuple[str, Severity | None], ...] = ()  # (code or its beginning, None: off)
    ignores: tuple[Ignore, ...] = ()


def load_settings(path: Path | None, here: Path) -> Settings:
    """The settings of `path`; without one, those of the nearest file that has any, from `here` upwards."""
    if path is not None:
        return _read(path)
    for folder in (here, *here.parents):
        if (folder / OWN).is_file():
            return _read(folder / OWN)
        if (folder / SHARED).is_file() and _table(folder / SHARED) is not None:
            return _read(folder / SHARED)
    return Settings()


def _table(path: Path) -> dict[str, Any] | None:
    """The table that is ours; None where `pyproject.toml` has none.  Raises SettingsError."""
    try:
        whole = tomllib.loads(read_text(path, LIMIT))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such settings file") from None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None
    if path.name != SHARED:
        return whole
    tool = whole.get("tool", {})
    return tool.get("hndoctor") if isinstance(tool, dict) else None


def _read(path: Path) -> Settings:
    table = _table(path)
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: has no [tool.hndoctor] table; add one, or use a {OWN}")
    known_keys(table, _KEYS, str(path))
    baseline = _text(table, "baseline", f"{path}: baseline")
    return Settings(
        source=path,
        fail_on=_one_of(table.get("fail-on"), ("error", "warning"), f"{path}: fail-on"),
        select=_codes(table, "select", path),
        ignore=_codes(table, "ignore", path),
        require=_required(table, path),
        baseline=None if baseline is None else path.parent / baseline,
        severity=_severities(table.get("severity", {}), f"{path}: severity"),
        ignores=tuple(_ignore(one, f"{path}: ignores[{i}]") for i, one in enumerate(_tables(table, path))),
    )


def known_keys(table: Iterable[str], known: Sequence[str], where: str) -> None:
    """Raises SettingsError at the first key that nobody knows, with the nearest right one."""
    for key in table:
        if key not in known:
            raise SettingsError(f"{where}: there is no key {key!r}{nearest(key, known)}")


def nearest(word: str, known: Sequence[str]) -> str:
    """``; did you mean 'fail-on'?``, or all that there are."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def checked_codes(codes: Iterable[str], where: str) -> tuple[str, ...]:
    """Codes, or beginnings of codes, that some rule has.  Raises SettingsError."""
    from hndoctor.rules import RULES

    known = [law.code for law in RULES]
    made = tuple(code.strip().upper() for code in codes)
    for code in made:
        if not _CODE.fullmatch(code) or not any(one.startswith(code) for one in known):
            typed = code.translate(_TYPED)
            near = [typed] if typed in known else difflib.get_close_matches(code, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; `hndoctor rules` lists them all"
            raise SettingsError(f"{where}: no rule's code begins with {code!r}{hint}")
    return made


def checked_evidence(kinds: Iterable[str], where: str) -> tuple[str, ...]:
    """Kinds of evidence that rules ask for.  Raises SettingsError."""
    made = tuple(kinds)
    for kind in made:
        if kind not in EVIDENCE:
            raise SettingsError(f"{where}: {kind!r} is no kind of evidence{nearest(kind, EVIDENCE)}")
    return made


def _list(table: dict[str, Any], key: str, path: Path) -> list[str] | None:
    told = table.get(key)
    if told is not None and not (isinstance(told, list) and all(isinstance(one, str) for one in told)):
        raise SettingsError(f'{path}: {key}: write a list of texts, such as {key} = ["HN1", "HN301"]')
    return told


def _codes(table: dict[str, Any], key: str, path: Path) -> tuple[str, ...] | None:
    told = _list(table, key, path)
    return None if told is None else checked_codes(told, f"{path}: {key}")


def _required(table: dict[str, Any], path: Path) -> tuple[str, ...] | None:
    told = _list(table, "require", path)
    return None if told is None else checked_evidence(told, f"{path}: require")


def _tables(table: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    told = table.get("ignores", [])
    if not (isinstance(told, list) and all(isinstance(one, dict) for one in told)):
        raise SettingsError(f"{path}: ignores: write tables: [[ignores]] with code and reason")
    return told


def _severities(told: object, where: str) -> tuple[tuple[str, Severity | None], ...]:
    if not isinstance(told, dict):
        raise SettingsError(f'{where}: write a table: [severity] with HN309 = "error"')
    made = []
    for key, value in told.items():
        (code,) = checked_codes([key], where)
        word = _one_of(value, (OFF, *Severity), f"{where}.{key}")
        made.append((code, None if word == OFF else Severity(str(word))))
    return tuple(sorted(made, key=lambda pair: (-len(pair[0]), pair[0])))  # the longest beginning speaks first


def _one_of(told: object, known: Sequence[str], where: str) -> str | None:
    if told is None:
        return None
    if not isinstance(told, str) or told not in known:
        raise SettingsError(f"{where}: {told!r} is not one of {', '.join(map(str, known))}")
    return told


def _text(table: dict[str, Any], key: str, where: str) -> str | None:
    told = table.get(key)
    if told is not None and not (isinstance(told, str) and told.strip()):
        raise SettingsError(f"{where}: write a text, not {told!r}")
    return told


def _ignore(told: dict[str, Any], where: str) -> Ignore:
    known_keys(told, _IGNORE_KEYS, where)
    code, reason = _text(told, "code", f"{where}: code"), _text(told, "reason", f"{where}: reason")
    if code is None or reason is None:
        lacking = "code" if code is None else "reason"
        raise SettingsError(f'{where}: lacks {lacking}; write code = "HN301" and reason = "why it may stand"')
    (checked,) = checked_codes([code], f"{where}: code")
    scope = {key: text for key in ("run", "subject") if (text := _text(told, key, f"{where}: {key}"))}
    return Ignore(checked, reason, _day(told.get("expires"), where), **scope)


def _day(told: object, where: str) -> date | None:
    if isinstance(told, str):
        try:
            return date.fromisoformat(told)
        except ValueError:
            pass
    elif told is None or (isinstance(told, date) and not isinstance(told, datetime)):
        return told
    raise SettingsError(f"{where}: expires: write a day: expires = 2027-03-31")
