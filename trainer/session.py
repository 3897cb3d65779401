"""A whole training: from a configuration to a run folder, told event by event.

    from trainer.session import load_config, plan, train

    config = load_config("fischl.toml", {"steps": 2000})
    for event in train(config):
        ...

`train` can be left at any time; what was trained is saved.  Give it a `Stop` and set it (from a signal handler, another
thread, or between two events) and it ends after the step at hand, saves, and says so.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from trainer.config import Config, load_config
from trainer.errors import TrainerError
from trainer.events import Event, Finished, Plan
from trainer.interrupts import Stop
from trainer.lock import RunLock
from trainer.planning import plan
from trainer.processes import leave
from trainer.setting_up import set_up
from trainer.training import Training

__all__ = ["Config", "Event", "Plan", "Stop", "TrainerError", "load_config", "plan", "train"]


def train(
    config: Config, resume: Path | str | bool | None = None, overwrite: bool = False, stop: Stop | None = None
) -> Generator[Event]:
    """Train; yields events, `Finished` last.

    `resume`: True for the furthest checkpoint of the run (or its beginning, if it has none yet), or the path of one
    (this run's, another's, the web UI's).  Started by torchrun or `accelerate launch`, the processes train one network.
    A folder that holds a run is never touched unless `resume` or `overwrite` says so, nor while another training does.
    Closing the generator, a `KeyboardInterrupt` in it, and `stop` all save what was trained first.
    Raises `TrainerError`, in one line, for everything that the user can mend.
    """
    stop, lock = stop or Stop(), RunLock(config.run)
    try:
        yield from _train(set_up(config, resume, overwrite, lock), config, stop)
    finally:
        lock.release()
        leave()


def _train(setting_up: Generator[Event, None, Training], config: Config, stop: Stop) -> Generator[Event]:
    try:
        while True:
            yield next(setting_up)
            if stop.requested:
                yield Finished("stopped", 0, config.run, None, "stopped before the first step; nothing was written")
                return
    except StopIteration as finished:
        session: Training = finished.value
    try:
        yield from session.run(stop)
    finally:
        session.close()
