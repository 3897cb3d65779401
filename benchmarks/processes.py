"""What whole processes cost: a gate on one file, the first and the second scan of a run, folders that grow."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERIES = (10, 20, 50)  # checkpoints of the folders whose cost must grow evenly
COMMAND = """
import pathlib, resource, sys
sys.argv = ["hndoctor", *sys.argv[1:]]
from hndoctor.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, 1), end.code
status = pathlib.Path("/proc/self/status")  # resource's figure would be the parent's at the fork
lines = status.read_text().splitlines() if status.exists() else []
peak = next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{used.ru_utime + used.ru_stime:.3f} {peak} {'torch' in sys.modules}", file=sys.stderr)
"""


def processes(paths: list[Path]) -> None:
    """Whole processes: a gate on one file, the first and the second scan of a run, folders that grow."""
    told = [process("gate", str(paths[2])) for _ in range(6)][1:]  # the first may have had to compile its modules
    _say("hndoctor gate one.pt", told)
    for count in SERIES:
        with tempfile.TemporaryDirectory(dir=paths[0].parent) as made:
            run = Path(made) / "x" / "hypernetworks"
            run.mkdir(parents=True)
            for index in range(count):
                (run / f"x-{500 * (index + 1)}.pt").hardlink_to(paths[index % 3])
            _say(f"hndoctor scan, {count} checkpoints", [process("scan", str(run.parent))])
            time.sleep(2.5)  # files younger than their measurement by less than this are not believed
            process("scan", str(run.parent))
            _say("  and again, unchanged", [process("scan", str(run.parent)) for _ in range(3)])


def _say(what: str, told: list[tuple[float, float, int, str]]) -> None:
    wall, cpu = min(t[0] for t in told), min(t[1] for t in told)
    print(f"{what:34s} {wall:6.2f} s wall {cpu:6.2f} s CPU {told[0][2]:5d} MB, torch: {told[0][3]}")


def process(*words: str) -> tuple[float, float, int, str]:
    """Wall and CPU seconds, MB at most, and whether torch was imported, of one command."""
    installed = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    run = [sys.executable, "-c", COMMAND, *words]
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=installed)
    told = done.stderr.split()[-3:]
    return time.perf_counter() - start, float(told[0]), int(told[1]), told[2]
