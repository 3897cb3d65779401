"""A command in a process of its own, with the most memory and the time that it took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 500 << 20  # bytes of resident memory, as SECURITY.md promises
# VmHWM is the process's own; ru_maxrss begins with what the process that started it had.
CODE = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__")
finally:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print("peak", peak * 1024, file=sys.stderr)
"""


@dataclass(frozen=True)
class Measured:
    """What a command said, and what it took."""

    code: int
    out: str
    err: str
    peak: int  # bytes
    seconds: float


def measured(
    module: str, *words: str | Path, patience: float, cwd: Path | None = None, more: Mapping[str, str] | None = None
) -> Measured:
    """Run a module of Python with these arguments, to its end or to the end of patience (seconds)."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-B", "-c", CODE, module, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **(more or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=patience,
        check=False,
    )
    seconds = time.monotonic() - began
    said, _, peak = done.stderr.rpartition("peak ")
    return Measured(done.returncode, done.stdout, said, int(peak), seconds)


def one_line(line: Sequence[str]) -> bool:
    """Whether an error was told as it should be."""
    return len(line) == 1 and line[0].startswith("hndoctor: ")
