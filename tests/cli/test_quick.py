"""The short way to `gate` and `scan` says and does what the whole command line does."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from enum import EnumType

import pytest

from hndoctor.cli import app, quick


def parameters(command):
    """Of the whole command line: option -> (values where they are few, default), under each of its names."""
    function = getattr(app, command)
    hints = typing.get_type_hints(function, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind, option = typing.get_args(hints[name])[:2]
        values = tuple(member.value for member in kind) if isinstance(kind, EnumType) else ()
        stated = [getattr(option, "default", None), *(getattr(option, "param_decls", None) or ())]
        names = [word for word in stated if isinstance(word, str) and word.startswith("-")]
        names = names or [f"--{name.replace('_', '-')}"]  # typer takes the first name for a default, and mends it later
        found |= dict.fromkeys(names, (values, getattr(parameter.default, "value", parameter.default)))
    return found


@pytest.mark.parametrize("command", sorted(quick.OPTIONS))
def test_every_option_is_the_whole_command_lines(command):
    whole = parameters(command)
    for name, values in quick.OPTIONS[command].items():
        assert whole[name][0] == values
    assert [whole[name][1] for name in ("--format", "--fail-on", "--out")] == ["text", "error", None]
    if command == "gate":
        assert [whole[name][1] for name in ("--select", "--ignore", "--require", "--baseline")] == ["", "", "", None]
        assert whole["--quiet"] == whole["-q"] == ((), False)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "rules",
        "gate",
        "gate --help x",
        "gate x --format tex",
        "gate x --format",
        "gate x --select --ignore",
        "gate x --update-baseline",
        "scan x --open",
        "scan x -q",
        "scan x --format json --format text",
        "gate -- x",
        "train x",
    ],
)
def test_what_is_not_usual_is_left_to_the_whole_command_line(line):
    assert quick.parsed(line.split()) is None


def test_the_usual_is_read():
    line = "gate a --format=json b --fail-on warning -q --select HN1,HN301"
    options = {"--format": "json", "--fail-on": "warning", "--quiet": "yes", "--select": "HN1,HN301"}
    assert quick.parsed(line.split()) == ("gate", ["a", "b"], options)


def test_a_gate_loads_neither_torch_nor_the_whole_command_line_nor_scipy_nor_pictures(tmp_path):
    code = (
        "import sys; sys.argv = ['hndoctor', 'gate', sys.argv[1], '--format', 'json']\n"
        "from hndoctor.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 1, end.code\n"
        "loaded = {'torch', 'typer', 'scipy', 'skimage', 'PIL', 'jinja2', 'rich.progress'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    path = tmp_path / "a.pt"
    path.write_bytes(b"PK\3\4 cut short")
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(path)], check=True, capture_output=True)
