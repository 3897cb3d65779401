"""The commands and their options.  Each imports what it needs when it is called: `gate` must start fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import hndoctor
from hndoctor.cli import beforehand, exchanging
from hndoctor.cli.options import (
    Codes,
    Commands,
    Dask,
    FailOn,
    FailOnMaybe,
    FailOnOption,
    GateFormat,
    Jobs,
    Lang,
    Language,
    Out,
    Paths,
    ScanFormat,
    SettingsFile,
    named,
)

app = typer.Typer(
    name="hndoctor",
    cls=Commands,
    help="Trains Stable Diffusion hypernetworks; tells whether a run is healthy, since when not, and what to do now.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def version(shown: bool) -> None:
    """Print the version and stop."""
    if shown:
        print(f"hndoctor {hndoctor.__version__}")
        raise typer.Exit


@app.callback()
def options(
    show: Annotated[
        bool,
        typer.Option("--version", callback=version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options that come before the command."""


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train, on what and how.")],
    resume: Annotated[Path | None, typer.Option(help="Go on from this checkpoint, with the .optim beside it.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", "-o", metavar="KEY=VALUE", help="Set any key: -o batch_size=4."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The network's name.")] = None,
    data: Annotated[str | None, typer.Option(help="The folder of training pictures.")] = None,
    out: Annotated[str | None, typer.Option(help="The folder that will hold the run's folder.")] = None,
    base_model: Annotated[str | None, typer.Option(help='A diffusers folder, one file, or "pocket".')] = None,
    learn_rate: Annotated[str | None, typer.Option(help='A rate or a schedule: "5e-5:100, 5e-6:1500".')] = None,
    steps: Annotated[int | None, typer.Option(help="Train until this step.")] = None,
    weight_init: Annotated[str | None, typer.Option(help="How the weights begin: Normal, XavierUniform ...")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run of the same name.")] = False,
    data_changed_ok: Annotated[bool, typer.Option("--data-changed-ok", help="Resume on changed pictures.")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="When it breaks, go back and lower the rate.")] = False,
    heal_times: Annotated[int, typer.Option("--heal-times", min=1, help="How often at most.")] = 3,
    dry_run: Annotated[bool, typer.Option("--plan", help="Print the plan and stop.")] = False,
) -> None:
    """Train a hypernetwork.  Ctrl-C stops cleanly with everything saved."""
    from hndoctor.cli import training

    given: dict[str, object] = {"name": name, "data": data, "out": out, "base_model": base_model}
    given |= {"learn_rate": learn_rate, "steps": steps, "weight_init": weight_init}
    if data_changed_ok:
        given["data_changed_ok"] = True
    wanted = training.overrides(option or [], {key: value for key, value in given.items() if value is not None})
    how = training.How(resume, overwrite, dry_run, heal_times if heal else 0)
    training.train(config, wanted, how)


@app.command()
def scan(
    paths: Paths,
    form: Annotated[ScanFormat, typer.Option("--format", help="What to print.")] = ScanFormat.TEXT,
    out: Out = None,
    fail_on: FailOnOption = FailOn.ERROR,
    lang: Lang = Language.EN,
    jobs: Jobs = 1,
    dask: Dask = "",
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
) -> None:
    """Measure and judge runs; write vitals.json and health.html into each (or into --out DIR).

    Pictures alone, or a folder of nothing else, are judged one by one; --out DIR takes their page and numbers.
    """
    from hndoctor.cli import scanning
    from hndoctor.cli.crew import Crew

    crew = Crew(jobs, dask)
    code = scanning.scan(paths, form.value, out, fail_on.value, open_report=open_report, lang=lang.value, crew=crew)
    raise typer.Exit(code)


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(parser=named, metavar="RUN", help="A run's folder, or one checkpoint.")],
    held_out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Captioned pictures that the network was never shown.")
    ] = None,
    base_model: Annotated[
        str | None, typer.Option(help="What it was trained on, where the run does not say: a diffusers folder, a file.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="The training pictures, where the run does not say.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", "-o", metavar="KEY=VALUE", help="Set any key of a training: -o precision=bf16."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Measure anew on other pictures.")] = False,
) -> None:
    """Measure the held-out loss of checkpoints that are trained already, a web UI's too: it shows overtraining."""
    from hndoctor.cli import training, validating

    given = {key: value for key, value in {"base_model": base_model, "data": data}.items() if value is not None}
    wanted = training.overrides(option or [], given)
    raise typer.Exit(validating.validate(path, held_out, wanted, overwrite=overwrite))


@app.command()
def gate(
    paths: Paths,
    fail_on: FailOnMaybe = None,
    form: Annotated[GateFormat, typer.Option("--format", help="What to print.")] = GateFormat.TEXT,
    select: Codes = None,
    ignore: Codes = None,
    require: Annotated[
        str | None, typer.Option(metavar="WHAT", help="Exit 2 if not examined: previews,losses.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="Findings in this file are known and pass.")] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write the findings to --baseline.")
    ] = False,
    settings: SettingsFile = None,
    out: Out = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="FORMAT=FILE", help="Write this too: sarif=gate.sarif, html=FOLDER. May be repeated."),
    ] = None,
    lang: Lang = Language.EN,
    jobs: Jobs = 1,
    dask: Dask = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
) -> None:
    """The CI gate: is it healthy?  Exit 0 yes, 1 no, 2 could not be examined.  Writes nothing unless asked."""
    from hndoctor.cli import gating, sifting
    from hndoctor.cli.crew import Crew

    wanted = sifting.wanted_from(
        sifting.settled(settings),
        sifting.today(),
        fail_on=fail_on,
        select=select,
        ignore=ignore,
        require=require,
        baseline=baseline,
    )
    formats = (*(known.value for known in GateFormat), gating.HTML)
    output = gating.Output(form.value, out, gating.also_from(also or [], formats), lang.value, quiet)
    raise typer.Exit(gating.gate(paths, wanted, output, update=update_baseline, crew=Crew(jobs, dask)))


@app.command()
def watch(
    path: Annotated[Path, typer.Argument(parser=named, metavar="PATH", help="Runs, folders of them, a web UI's too.")],
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 10.0,
    on_broken: Annotated[str | None, typer.Option("--on-broken", metavar="CMD", help="Run when a run breaks.")] = None,
    stop_file: Annotated[Path | None, typer.Option("--stop-file", help="Write this file when a run breaks.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and stop.")] = False,
    lang: Lang = Language.EN,
) -> None:
    """Follow runs while they grow, and rewrite their reports when something changes.  Ctrl-C ends it."""
    from hndoctor.cli import watching

    watching.watch(path, interval, watching.Alarm(on_broken, stop_file), once=once, lang=lang.value)


@app.command()
def explain(code: Annotated[str, typer.Argument(metavar="CODE", help="A rule's code, such as HN101.")]) -> None:
    """Print one rule's manual page."""
    from hndoctor.cli import manual

    print(manual.page(code))


@app.command()
def rules() -> None:
    """Print the table of rules, as Markdown."""
    from hndoctor.cli import manual

    print(manual.table(), end="")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the story is told.")] = Path("demo"),
    lang: Lang = Language.EN,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
) -> None:
    """The whole story on the pocket model: a healthy run, a run that dies, both scanned."""
    from hndoctor.cli import demonstration

    demonstration.demo(folder, open_report=open_report, lang=lang.value)


for command in (beforehand.check, exchanging.export, exchanging.convert, exchanging.merge):
    app.command()(command)
