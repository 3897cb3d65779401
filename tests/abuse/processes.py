"""hndoctor in processes of its own: to be killed, starved and disturbed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import write_network

ROOT = Path(__file__).parents[2]
CHECKPOINTS = 4


def command(*words: str | Path) -> list[str]:
    """A process of its own."""
    return [sys.executable, "-m", "hndoctor", *map(str, words)]


def environment() -> dict[str, str]:
    """Such that the process finds this hndoctor."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def call(
    *words: str | Path, before: Callable[[], None] | None = None, inside: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run to the end; `before` runs in the new process first, `inside` is a command that the words are given to."""
    return subprocess.run(
        [*inside, *command(*words)], env=environment(), capture_output=True, text=True, check=False, preexec_fn=before
    )


@contextmanager
def read_only(folder: Path) -> Iterator[Sequence[str]]:
    """A folder that nobody can write into: what to put before a command.  Root writes anywhere, so it gets a mount."""
    if os.geteuid() == 0:
        if not shutil.which("unshare"):
            pytest.skip("root, and no unshare to make a folder read-only with")
        bound = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        probe = subprocess.run(["unshare", "-m", "sh", "-c", bound, str(folder), "true"], check=False)
        if probe.returncode:
            pytest.skip("root, and no mounts to make a folder read-only with")
        yield ["unshare", "-m", "sh", "-c", bound, str(folder)]
        return
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        yield ()
    finally:
        folder.chmod(mode)


def begin(*words: str | Path) -> subprocess.Popen[str]:
    """Start, and let it run."""
    return subprocess.Popen(
        command(*words), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def make_run(folder: Path) -> Path:
    """A run of some checkpoints."""
    for step in range(500, 500 * CHECKPOINTS + 1, 500):
        write_network(folder / "hypernetworks" / f"{folder.name}-{step}.pt", step)
    return folder


def beside(folder: Path) -> set[str]:
    """What lies in a run beside its checkpoints."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".pt"}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
