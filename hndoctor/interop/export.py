"""Out of a run into another program's folder: under a new name, in a form it computes right, with its optimizer state.

The file is written anew and not copied: under its own name in it, with names inside that every ``safe.py`` lets pass,
and with a ``.optim`` whose hash is that of the very file beside it (the web UI's own intermediate states carry the hash
of the file that training began from, and are dropped without a word when they are put back).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hndoctor.collect import find_own
from hndoctor.formats import settings as settings_files
from hndoctor.formats.counted import counted
from hndoctor.formats.generations import WEBUI
from hndoctor.formats.rates import power
from hndoctor.formats.schedule import ScheduleError, parse_schedule
from hndoctor.formats.types import OptimizerFile
from hndoctor.interop import optim, reading
from hndoctor.interop.convert import FLAT, is_flat, prepared, written_with_state
from hndoctor.interop.errors import InteropError
from hndoctor.interop.home import Home, taken
from hndoctor.records import CheckpointPath, Run, Settings

DIFFUSERS = "diffusers"  # our own safetensors form, which `trainer.diffusion.apply_hypernetwork` puts into a pipeline
NEAR = 6  # steps named where the wanted one is missing
MORE_STEPS = 5000  # planned after the exported step where nobody says how many (guess: the guide's usual stretch)
_KEPT = "._- "  # characters of a name that the web UI keeps beside letters and digits


@dataclass(frozen=True)
class Order:
    """What is to go where, in which form, under which name, and at which rate training shall go on there."""

    target: Path  # a folder, or a file
    form: str  # as in `convert`
    home: Home | None = None  # a web UI's: the target is its folder of hypernetworks
    name: str | None = None
    learn_rate: str | None = None
    steps: int | None = None
    with_state: bool = True


@dataclass(frozen=True)
class Exported:
    """What was written, and what to type where it goes on."""

    path: Path
    optim: Path | None
    step: int
    notes: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()  # of the Train tab: name, value


# --- which checkpoint -------------------------------------------------------------------------------------------------


def choose(path: Path, step: int | None) -> tuple[Run, CheckpointPath]:
    """The checkpoint of a run that a step names, as file names count steps.  Raises InteropError (CollectError)."""
    runs = [run for run in find_own(path) if run.checkpoints]
    if len(runs) != 1:
        names = ", ".join(str(run.root / run.name if run.shares_folder else run.root) for run in runs[:3])
        why = f"holds {len(runs)} runs ({names}…)" if runs else "holds no checkpoint"
        raise InteropError(f"{path}: {why}; name one run, or a checkpoint's file")
    found = runs[0].checkpoints
    if path.is_file() and step is None:
        return runs[0], found[0]
    if step is None:
        raise InteropError(f"{path}: which checkpoint? name its step, e.g. --step {_steps(found)[-1]}")
    wanted = [one for one in found if one.step == step]
    if not wanted:
        raise InteropError(f"{path}: there is no checkpoint of step {step}; there are {_listed(_steps(found), step)}")
    return runs[0], wanted[0]


def _steps(found: Sequence[CheckpointPath]) -> list[int]:
    return [one.step for one in found if one.step is not None] or [0]


def _listed(steps: Sequence[int], wanted: int) -> str:
    near = sorted(sorted(steps, key=lambda step: abs(step - wanted))[:NEAR])
    more = f" and {len(steps) - len(near)} more" if len(steps) > len(near) else ""
    return ", ".join(map(str, near)) + more


# --- export -----------------------------------------------------------------------------------------------------------


def export(run: Run, chosen: CheckpointPath, order: Order) -> Exported:
    """Write one checkpoint into another house.

    Raises InteropError or ScheduleError in one line where that cannot be, OSError where the disk refuses; then nothing
    is left behind.
    """
    file = reading.network(chosen.path)
    reading.check_finite(file, "take an earlier checkpoint")
    target = _target(order, chosen)
    is_flat(target, _form(order))
    network = prepared(file, _form(order), target.stem)
    for path in (target, optim.beside(target)):
        reading.refuse_existing(path)
    state = reading.optimizer(optim.beside(chosen.path)) if order.with_state and chosen.optim else None
    settings = _settings(run)
    steps, schedule, rate = _course(file.metadata.step, order, settings, state)
    hashing = order.home.hashing if order.home else 2
    written = written_with_state(
        file,
        network,
        target,
        "safetensors" if is_flat(target, _form(order)) else "zip",
        hashing,
        rate,
        with_state=order.with_state,
    )
    notes = (*network.notes, *written.notes, *_notes(order, written.optim))
    fields = tuple(_fields(target.stem, schedule, steps, settings)) if order.home else ()
    return Exported(target, written.optim, file.metadata.step, notes, fields)


def _form(order: Order) -> str:
    """The form to write: a web UI gets its own generation's, of which it understands every key."""
    if order.form == DIFFUSERS:
        return WEBUI.name
    return order.home.generation.name if order.home and order.form == WEBUI.name else order.form


