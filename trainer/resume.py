"""Going on from a checkpoint: which one, whether it fits, and with or without its optimizer state."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer import optimizer as optimizers
from trainer.config import Config
from trainer.errors import TrainerError
from trainer.network import Hypernetwork
from trainer.pictures import PictureSet, differences
from trainer.planning import dropouts, structure
from trainer.runfolder import RunFolder

SHOWN = 10  # pictures named in an error before "and so many more"


@dataclass(frozen=True)
class Found:
    """A checkpoint to go on from, and why its optimizer state cannot be used (None: it can)."""

    path: Path
    network: Hypernetwork
    lost: str | None


def latest(folder: RunFolder, config: Config) -> Found:
    """The furthest checkpoint of a run that has its optimizer state; without any such, the furthest readable one."""
    stateful = any(folder.checkpoints.glob("*.optim"))
    furthest: Found | None = None
    for path in _furthest_first(folder):
        try:
            found = chosen(path, config)
        except TrainerError:
            continue  # broken, or half a file that some other program left: the one before it will do
        furthest = furthest or found
        if found.lost is None or not stateful:
            return found
    if furthest is None:
        raise TrainerError(f"{folder.root}: no checkpoint in it to go on from; start without resuming")
    return furthest


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
        raise TrainerError(f"{path}: has NaN or infinity in its weights, which no training mends; take an earlier one")
    return Found(path, network, _lost(path, network, config))


def _lost(path: Path, network: Hypernetwork, config: Config) -> str | None:
    """Why the optimizer state beside a checkpoint cannot be used; None if it can."""
    parameters = list(network.parameters())
    return optimizers.load(path, optimizers.make(config.optimizer, parameters, 0.0, 0.0), parameters)


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


def take_up(found: Found, config: Config, optimizer: torch.optim.Optimizer) -> str | None:
    """Load the optimizer state; gives a notice if there is none to load."""
    lost = optimizers.load(found.path, optimizer, list(found.network.parameters()))
    if lost is None:
        return None
    return f"{lost}: {type(optimizer).__name__} starts anew, which can make the first steps rough"


def go_back(folder: RunFolder, found: Found) -> str | None:
    """Move what the run has from after the checkpoint out of the way; gives a notice if there was anything."""
    step = found.network.step
    aside = folder.go_back(step)
    if folder.final.exists() and folder.final != found.path and Hypernetwork.load(folder.final).step > step:
        aside = folder.set_final_aside()
    return f"what the run had from after step {step} was moved to {aside}" if aside else None
