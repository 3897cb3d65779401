"""Millions of executions, guided by coverage: every target in a process of its own under atheris (libFuzzer).

    python -m tests.fuzz [--runs 1000000] [--only NAME ...] [--keep FOLDER]

`--runs` is the number of all targets together.  It begins with the seeds in `tests/fuzz/corpus`; an input that breaks a
target is written to FOLDER (default: here) and belongs among the seeds once the bug is mended.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
SHARE = {"pickle": 4, "zip": 2, "checkpoint": 2, "safetensors": 2, "picture": 0.5, "vitals": 0.5}  # others: 1
LONGEST = 4096  # bytes of an input
SECONDS = 10  # that one input may take
MEMORY = 2048  # MiB that a process may take, with the instrumentation's own tables


def fuzz(name: str, runs: int, seed: int, folders: Sequence[str], keep: Path) -> None:
    """In a process of its own: one target.  Ends with libFuzzer's own exit code."""
    import atheris  # type: ignore[import-untyped]  # it has no types

    with atheris.instrument_imports(include=["hndoctor", "trainer"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

    arguments = [
        "fuzz", f"-runs={runs}", f"-seed={seed}", f"-max_len={LONGEST}", f"-timeout={SECONDS}",
        f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={keep}/{name}-", "-print_final_stats=1", *folders,
    ]  # fmt: skip
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()


def run(name: str, runs: int, seed: int, keep: Path) -> tuple[int, str]:
    """Executions made, and what went wrong (empty: nothing)."""
    with tempfile.TemporaryDirectory() as found:
        words = [sys.executable, "-m", "tests.fuzz", "--child", name, "--runs", str(runs), "--seed", str(seed)]
        done = subprocess.run(
            [*words, "--keep", str(keep), "--found", found],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", check=False,
        )  # fmt: skip
    made = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    count = int(made[1]) if made else 0
    return count, "" if done.returncode == 0 and count >= runs else done.stderr[-3000:]


def shares(names: Sequence[str], runs: int) -> dict[str, int]:
    """How many executions each target gets."""
    whole = sum(SHARE.get(name, 1) for name in names)
    return {name: int(runs * SHARE.get(name, 1) / whole) + 1 for name in names}


def main() -> int:
    """The command line; 1 if anything went wrong, 2 without atheris."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=sorted(folder.name for folder in CORPUS.iterdir()))
    parser.add_argument("--keep", type=Path, default=Path())
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--found", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        fuzz(given.child, given.runs, given.seed, [given.found, str(CORPUS / given.child)], given.keep)
        return 0
    try:
        import atheris  # noqa: F401  (only to say at once that it is missing)
    except ImportError:
        print("this needs atheris: pip install 'hndoctor[fuzz]' (Linux and macOS)")
        return 2
    given.keep.mkdir(parents=True, exist_ok=True)
    return _all(given)


def _all(given: argparse.Namespace) -> int:
    begun, total, wrong = time.monotonic(), 0, []
    with multiprocessing.Pool(given.jobs) as pool:
        asked = shares(given.only, given.runs)
        waiting = {name: pool.apply_async(run, (name, n, given.seed, given.keep)) for name, n in asked.items()}
        for name, result in waiting.items():
            count, problem = result.get()
            total += count
            print(f"{name:<12} {count:>9,} executions  {'WRONG' if problem else 'clean'}", flush=True)
            wrong += [f"--- {name}\n{problem}"] if problem else []
    minutes = (time.monotonic() - begun) / 60
    print(f"{total:,} executions in {minutes:.1f} minutes, {len(wrong)} of {len(asked)} targets wrong")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
