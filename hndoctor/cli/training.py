"""`train`: the plan, the progress bar, and a clean stop."""

from __future__ import annotations

import os
import signal
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hndoctor.cli.console import UsageError, error_console, escape

if TYPE_CHECKING:
    from trainer.events import Event, Finished, Plan
    from trainer.session import Stop

INTERRUPTED = 130  # exit code of a training that Ctrl-C ended, as shells have it
EVERY = 50  # steps between the lines that are printed where stderr is no terminal


def overrides(pairs: Sequence[str], named: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the command line as config keys.  A value is read as TOML, else taken as text."""
    read: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"--set {pair}: write it as KEY=VALUE, for instance --set batch_size=4")
        read[key.strip()] = toml_value(value.strip())
    return {**read, **named}


def toml_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none: ``5e-7:20000`` needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def require_trainer() -> None:
    """The trainer needs torch and diffusers; say how to get them."""
    if find_spec("torch") is None or find_spec("diffusers") is None:
        raise UsageError("training needs torch and diffusers: pip install 'hndoctor[train]'")


@dataclass(frozen=True)
class How:
    """How to start, apart from what to train."""

    resume: Path | None = None
    overwrite: bool = False
    plan_only: bool = False
    heal_times: int = 0  # 0: do not heal


def train(config: Path, given: Mapping[str, Any], how: How) -> None:
    """Print the plan, train, show where everything lies."""
    require_trainer()
    from hndoctor.cli import healing
    from trainer.config import load_config
    from trainer.planning import plan

    wanted = load_config(config, given)
    console = error_console()
    console.quiet = os.environ.get("RANK", "0") != "0"  # of several processes one speaks
    if how.plan_only:
        show_plan(console, plan(wanted, how.resume))
        return
    if how.heal_times and os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError("--heal: works with one process; start without torchrun, or without --heal")
    if how.heal_times:
        finished = healing.heal(console, wanted, resume=how.resume, overwrite=how.overwrite, times=how.heal_times)
    else:
        finished = drive(console, wanted, wanted.name, resume=how.resume, overwrite=how.overwrite)
    if finished is not None:
        console.print(escape(finished.text))
        raise SystemExit(INTERRUPTED if finished.reason == "stopped" else 0)


def follow(console: Console, events: Iterable[Event], title: str = "") -> Finished | None:
    """Show a training's events while it runs; return the last.  Ctrl-C closes the training, which saves everything."""
    from trainer.events import Finished

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    last: Finished | None = None
    with bar:
        task = bar.add_task(title or "training", total=1, note="")
        for event in events:
            show(console, bar, task, event)
            if isinstance(event, Finished):
                last = event
    return last


def show(console: Console, bar: Progress, task: TaskID, event: Event) -> None:
    """One event: the bar moves, or a line is printed above it."""
    from trainer.events import Notice, Preparing, Saved, Started, Stepped, Validated

    match event:
        case Preparing():
            bar.update(task, completed=event.done, total=event.total, note=f"encoding {event.what}")
        case Started():
            show_plan(console, event.plan)
            bar.update(task, completed=event.plan.start, total=event.plan.steps, note="")
        case Stepped():
            note = f"loss {event.loss_mean:.4f}  rate {event.rate:g}  {event.pictures_per_second:.1f} images/s"
            bar.update(task, completed=event.step, total=event.steps, note=note)
            if not console.is_terminal and event.step % EVERY == 0:
                console.print(f"step {event.step}/{event.steps}  {note}  {event.seconds_left:.0f} s left")
        case Notice():
            console.print(escape(event.text))
        case Saved():
            console.print(f"saved {escape(event.path.name)}")
        case Validated():
            point = event.point
            console.print(f"validation {point.held_out:.5f} (bare base model {point.held_out_base:.5f})")
        case _:
            pass


def show_plan(console: Console, plan: Plan) -> None:
    """What is about to happen, before the first step."""
    checkpoint = plan.file_bytes + plan.optimizer_bytes
    console.print(f"[bold]{escape(plan.name)}[/bold] on {escape(plan.base_model)}, into {escape(str(plan.run))}")
    sizes = ", ".join(str(size) for size in plan.sizes)
    shape = f"{plan.layer_structure} {plan.activation}, sizes {sizes}"
    console.print(f"  network   {shape}: {plan.parameters:,} parameters")
    console.print(f"  files     {plan.checkpoints} checkpoints of {checkpoint / 1e6:.1f} MB, optimizer states included")
    console.print(f"  data      {plan.pictures} pictures, {plan.held_out} held out; {plan.epochs:.1f} epochs")
    start = plan.start
    for end, _, words in plan.rates:
        console.print(f"  rate      {words} from step {start} to {end}")
        start = end
    if plan.seconds is not None:
        console.print(f"  time      about {plan.seconds / 60:.1f} minutes for the steps alone")
    for warning in plan.warnings:
        console.print(f"  [yellow]note[/yellow]      {escape(warning)}")


def drive(console: Console, config: Any, title: str, **how: Any) -> Finished | None:
    """Train one configuration to its end; Ctrl-C and a polite kill end it after the step at hand, with all saved."""
    from trainer import session

    with wishes_to_stop() as stop, closing(session.train(config, stop=stop, **how)) as events:
        return follow(console, events, title)


@contextmanager
def wishes_to_stop() -> Iterator[Stop]:
    """A `Stop` that Ctrl-C and SIGTERM set.  The second Ctrl-C interrupts as usual."""
    from trainer.session import Stop

    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def wish(number: int, frame: FrameType | None) -> None:
        stop.requested = True
        if os.environ.get("WORLD_SIZE", "1") != "1":
            return  # launchers pass a Ctrl-C on that the terminal has sent already, and end what does not end
        for known, handler in before.items():
            signal.signal(known, handler)

    for number in before:
        signal.signal(number, wish)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
