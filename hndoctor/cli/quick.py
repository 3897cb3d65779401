"""The short way to `gate` and `scan`: the usual options are read here, before the library that reads all others.

A gate runs before every commit, and loading the whole command line takes longer than the examination of a checkpoint.
Whatever is not understood here (another command, `--help`, a wrong value) is left to the whole command line, which says
it better; tests compare the two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

SEVERITIES = ("error", "warning")
FORMATS: Mapping[str, tuple[str, ...]] = {
    "scan": ("text", "json", "html"),
    "gate": ("text", "json", "junit", "sarif", "github", "markdown"),
}
ANY: tuple[str, ...] = ()
ENVIRONMENT = "HNDOCTOR_"  # options may come from variables of this name: then the whole command line reads them
OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "scan": {"--format": FORMATS["scan"], "--fail-on": SEVERITIES, "--out": ANY},
    "gate": {
        "--format": FORMATS["gate"],
        "--fail-on": SEVERITIES,
        "--select": ANY,
        "--ignore": ANY,
        "--require": ANY,
        "--baseline": ANY,
        "--out": ANY,
    },
}
"""Of each command: its options that take a value, and the values allowed where they are few."""

Given = tuple[str, list[str], dict[str, str]]  # command, paths, options


def parsed(args: Sequence[str]) -> Given | None:
    """The command line, if it is one of the usual ones; else None."""
    command = args[0] if args else ""
    allowed = OPTIONS.get(command)
    if allowed is None:
        return None
    paths: list[str] = []
    found: dict[str, str] = {}
    rest = iter(args[1:])
    for word in rest:
        if not word:
            return None
        if not word.startswith("-"):
            paths.append(word)
        elif command == "gate" and word in ("-q", "--quiet"):
            found["--quiet"] = "yes"
        else:
            name, equals, value = word.partition("=")
            if name in found or not _takes(allowed, name, value := value if equals else next(rest, "")):
                return None
            found[name] = value
    return (command, paths, found) if paths else None


def _takes(allowed: Mapping[str, tuple[str, ...]], name: str, value: str) -> bool:
    values = allowed.get(name)
    return values is not None and bool(value) and not value.startswith("-") and (values == ANY or value in values)


def run(args: Sequence[str]) -> int | None:
    """Carry out a usual command line and return the exit code; None for any other."""
    given = None if any(name.startswith(ENVIRONMENT) for name in os.environ) else parsed(args)
    if given is None:
        return None
    command, named, options = given
    paths, form = [Path(name) for name in named], options.get("--format", "text")
    out = Path(options["--out"]) if "--out" in options else None
    from hndoctor.cli import gating, scanning, sifting

    if command == "scan":
        return scanning.scan(paths, form, out, options.get("--fail-on", "error"), open_report=False)
    wanted = sifting.wanted_from(
        sifting.settled(None),
        sifting.today(),
        fail_on=options.get("--fail-on"),
        select=options.get("--select"),
        ignore=options.get("--ignore"),
        require=options.get("--require"),
        baseline=Path(options["--baseline"]) if "--baseline" in options else None,
    )
    return gating.gate(paths, wanted, gating.Output(form, out, quiet="--quiet" in options))
