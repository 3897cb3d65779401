"""How many small mistakes would the tests notice?  A sample of mutants, drawn by seed, each against the nearest tests.

    python .ci/mutants.py [--count 200] [--seed 0] [--only hndoctor/formats]

Cosmic Ray's operators make the mutants: a comparison turned, a number off by one, an `and` for an `or`, a `not` gone.
Places are drawn first and then one mutant of each, as an arithmetic sign alone has eleven.  Places that no test could
notice are left out: annotations, which are never evaluated here, and the text of error lines.  The tests of the
package are run in a forked process that has the heavy libraries loaded, those that name the module first, until one
fails.  Results go to .mutants/results.jsonl as they come, so that the next call goes on; the tree that is mutated is a
copy.  The score is told with its 95 % interval (Wilson), and every mutant that survived with the line that it changed.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import difflib
import json
import math
import os
import py_compile
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".mutants"
TREE, RESULTS = HOME / "tree", HOME / "results.jsonl"
PACKAGES = {  # package -> the tests that are nearest to it
    "hndoctor/rules": ("tests/rules", "tests/setup"),
    "hndoctor/diagnose": ("tests/diagnose", "tests/rules"),
    "hndoctor/prescribe": ("tests/prescribe", "tests/diagnose"),
    "hndoctor/formats": ("tests/formats", "tests/weights", "tests/setup"),
}
HEAVY = ("hypothesis", "numpy", "PIL.Image", "pytest", "safetensors.numpy", "scipy.linalg", "scipy.stats", "torch")
IGNORED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # hypothesis is loaded before pytest could touch it
PATIENCE = 240.0  # seconds for the tests of one mutant; an endless loop counts as noticed
LEFT_OUT = (  # decorators make the records what they are; the last two need names to work on
    "core/RemoveDecorator", "core/ExceptionReplacer", "core/VariableInserter", "core/VariableReplacer",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change at one place."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int


def mutants(module: Path) -> Iterator[Mutant]:
    """Every mutant of a module that a test could notice."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / module).read_text(encoding="utf-8")
    tree, blind = get_ast(source), unseen(source)
    for name in operator_names():
        if name in LEFT_OUT:
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in ast_nodes(tree):
            for (line, column), _ in operator.mutation_positions(node):
                if (line, column) not in blind:
                    yield Mutant(module.as_posix(), name, occurrence, line, column)
                occurrence += 1


class Places(set[tuple[int, int]]):
    """Places (line, column) covered by some nodes."""

    def cover(self, node: ast.AST | None, source: list[str]) -> None:
        """Everything from a node's beginning to its end."""
        if node is None or not hasattr(node, "lineno"):
            return
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            first = node.col_offset if line == node.lineno else 0
            last = node.end_col_offset if line == node.end_lineno else len(source[line - 1])
            self.update((line, column) for column in range(first, last + 1))


def unseen(source: str) -> Places:
    """Places of annotations and of types, of blocks for type checkers, and of what is raised."""
    places, lines = Places(), source.splitlines()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.arg(annotation=found) | ast.AnnAssign(annotation=found) | ast.FunctionDef(returns=found):
                places.cover(found, lines)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Raise():
                places.cover(node, lines)
    return places


def drawn(only: str, count: int, seed: int) -> list[Mutant]:
    """So many places, and one mutant of each."""
    places: dict[tuple[str, int, int], list[Mutant]] = {}
    for package in PACKAGES:
        if not package.startswith(only) and not only.startswith(package):
            continue
        for module in sorted((ROOT / package).rglob("*.py")):
            name = module.relative_to(ROOT)
            if name.as_posix().startswith(only):
                for mutant in mutants(name):
                    places.setdefault((mutant.module, mutant.line, mutant.column), []).append(mutant)
    chosen = random.Random(seed)
    keys = chosen.sample(sorted(places), min(count, len(places)))
    return [chosen.choice(places[key]) for key in keys]


def prepared() -> None:
    """A copy of what git knows, compiled so that a changed file is noticed by its content."""
    shutil.rmtree(TREE, ignore_errors=True)
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(TREE, quiet=2, invalidation_mode=mode)


