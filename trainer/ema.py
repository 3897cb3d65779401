"""The exponential moving average of the weights, kept beside them: a second network, calmer than the first."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hndoctor.formats.hashes import short_hash
from hndoctor.formats.run_files import AVERAGES
from trainer.errors import TrainerError
from trainer.network import Hypernetwork
from trainer.optimizer_kinds import put

START = 10  # steps: the average is over a tenth of the course at first, so that it forgets the random start (diffusers)


class Ema:
    """Weights averaged with `decay`; `network` holds them."""

    def __init__(self, network: Hypernetwork, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self._own: list[Tensor] = [parameter.detach() for parameter in self.network.parameters()]

    @torch.no_grad()
    def update(self, parameters: Sequence[Tensor], step: int) -> None:
        """Take in the weights after step `step` (counted from 0)."""
        decay = min(self.decay, (1 + step) / (START + step))
        torch._foreach_lerp_(self._own, [p.detach() for p in parameters], 1 - decay)

    def save(self, path: Path, checkpoint: Path, step: int) -> None:
        """Write it, bound to the checkpoint it belongs to.  Raises OSError."""
        self.network.step = step
        self.network.optional_info = f"moving average, decay {self.decay:g}, of {short_hash(checkpoint)}"
        self.network.save(path)

    def take_up(self, checkpoint: Path) -> str | None:
        """Go on with the average that belongs to a checkpoint; gives a notice if there is none."""
        path = ema_path(checkpoint)
        try:
            found = Hypernetwork.load(path)
        except TrainerError as error:
            return f"the moving average starts anew: {error}"
        if not belongs(found, checkpoint):
            return f"the moving average starts anew: {path} belongs to another network"
        put(self._own, list(found.parameters()))
        return None


def ema_path(checkpoint: Path) -> Path:
    """Where the average of a run's checkpoint lies: `ema/` beside `hypernetworks/`, under the same name."""
    return checkpoint.parent.parent / AVERAGES / checkpoint.name


def belongs(average: Hypernetwork, checkpoint: Path) -> bool:
    """Whether an average is that of this checkpoint."""
    return (average.optional_info or "").endswith(f" of {short_hash(checkpoint)}")
