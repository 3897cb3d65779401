"""What a training says in a terminal, and in a log."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from hndoctor.cli.telling import duration, follow
from hndoctor.records import ValidationPoint
from trainer.events import (
    Event,
    Finished,
    Notice,
    Plan,
    Preparing,
    Previewed,
    Saved,
    Started,
    Stepped,
    Validated,
)

PLAN = Plan(
    name="fischl", run=Path("runs/fischl"), base_model="pocket", sizes=(80, 64), layer_structure="1, 2, 1",
    activation="relu", parameters=260_160, file_bytes=1_000_000, optimizer_bytes=2_000_000, checkpoints=3, start=0,
    steps=100, pictures=4, held_out=2, epochs=25.0, rates=((50, 1e-3, "1e-3 = 0.001"), (100, 5e-4, "5e-4 = 0.0005")),
    dose=0.1, samples=1, save_every=40, warnings=("the schedule [ends] early",), seconds_per_step=60.0,
)  # fmt: skip


def events() -> Iterator[Event]:
    yield Preparing("pictures", 1, 4)
    yield Started(PLAN)
    yield Previewed((Path("images/fischl-0.png"), Path("images/fischl-0-1.png")), 0)
    for step in range(1, 101):
        yield Stepped(step, 100, 0.1, 0.2, 5e-6, 0, ("a.png",), 2.5, (100 - step) * 60.0)
        if step % 40 == 0:
            yield Saved(Path(f"fischl-{step}.pt"), step, step - 1)
            yield Validated(ValidationPoint(step, 0.2 - step / 1000, 0.2, 0.1, 0.2))
            yield Previewed((Path(f"ema/fischl-{step}.png"),), step, average=True)
    yield Notice("the loss log could not be written", 90)
    yield Saved(Path("fischl.pt"), 101, 100, final=True)
    yield Finished("done", 100, PLAN.run, Path("fischl.pt"), "trained to step 100")


def test_a_log_has_the_plan_once_and_a_line_for_whatever_is_written() -> None:
    file = io.StringIO()
    last = follow(Console(file=file, width=60), events(), "fischl")
    assert last is not None
    assert last.reason == "done"
    assert file.getvalue().splitlines()[:7] == [
        "fischl on pocket, into runs/fischl",
        "  network   1, 2, 1 relu, sizes 80, 64: 260,160 parameters",
        "  data      4 pictures, 2 held out; 1 a step, 25.0 epochs",
        "  rate      1e-3 = 0.001 from step 0 to 50",
        "            5e-4 = 0.0005 from step 50 to 100",
        "  writes    3 checkpoints of 3.0 MB with optimizer states, every 40 steps: 9.0 MB",
        file.getvalue().splitlines()[6],  # ends with the time of day
    ]
    assert file.getvalue().splitlines()[6].startswith("  time      about 1.7 h for the steps alone, until ")
    assert file.getvalue().splitlines()[7:] == [
        "  note      the schedule [ends] early",
        "      0  previews fischl-0.png, fischl-0-1.png",
        "     40  saved fischl-40.pt",
        "     40  validation 0.16000 (bare base model 0.20000, 20.0% better)",
        "     40  previews by the average fischl-40.png",
        "step 50/100  loss 0.2000  rate 5e-06  2.5 pictures/s  50 min left",
        "     80  saved fischl-80.pt",
        "     80  validation 0.12000 (bare base model 0.20000, 40.0% better); the best so far",
        "     80  previews by the average fischl-80.png",
        "step 100/100  loss 0.2000  rate 5e-06  2.5 pictures/s  0 s left",
        "     90  the loss log could not be written",
        "saved fischl.pt",
    ]


def test_the_bar_fits_into_a_narrow_terminal() -> None:
    file = io.StringIO()
    follow(Console(file=file, width=80, force_terminal=True, color_system=None), list(events())[:2], "fischl")
    assert "the first step" in file.getvalue()
    stepped = Stepped(12_345, 20_000, 0.1, 0.2, 5e-7, 0, ("a.png",), 12.5, 11_234.0)
    follow(Console(file=file, width=80, force_terminal=True, color_system=None), [stepped], "fischl")
    assert "12.5 pictures/s  3.1 h left" in file.getvalue()
    assert "…" not in file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5_000, "83 min"), (12_000, "3.3 h")]
)
def test_durations_come_in_the_unit_that_people_would_use(seconds: float, said: str) -> None:
    assert duration(seconds) == said
