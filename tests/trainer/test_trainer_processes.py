"""Several processes, really started: the same weights as one process with all the pictures."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing

from hndoctor.formats import losslog
from hndoctor.formats.curve import Curve
from trainer import optimizer as optimizers
from trainer.config import Config, to_toml
from trainer.data import Batch
from trainer.errors import TrainerError
from trainer.events import Notice
from trainer.loop import Course, run
from trainer.network import Hypernetwork
from trainer.noising import Noising
from trainer.planning import plan
from trainer.processes import ALONE, Processes, join
from trainer.session import train

ROOT = Path(__file__).parents[2]

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
#: `--cpu` instead of `--multi_gpu` starts one process; this starts two, with or without a GPU
ACCELERATE = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0")
LAUNCHERS = {"torchrun": TORCHRUN, "accelerate": ACCELERATE}


def launched(launcher: str, config: Config, path: Path) -> subprocess.Popen[str]:
    """Two processes in a session of their own, as from a terminal."""
    path.write_text(to_toml(config), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, *LAUNCHERS[launcher], "-m", "hndoctor", "train", str(path)],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


#: Adam divides every gradient by itself: one that is rounding alone (a key's last bias adds the same to all scores of a
#: query) it makes a step of, whose sign two ways of adding up decide differently; a larger epsilon leaves it rounding
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "torchrun": {"optimizer": "AdamW", "optimizer_args": ("eps=1e-5",)},
    # without the decay a single weight of a unit that is nearly off parts by 1.2e-6
    "accelerate": {"optimizer": "SGD", "learn_rate": "1", "optimizer_args": ("weight_decay=0.01",)},
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_are_one_with_twice_the_batch(
    changed: Callable[..., Config], tmp_path: Path, launcher: str
) -> None:
    """Launched as a user would, over gloo; with accumulation, clipping, an average and a save."""
    values = {"gradient_step": 2, "clip_grad_mode": "norm", "clip_grad_value": "0.5", "ema": 0.9, "steps": 5}
    values |= OPTIMIZERS[launcher]
    one, two = changed(**values, batch_size=2, out=tmp_path / "one"), changed(**values, batch_size=1)
    list(train(one))
    process = launched(launcher, two, tmp_path / "two.toml")
    told, _ = process.communicate()
    assert process.returncode == 0, told
    assert told.count("trained to step 5") == 1  # only the first speaks
    for part in ("hypernetworks/tiny.pt", "hypernetworks/tiny-4.pt", "ema/tiny.pt"):
        a, b = (Hypernetwork.load(config.run / part) for config in (one, two))
        assert a.step == b.step
        apart = {
            name: float((p - q).detach().abs().max())
            for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True)
        }
        assert max(apart.values()) < 1e-6, (part, apart)
    first, second = (losslog.read(config.run / "hypernetwork_loss.csv") for config in (one, two))
    assert [point.step for point in second] == [1, 2, 3, 4, 5]
    assert all(abs((a.loss or 0) - (b.loss or 1)) < 1e-5 for a, b in zip(first, second, strict=True))


@pytest.mark.skipif(os.name == "nt", reason="signals and process groups")
@pytest.mark.parametrize(
    ("launcher", "number", "whole_group"),
    [("torchrun", signal.SIGINT, True), ("accelerate", signal.SIGTERM, False)],
    ids=["ctrl-c in the terminal", "a polite kill of the launcher"],
)
def test_a_signal_to_the_launcher_stops_every_process_with_one_save(
    changed: Callable[..., Config], tmp_path: Path, launcher: str, number: signal.Signals, whole_group: bool
) -> None:
    config = changed(steps=100_000, save_every=0)
    process, log = launched(launcher, config, tmp_path / "two.toml"), config.run / "hypernetwork_loss.csv"
    while process.poll() is None and not (log.exists() and len(log.read_bytes().splitlines()) > 3):
        sleep(0.1)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    told, _ = process.communicate()  # ends when no process holds its output any more
    assert told.count("saved tiny.pt") == 1, told
    assert told.count("resume to go on") == 1
    path = config.run / "hypernetworks" / "tiny.pt"
    network, state = Hypernetwork.load(path), optimizers.stored(path)
    assert not isinstance(state, str)
    assert optimizers.is_bound(state, path)
    steps = [point.step for point in losslog.read(log)]
    assert steps == list(range(1, network.step + 1))


def _joined(rank: int, folder: Path) -> None:
    """One of two processes that can talk: does all that the tests ask about, and writes what it saw."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    team = Processes(rank, 2)
    told = {"run": _nan_then_stop(team), "apart": _apart(team)}
    (folder / f"{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What each of two processes saw."""
    folder = tmp_path_factory.mktemp("meeting")
    multiprocessing.spawn(_joined, (folder,), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


class Sample:
    """Stands for the data: one picture, and which step it is drawn for."""

    pictures = (SimpleNamespace(name="a.png"),)

    def __len__(self) -> int:
        return 1

    def batch(self, place: int, size: int) -> Batch:
        nothing = torch.zeros(size)
        return Batch(nothing, nothing, nothing + place, nothing, (0,) * size)


def course(team: Processes, steps: int) -> Course:
    """A network whose loss is its weights' squares: in the second process' third step no number."""
    network = Hypernetwork.create((8,), seed=1).requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)

    def loss(*batch: Any) -> torch.Tensor:
        squares = torch.stack([p.square().sum() for p in network.parameters()]).sum()
        third = float(batch[2][0]) // team.world == 2
        return (squares * (float("nan") if third and team.rank == 1 else 1.0))[None]

    whole = Noising(0, 0, 1000, 0.0, True)
    injection = SimpleNamespace(networks=(network,))
    unet = SimpleNamespace(device=torch.device("cpu"))
    config = Config(data=Path("x"), steps=steps)
    made = Course(config, network, optimizer, injection, loss, Sample(), Curve.parse("0.1", steps, 0), whole,
                  processes=team)  # type: ignore[arg-type]  # fmt: skip  # stand-ins
    made.objective.unet = unet
    return made


def _nan_then_stop(team: Processes) -> str:
    made, told = course(team, 100), []
    for event in run(made):
        if isinstance(event, Notice):
            told.append(f"{event.step}: {'no number' if 'nan' in event.text else event.text}")
        elif event.step == 5 and team.rank == 1:
            made.stop()
        if made.halted:
            break
    team.check_equal(made.parameters, made.network.step)
    weights = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in made.parameters)).hexdigest()
    return f"{told} {made.network.step} {made.network.is_finite()} {weights}"


