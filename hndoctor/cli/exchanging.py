"""The commands that carry networks between houses: `export`, `convert`, `merge`.  Each imports what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hndoctor.cli.options import named

FORMS = "webui, comfyui, novelai, kohya, monkeypatch, or the web UI of 2022-10-11, -19, -21, -22, -26, 2022-11-04"
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")]


def export(
    path: Annotated[Path, typer.Argument(parser=named, metavar="RUN", help="A run's folder, or one checkpoint.")],
    step: Annotated[int | None, typer.Option(help="The checkpoint's step, as its name counts.")] = None,
    webui: Annotated[Path | None, typer.Option(metavar="DIR", help="Into this web UI's models/hypernetworks.")] = None,
    form: Annotated[str, typer.Option("--for", metavar="WHO", help=f"For whom: diffusers, {FORMS}.")] = "webui",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Into this file or folder instead.")] = None,
    name: Annotated[str | None, typer.Option(help="The new name.  Left out: name-step, made new.")] = None,
    learn_rate: Annotated[str | None, typer.Option(help='Go on at this rate or schedule: "5e-7:20000".')] = None,
    steps: Annotated[int | None, typer.Option(help="Go on until this step.")] = None,
    no_optim: Annotated[bool, typer.Option("--no-optim", help="Leave the optimizer's state out.")] = False,
) -> None:
    """Put a checkpoint and its .optim where another program takes them.  Nothing is ever overwritten."""
    from hndoctor.cli import exporting

    course = exporting.Course(learn_rate, steps, with_state=not no_optim)
    exporting.export(path, step, exporting.Where(form, webui, out, name), course)


def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A hypernetwork of any generation.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="What to write: .pt or .safetensors.")],
    to: Annotated[str, typer.Option(metavar="FORM", help=f"{FORMS}.")] = "webui",
    legacy: Annotated[bool, typer.Option("--legacy", help="As the stream of torch before 1.6, not a zip.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a hypernetwork in another generation's form; say what could not be kept, and who can load it."""
    from hndoctor.cli import converting

    converting.convert(source, target, to, legacy=legacy, overwrite=overwrite)


def merge(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Checkpoints; or one run, with --steps.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="What to write: .pt or .safetensors.")],
    weights: Annotated[str, typer.Option(metavar="W,W", help="How much each counts: 0.25,0.75.")] = "",
    steps: Annotated[str, typer.Option(metavar="STEPS", help="Of a run: 5000,5500,6000 or 5000-6000.")] = "",
    overwrite: Overwrite = False,
) -> None:
    """Average checkpoints by weight, and show the result's health.  The cheap remedy for oscillation."""
    from hndoctor.cli import merging

    raise typer.Exit(merging.merge(paths, out, weights, steps, overwrite=overwrite))
