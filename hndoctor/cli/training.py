"""`train`: the plan, the progress bar, and a clean stop."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hndoctor.cli import healing
from hndoctor.cli.console import UsageError, error_console, escape
from hndoctor.cli.stopping import wishes_to_stop
from hndoctor.cli.telling import follow, say, show_plan

if TYPE_CHECKING:
    from trainer.events import Finished

INTERRUPTED = 130  # exit code of a training that Ctrl-C ended, as shells have it


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
        where = "" if finished.checkpoint is None else f": {finished.checkpoint}"
        say(console, escape(f"{finished.text}{where}"))
        if finished.checkpoint is not None:
            say(console, f"  how it is: hndoctor scan {escape(str(finished.run))}")
            if finished.reason == "stopped":
                say(console, f"  to go on:  hndoctor train {escape(f'{config} --resume {finished.checkpoint}')}")
        raise SystemExit(INTERRUPTED if finished.reason == "stopped" else 0)


def drive(console: Console, config: Any, title: str, **how: Any) -> Finished | None:
    """Train one configuration to its end; Ctrl-C and a polite kill end it after the step at hand, with all saved."""
    from trainer import session

    with wishes_to_stop(partial(say, console)) as stop, closing(session.train(config, stop=stop, **how)) as events:
        return follow(console, events, title)
