"""kill -9 at random moments: no run lost, no half file, the same hashes at the end.

    python -m benchmarks.kills [--kills 50] [--config FILE.toml] [--seed 0]

A run is trained once in one piece.  Then the same again and again, each time in a process that is killed at a moment
drawn from the time that a whole run takes, and resumed.  After each kill every checkpoint must be whole and must still
be the furthest that can be gone on from; whenever a run gets through, its hashes must be those of the first.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from hndoctor.formats import read
from trainer.config import Config, load_config
from trainer.network import Hypernetwork
from trainer.resume import latest
from trainer.runfolder import RunFolder
from trainer.saving import settle
from trainer.session import train

WHOLE = "whole"  # the folder of the run that nobody kills


@dataclass
class Tally:
    """What happened."""

    kills: int = 0
    finished: int = 0
    steps: list[int] = field(default_factory=list)  # that were there after each kill
    wrong: list[str] = field(default_factory=list)


def default_config(folder: Path) -> Config:
    """A short run of the pocket model that saves all the time, with everything that has a state of its own."""
    rng = np.random.default_rng(0)
    data = folder / "data"
    data.mkdir(parents=True)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)).save(data / f"red house {number}.png")
    return Config(
        name="killed", data=data, out=folder, steps=30, save_every=2, image_every=0, csv_every=1, ema=0.99,
        lr_scheduler="cosine", learn_rate="1e-3", validation=1, validate_every=10, device="cpu",
    )  # fmt: skip


def digests(run: Path) -> Mapping[str, str]:
    """SHA-256 of every network, state and average, and of both logs."""
    files = [path for part in ("hypernetworks", "ema") for path in sorted((run / part).glob("*"))]
    logs = [run / "hypernetwork_loss.csv", run / "validation.jsonl"]
    there = [path for path in (*files, *logs) if path.exists()]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in there}


def import_ahead() -> None:
    """What a training imports, imported before any fork, so that a killed process costs its own work alone."""
    import diffusers
    import transformers

    for name in ("AutoencoderKL", "DDPMScheduler", "UNet2DConditionModel"):
        getattr(diffusers, name)  # both libraries import on first use
    for name in ("CLIPTextModel", "CLIPTokenizer"):
        getattr(transformers, name)


def run_in_child(config: Config, resume: bool, seconds: float | None) -> bool:
    """Train in a process of its own; killed after so many seconds.  Gives whether it got through."""
    child = os.fork()
    if child == 0:
        try:
            for _ in train(config, resume=True if resume else None):
                pass
            os._exit(0)
        except BaseException as error:  # noqa: BLE001  (a child must never go on as its parent)
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise RuntimeError(f"the training ended by itself with status {status}")
            return True
        if end is not None and time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.002)


def furthest(config: Config) -> int:
    """The step that a resumption would go on from, on a copy, with every file proven whole.  -1: not begun."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / config.name, config.name)
        shutil.copytree(config.run, run.root)
        settle(run.checkpoints)
        for path in run.checkpoints.glob("*.pt*"):
            if not path.name.endswith(".tmp"):
                read(path)
        for path in run.averages.glob("*.pt"):
            Hypernetwork.load(path)
        found = latest(run, config) if run.exists() else None
        return found.network.step if found else -1


def check(config: Config, before: int, tally: Tally) -> int:
    """After a kill: nothing that was there is gone."""
    if not config.run.exists():
        return -1
    try:
        step = furthest(config)
    except Exception as error:  # noqa: BLE001  (whatever is wrong with the folder is the finding)
        tally.wrong.append(f"kill {tally.kills}: {error}")
        return before
    if step < before:
        tally.wrong.append(f"kill {tally.kills}: step {before} could be resumed before, only {step} after it")
    tally.steps.append(step)
    return step


def torture(config: Config, kills: int, rng: random.Random) -> Tally:
    """All of it."""
    import_ahead()
    whole = replace(config, out=config.out / WHOLE)
    begun = time.monotonic()
    run_in_child(whole, False, None)
    seconds, expected, tally = time.monotonic() - begun, digests(whole.run), Tally()
    killed = replace(config, out=config.out / "killed")
    step = -1
    while tally.kills < kills or RunFolder(killed.run, killed.name).exists():
        last = tally.kills >= kills
        resume = RunFolder(killed.run, killed.name).exists()
        done = step >= killed.steps  # killed after its last save: there is nothing to resume
        if done:
            settle(RunFolder(killed.run, killed.name).checkpoints)
        if done or run_in_child(killed, resume, None if last else rng.uniform(0.0, seconds)):
            tally.finished += 1
            if (found := digests(killed.run)) != expected:
                names = [name for name in expected | found if expected.get(name) != found.get(name)]
                tally.wrong.append(f"after {tally.kills} kills, not as in one piece: {', '.join(sorted(names))}")
            shutil.rmtree(killed.run)
            step = -1
        else:
            tally.kills += 1
            step = check(killed, step, tally)
    return tally


def main() -> int:
    """Run and report; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if not hasattr(os, "fork"):
        print("this needs fork, which this system does not have")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(given.config) if given.config else default_config(Path(folder))
        tally = torture(replace(config, out=Path(folder) / "runs"), given.kills, random.Random(given.seed))
    print(f"{tally.kills} kills, {tally.finished} run(s) got through all the same, {len(tally.wrong)} thing(s) wrong")
    print(f"resumable steps after the kills: {tally.steps}")
    print("\n".join(tally.wrong))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
