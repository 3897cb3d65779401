"""`validate`: the held-out loss of a run that is trained already."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hndoctor.cli.console import UsageError, error_console, escape
from hndoctor.cli.stopping import wishes_to_stop
from hndoctor.cli.telling import follow, say
from hndoctor.cli.training import INTERRUPTED, require_trainer
from hndoctor.collect import beside, find_around, find_own
from hndoctor.formats import settings as settings_files
from hndoctor.formats.run_files import CONFIG, RUN_FILE, VALIDATED
from hndoctor.records import Run, Settings
from hndoctor.vitals.training import folder_of_training, template_of_training

if TYPE_CHECKING:
    from trainer.config import Config


def validate(path: Path, held_out: Path | None, given: Mapping[str, Any], *, overwrite: bool) -> int:
    """Measure, tell the best, and where the verdict is to be had; the exit code."""
    require_trainer()
    from trainer import validating

    run, console = _one_run(path), error_console()
    config, train, notes = _how(run, given, held_out)
    for note in notes:
        say(console, escape(note))
    subject = validating.Subject(config, run.checkpoints, beside(run, VALIDATED), train, held_out)
    with (
        wishes_to_stop(partial(say, console), "stopping; what was measured is kept") as stop,
        closing(validating.validate(subject, overwrite, stop)) as events,
    ):
        finished = follow(console, events, run.name)
    if finished is not None:
        say(console, escape(finished.text))
        say(console, f"  how it is: hndoctor scan {escape(str(path))}")
    return INTERRUPTED if finished is None or finished.reason == "stopped" else 0


def _one_run(path: Path) -> Run:
    runs = [run for run in find_own(path) if run.checkpoints]
    if not runs:
        raise UsageError(f"{path}: no checkpoints in it; name a run's folder or a .pt file")
    if len(runs) > 1:
        one = runs[0].checkpoints[-1].path if runs[0].shares_folder else runs[0].root
        raise UsageError(f"{path}: holds {len(runs)} runs; name one of them, such as {one}")
    return (find_around(path) if path.is_file() else None) or runs[0]


def _how(run: Run, given: Mapping[str, Any], held_out: Path | None) -> tuple[Config, Path | None, list[str]]:
    """The run's own configuration with what is given on top, the folder of training pictures if it is here, and what
    is to be told of them."""
    from trainer.config import load_config

    own = run.root / CONFIG
    if own.is_file():
        config = load_config(own, given)
        if "base_model" not in given and config.base_model.startswith("hub:"):
            raise UsageError(f"{own}: its base model would be fetched; say so with --base-model {config.base_model}")
        return config, config.data if "data" in given or config.data.is_dir() else None, []
    if "base_model" not in given:
        raise UsageError(f"{run.root}: does not say on which base model; name it (--base-model FOLDER or FILE)")
    told = settings_files.merge(settings_files.read(path) for path in run.settings)
    train = Path(given["data"]) if "data" in given else folder_of_training(told.data, run.root)
    stand_in = {"name": run.name, "data": str(train or held_out or run.root)}
    made, notes = _as_made(run, told)
    config = load_config(None, {**stand_in, **made, **given})
    return config, train, [] if "template" in given else notes


def _as_made(run: Run, told: Settings) -> tuple[dict[str, Any], list[str]]:
    """How the web UI made pictures and prompts of a set, as far as it wrote that down."""
    sides = {key: side for key, side in (("width", told.width), ("height", told.height)) if side}
    made = {**sides, "resize": "distort"} if sides and not any(file.name == RUN_FILE for file in run.settings) else {}
    if told.template is None:
        return made, []
    if "[" in told.template:  # a line, as our trainer writes it
        return {**made, "template": [told.template]}, []
    found = template_of_training(told.template, run.root)
    if found:
        return {**made, "template": [str(found)]}, []
    missing = f"{told.template} is not here (-o template=FILE): prompts are the captions alone, not as it was trained"
    return made, [missing]
