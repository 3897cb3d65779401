"""Several processes, really started: the same weights as one process with all the pictures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from hndoctor.formats import losslog
from trainer.config import Config, to_toml
from trainer.loop import Course
from trainer.network import Hypernetwork
from trainer.processes import ALONE, Processes, join
from trainer.session import train

ROOT = Path(__file__).parents[2]
#: A key's last bias adds the same to all of a query's scores, so its gradient is zero but for rounding; Adam divides
#: that rounding by itself, and two ways of adding up part by up to a rate.  With SGD these too agree to 1e-11.
KEY_BIAS = re.compile(r"pairs\.\d*[02468]\.linear\.2\.bias")


def test_two_processes_are_one_with_twice_the_batch(changed: Callable[..., Config], tmp_path: Path) -> None:
    """Launched by torchrun as a user would, over gloo; with accumulation, clipping, an average and a save."""
    values = {"gradient_step": 2, "clip_grad_mode": "norm", "clip_grad_value": "0.5", "ema": 0.9, "steps": 5}
    one, two = changed(**values, batch_size=2, out=tmp_path / "one"), changed(**values, batch_size=1)
    list(train(one))
    path = tmp_path / "two.toml"
    path.write_text(to_toml(two), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    told = subprocess.run(
        [*launch, "-m", "hndoctor", "train", str(path)],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr.count("trained to step 5") == 1  # only the first speaks
    for part in ("hypernetworks/tiny.pt", "hypernetworks/tiny-4.pt", "ema/tiny.pt"):
        a, b = (Hypernetwork.load(config.run / part) for config in (one, two))
        assert a.step == b.step
        apart = {
            name: float((p - q).detach().abs().max())
            for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True)
        }
        far = {name: d for name, d in apart.items() if d > 1e-6 and not KEY_BIAS.fullmatch(name)}
        assert far == {}, part
    first, second = (losslog.read(config.run / "hypernetwork_loss.csv") for config in (one, two))
    assert [point.step for point in second] == [1, 2, 3, 4, 5]
    assert all(abs((a.loss or 0) - (b.loss or 1)) < 1e-5 for a, b in zip(first, second, strict=True))


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
            course.data, course.noising = Places(), lambda batch, place: batch  # type: ignore[assignment]
            course.processes = Processes(rank, world)
            drawn.append({place for step in range(4) for batch in course.batches(step) for place in batch})  # type: ignore[attr-defined]
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
