"""What happens to a training from outside: a preempted machine, another base model, one sick process of several."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import torch
from test_trainer_session import digests

from hndoctor.formats import losslog
from trainer.config import Config, to_toml
from trainer.errors import TrainerError
from trainer.events import Finished, Notice
from trainer.interrupts import Stop
from trainer.network import Hypernetwork
from trainer.preview import Previewer
from trainer.session import train
from trainer.validation import Validation

if sys.platform != "win32":
    import resource

Change = Callable[..., Config]
ROOT = Path(__file__).parents[2]
GRACE = 10.0  # seconds until everything is saved: what a preempted machine gives at least
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "1000"}


@pytest.mark.parametrize("place", ["preview", "validation"])
def test_a_wish_to_stop_ends_a_preview_or_a_validation_and_a_resumed_run_makes_up_for_it(
    changed: Change, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"image_every": 4, "preview_steps": 3, "validation": 1, "validate_every": 4, "ema": 0.9}
    whole, config = (changed(out=tmp_path / name, **settings) for name in ("whole", "cut"))
    list(train(whole))
    stop, calls = Stop(), []

    def late(real: Callable[..., object]) -> Callable[..., object]:
        def call(self: object, *args: object, **more: object) -> object:
            calls.append(1)
            if len(calls) == 2:  # the second time: in the middle of the course
                stop()
            return real(self, *args, **more)

        return call

    kind, name = (Previewer, "draw") if place == "preview" else (Validation, "measure")
    monkeypatch.setattr(kind, name, late(getattr(kind, name)))
    events = list(train(config, stop=stop))
    monkeypatch.undo()
    assert any(isinstance(event, Notice) and "was left to stop at once" in event.text for event in events)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stopped"
    list(train(config, resume=True))
    assert digests(config.run) == digests(whole.run)
    assert {path.name: path.read_bytes() for path in (config.run / "images").iterdir()} == {
        path.name: path.read_bytes() for path in (whole.run / "images").iterdir()
    }


@contextmanager
def started(
    config: Config, folder: Path, before: Callable[[], None] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A training as its user starts it, in a process of its own; `before` runs there first.  Ended with the block."""
    file = folder / "config.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "hndoctor", "train", str(file)],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
        preexec_fn=before,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(out: IO[str], wanted: str) -> str:
    """What was printed, up to the line that has the wanted words in it."""
    told = ""
    for line in out:
        told += line
        if wanted in line:
            return told
    raise AssertionError(told)


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is POSIX's")
def test_sigterm_on_a_preempted_machine_saves_in_time(tmp_path: Path, pictures: Path) -> None:
    """On the pocket model, in a preview of a thousand steps, which would take minutes."""
    config = Config(
        name="term", data=pictures, out=tmp_path / "runs", steps=50, save_every=3, learn_rate="1e-3", device="cpu",
        image_every=3, preview_steps=1000, preview_prompts=("a", "b", "c"),
    )  # fmt: skip
    images = config.run / "images"
    images.mkdir(parents=True)
    (images / "term-0.png").touch()  # the bare model's picture is there
    with started(config, tmp_path) as process:
        assert process.stdout is not None
        told = lines_until(process.stdout, "saved term-3.pt")
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=120)[0]
        seconds = time.monotonic() - sent
    assert seconds < GRACE, f"{seconds:.1f} s"
    assert process.returncode == 130, told + rest
    assert "preview 3 was left to stop at once" in rest
    assert Hypernetwork.load(config.run / "hypernetworks" / "term.pt").step == 2


@pytest.mark.skipif(sys.platform != "linux", reason="gives a running process more room, which Linux can")
def test_a_disk_that_is_full_for_a_while_costs_one_checkpoint(tmp_path: Path, pictures: Path) -> None:
    """A limit on the size of files is a disk that is full there; it is taken away once the training has said so."""
    config = Config(
        name="full", data=pictures, out=tmp_path / "runs", steps=16, save_every=4, learn_rate="1e-3", device="cpu",
        image_every=0,
    )  # fmt: skip
    with started(config, tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, -1))) as process:
        assert process.stdout is not None
        told = lines_until(process.stdout, "was not saved, training goes on")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        told += process.communicate(timeout=240)[0]
    assert process.returncode == 0, told
    (missed,) = [line for line in told.splitlines() if "checkpoint 4 was not saved, training goes on: " in line]
    assert "File too large" in missed
    networks = config.run / "hypernetworks"
    made = {path.name for path in networks.iterdir()}
    assert not {name for name in made if name.endswith((".tmp", ".next"))}
    assert "full-4.pt" not in made
    assert {"full-12.pt", "full-16.pt", "full.pt"} <= made
    for name in made:
        if name.endswith(".pt"):
            assert Hypernetwork.load(networks / name).is_finite()


def test_another_base_model_is_refused_when_a_run_goes_on(changed: Change, pipeline: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(pipeline, base)
    config = changed(base_model=str(base), steps=5)
    list(train(config))
    (weights,) = (base / "unet").glob("*.safetensors")
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    before = {path: path.read_bytes() for path in config.run.rglob("*") if path.is_file()}
    longer = changed(base_model=str(base), steps=8)
    with pytest.raises(TrainerError, match=r"began on the base model base with hash \w+, and this one"):
        list(train(longer, resume=True))
    assert {path: path.read_bytes() for path in config.run.rglob("*") if path.is_file()} == before
    raw[-1] ^= 1
    weights.write_bytes(raw)
    assert isinstance(list(train(longer, resume=True))[-1], Finished)


LAUNCH = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SICK = """
import sys
import torch
from trainer import loop
from trainer.config import load_config
from trainer.events import Notice
from trainer.processes import join
from trainer.session import train
config = load_config(sys.argv[1])
import os
rank, real = int(os.environ["RANK"]), loop.gradients
def sick(course, step, batches):
    loss = real(course, step, batches)
    if rank == 1 and step == 4:
        loss = loss * float("nan")
        for parameter in course.parameters:
            if parameter.grad is not None:
                parameter.grad.fill_(float("nan"))
    return loss
loop.gradients = sick
for event in train(config):
    if isinstance(event, Notice) and rank == 0:
        print(event.text, flush=True)
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch trains in one process only")
def test_nan_in_one_process_costs_one_step_and_no_weights(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    script = tmp_path / "sick.py"
    script.write_text(SICK, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *LAUNCH, str(script), str(file)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the step is left out" in done.stdout
    network = Hypernetwork.load(config.run / "hypernetworks" / "tiny.pt")
    assert network.is_finite()
    assert network.step == 10
    assert [p.step for p in losslog.read(config.run / "hypernetwork_loss.csv") if p.nonfinite] == [5]


def test_a_stop_from_another_thread_is_heeded(changed: Change) -> None:
    stop = Stop()
    timer = threading.Timer(1.0, stop)
    timer.start()
    events = list(train(changed(steps=100_000, save_every=0), stop=stop))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stopped"
