"""A training under way: the loop's steps, and what is written at which of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hndoctor.formats.run_files import CONFIG, RUN_FILE
from trainer import drawing, memory, records, saving
from trainer.base import BaseModel
from trainer.board import Board
from trainer.config import Config, absolute, to_toml
from trainer.errors import TrainerError, why
from trainer.events import Event, Finished, Notice, Plan, Saved, Started, Stepped, Validated
from trainer.interrupts import LeftError, Stop
from trainer.loop import Course, DivergedError, run
from trainer.optimizer_kinds import meant
from trainer.pictures import Picture, PictureSet
from trainer.preview import Previewer
from trainer.resume import Found
from trainer.runfolder import TENSORBOARD, VALIDATION_BASE, RunFolder
from trainer.validation import Validation, bins


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
        if self.first:
            self._write_records()
        yield Started(self.plan)
        self.course.stop = stop
        reason, text = "done", ""
        try:
            if self.first:
                yield from self._open_board()
                yield from self._told(self._before())
            yield from self._told(self._steps())
            reason, text = self._how_it_ended()
        except KeyboardInterrupt:
            reason, text = "stopped", f"stopped at step {self.course.network.step}"
        except DivergedError as diverged:
            reason, text = "not finite", str(diverged)
        except BaseException as error:  # also GeneratorExit: the driver leaves
            self._save_final()
            if not memory.is_shortage(error):
                raise
            raise TrainerError(out_of_memory(self.course)) from None
        saved = self._save_final()
        yield saved
        yield Finished(reason, self.course.network.step, self.folder.root, saved.path, text)

    @property
    def first(self) -> bool:
        """Whether this process writes; of several only one does."""
        return self.course.processes.first

    def close(self) -> None:
        """Take the network out of the UNet."""
        self.course.injection.remove()
        if self.board:
            self.board.close()

    # --- the course ---------------------------------------------------------------------------------------------------

    def _before(self) -> Generator[Event]:
        """The untouched base model's previews, `name-0.png`: what every later preview is compared with."""
        config = self.course.config
        if config.image_every and not self.folder.preview(0).exists():
            yield from self._preview(0, bare=True)
        if self.found:
            yield from self._overdue(self.course.network.step + 1)

    def _overdue(self, number: int) -> Generator[Event]:
        """What a kill between a checkpoint and its judging left undone."""
        there = [self.folder.preview(number, which).exists() for which in range(len(self.previewer.prompts))]
        yield from self._judged(number, measure=not self.folder.validated(number), draw=not all(there))

    def _judged(self, number: int, measure: bool = True, draw: bool = True) -> Iterator[Event]:
        """The validation and the previews that fall due at a number, by the weights that are meant."""
        config = self.course.config
        with meant(self.course.optimizer, self.course.parameters):
            if measure and self.validation and _falls(number, config.validate_every or config.save_every):
                yield from self._validate(number)
            if draw and _falls(number, config.image_every):
                yield from self._preview(number)

    def _steps(self) -> Generator[Event]:
        for event in run(self.course) if not self.course.halted else ():
            if isinstance(event, Stepped) and self.first:
                yield from self._log(event)
                yield event
                yield from self._due(event.step + 1)
            else:
                yield event
            if self.course.halted:
                return

    def _open_board(self) -> Iterator[Event]:
        if self.course.config.tensorboard:
            try:
                self.board = Board(self.folder.root / TENSORBOARD, self.plan.start, self.course.config.csv_every)
            except OSError as error:
                yield Notice(f"TensorBoard is not written: {why(error)}")

    def _told(self, events: Generator[Event]) -> Iterator[Event]:
        """Events as they come, and into TensorBoard if asked."""
        with closing(events):  # whoever leaves here leaves there too, before anything is saved
            for event in events:
                yield event
                problem = self.board.record(event) if self.board else None
                if problem:
                    self.board = None
                    yield Notice(f"TensorBoard is not written any more: {problem}")

    def _how_it_ended(self) -> tuple[str, str]:
        step, asked = self.course.network.step, self.course.config.steps
        if step < self.course.end and self.course.halted:
            return "stopped", f"stopped at step {step}; resume to go on"
        if step < asked:
            return "schedule ended", f"the learning rate's schedule ended at step {step}, before steps = {asked}"
        return "done", f"trained to step {step}"

    def _due(self, number: int) -> Iterator[Event]:
        """What falls due at a number: one more than the steps done, as the web UI counts."""
        config = self.course.config
        if _falls(number, config.save_every):
            yield self._save(number)
        yield from self._judged(number)
        if self.validation and _falls(number, config.save_every):
            self._retain()

    def _log(self, told: Stepped) -> Iterator[Event]:
        if not _falls(told.step, self.course.config.csv_every):
            return
        try:
            per_epoch = len(self.course.data) // self.course.samples
            self.folder.log_loss(told.step, told.loss, told.rate, max(1, per_epoch))
        except OSError as error:  # a spreadsheet that holds the file open must not end a training
            yield Notice(f"the loss log could not be written at step {told.step}: {why(error)}", told.step)

    def _validate(self, number: int) -> Iterator[Event]:
        assert self.validation is not None
        stop = self.course.stop
        try:
            point = self.validation.measure(number, stop)
            more: dict[str, Any] = {"bins": bins(point.items), "base_bins": bins(point.base_items)}
            if self.course.ema is not None:
                more["ema"] = self.validation.held_out_of(self.course.ema.network, stop)
        except LeftError:
            yield Notice(f"validation {number} was left to stop at once; a resumed run makes up for it", number)
            return
        try:
            self.folder.log_validation(point, more)
        except OSError as error:
            yield Notice(f"the validation log could not be written: {why(error)}", number)
        yield Validated(point)

    def _preview(self, number: int, bare: bool = False) -> Iterator[Event]:
        stop = self.course.stop
        yield from drawing.draw(self.previewer, self.folder, number, bare, stop=stop)
        if self.course.config.preview_ema and self.course.ema and not bare:
            yield from drawing.draw(self.previewer, self.folder, number, average=self.course.ema.network, stop=stop)

    # --- saving -------------------------------------------------------------------------------------------------------

    def _save(self, number: int) -> Saved | Notice:
        path = self.folder.checkpoint(number)
        try:
            saving.write(path, self.course)
        except OSError as error:
            return Notice(f"checkpoint {number} was not saved, training goes on: {why(error)}", number)
        if not self.validation:  # else once it is known which one is the best
            self._retain()
        return Saved(path, number, self.course.network.step)

    def _retain(self) -> None:
        """What cannot be removed now will be at the next checkpoint."""
        with suppress(OSError):
            self.folder.retain(self.course.config.keep_last, self.course.config.keep_every)

    def _save_final(self) -> Saved:
        """`name.pt`.  Raises `TrainerError` if the disk refuses; an older one stays whole then."""
        network, path = self.course.network, self.folder.final
        if self.saved_step != network.step and self.first:
            try:
                saving.write(path, self.course)
            except OSError as error:
                then = "resume" if self.folder.numbered() else "train again with --overwrite"
                raise TrainerError(f"the final checkpoint was not saved: {why(error)}; make room and {then}") from None
            self.saved_step = network.step
        return Saved(path, network.step + 1, network.step, final=True)

    # --- records ------------------------------------------------------------------------------------------------------

    def _write_records(self) -> None:
        """How the run is made, for us and in the web UI's own words."""
        before = self.folder.told() if self.found else {}
        resumed_from = self.found.path.name if self.found else None
        told = records.run_json(self.course, self.plan, self.base, self.pictures, self.held_out, before, resumed_from)
        try:
            self.folder.write(self.folder.root / CONFIG, to_toml(absolute(self._resolved())))
            self.folder.write_json(RUN_FILE, told)
            if self.validation is not None and not self.validation.known:
                self.folder.write_json(VALIDATION_BASE, asdict(self.validation.base))
            self.folder.write_settings(
                records.webui_settings(self.course, self.plan, self.base, self.folder.root, self.size)
            )
        except OSError as error:
            raise TrainerError(f"{self.folder.root}: cannot be written: {why(error)}") from None

    def _resolved(self) -> Config:
        """The configuration with everything filled in that was left to the base model and to the pictures."""
        width, height = self.size
        prompts, sizes = self.previewer.prompts, self.course.network.sizes
        return replace(self.course.config, sizes=sizes, width=width, height=height, preview_prompts=prompts)


def out_of_memory(course: Course) -> str:
    """What to lower, most effective first, when even gradient checkpointing did not help."""
    config, step = course.config, course.network.step
    size = f"batch_size = {config.batch_size}"
    lower = f"lower {size} (and raise gradient_step as much), or width and height"
    remedy = lower if config.batch_size > 1 else f"{size} already: lower width and height"
    half = '; precision = "bf16" halves the base model' if config.precision == "fp32" else ""
    return f"out of memory after step {step}: {remedy}{half}; then resume: everything up to there is saved"


def _falls(number: int, every: int) -> bool:
    return every > 0 and number % every == 0
