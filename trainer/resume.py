"""Going on from a checkpoint: which one, whether it fits, and with or without its optimizer state."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hndoctor.formats.counted import counted
from hndoctor.formats.types import OptimizerFile
from trainer import optimizer as optimizers
from trainer import optimizer_kinds
from trainer.config import Config
from trainer.ema import belongs, ema_path
from trainer.errors import TrainerError
from trainer.loop import Course
from trainer.network import Hypernetwork
from trainer.pictures import PictureSet, differences
from trainer.planning import dropouts, structure
from trainer.runfolder import RunFolder

SHOWN = 10  # pictures named in an error before "and so many more"


@dataclass(frozen=True)
class Found:
    """A checkpoint to go on from, and its optimizer state, or why that cannot be used."""

    path: Path
    network: Hypernetwork
    state: OptimizerFile | None
    lost: str | None  # why the state cannot be used; None: it can


def latest(folder: RunFolder, config: Config) -> Found | None:
    """The furthest checkpoint of a run that has all that belongs to it; without any such, the furthest readable one.

    None if the run was ended before its first checkpoint.  Raises `TrainerError` if there is no run.
    """
    stateful = any(folder.checkpoints.glob("*.optim"))
    furthest: Found | None = None
    for path in _furthest_first(folder):
        try:
            found = chosen(path, config)
        except TrainerError:
            continue  # broken, or half a file that some other program left: the one before it will do
        furthest = furthest or found
        if (found.lost is None or not stateful) and _has_average(found, folder, config):
            return found
    if furthest is None and (not folder.exists() or any(folder.checkpoints.glob("*.pt"))):
        raise TrainerError(f"{folder.root}: no checkpoint in it to go on from; start without resuming")
    return furthest


def _has_average(found: Found, folder: RunFolder, config: Config) -> bool:
    """Whether its moving average is there, if the run keeps any."""
    if not config.ema or not any(folder.averages.glob("*.pt")):
        return True
    try:
        return belongs(Hypernetwork.load(ema_path(found.path)), found.path)
    except TrainerError:
        return False


def _furthest_first(folder: RunFolder) -> list[Path]:
    """The checkpoints of a run by the step they hold, read from the name where it tells."""
    held = [(number - 1, path) for number, path in folder.numbered()]
    with suppress(TrainerError):
        held.append((Hypernetwork.load(folder.final).step, folder.final))
    return [path for _, path in sorted(held, reverse=True)]


def chosen(path: Path, config: Config) -> Found:
    """The named checkpoint.  Raises `TrainerError` if it cannot be read, or is broken already."""
    network = Hypernetwork.load(path)
    if not network.is_finite():
        raise TrainerError(
            f"{path}: has NaN or infinity in {network.first_broken()} (stored at step {network.step}), "
            "which no training mends; take an earlier one"
        )
    file = optimizers.stored(path)
    if isinstance(file, str):
        return Found(path, network, None, file)
    wanted = wanted_optimizer(file, config)
    return Found(
        path, network, file, optimizers.mismatch(file, path, network.step, wanted, list(network.parameters()))
    )


def wanted_optimizer(file: OptimizerFile | None, config: Config) -> str:
    """The configuration's optimizer; where it names none, the one whose state is there (as the web UI takes it).

    One that nobody here knows, such as an extension's D-Adaptation, begins anew as the configuration's (web UI).
    """
    if file is None or "optimizer" in config.given or not optimizer_kinds.is_known(optimizers.name_of(file)):
        return config.optimizer
    return optimizers.name_of(file)


def adopted(found: Found | None, config: Config) -> Config:
    """The configuration with the optimizer that the run goes on with."""
    wanted = wanted_optimizer(found.state if found else None, config)
    return config if wanted == config.optimizer else replace(config, optimizer=wanted)


def check_fits(found: Found, config: Config) -> None:
    """Refuse a checkpoint whose structure is not the one that the configuration asks for; both are shown."""
    network = found.network
    pairs: dict[str, tuple[Any, Any]] = {
        "layer_structure": (list(structure(config)), network.layer_structure),
        "activation": (config.activation, network.activation_func or "linear"),
        "layer_norm": (config.layer_norm, network.is_layer_norm),
        "activate_output": (config.activate_output, network.activate_output),
        "dropout_structure": (list(dropouts(config)), network.dropout_structure),
        "sizes": (sorted(config.sizes or network.sizes), sorted(network.sizes)),
    }
    for key, (asked, has) in pairs.items():
        if asked != has and key in config.given:
            raise TrainerError(f"{found.path}: {key} is {has}, the configuration asks for {asked}; make them the same")


def check_data(folder: RunFolder, pictures: PictureSet, config: Config) -> str | None:
    """Refuse a set of pictures that was changed since the run began (G32); gives a notice if that is allowed."""
    before = folder.told().get("data", {})
    if not before or before.get("fingerprint") == pictures.fingerprint:
        return None
    changes = list(differences(before.get("pictures", {}), pictures.listing()))
    shown = "; ".join(changes[:SHOWN]) + (f"; and {len(changes) - SHOWN} more" if len(changes) > SHOWN else "")
    if config.data_changed_ok:
        return f"the training data has changed since the run began: {shown}"
    raise TrainerError(
        f"the training data has changed since the run began ({shown}); start again, or allow it with "
        "--data-changed-ok (data_changed_ok = true)"
    )


def check_base(folder: RunFolder, now: str | None, name: str) -> None:
    """Refuse a base model that is not the one that the run began with: its network was learned on another."""
    told = folder.told().get("base_model")
    told = told if isinstance(told, dict) else {}
    before = told.get("hash")
    if before and now and before != now:
        raise TrainerError(
            f"{folder.root}: the run began on the base model {told.get('name')} with hash {before}, and this one, "
            f"{name}, has hash {now}; name the one of before as base_model, or begin a run of another name"
        )


def take_up(found: Found, course: Course) -> list[str]:
    """Load the optimizer's state and the moving average; gives a notice for each that begins anew."""
    notices = []
    average = course.ema.take_up(found.path) if course.ema is not None else None
    if found.lost is not None or found.state is None:
        name = type(course.optimizer).__name__
        notices.append(f"{found.lost}: {name} starts anew, which can make the first steps rough")
    else:
        if not optimizers.is_bound(found.state, found.path):
            notices.append(
                f"{found.state.path.name} carries the hash of the file that the web UI began with, as all its own do: "
                f"taken, as it counts the network's {counted(found.network.step, 'step')}"
            )
        optimizers.load(found.state, course.optimizer, course.parameters, course.scaler)
    return [*notices, *([average] if average else [])]


def go_back(folder: RunFolder, found: Found | None) -> str | None:
    """Move what the run has from after the checkpoint out of the way; gives a notice if there was anything."""
    step = found.network.step if found else 0
    aside = folder.go_back(step)
    final = folder.final
    if final.exists() and (found is None or final != found.path) and Hypernetwork.load(final).step > step:
        aside = folder.set_final_aside()
    return f"what the run had from after step {step} was moved to {aside}" if aside else None
