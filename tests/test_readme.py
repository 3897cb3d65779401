"""README, CHANGELOG and --help say the same as the code."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

import hndoctor
from hndoctor.cli.app import app
from hndoctor.cli.manual import table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def between(start: str, end: str) -> str:
    """The README's text between two markers."""
    return README.split(start, 1)[1].split(end, 1)[0].strip()


def test_the_table_of_rules_is_the_rules() -> None:
    assert between("<!-- rules -->", "<!-- /rules -->") == table().strip(), "refresh it with: hndoctor rules"


def test_every_command_is_in_the_readme_and_no_other() -> None:
    commands = set(get_command(app).commands)
    said = set(re.findall(r"`hndoctor (\w+)", between("## The commands", "\n## ")))
    assert said == commands


def test_every_option_that_the_readme_names_exists() -> None:
    known = {
        option
        for command in get_command(app).commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"`(--[a-z-]+)", README)) | set(re.findall(r"hndoctor \w+[^`\n]*?(--[a-z-]+)", README))
    assert named <= known | {"--version", "--help"}


def test_every_picture_and_page_that_the_readme_links_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_changelog_knows_this_version() -> None:
    assert f"## {hndoctor.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
