"""A run that is looked at while it grows: each file is measured once, and what is said of it is what `scan` says."""

import math
import os
from pathlib import Path

import pytest

import hndoctor
from hndoctor.collect import find_runs
from hndoctor.diagnose import last_state
from hndoctor.formats import losslog
from hndoctor.metrics import scores
from hndoctor.records import State
from hndoctor.vitals import Following
from hndoctor.weights import CHUNK, series
from tests.vitals.test_measuring import network, picture

STEPS = tuple(500 * n for n in range(1, CHUNK + 3))


def grown(root: Path, step: int, size: float = 0.01) -> None:
    """One checkpoint, preview and row of the log more, as young as files are that were written just now."""
    for kind, make, suffix in (("hypernetworks", network, "pt"), ("images", picture, "png")):
        path = root / kind / f"x-{step}.{suffix}"
        make(path, step, *([size] if make is network else []))
        os.utime(path)
    losslog.append_row(root / "hypernetwork_loss.csv", step, 0.1, 5e-6, 20)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are measured."""
    names: list[str] = []
    for module, name in ((series, "measure_checkpoint"), (scores, "_about")):
        real = getattr(module, name)

        def counted(where, *more, real=real):
            names.append(getattr(where, "path", where).name)
            return real(where, *more)

        monkeypatch.setattr(module, name, counted)
    return names


def test_it_says_what_scan_says_and_measures_each_file_once(tmp_path: Path, opened: list[str]) -> None:
    following = Following()
    for step in STEPS:
        grown(tmp_path / "x", step, math.nan if step > STEPS[3] else 0.01)
        (run,) = find_runs(tmp_path)
        opened.clear()
        vitals = following.measure(run)
        assert opened == [f"x-{step}.pt", f"x-{step}.png"]
        (told,) = hndoctor.scan(tmp_path)
        assert hndoctor.judge(vitals) == told
        assert last_state(vitals) is told.course[-1].state
    assert told.course[-1].state is State.BROKEN


def test_a_file_that_was_replaced_is_measured_anew(tmp_path: Path, opened: list[str]) -> None:
    """By a trainer that was sent back, within one tick of the clock or not: another file lies in its place."""
    following, root = Following(), tmp_path / "x"
    for step in STEPS[:3]:
        grown(root, step)
    (run,) = find_runs(tmp_path)
    following.measure(run)
    opened.clear()
    new, old = root / "new", root / "hypernetworks" / f"x-{STEPS[1]}.pt"
    network(new, STEPS[1], 0.02)
    at = old.stat()
    assert new.stat().st_size == at.st_size
    os.utime(new, ns=(at.st_atime_ns, at.st_mtime_ns))
    new.replace(old)
    vitals = following.measure(run)
    assert opened == [f"x-{step}.pt" for step in STEPS[1:3]], "and what was compared with it"
    assert hndoctor.judge(vitals) == hndoctor.scan(tmp_path)[0]


def test_what_could_not_be_read_is_looked_at_again_where_it_has_changed(tmp_path: Path, opened: list[str]) -> None:
    following, root = Following(), tmp_path / "x"
    grown(root, 500)
    broken = root / "hypernetworks" / "x-1000.pt"
    broken.write_bytes(b"PK\3\4 cut short")
    (run,) = find_runs(tmp_path)
    assert len(following.measure(run).unreadable) == 1
    grown(root, 1000)
    (run,) = find_runs(tmp_path)
    assert not following.measure(run).unreadable
