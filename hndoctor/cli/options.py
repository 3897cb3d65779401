"""What the commands' options share: their kinds, their names, and their variables of the environment."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from hndoctor.cli.console import ReaderGoneError, UsageError


class Commands(TyperGroup):
    """Every option has a variable of the environment: HNDOCTOR_, the command, the option, as `--fail-on` of `gate` has
    HNDOCTOR_GATE_FAIL_ON."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, command in self.commands.items():
            for option in command.params:
                long = next((one for one in option.opts if one.startswith("--")), None)
                if isinstance(option, TyperOption) and long is not None:
                    option.envvar = f"HNDOCTOR_{name}_{long[2:]}".replace("-", "_").upper()
                    option.show_envvar = False  # said once, below all options
                    command.epilog = f"Each option has a variable of the environment, as {long} has {option.envvar}."

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a reader that goes away is told apart from all other errors."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGoneError from None


def named(word: str) -> Path:
    """A place to look at.  An empty word is a variable that was never set, not this folder."""
    if not word:
        raise UsageError("an empty path was given: a variable that is not set? Give a run's folder (. is this one)")
    return Path(word)


class FailOn(StrEnum):
    """From which severity on a command ends with exit code 1."""

    ERROR = "error"
    WARNING = "warning"


class Kind(StrEnum):
    """What the network is to learn."""

    STYLE = "style"
    CHARACTER = "character"


class ScanFormat(StrEnum):
    """What `scan` can print."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


class GateFormat(StrEnum):
    """What `gate` can print."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    MARKDOWN = "markdown"


class CheckFormat(StrEnum):
    """What `check` can print: `gate`'s formats, and a page with a contact sheet."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    MARKDOWN = "markdown"
    HTML = "html"


class Language(StrEnum):
    """In which language the reports are written."""

    EN = "en"
    JA = "ja"


Codes = Annotated[str | None, typer.Option(metavar="CODES", help="Rule codes or their beginnings: HN1,HN301.")]
FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="End with exit code 1 from this severity on.")]
FailOnMaybe = Annotated[
    FailOn | None, typer.Option("--fail-on", help="End with exit code 1 from this severity on; error if not settled.")
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Use this hndoctor.toml or pyproject.toml, not the nearest one."),
]
Lang = Annotated[Language, typer.Option("--lang", help="The language of the reports.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write the output here, a URL too, instead of to stdout.")]
Paths = Annotated[
    list[Path], typer.Argument(parser=named, metavar="PATH...", help="Runs, folders of runs, checkpoints, pictures.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Measure in this many processes.")]
Dask = Annotated[str, typer.Option(metavar="ADDRESS", help="Measure on this Dask cluster (tcp://host:8786).")]
