"""The wheel, built from the sdist and installed where there is no torch, does everything but train.

In this Python, or in the one that HNDOCTOR_WHEEL_PYTHON names (`make packages` tries all that are here).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
PYTHON = os.environ.get("HNDOCTOR_WHEEL_PYTHON", sys.executable)
BIN = "Scripts" if os.name == "nt" else "bin"


def call(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command outside the checkout, so that nothing is imported from it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HNDOCTOR"))}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel and its own dependencies only; its folder of programs."""
    folder = tmp_path_factory.mktemp("wheel")
    built = call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr[-2000:]
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (wheel,) = folder.glob("*.whl")
    made = call(PYTHON, "-m", "venv", folder / "venv")
    assert made.returncode == 0, made.stderr[-2000:]
    programs = folder / "venv" / BIN
    result = call(
        programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "-c", ROOT / "constraints.txt", wheel, cwd=folder,
    )  # fmt: skip
    if "No matching distribution" in result.stderr and "Connection" in result.stderr:
        pytest.skip("no package index can be reached: the wheel's dependencies cannot be installed")
    assert result.returncode == 0, result.stderr[-2000:]
    return programs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with one small healthy checkpoint, and a data set of two pictures."""
    from hndoctor.formats.write import write_hypernetwork

    rng = np.random.default_rng(0)

    def module(width: int) -> dict[str, np.ndarray]:
        return {
            "linear.0.weight": rng.normal(0, 0.01, (2 * width, width)).astype(np.float32),
            "linear.0.bias": np.zeros(2 * width, np.float32),
            "linear.1.weight": rng.normal(0, 0.01, (width, 2 * width)).astype(np.float32),
            "linear.1.bias": np.zeros(width, np.float32),
        }

    saved = tmp_path / "run" / "hypernetworks" / "small-500.pt"
    saved.parent.mkdir(parents=True)
    metadata = {"step": 499, "name": "small", "layer_structure": [1.0, 2.0, 1.0], "activation_func": "linear"}
    write_hypernetwork(saved, [(width, module(width), module(width)) for width in (768, 320)], metadata)
    data = tmp_path / "data"
    data.mkdir()
    for name in ("one", "two"):
        Image.fromarray(rng.integers(0, 255, (512, 512, 3), np.uint8)).save(data / f"{name}.png")
        (data / f"{name}.txt").write_text(f"a {name} thing", encoding="utf-8")
    return tmp_path


def test_no_torch_is_brought(installed: Path) -> None:
    listed = call(installed / "python", "-m", "pip", "list", "--format=json")
    names = {row["name"].lower() for row in json.loads(listed.stdout)}
    assert "hndoctor" in names
    assert not names & {"torch", "diffusers", "transformers", "accelerate"}


def test_it_scans_gates_checks_and_explains_without_torch(installed: Path, folder: Path) -> None:
    scanned = call(installed / "hndoctor", "scan", folder / "run", "--format", "json", cwd=folder)
    assert scanned.returncode == 0, scanned.stderr
    (run,) = json.loads(scanned.stdout)["runs"]
    assert [station["step"] for station in run["course"]] == [500]
    assert (folder / "run" / "health.html").stat().st_size > 5000
    assert (folder / "run" / "vitals.json").exists()
    assert call(installed / "hndoctor", "gate", folder / "run", cwd=folder).returncode == 0
    assert call(installed / "hndoctor", "check", folder / "data", cwd=folder).returncode in (0, 1)
    assert "HN101" in call(installed / "hndoctor", "explain", "HN101", cwd=folder).stdout


def test_training_without_torch_says_what_to_install(installed: Path, folder: Path) -> None:
    (folder / "c.toml").write_text('name = "x"\ndata = "data"\n', encoding="utf-8")
    result = call(installed / "hndoctor", "train", "c.toml", cwd=folder)
    assert result.returncode == 2
    assert "hndoctor[train]" in result.stderr
    assert "Traceback" not in result.stderr
