"""A training under way: the loop's steps, and what is written at which of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from trainer import optimizer as optimizers
from trainer import records
from trainer.base import BaseModel
from trainer.board import Board
from trainer.config import Config, absolute, to_toml
from trainer.errors import TrainerError
from trainer.events import Event, Finished, Notice, Plan, Previewed, Saved, Started, Stepped, Validated
from trainer.loop import Course, DivergedError, run
from trainer.pictures import Picture, PictureSet
from trainer.preview import Previewer, sheet
from trainer.resume import Found
from trainer.runfolder import TENSORBOARD, RunFolder, parts_of
from trainer.validation import Validation


@dataclass
class Stop:
    """A wish to stop after the step at hand.  Set it from anywhere."""

    requested: bool = False

    def __call__(self, *_: object) -> None:
        """As a signal handler: `signal.signal(signal.SIGINT, stop)`."""
        self.requested = True


@dataclass
class Training:
    """Everything that a run needs once it is set up."""

    folder: RunFolder
    course: Course
    plan: Plan
    base: BaseModel
    previewer: Previewer
    validation: Validation | None
    pictures: PictureSet
    held_out: tuple[Picture, ...]
    found: Found | None
    size: tuple[int, int]
    saved_step: int = field(default=-1)  # the step of the newest final checkpoint
    board: Board | None = None

    def run(self, stop: Stop) -> Iterator[Event]:
        """The whole course; whatever ends it, the network is saved first."""
        self._write_records()
        yield Started(self.plan)
        reason, text = "done", ""
        try:
            yield from self._open_board()
            yield from self._told(self._before())
            yield from self._told(self._steps(stop))
            reason, text = self._how_it_ended(stop)
        except KeyboardInterrupt:
            reason, text = "stopped", f"stopped at step {self.course.network.step}"
        except DivergedError as diverged:
            reason, text = "not finite", str(diverged)
        except (torch.OutOfMemoryError, MemoryError):
            self._save_final()
            raise TrainerError(
                f"out of memory after step {self.course.network.step}: lower batch_size (and raise gradient_step), or "
                "width and height, then resume; everything up to there is saved"
            ) from None
        except BaseException:  # also GeneratorExit: the driver leaves
            self._save_final()
            raise
        saved = self._save_final()
        yield saved
        yield Finished(reason, self.course.network.step, self.folder.root, saved.path, text)

    def close(self) -> None:
        """Take the network out of the UNet."""
        self.course.injection.remove()
        if self.board:
            self.board.close()

    # --- the course ---------------------------------------------------------------------------------------------------

    def _before(self) -> Iterator[Event]:
        """The untouched base model's previews, `name-0.png`: what every later preview is compared with."""
        config = self.course.config
        if config.image_every and not self.folder.preview(0).exists():
            yield from self._preview(0, bare=True)

    def _steps(self, stop: Stop) -> Iterator[Event]:
        for event in run(self.course) if not stop.requested else ():
            if isinstance(event, Stepped):
                yield from self._log(event)
                yield event
                yield from self._due(event.step + 1)
            else:
                yield event
            if stop.requested:
                return

    def _open_board(self) -> Iterator[Event]:
        if self.course.config.tensorboard:
            try:
                self.board = Board(self.folder.root / TENSORBOARD, self.plan.start, self.course.config.csv_every)
            except OSError as error:
                yield Notice(f"TensorBoard is not written: {_why(error)}")

    def _told(self, events: Iterator[Event]) -> Iterator[Event]:
        """Events as they come, and into TensorBoard if asked."""
        for event in events:
            yield event
            problem = self.board.record(event) if self.board else None
            if problem:
                self.board = None
                yield Notice(f"TensorBoard is not written any more: {problem}")

    def _how_it_ended(self, stop: Stop) -> tuple[str, str]:
        step, asked = self.course.network.step, self.course.config.steps
        if step < self.course.end and stop.requested:
            return "stopped", f"stopped at step {step}; resume to go on"
        if step < asked:
            return "schedule ended", f"the learning rate's schedule ended at step {step}, before steps = {asked}"
        return "done", f"trained to step {step}"

    def _due(self, number: int) -> Iterator[Event]:
        """What falls due at a number: one more than the steps done, as the web UI counts."""
        config = self.course.config
        if _falls(number, config.save_every):
            yield self._save(number)
        if self.validation and _falls(number, config.validate_every or config.save_every):
            yield from self._validate(number)
        if _falls(number, config.image_every):
            yield from self._preview(number)

    def _log(self, told: Stepped) -> Iterator[Event]:
        if not _falls(told.step, self.course.config.csv_every):
            return
        try:
            self.folder.log_loss(told.step, told.loss, told.rate, self.course.data.steps_per_epoch)
        except OSError as error:  # a spreadsheet that holds the file open must not end a training
            yield Notice(f"the loss log could not be written at step {told.step}: {_why(error)}", told.step)

    def _validate(self, number: int) -> Iterator[Event]:
        assert self.validation is not None
        point = self.validation.measure(number)
        try:
            self.folder.log_validation(point)
        except OSError as error:
            yield Notice(f"the validation log could not be written: {_why(error)}", number)
        yield Validated(point)

    def _preview(self, number: int, bare: bool = False) -> Iterator[Event]:
        pictures = self.previewer.draw(bare)
        paths = tuple(self.folder.preview(number, which) for which in range(len(pictures)))
        try:
            for path, picture, prompt in zip(paths, pictures, self.previewer.prompts, strict=True):
                self.folder.write(path, self.previewer.png(picture, prompt))
            if self.course.config.preview_sheet and len(pictures) > 1:
                whole = self.previewer.png(sheet(pictures), self.previewer.prompts[0])
                self.folder.write(self.folder.sheet(number), whole)
        except OSError as error:
            yield Notice(f"preview {number} was not written: {_why(error)}", number)
            return
        yield Previewed(paths, number)

    # --- saving -------------------------------------------------------------------------------------------------------

    def _save(self, number: int) -> Saved | Notice:
        config, path = self.course.config, self.folder.checkpoint(number)
        try:
            self._write_pair(path)
            self.folder.retain(config.keep_last, config.keep_every)
        except OSError as error:
            return Notice(f"checkpoint {number} was not saved, training goes on: {_why(error)}", number)
        return Saved(path, number, self.course.network.step)

    def _save_final(self) -> Saved:
        """`name.pt`.  Raises `TrainerError` if the disk refuses; an older one stays whole then."""
        network, path = self.course.network, self.folder.final
        if self.saved_step != network.step:
            try:
                self._write_pair(path)
            except OSError as error:
                raise TrainerError(f"the final checkpoint was not saved: {_why(error)}; make room and resume") from None
            self.saved_step = network.step
        return Saved(path, network.step + 1, network.step, final=True)

    def _write_pair(self, path: Path) -> None:
        """The network, then its optimizer state, bound to it by hash; an older pair's state never stands beside it."""
        _, state, copy = parts_of(path)
        self.course.network.save(path)
        if self.course.config.safetensors:
            self.course.network.save(copy)
        else:
            copy.unlink(missing_ok=True)
        if self.course.config.save_optimizer_state:
            optimizers.save(state, path, self.course.optimizer)
        else:
            state.unlink(missing_ok=True)

    # --- records ------------------------------------------------------------------------------------------------------

    def _write_records(self) -> None:
        """How the run is made, for us and in the web UI's own words."""
        before = self.folder.told() if self.found else {}
        resumed_from = self.found.path.name if self.found else None
        told = records.run_json(self.course, self.plan, self.base, self.pictures, self.held_out, before, resumed_from)
        try:
            self.folder.write(self.folder.root / "config.toml", to_toml(absolute(self._resolved())))
            self.folder.write_json("run.json", told)
            self.folder.write_settings(
                records.webui_settings(self.course, self.plan, self.base, self.folder.root, self.size)
            )
        except OSError as error:
            raise TrainerError(f"{self.folder.root}: cannot be written: {_why(error)}") from None

    def _resolved(self) -> Config:
        """The configuration with everything filled in that was left to the base model and to the pictures."""
        width, height = self.size
        prompts, sizes = self.previewer.prompts, self.course.network.sizes
        return replace(self.course.config, sizes=sizes, width=width, height=height, preview_prompts=prompts)


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _falls(number: int, every: int) -> bool:
    return every > 0 and number % every == 0
