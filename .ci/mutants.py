"""How many small mistakes would the tests notice?  A sample of mutants, drawn by seed, each against the nearest tests.

    python .ci/mutants.py [--count 200] [--seed 0] [--only hndoctor/formats] [--minutes 3]

Cosmic Ray's operators make the mutants: a comparison turned, a number off by one, an `and` for an `or`, a `not` gone.
As many places are drawn of each package, and then one mutant of each place, as an arithmetic sign alone has eleven.
Places that no test could notice are left out: annotations, which are never evaluated here, and the text of error lines.
Of the package's near tests those run that take the changed line, in a forked process that has the heavy libraries
loaded, until one fails.  Results go to .mutants/results.jsonl as they come, so that the next call goes on; the tree
that is mutated is a copy.  The score of each package is told with its 95 % interval (Wilson), and every mutant that
survived with the line that it changed; those of .ci/equivalent.toml were looked at and change nothing that anyone could
see: they are told with the reason and counted apart.
"""

from __future__ import annotations

import argparse
import compileall
import fcntl
import json
import math
import os
import py_compile
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from mutant_places import ROOT, Mutant, changed, drawn, unseen
from mutant_tests import HOME, PACKAGES, TREE, noticed, taken, telling

RESULTS, EQUIVALENT = HOME / "results.jsonl", ROOT / ".ci" / "equivalent.toml"
HEAVY = ("hypothesis", "numpy", "PIL.Image", "safetensors.numpy", "scipy.linalg", "scipy.stats", "torch")
Result = Mapping[str, Any]
__all__ = ["interval", "main", "told", "unseen"]


def prepared() -> None:
    """A copy of what git knows, compiled so that a changed file is noticed by its content."""
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for stale in [p for p in TREE.rglob("*.py") if p.relative_to(TREE).as_posix() not in names]:
        stale.unlink()
    for name in names:
        ours, theirs = ROOT / name, TREE / name
        if not theirs.exists() or theirs.read_bytes() != ours.read_bytes():
            theirs.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ours, theirs)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(TREE / "hndoctor", quiet=2, invalidation_mode=mode)


def tried(mutant: Mutant, rows: Mapping[str, Any], before: Sequence[Result]) -> dict[str, Any]:
    """Put the mutant in its place, run the tests, and take it away again."""
    text, difference = changed(mutant)
    killers = [str(one["killer"]) for one in before if one["module"] == mutant.module]
    tests, begun = telling(mutant.module, mutant.line, rows, killers), time.monotonic()
    place = TREE / mutant.module
    whole = place.read_bytes()
    try:
        place.write_text(text, encoding="utf-8")
        outcome, killer = noticed(tests)
    finally:
        place.write_bytes(whole)
    seconds = round(time.monotonic() - begun, 1)
    told = {"outcome": outcome, "killer": killer, "tests": len(tests), "seconds": seconds, "change": difference}
    return {**asdict(mutant), **told}


def interval(killed: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, z = killed / count, 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def equivalent() -> dict[tuple[str, str], str]:
    """(module, change) -> why nobody could see it"""
    rows = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutant", []) if EQUIVALENT.exists() else []
    return {(row["module"], row["change"].strip()): row["why"] for row in rows}


def told(results: Sequence[Result], reasons: Mapping[tuple[str, str], str]) -> None:
    """The survivors, and the score of each package and of all."""
    same = [one for one in results if one["outcome"] == "survived" and (one["module"], one["change"]) in reasons]
    for one in results:
        if one["outcome"] == "survived":
            why = reasons.get((one["module"], one["change"]))
            said = f"changes nothing: {why}" if why else f"{one.get('tests', 'all')} tests take it"
            print(f"\n{one['module']}:{one['line']}  {one['operator']}  ({said})\n{one['change']}")
    print()
    for package in (*PACKAGES, ""):
        counted = [one for one in results if str(one["module"]).startswith(package)]
        alike = sum(one in same for one in counted)
        if len(counted) > alike:
            killed = sum(one["outcome"] != "survived" for one in counted)
            low, high = interval(killed, len(counted) - alike)
            score = f"{killed / (len(counted) - alike):6.1%} ({low:.1%} to {high:.1%})"
            more = f"; and {alike} that change nothing" if alike else ""
            print(f"{package or 'all':20} {killed:4} of {len(counted) - alike:4} killed: {score}{more}")


def known() -> list[dict[str, Any]]:
    """What was tried before."""
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()] if RESULTS.exists() else []


def key_of(mutant: Mutant) -> str:
    """The mutant and the line that it changes: results of before count while that is the same."""
    return json.dumps([mutant.module, mutant.operator, mutant.line, mutant.column, changed(mutant)[1]])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="modules whose path begins so")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long; the next call goes on")
    parser.add_argument("--again", action="store_true", help="try those that survived before once more")
    return parser.parse_args()


def alone() -> TextIO:
    """Held for as long as this process is: two of them in one tree would try each other's mutants."""
    lock = (HOME / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("another one is at work here")
    return lock


def main() -> None:
    """Draw, try, and tell."""
    given = arguments()
    HOME.mkdir(exist_ok=True)
    lock = alone()
    end, results = time.monotonic() + 60 * given.minutes, []
    chosen = drawn(tuple(PACKAGES), given.only, given.count, given.seed)
    rows = known()
    before = {row["key"]: row for row in rows}
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TREE), "HYPOTHESIS_PROFILE": "quick"}
    prepared()
    os.chdir(TREE)
    sys.path[:0] = [str(TREE)]
    for name in HEAVY:
        __import__(name)
    took = taken({next(p for p in PACKAGES if one.module.startswith(p)) for one in chosen}, end)
    sys.dont_write_bytecode = True
    with RESULTS.open("a", encoding="utf-8") as file:
        for mutant in chosen:
            key = key_of(mutant)
            row = before.get(key)
            if row is None or (given.again and row["outcome"] == "survived"):
                if time.monotonic() > end:
                    continue
                row = {"key": key, **tried(mutant, took, rows)}
                file.write(json.dumps(row) + "\n")
                file.flush()
                rows.append(row)
            results.append(row)
    told(results, equivalent())
    print(f"{len(results)} of {len(chosen)} drawn with seed {given.seed}")
    lock.close()


if __name__ == "__main__":
    main()
