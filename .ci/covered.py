"""Which branches do the tests take?  Runs them all under coverage.py, processes that they start included.

    python .ci/covered.py [--keep] [TESTS...]

--keep adds to what was measured before: for running the tests a folder at a time.  Prints the share of branches taken
in each package and what is missing in each module; fails where a share is below its goal.

Every module of both packages counts, the programs that made the pocket model and those started as processes of their
own among them.  Left out are lines, not modules: what only type checkers see, and bodies that are no more than `...` or
`NotImplementedError`.  What tests/abuse takes is not counted: those tests watch for files that a command has no need
of, or let it write none, and the measuring writes files itself; a process that is killed tells nothing either.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOALS = {"hndoctor": 0.95, "trainer": 0.90}


def coverage(*words: str) -> int:
    """Coverage's own command line."""
    return subprocess.run([sys.executable, "-m", "coverage", *words], cwd=ROOT, check=False).returncode


def shares() -> dict[str, tuple[int, int]]:
    """Of each package: branches taken, and all of them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "coverage.json"
        coverage("json", "-q", "-o", str(file))
        files = json.loads(file.read_text(encoding="utf-8"))["files"]
    found = {}
    for package in GOALS:
        own = [one["summary"] for name, one in files.items() if Path(name).parts[0] == package]
        found[package] = (sum(one["covered_branches"] for one in own), sum(one["num_branches"] for one in own))
    return found


def main() -> int:
    """Run, print, and hold against the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=["tests", "--ignore", "tests/abuse"])
    parser.add_argument("--keep", action="store_true")
    given, more = parser.parse_known_args()
    if not given.keep:
        coverage("erase")
    failed = coverage("run", "-m", "pytest", "-q", "-p", "no:cacheprovider", *given.tests, *more)
    coverage("combine", "-q", "--append")
    coverage("report", "--skip-covered", "--show-missing")
    low = False
    for package, (taken, all_of_them) in shares().items():
        share = taken / max(1, all_of_them)
        low = low or share < GOALS[package]
        print(f"{package}: {taken} of {all_of_them} branches, {share:.1%} (goal {GOALS[package]:.0%})")
    return failed or int(low)


if __name__ == "__main__":
    sys.exit(main())
