"""What a training says in a terminal: its plan before the first step, a bar, and a line for whatever it writes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from hndoctor.cli.console import escape
from hndoctor.formats.counted import counted

if TYPE_CHECKING:
    from trainer.events import Event, Finished, Plan, Stepped, Validated

EVERY = 50  # steps between the lines that are printed where stderr is no terminal
WIDE = 120  # columns from which on there is room for the name, a long bar, and the time that has gone


def follow(console: Console, events: Iterable[Event], title: str = "") -> Finished | None:
    """Show a training's events while it runs; return the last.  Ctrl-C closes the training, which saves everything."""
    from trainer.events import Finished

    short = (BarColumn(bar_width=8), TextColumn("{task.fields[note]}"))
    long = (TextColumn("{task.description}"), BarColumn(bar_width=24), short[1], TimeElapsedColumn())
    bar = Progress(
        *(long if console.width >= WIDE else short),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    last: Finished | None = None
    with bar:
        teller = Teller(console, bar, title or "training")
        for event in events:
            teller.tell(event)
            if isinstance(event, Finished):
                last = event
    return last


class Teller:
    """One event after another: the bar moves, or a line is printed above it."""

    def __init__(self, console: Console, bar: Progress, title: str) -> None:
        self.console, self.bar = console, bar
        self.task = bar.add_task(escape(title), total=None, note="reading pictures and the base model")
        self.best: float | None = None  # held-out loss

    def tell(self, event: Event) -> None:
        """Show an event."""
        from trainer.events import Measuring, Notice, Preparing, Previewed, Saved, Started, Stepped, Validated

        match event:
            case Preparing():
                note = f"encoding {event.what}, {event.done} of {event.total}"
                self.bar.update(self.task, completed=event.done, total=event.total, note=note)
            case Measuring():
                note = escape(event.path.name) if event.path else "the bare base model"
                self.bar.update(self.task, completed=event.done, total=event.total, note=f"measuring {note}")
            case Started():
                show_plan(self.console, event.plan)
                self.bar.update(self.task, completed=event.plan.start, total=event.plan.steps, note="the first step")
            case Stepped():
                self._stepped(event)
            case Notice():
                self._line(event.step, escape(event.text))
            case Saved():
                self._line(None if event.final else event.number, f"saved {escape(event.path.name)}")
            case Previewed():
                whose = "previews by the average" if event.average else "previews"
                self._line(event.number, f"{whose} {', '.join(escape(path.name) for path in event.paths)}")
            case Validated():
                self._line(event.point.step, self._judged(event))
            case _:
                pass

    def _stepped(self, event: Stepped) -> None:
        note = (
            f"step {event.step}/{event.steps}  loss {event.loss_mean:.4f}  rate {event.rate:.3g}  "
            f"{event.pictures_per_second:.1f} pictures/s  {duration(event.seconds_left)} left"
        )
        self.bar.update(self.task, completed=event.step, total=event.steps, note=note)
        if not self.console.is_terminal and event.step % EVERY == 0:
            say(self.console, note)

    def _judged(self, event: Validated) -> str:
        """The held-out loss beside the bare base model's, and whether it is the best that was seen."""
        now, bare = event.point.held_out, event.point.held_out_base
        best = self.best is not None and now < self.best
        self.best = now if self.best is None else min(self.best, now)
        change = f", {abs(now / bare - 1):.1%} {'better' if now < bare else 'worse'}" if bare else ""
        return f"validation {now:.5f} (bare base model {bare:.5f}{change}){'; the best so far' if best else ''}"

    def _line(self, number: int | None, text: str) -> None:
        where = "" if number is None else f"{number:>7}  "
        say(self.console, f"{where}{text}")


def say(console: Console, text: str | Text) -> None:
    """One line; only a terminal's is broken at its width."""
    console.print(text, soft_wrap=not console.is_terminal)


def show_plan(console: Console, plan: Plan) -> None:
    """What is about to happen, before the first step."""
    where = f"[bold]{escape(plan.name)}[/bold] on {escape(plan.base_model)}, into {escape(str(plan.run))}"
    lines = [where, *(f"  {what:<10}{told}" for what, told in _plan_lines(plan))]
    lines += [f"  [yellow]note[/yellow]      {escape(warning)}" for warning in plan.warnings]
    for line in lines:
        say(console, line)


def _plan_lines(plan: Plan) -> Iterable[tuple[str, str]]:
    sizes = ", ".join(str(size) for size in plan.sizes)
    yield "network", f"{plan.layer_structure} {plan.activation}, sizes {sizes}: {plan.parameters:,} parameters"
    held_out = f", {plan.held_out} held out" if plan.held_out else ""
    yield "data", f"{counted(plan.pictures, 'picture')}{held_out}; {plan.samples} a step, {plan.epochs:.1f} epochs"
    start = plan.start
    for end, _, words in plan.rates:
        yield "rate" if start == plan.start else "", f"{words} from step {start} to {end}"
        start = end
    whole = plan.file_bytes + plan.optimizer_bytes
    states = " with optimizer states" if plan.optimizer_bytes else ""
    every = f", every {counted(plan.save_every, 'step')}" if plan.save_every else ""
    total = size(plan.checkpoints * whole)
    many = counted(plan.checkpoints, "checkpoint")
    yield "writes", f"{many} of {size(whole)}{states}{every}: {total}"
    if plan.seconds is not None:
        when = datetime.now() + timedelta(seconds=plan.seconds)
        day = "" if when.date() == datetime.now().date() else f"{when:%d %B}, "
        yield "time", f"about {duration(plan.seconds)} for the steps alone, until {day}{when:%H:%M}"


def size(count: int) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
