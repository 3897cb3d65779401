"""Runs on disk, and a way to call the command line as a shell does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hndoctor.cli import main
from hndoctor.formats.write import write_hypernetwork

Tensors = Mapping[str, np.ndarray]
WIDTHS = (24, 12, 16)


@dataclass(frozen=True)
class Result:
    """What a call left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Call hndoctor with arguments; its exit code, stdout and stderr."""

    def call_it(*arguments: object) -> Result:
        monkeypatch.setattr("sys.argv", ["hndoctor", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return Result(code, told.out, told.err)

    return call_it


def module(width: int, scale: float, rng: np.random.Generator) -> Tensors:
    """A `1, 2, 1` module with Gaussian weights."""
    return {
        "linear.0.weight": rng.normal(0, scale, (2 * width, width)).astype(np.float32),
        "linear.0.bias": np.zeros(2 * width, np.float32),
        "linear.1.weight": rng.normal(0, scale, (width, 2 * width)).astype(np.float32),
        "linear.1.bias": np.zeros(width, np.float32),
    }


def write_network(path: Path, step: int, scale: float = 0.03) -> Path:
    """A small network with weights of the given standard deviation."""
    rng = np.random.default_rng(step)
    pairs = [(width, module(width, scale, rng), module(width, scale, rng)) for width in WIDTHS]
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "step": step - 1, "name": "small", "layer_structure": [1.0, 2.0, 1.0], "activation_func": "linear",
        "activate_output": False,
    }  # fmt: skip
    write_hypernetwork(path, pairs, metadata)
    return path


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    """A run of three quiet checkpoints."""
    run = tmp_path / "runs" / "quiet"
    for step in (500, 1000, 1500):
        write_network(run / "hypernetworks" / f"quiet-{step}.pt", step, 0.03 + step * 1e-6)
    (run / "hypernetwork_loss.csv").write_bytes(
        b"step,epoch,epoch_step,loss,learn_rate\r\n"
        + b"".join(b"%d,0,%d,%.7f,5e-06\r\n" % (s, s, 0.1 + 0.01 * (s % 3)) for s in range(10, 1501, 10))
    )
    return run


@pytest.fixture
def dying(tmp_path: Path) -> Path:
    """A run whose last checkpoint exploded."""
    run = tmp_path / "runs" / "dying"
    for step, scale in ((500, 0.03), (1000, 0.03), (1500, 3.0)):
        write_network(run / "hypernetworks" / f"dying-{step}.pt", step, scale)
    return run
