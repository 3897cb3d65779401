"""Which tests would notice a change at a line: those that take it, as coverage.py saw; the most telling first.

Each test file runs once under coverage in a process of its own; what it took is kept in .mutants/taken and counts until
the file, or a module of which it took a line, is another.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mutant_places import ROOT, felt_at

HOME = ROOT / ".mutants"
TREE, TAKEN = HOME / "tree", HOME / "taken"
PACKAGES = {  # package -> the tests that are near it
    "hndoctor/rules": ("tests/rules", "tests/setup", "tests/diagnose"),
    "hndoctor/diagnose": ("tests/diagnose", "tests/prescribe", "tests/rules"),
    "hndoctor/prescribe": ("tests/prescribe", "tests/diagnose"),
    "hndoctor/formats": ("tests/formats", "tests/weights", "tests/setup", "tests/interop"),
}
WORDS = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
WORDS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded before pytest could touch it
NONE_FOUND = int(pytest.ExitCode.NO_TESTS_COLLECTED) << 8  # as a process ends
SHAPE = (  # of what modules are made of, there from import on
    "tests/test_shape.py", "tests/rules/test_contract.py", "tests/formats/test_stated_limits.py",
)  # fmt: skip
SPOILING = ("tests/formats/test_mutations.py", "tests/formats/test_properties.py")  # thousands of files: left out, slow
FIRST = 12  # tests that are tried before all others: collecting fewer files is quicker
SECONDS, TIMES = 10, 3  # of the processor: a mutant's tests may take so long, and so many times what they took watched


def in_a_fork(work: Callable[[], int], seconds: float, wall: float = 600.0) -> int | None:
    """What some work returns, done in a process of its own; None: an endless loop."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(quiet, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 5))
        os._exit(work())
    end = time.monotonic() + wall
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return None if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU else status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


class Watch:
    """A pytest plugin: which lines of the packages each test takes, and how long it is."""

    def __init__(self) -> None:
        import coverage

        self.seconds: dict[str, float] = {}
        self.measured = coverage.Coverage(data_file=None, config_file=False, source=list(PACKAGES))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.measured.switch_context(item.nodeid)
        begun = time.process_time()
        result = yield
        self.seconds[item.nodeid] = round(time.process_time() - begun, 3)
        self.measured.switch_context("")
        return result

    def lines(self) -> dict[str, dict[int, list[int]]]:
        """module -> line -> the tests that take it, by their place in `seconds`"""
        data, place = self.measured.get_data(), {test: at for at, test in enumerate(self.seconds)}
        found = {}
        for file in data.measured_files():
            by_line = {
                line: [place[test] for test in tests if test in place]
                for line, tests in data.contexts_by_lineno(file).items()
            }
            name = Path(file).resolve().relative_to(TREE.resolve()).as_posix()
            found[name] = {line: tests for line, tests in by_line.items() if tests}
        return {name: lines for name, lines in found.items() if lines}


def row_of(test: str) -> Path:
    """Where it is kept what a test file took."""
    return TAKEN / f"{test.replace('/', '-')}.json"


def watched(test: str) -> int:
    """Run one test file under coverage and write down what it took."""
    watch = Watch()
    watch.measured.start()
    outcome = int(pytest.main([*WORDS, test], plugins=[watch]))
    watch.measured.stop()
    lines = watch.lines()
    row = {"texts": digests([test, *lines]), "seconds": watch.seconds, "lines": lines}
    row_of(test).write_text(json.dumps(row), encoding="utf-8")
    return outcome


def digests(names: Iterable[str]) -> dict[str, str]:
    """What tells whether a file is still the same."""
    return {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest()[:16] for name in names}


def taken(packages: Collection[str], end: float) -> dict[str, Any]:
    """Every near test file with what it took; those that are new or changed run first.  Leaves where time is up."""
    TAKEN.mkdir(exist_ok=True)
    folders = {folder for package in packages for folder in PACKAGES[package]}
    files = sorted(path.relative_to(TREE).as_posix() for f in folders for path in (TREE / f).rglob("test_*.py"))
    found: dict[str, Any] = {}
    for test in (*SHAPE, *(file for file in files if file not in (*SHAPE, *SPOILING))):
        row = json.loads(row_of(test).read_text(encoding="utf-8")) if row_of(test).exists() else None
        if row is None or row["texts"] != digests(name for name in row["texts"] if (ROOT / name).exists()):
            if time.monotonic() > end:
                sys.exit(f"time is up; {len(found)} of {len(files)} test files are known: call again")
            if in_a_fork(lambda test=test: watched(test), 240.0) not in (0, NONE_FOUND):
                row_of(test).unlink(missing_ok=True)
                sys.exit(f"{test} fails without any mutant")
            row = json.loads(row_of(test).read_text(encoding="utf-8"))
        found[test] = row
    return found


def telling(module: str, line: int, rows: Mapping[str, Any], kills: Sequence[str]) -> dict[str, float]:
    """The tests that take a line, and their seconds: first those that noticed most mutants of the module, then the
    quickest."""
    places, found = felt_at(module, line), dict[str, float]()
    package = next(one for one in PACKAGES if module.startswith(one))
    for file, row in rows.items():
        tests = list(row["seconds"])
        if file in SHAPE and (module, line) not in places:
            found |= row["seconds"]
        elif file.startswith(PACKAGES[package]):
            for name, at in places:
                for test in row["lines"].get(name, {}).get(str(at), ()):
                    found[tests[test]] = row["seconds"][tests[test]]
    return dict(sorted(found.items(), key=lambda one: (-kills.count(one[0]), one[1])))


class Chosen:
    """A pytest plugin: only these tests, in this order; and which of them failed."""

    def __init__(self, tests: Iterable[str]) -> None:
        self.place = {test: at for at, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.place), key=lambda item: self.place[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            (HOME / "killer").write_text(report.nodeid, encoding="utf-8")


def noticed(tests: Mapping[str, float]) -> tuple[str, str]:
    """("killed", "survived" or "endless", the test that noticed)."""
    names = list(tests)
    (HOME / "killer").write_text("", encoding="utf-8")
    for some in filter(None, (names[:FIRST], names[FIRST:])):
        files = sorted({name.partition("::")[0] for name in some})
        work = lambda some=some, files=files: int(pytest.main([*WORDS, *files], plugins=[Chosen(some)]))  # noqa: E731  # binds this turn
        outcome = in_a_fork(work, SECONDS + TIMES * sum(tests[name] for name in some))
        if outcome not in (0, NONE_FOUND):
            return "endless" if outcome is None else "killed", (HOME / "killer").read_text(encoding="utf-8")
    return "survived", ""
