"""What a training tells whoever drives it, in order of happening."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hndoctor.records import ValidationPoint


@dataclass(frozen=True)
class Plan:
    """What is about to be trained, told before the first step."""

    name: str
    run: Path
    base_model: str
    sizes: tuple[int, ...]
    layer_structure: str
    activation: str
    parameters: int
    file_bytes: int  # of one checkpoint
    optimizer_bytes: int  # of the state beside it; 0 if none is saved
    checkpoints: int  # how many will be written
    start: int  # the step it starts from
    steps: int  # where it ends: the schedule may end before config.steps
    pictures: int
    held_out: int
    epochs: float
    rates: tuple[tuple[int, float, str], ...]  # (end step, rate, "5e-7 = 0.0000005")
    dose: float  # sum of rate × sqrt(batch)
    samples: int = 1  # pictures in a step, of all processes
    save_every: int = 0  # steps between checkpoints; 0: the last one alone
    warnings: tuple[str, ...] = ()
    seconds_per_step: float | None = None  # measured by a probe; None: not yet

    @property
    def seconds(self) -> float | None:
        """Expected time of the steps, without previews and validation."""
        return None if self.seconds_per_step is None else self.seconds_per_step * (self.steps - self.start)


@dataclass(frozen=True)
class Notice:
    """Something to tell the user; training goes on."""

    text: str
    step: int | None = None


@dataclass(frozen=True)
class Preparing:
    """Pictures and captions are being encoded, once."""

    what: str  # "pictures", "captions"
    done: int
    total: int


@dataclass(frozen=True)
class Started:
    """Everything is ready; the first step comes next."""

    plan: Plan


@dataclass(frozen=True)
class Stepped:
    """One optimizer step was taken."""

    step: int  # optimizer steps done
    steps: int  # where it ends
    loss: float  # of this step alone
    loss_mean: float  # of the last 32 steps
    rate: float
    epoch: int
    pictures: tuple[str, ...]
    pictures_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written.  `number` is the file name's; `step` what it stores, one less."""

    path: Path
    number: int
    step: int
    final: bool = False


@dataclass(frozen=True)
class Previewed:
    """Previews were drawn."""

    paths: tuple[Path, ...]
    number: int
    average: bool = False  # by the moving average, not by the weights that are trained


@dataclass(frozen=True)
class Validated:
    """The fixed-noise validation loss was taken."""

    point: ValidationPoint


@dataclass(frozen=True)
class Finished:
    """The last event.  `reason`: "done", "schedule ended", "stopped", "not finite"."""

    reason: str
    step: int
    run: Path
    checkpoint: Path | None
    text: str  # the same in one sentence


@dataclass(frozen=True)
class Measuring:
    """A checkpoint of a run that was trained before is measured next."""

    path: Path | None  # None: the bare base model
    done: int
    total: int


Event = Notice | Preparing | Started | Stepped | Saved | Previewed | Validated | Measuring | Finished
