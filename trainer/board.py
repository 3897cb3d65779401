"""TensorBoard, for those who look there: loss, rate, validation and previews, from a training's events."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.config import Config
from trainer.errors import TrainerError
from trainer.events import Event, Previewed, Stepped, Validated


def require_tensorboard(config: Config) -> None:
    """Refuse, before anything is loaded, to write for a TensorBoard that is not there."""
    if config.tensorboard and find_spec("tensorboard") is None:
        raise TrainerError("tensorboard = true needs TensorBoard: pip install 'hndoctor[train]', or leave it out")


class Board:
    """Event files in a folder; what earlier ones hold from after `start` is no longer shown (a resumed run)."""

    def __init__(self, folder: Path, start: int, every: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self.writer = SummaryWriter(str(folder), purge_step=start + 1)
        self.every = max(every, 1)  # steps between two points of the loss

    def record(self, event: Event) -> str | None:
        """Write what an event tells; why it could not be written, or None."""
        try:
            self._write(event)
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__
        return None

    def _write(self, event: Event) -> None:
        writer = self.writer
        if isinstance(event, Stepped) and event.step % self.every == 0:
            writer.add_scalar("Loss/train", event.loss, event.step)
            writer.add_scalar("Loss/train, mean", event.loss_mean, event.step)
            writer.add_scalar("Learn rate/train", event.rate, event.step)
        elif isinstance(event, Validated):
            writer.add_scalar("Loss/validation", event.point.held_out, event.point.step)
            writer.add_scalar("Loss/validation, bare base model", event.point.held_out_base, event.point.step)
        elif isinstance(event, Previewed):
            tag = "Preview of the average" if event.average else "Preview"
            for which, path in enumerate(event.paths):
                with Image.open(path) as picture:
                    writer.add_image(f"{tag}/{which}", np.asarray(picture), event.number, dataformats="HWC")
            writer.flush()

    def close(self) -> None:
        """Write out what is still waiting."""
        self.writer.close()