def tests_for(module: str) -> tuple[list[str], list[str], list[str]]:
    """The test files that name the module, those called like it first; the package's others; and all others."""
    package = next(package for package in PACKAGES if module.startswith(package))
    stem = Path(module).stem.strip("_")
    files = [path for folder in PACKAGES[package] for path in sorted((TREE / folder).rglob("test_*.py"))]
    called = [path for path in files if stem in path.stem]
    naming = [path for path in files if path not in called and re.search(rf"\b_?{stem}\b", path.read_text("utf-8"))]
    near = [*called, *naming]
    own = [path for path in files if path.is_relative_to(TREE / PACKAGES[package][0]) and path not in near]
    far = [path for path in files if path not in near and path not in own]
    return list(map(str, near)), list(map(str, own)), list(map(str, far))


def noticed(module: str) -> tuple[str, float]:
    """("killed", "survived" or "endless", seconds): what the tests say of the module as it lies in the tree now."""
    begun, outcome = time.monotonic(), "survived"
    for tests in tests_for(module):
        if tests and outcome == "survived":
            outcome = run(tests)
    return outcome, time.monotonic() - begun


def run(tests: list[str]) -> str:
    """The outcome of some tests, in a process of their own."""
    begun, child = time.monotonic(), os.fork()
    if child == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(quiet, stream)
        import pytest

        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *IGNORED, *tests])))
    while time.monotonic() - begun < PATIENCE:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "endless"


def changed(mutant: Mutant) -> tuple[str, str]:
    """The module's text with the mutant, and the lines that differ."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (ROOT / mutant.module).read_text(encoding="utf-8")
    text = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    assert text is not None, mutant
    lines = difflib.unified_diff(source.splitlines(), text.splitlines(), n=0, lineterm="")
    return text, "\n".join(line for line in list(lines)[3:])


def tried(mutant: Mutant) -> dict[str, object]:
    """Put the mutant in its place, run the tests, and take it away again."""
    text, difference = changed(mutant)
    place = TREE / mutant.module
    whole = place.read_bytes()
    try:
        place.write_text(text, encoding="utf-8")
        outcome, seconds = noticed(mutant.module)
    finally:
        place.write_bytes(whole)
    return {**asdict(mutant), "outcome": outcome, "seconds": round(seconds, 1), "change": difference}


def interval(killed: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, z = killed / count, 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def told(results: list[dict[str, object]]) -> None:
    """The survivors, and the score of each package and of all."""
    for one in results:
        if one["outcome"] == "survived":
            print(f"\n{one['module']}:{one['line']}  {one['operator']}\n{one['change']}")
    print()
    for package in (*PACKAGES, ""):
        counted = [one for one in results if str(one["module"]).startswith(package)]
        if counted:
            killed = sum(one["outcome"] != "survived" for one in counted)
            low, high = interval(killed, len(counted))
            score = f"{killed / len(counted):6.1%} ({low:.1%} to {high:.1%})"
            print(f"{package or 'all':20} {killed:4} of {len(counted):4} killed: {score}")


def known() -> dict[str, dict[str, object]]:
    """What was tried before on the same text."""
    if not RESULTS.exists():
        return {}
    rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    return {row["key"]: row for row in rows}


def key_of(mutant: Mutant) -> str:
    """The mutant and the line that it changes: results of before count while that is the same."""
    return json.dumps([mutant.module, mutant.operator, mutant.line, mutant.column, changed(mutant)[1]])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="modules whose path begins so")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long; the next call goes on")
    parser.add_argument("--again", action="store_true", help="try those that survived before once more")
    given = parser.parse_args()
    chosen = drawn(given.only, given.count, given.seed)
    before = known()
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TREE)}
    prepared()
    os.chdir(TREE)
    sys.path[:0] = [str(TREE)]
    for name in HEAVY:
        __import__(name)
    for module in {next(p for p in PACKAGES if one.module.startswith(p)): one.module for one in chosen}.values():
        if noticed(module)[0] != "survived":
            sys.exit(f"the tests of {module} fail without any mutant: try pytest on them")
    end, results = time.monotonic() + 60 * given.minutes, []
    with RESULTS.open("a", encoding="utf-8") as file:
        for mutant in chosen:
            key = key_of(mutant)
            row = before.get(key)
            if row is None or (given.again and row["outcome"] == "survived"):
                if time.monotonic() > end:
                    continue
                row = {"key": key, **tried(mutant)}
                file.write(json.dumps(row) + "\n")
                file.flush()
            results.append(row)
    told(results)
    print(f"{len(results)} of {len(chosen)} drawn with seed {given.seed}")


if __name__ == "__main__":
    main()
