"""`export`: a checkpoint and its optimizer state into another program's folder, and what to type there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from hndoctor.cli.console import UsageError, error_console, shown
from hndoctor.cli.converting import show_fates, tell
from hndoctor.formats.run_files import VITALS
from hndoctor.interop import Exported, Home, Order, find_home
from hndoctor.interop import export as carry
from hndoctor.interop.export import DIFFUSERS, choose
from hndoctor.records import Prescription


@dataclass(frozen=True)
class Where:
    """Into which house, in which form, under which name."""

    form: str
    webui: Path | None
    out: Path | None
    name: str | None


@dataclass(frozen=True)
class Course:
    """How training shall go on there."""

    learn_rate: str | None
    steps: int | None
    with_state: bool


def export(path: Path, step: int | None, where: Where, course: Course) -> None:
    """Export and tell: the files on stdout, how to go on with them on stderr."""
    if (where.webui is None) == (where.out is None):
        raise UsageError("where to? name a web UI's folder (--webui DIR), or a file or folder (--out)")
    home = find_home(where.webui) if where.webui else None
    run, chosen = choose(path, step)
    advice = prescribed(path, chosen.step) if course.learn_rate is None and home else None
    order = Order(
        target=home.networks if home else Path(where.out or ""),
        form=where.form,
        home=home,
        name=where.name,
        learn_rate=course.learn_rate or (advice.schedule if advice else None),
        steps=course.steps,
        with_state=course.with_state,
    )
    done = carry(run, chosen, order)
    for written in (done.path, done.optim):
        if written is not None:
            print(shown(str(written)))
    tell((*(["the rate is the one that hndoctor prescribes for this checkpoint"] if advice else []), *done.notes))
    show_next(done, home, where.form)


def prescribed(path: Path, step: int | None) -> Prescription | None:
    """What a scan of before prescribes, where it prescribes this very checkpoint."""
    import hndoctor
    from hndoctor.vitals import load

    known = path / VITALS
    if step is None or not known.is_file():
        return None
    try:
        advice = hndoctor.judge(load(known)).prescription
    except ValueError:  # of another version, or damaged: it is only a convenience
        return None
    return advice if advice and advice.step == step and advice.schedule else None


def show_next(done: Exported, home: Home | None, form: str) -> None:
    """What to do with it where it lies now."""
    console = error_console()
    if home is not None:
        console.print(
            "In the web UI, tab Train (first press the button beside the list of hypernetworks):", soft_wrap=True
        )
        width = max(len(name) for name, _ in done.fields)
        for name, value in done.fields:
            console.print(Text(f"  {name:<{width}}  {shown(value)}"), soft_wrap=True)
        console.print(Text(f"To use it: <hypernet:{shown(done.path.stem)}:1>"), soft_wrap=True)
    elif form == DIFFUSERS:
        console.print("from trainer.diffusion import apply_hypernetwork")
        console.print(Text(f'apply_hypernetwork(pipe, "{shown(done.path.as_posix())}")'), soft_wrap=True)
    show_fates(done.path)