def test_all_leave_a_step_out_where_one_has_no_number_and_all_stop_where_one_wishes(
    seen: list[dict[str, str]]
) -> None:
    first, second = (told["run"] for told in seen)
    assert first == second
    assert first.startswith("['3: no number'] 6 True ")


def _apart(team: Processes) -> str:
    weights = [torch.ones(3), torch.full((2,), float(team.rank) * 1e-7 + 1)]
    team.check_equal(weights[:1], 100)
    try:
        team.check_equal(weights, 200)
    except TrainerError as error:
        return str(error)
    return "nothing noticed"


def test_weights_that_come_apart_are_noticed_by_all(seen: list[dict[str, str]]) -> None:
    assert all(told["apart"].startswith("step 200: the weights of the 2 processes have come apart") for told in seen)


def test_a_launcher_that_starts_one_process_where_several_were_asked_for_is_told(
    changed: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`accelerate launch --cpu --num_processes 2`, as its 1.15 sets the environment."""
    assert not any("one process" in warning for warning in plan(changed()).warnings)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert any("only one process" in warning and "torchrun" in warning for warning in plan(changed()).warnings)


def test_processes_never_share_a_picture_and_miss_none(changed: Callable[..., Config]) -> None:
    class Places:
        """Data that gives the places it is asked for."""

        def batch(self, place: int, size: int) -> list[int]:
            return list(range(place, place + size))

    def places(world: int, size: int, count: int) -> list[set[int]]:
        drawn = []
        for rank in range(world):
            course = Course.__new__(Course)
            course.config = changed(batch_size=size, gradient_step=count)
            course.data, course.noising = Places(), lambda batch, place: batch
            course.processes = Processes(rank, world)
            drawn.append({place for step in range(4) for batch in course.batches(step) for place in batch})
        return drawn

    shares = places(3, 2, 2)
    assert sum(len(share) for share in shares) == len(set().union(*shares)) == 4 * 3 * 2 * 2
    assert set().union(*shares) == set(range(48))
    assert places(1, 6, 2)[0] == set().union(*shares)


def test_a_process_alone_costs_nothing(monkeypatch: object) -> None:
    assert join(torch.device("cpu")) == ALONE
    extra = torch.tensor([1.0, 0.0])
    assert ALONE.reduce([], extra) is extra
    ALONE.check_equal([torch.zeros(1)], 5)
    ALONE.wait()
