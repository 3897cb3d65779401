"""One training in a run's folder at a time, whatever becomes of the first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.config import Config
from trainer.errors import TrainerError
from trainer.events import Started, Stepped
from trainer.lock import NAME, RunLock
from trainer.session import train

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from trainer.lock import RunLock
RunLock(Path(sys.argv[1])).take()
print("held", flush=True)
time.sleep(600)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the lock by now."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_refused_in_one_line_that_names_the_first(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        try:
            with pytest.raises(TrainerError, match=rf"process {first.pid} on .*, since .* trains into it") as refused:
                RunLock(tmp_path).take()
            assert "\n" not in str(refused.value)
        finally:
            first.kill()
    RunLock(tmp_path).take()


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_kill_9_of_its_owner_blocks_nobody(tmp_path: Path) -> None:
    for _ in range(3):
        with holder(tmp_path) as first:
            first.send_signal(signal.SIGKILL)
        again = RunLock(tmp_path)
        again.take()
        again.release()
        assert not (tmp_path / NAME).exists()


def test_it_is_taken_once_and_given_back(tmp_path: Path) -> None:
    one, other = RunLock(tmp_path), RunLock(tmp_path)
    one.take()
    one.take()
    with pytest.raises(TrainerError):
        other.take()
    other.release()  # it has none: nothing happens
    with pytest.raises(TrainerError):
        other.take()
    one.release()
    other.take()
    other.release()
    other.release()


def test_a_lock_that_was_removed_under_our_hands_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking, its owner removes the file, and a third one makes and locks a new one."""
    lock, third = RunLock(tmp_path), RunLock(tmp_path)
    real, calls = RunLock._is_still, []

    def is_still(self: RunLock, file: int) -> bool:
        if self is lock and not calls:
            calls.append(file)
            (tmp_path / NAME).unlink()
            third.take()
        return real(self, file)

    monkeypatch.setattr(RunLock, "_is_still", is_still)
    with pytest.raises(TrainerError):
        lock.take()
    third.release()
    lock.take()
    lock.release()


def test_a_folder_that_is_trained_into_takes_no_second_training(config: Config) -> None:
    first = train(config)
    for event in first:
        if isinstance(event, Stepped):
            break
    before = {path: path.read_bytes() for path in config.run.rglob("*") if path.is_file()}
    for how in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(TrainerError, match="trains into it"):
            list(train(config, **how))
    assert {path: path.read_bytes() for path in config.run.rglob("*") if path.is_file()} == before
    first.close()
    assert not (config.run / NAME).exists()
    assert any(isinstance(event, Started) for event in train(config, resume=True))


def test_of_two_that_begin_at_once_one_is_refused(config: Config) -> None:
    """Both have seen an empty place; the slower one finds it taken when it comes to write."""
    slow = train(config)
    next(slow)
    fast = train(config)
    for event in fast:
        if isinstance(event, Stepped):
            break
    with pytest.raises(TrainerError, match="trains into it"):
        list(slow)
    fast.close()
    with pytest.raises(TrainerError, match="holds a run already"):
        list(train(config))
