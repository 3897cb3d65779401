"""The command before training: `check`.  It imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hndoctor.cli.options import CheckFormat, Codes, FailOnMaybe, Kind, Lang, Language, Out, SettingsFile, named


def check(
    data: Annotated[Path, typer.Argument(parser=named, metavar="DATA", help="The folder of pictures and captions.")],
    config: Annotated[Path | None, typer.Option(help="The training config: the plan is judged too.")] = None,
    webui: Annotated[Path | None, typer.Option(help="A web UI's folder: its settings are judged too.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="What the network is to learn.")] = None,
    name: Annotated[str | None, typer.Option(help="The network's name.")] = None,
    fail_on: FailOnMaybe = None,
    form: Annotated[CheckFormat, typer.Option("--format", help="What to print; html: a page.")] = CheckFormat.TEXT,
    select: Codes = None,
    ignore: Codes = None,
    settings: SettingsFile = None,
    out: Out = None,
    lang: Lang = Language.EN,
    vram: Annotated[float | None, typer.Option(metavar="GB", min=0.5, help="The graphics card's memory.")] = None,
    fix: Annotated[Path | None, typer.Option(metavar="DIR", help="Write mended captions into this folder.")] = None,
    fix_in_place: Annotated[
        bool, typer.Option("--fix-in-place", help="Mend captions where they are, each with a backup beside it.")
    ] = False,
) -> None:
    """Judge a data set and a plan before training; mend captions if asked to."""
    from hndoctor.cli import checking, sifting

    mend = checking.Mend(fix, in_place=fix_in_place)
    asked = checking.Asked(data, config, webui, kind.value if kind else None, name, vram, mend, lang.value)
    wanted = sifting.wanted_from(
        sifting.settled(settings), sifting.today(), fail_on=fail_on, select=select, ignore=ignore, require=""
    )
    raise typer.Exit(checking.check(asked, wanted, form.value, out))