def _notes(order: Order, state: Path | None) -> Iterator[str]:
    if order.home is None:
        return
    if state is None:
        yield "no .optim goes along: the web UI begins with a new optimizer, the first steps may be rough"
    elif order.home.saves_optimizer is False:
        yield (
            'Settings, Training: turn "Saves Optimizer state as separate *.optim file" on, '
            "or the next checkpoint has none"
        )
    if state is not None:
        yield f"the .optim carries the hash that this web UI compares ({order.home.told_by})"


# --- names ------------------------------------------------------------------------------------------------------------


def _target(order: Order, chosen: CheckpointPath) -> Path:
    """The file to write: a new name in a folder, or the file that was named."""
    suffix = FLAT if order.form == DIFFUSERS else ".pt"
    is_file = order.home is None and order.target.suffix in (".pt", FLAT)
    if is_file and not order.target.is_dir():
        return order.target if order.name is None else order.target.with_stem(order.name)
    if order.home is None and order.target.suffix and not order.target.is_dir():
        raise InteropError(f"{order.target}: name a folder, or a file that ends in .pt or {FLAT}")
    used = taken(order.target, deep=order.home is not None)
    if order.name is not None:
        if usable(order.name) != order.name:
            raise InteropError(
                f'the name "{order.name}" does not survive the web UI; write letters, digits, space and ._- : '
                f"{usable(order.name)}"
            )
        if order.name.lower() in used:
            raise InteropError(f"{order.target}: {order.name} is there already, and is not overwritten; choose another")
        return order.target / f"{order.name}{suffix}"
    return order.target / f"{_free(usable(chosen.path.stem), used)}{suffix}"


def usable(name: str) -> str:
    """A name as the web UI keeps it; what it would drop, and the bracket at which it cuts, are left out."""
    return "".join(sign if sign.isalnum() or sign in _KEPT else "_" for sign in name).strip(" ._") or "network"


def _free(stem: str, used: frozenset[str]) -> str:
    if stem.lower() not in used:
        return stem
    number = 2
    while f"{stem}_{number}".lower() in used:
        number += 1
    return f"{stem}_{number}"


# --- what to type -----------------------------------------------------------------------------------------------------


def _settings(run: Run) -> Settings:
    parts: list[Settings] = []
    for path in run.settings:
        try:
            parts.append(settings_files.read(path))
        except (OSError, ValueError):
            continue
    return settings_files.merge(parts)


def _course(stored: int, order: Order, settings: Settings, state: OptimizerFile | str | None) -> tuple[int, str, float]:
    """Max steps, schedule, and the rate of the next step.  Raises ScheduleError for one that cannot be followed."""
    known = optim.rate_of(state) if isinstance(state, OptimizerFile) else None
    said = order.learn_rate or _still_valid(settings.learn_rate, stored) or (power(known) if known else "5e-6")
    beyond = max(settings.steps or 0, _last_end(said))
    steps = order.steps or (beyond if beyond > stored else stored + MORE_STEPS)
    if steps <= stored:
        raise InteropError(f"--steps {steps}: the checkpoint has {counted(stored, 'step')} already; write more")
    return steps, said, parse_schedule(said, steps, stored)[0].rate


def _still_valid(schedule: str | None, stored: int) -> str | None:
    try:
        return schedule if schedule and parse_schedule(schedule, 10**9, stored) else None
    except ScheduleError:
        return None


def _last_end(schedule: str) -> int:
    """The step at which a schedule says it ends; 0 if it goes on for ever."""
    field = schedule.rstrip(" ,").rpartition(",")[2].partition(":")[2].strip()
    return int(field) if field.isdigit() else 0


def _fields(name: str, schedule: str, steps: int, settings: Settings) -> Iterator[tuple[str, str]]:
    yield "Hypernetwork", name
    yield "Hypernetwork Learning rate", schedule
    if settings.batch_size:
        yield "Batch size", str(settings.batch_size)
    if settings.gradient_step:
        yield "Gradient accumulation steps", str(settings.gradient_step)
    yield "Max steps", str(steps)
