"""`train --heal`: measure each checkpoint as it is written, and do by itself what the prescription says.

A loop around two generators: the training is left when its newest checkpoint is judged broken, and taken up again
where the prescription says, at the rate it says.  Every step of it is printed and kept in ``healing.jsonl``.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

import hndoctor
from hndoctor.cli import telling
from hndoctor.cli.console import escape
from hndoctor.cli.stopping import wishes_to_stop
from hndoctor.collect import find_runs
from hndoctor.diagnose import last_state
from hndoctor.records import Action, Diagnosis, Prescription, State
from hndoctor.vitals import Following

if TYPE_CHECKING:
    from trainer.config import Config
    from trainer.events import Finished

LOG = "healing.jsonl"


def heal(console: Console, config: Config, *, resume: Path | None, overwrite: bool, times: int) -> Finished | None:
    """Train; treat at most `times` times; return the last training's end."""
    how: dict[str, Any] = {"resume": resume, "overwrite": overwrite}
    treated, following = 0, Following()
    while True:  # the last training is not watched, and so ends this
        finished, diagnosis = until_sick(console, config, how, following if treated < times else None)
        treatment = None if diagnosis is None else diagnosis.prescription
        if diagnosis is None or treatment is None or treatment.action not in (Action.RESUME, Action.RESTART):
            return finished
        telling.say(console, f"[bold]{escape(diagnosis.summary)}[/bold]\n{escape(treatment.sentence)}")
        treated += 1
        keep(config.run, treated, diagnosis, treatment)
        config, how = treated_config(config, treatment)


def until_sick(
    console: Console, config: Config, how: dict[str, Any], following: Following | None
) -> tuple[Finished | None, Diagnosis | None]:
    """Train until the end, or until a checkpoint is judged broken by whoever is `following`."""
    from trainer import session
    from trainer.events import Previewed, Saved

    sick: list[Diagnosis] = []
    told = partial(telling.say, console)
    with wishes_to_stop(told) as stop, closing(session.train(config, stop=stop, **how)) as events:

        def until() -> Any:
            for event in events:
                yield event
                # previews follow their checkpoint: judge when both are there, or the checkpoint alone if none is drawn
                due = Previewed if config.image_every == config.save_every else Saved
                if following and isinstance(event, due) and (found := broken(config.run, following)) is not None:
                    sick.append(found)
                    return

        finished = telling.follow(console, until(), config.name)
    return finished, sick[0] if sick else None


def broken(run: Path, following: Following) -> Diagnosis | None:
    """The diagnosis of the run as it lies there, if it is broken now; the rules are asked only then."""
    vitals = following.measure(find_runs(run)[0])
    return hndoctor.judge(vitals) if last_state(vitals) is State.BROKEN else None


def treated_config(config: Config, treatment: Prescription) -> tuple[Config, dict[str, Any]]:
    """The configuration that the prescription asks for, and how to start it."""
    rate = treatment.schedule or f"{treatment.learning_rate:g}"
    wanted = replace(config, learn_rate=rate, given=config.given | {"learn_rate"})
    if treatment.action is Action.RESUME and treatment.checkpoint is not None:
        return wanted, {"resume": config.run / treatment.checkpoint}
    return replace(wanted, weight_init="Normal", layer_norm=False), {"overwrite": True}


def keep(run: Path, number: int, diagnosis: Diagnosis, treatment: Prescription) -> None:
    """One line of the log: what was seen and what was done."""
    row = {
        "treatment": number,
        "summary": diagnosis.summary,
        "onset": diagnosis.onset.broken,
        "action": treatment.action.value,
        "checkpoint": treatment.checkpoint,
        "schedule": treatment.schedule,
        "because": list(treatment.because),
    }
    with (run / LOG).open("a", encoding="utf-8", newline="\n") as log:
        log.write(json.dumps(row) + "\n")
