"""What a kill leaves, what is kept, and what of the web UI's can be gone on from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hndoctor.formats.hashes import short_hash
from hndoctor.formats.settings import read_validation
from trainer import memory, saving
from trainer.config import Config, to_toml
from trainer.ema import belongs
from trainer.errors import TrainerError
from trainer.events import Event, Finished, Notice, Stepped, Validated
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.optimizer import optim_path
from trainer.session import Stop, load_config, train

Change = Callable[..., Config]
ROOT = Path(__file__).parents[2]


def notices(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for part in ("hypernetworks", "ema") for path in folder.glob(f"{part}/*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# --- kills ------------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it happens."""


def test_a_kill_between_any_two_renames_leaves_a_whole_checkpoint(
    changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every os.replace of a save is made the last thing that happens, in turn; the next start settles it."""
    run, config = train(changed(ema=0.9)), changed(ema=0.9)
    event: Event = next(run)
    while not isinstance(event, Stepped) or event.step < 2:
        event = next(run)
    run.close()
    path = config.run / "hypernetworks" / "tiny.pt"
    done = contents(config.run)
    assert {"hypernetworks/tiny.pt", "hypernetworks/tiny.pt.optim", "ema/tiny.pt"} <= set(done)
    for survivors in range(4):
        for file, data in done.items():
            (config.run / file).write_bytes(data)
        _killed_save(changed(ema=0.9, steps=8), survivors, monkeypatch)
        assert any(config.run.rglob("*.next")) == (survivors < 3)
        saving.settle(config.run / "hypernetworks")
        assert not any(config.run.rglob("*.next"))
        network = Hypernetwork.load(path)
        assert network.step == (2 if survivors < 1 else 8)
        state = torch.load(optim_path(path), weights_only=True)
        assert state["hash"] == short_hash(path)
        assert belongs(Hypernetwork.load(config.run / "ema" / "tiny.pt"), path)


def _killed_save(config: Config, survivors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resume, and die in the final save after so many of its renames; no clean-up gets to run."""
    real_replace, real_unlink, left = Path.replace, Path.unlink, [survivors]

    def replace_(self: Path, target: Path) -> Path:
        if self.name.endswith(".next"):
            if not left[0]:
                monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
                raise Killed
            left[0] -= 1
        return real_replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_)
        try:
            for _ in train(replace(config, save_every=0), resume=True):
                pass
        except Killed:
            pass
        monkeypatch.setattr(Path, "unlink", real_unlink)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_runs_that_are_killed_at_random_end_with_the_same_hashes(changed: Change, tmp_path: Path) -> None:
    config = changed(save_every=2, steps=8, ema=0.9, lr_scheduler="cosine", validation=1, validate_every=4)
    path = tmp_path / "killed.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.kills", "--kills", "4", "--config", str(path), "--seed", "1"]
    told = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.startswith("4 kills")


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(changed: Change, tmp_path: Path) -> None:
    whole = changed(out=tmp_path / "whole")
    list(train(whole))
    config = changed()
    list(train(config))
    for path in (config.run / "hypernetworks").iterdir():
        path.unlink()
    events = list(train(config, resume=True))
    assert "begins anew" in notices(events)
    assert contents(config.run) == contents(whole.run)
    log = "hypernetwork_loss.csv"
    assert (config.run / log).read_text() == (whole.run / log).read_text()


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_checkpoint_that_validated_best_is_kept(changed: Change) -> None:
    config = changed(save_every=2, steps=12, keep_last=1, validation=1, learn_rate="1e-1", ema=0.5)
    events = list(train(config))
    points = [event.point for event in events if isinstance(event, Validated)]
    best = min(points, key=lambda point: point.held_out).step
    kept = {p.name for p in (config.run / "hypernetworks").glob("*-*.pt")}
    assert kept == {f"tiny-{best}.pt", "tiny-12.pt"}
    for folder, ending in (("hypernetworks", ".pt.optim"), ("ema", ".pt")):
        there = {p.name.removesuffix(ending) for p in (config.run / folder).glob(f"*-*{ending}")}
        assert there == {name.removesuffix(".pt") for name in kept}


def test_the_average_is_a_network_of_its_own(changed: Change) -> None:
    config = changed(ema=0.5, validation=1)
    list(train(config))
    plain, average = (Hypernetwork.load(config.run / part / "tiny-8.pt") for part in ("hypernetworks", "ema"))
    assert average.step == plain.step == 7
    assert not torch.equal(next(average.parameters()), next(plain.parameters()))
    assert "moving average, decay 0.5" in (average.optional_info or "")
    lines = (config.run / "validation.jsonl").read_text().splitlines()
    assert all('"ema"' in line and '"bins"' in line for line in lines)


def test_the_average_follows_the_weights_as_its_formula_says(changed: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow twin: the same average from the weights of every step."""
    config = changed(ema=0.5, save_every=1, steps=6)
    list(train(config))
    folder = config.run / "hypernetworks"
    start = next(Hypernetwork.load(folder / "tiny-1.pt").parameters()) if (folder / "tiny-1.pt").exists() else None
    weights = [next(Hypernetwork.load(folder / f"tiny-{number}.pt").parameters()).detach() for number in range(2, 7)]
    assert start is None  # nothing is saved before the first step: it is made again from the seed
    network = Hypernetwork.create((20, 16, 24), activation_func="relu", seed=_seed(config), name="tiny")
    average = next(network.parameters()).detach().clone()
    for step, weight in enumerate(weights):
        decay = min(0.5, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    stored = next(Hypernetwork.load(config.run / "ema" / "tiny-6.pt").parameters())
    assert torch.allclose(stored, average, atol=1e-7)


def _seed(config: Config) -> int:
    from trainer.seeding import derive

    return derive(config.seed, "weights")


# --- the web UI's pairs -----------------------------------------------------------------------------------------------


@pytest.fixture
def pair(changed: Change, tmp_path: Path) -> tuple[Config, Path]:
    """A run with Adam, and a copy of one of its pairs as the web UI would have left it (its bug A)."""
    config = changed(optimizer="Adam")
    list(train(config))
    path = tmp_path / "webui" / "tiny-8.pt"
    path.parent.mkdir()
    path.write_bytes((config.run / "hypernetworks" / "tiny-8.pt").read_bytes())
    state = torch.load(config.run / "hypernetworks" / "tiny-8.pt.optim", weights_only=True)
    torch.save(state | {"hash": "0123456789"}, f"{path}.optim")
    return config, path


def test_a_pair_that_the_web_ui_bound_to_its_start_goes_on_with_its_own_optimizer(
    pair: tuple[Config, Path], changed: Change, tmp_path: Path
) -> None:
    whole, path = pair
    later = replace(changed(out=tmp_path / "later"), given=frozenset())  # no optimizer named: the state's is taken
    events = list(train(later, resume=path))
    assert "counts the network's 7 steps" in notices(events)
    assert "anew" not in notices(events)
    made, expected = (c.run / "hypernetworks" / "tiny.pt" for c in (later, whole))
    assert made.read_bytes() == expected.read_bytes()


def test_another_optimizer_that_is_asked_for_starts_anew(
    pair: tuple[Config, Path], changed: Change, tmp_path: Path
) -> None:
    events = list(train(changed(out=tmp_path / "later", optimizer="AdamW"), resume=pair[1]))
    assert "is the state of Adam, not of AdamW" in notices(events)


def test_an_optimizer_that_nobody_knows_starts_anew_as_adamw(
    pair: tuple[Config, Path], changed: Change, tmp_path: Path
) -> None:
    """The MonkeyPatch extension's D-Adaptation."""
    path = optim_path(pair[1])
    torch.save(torch.load(path, weights_only=True) | {"optimizer_name": "DAdaptAdamW"}, path)
    later = replace(changed(out=tmp_path / "later"), given=frozenset())
    assert "is the state of DAdaptAdamW, not of AdamW: AdamW starts anew" in notices(list(train(later, resume=pair[1])))


# --- memory -----------------------------------------------------------------------------------------------------------


def short_of_memory(monkeypatch: pytest.MonkeyPatch, cured: bool, spared: int) -> None:
    """After `spared` losses memory runs out, unless gradient checkpointing is on (if that is a cure)."""
    real, left = Objective.__call__, [spared]

    def call(self: Objective, *args: Any) -> torch.Tensor:
        left[0] -= 1
        if left[0] < 0 and not (cured and self.unet.is_gradient_checkpointing):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return real(self, *args)

    monkeypatch.setattr(Objective, "__call__", call)


@pytest.mark.parametrize("spared", [0, 5])
def test_without_memory_it_checkpoints_says_so_and_trains_the_same(
    changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spared: int
) -> None:
    whole, config = changed(out=tmp_path / "whole", gradient_checkpointing=True, steps=6), changed(steps=6)
    list(train(whole))
    short_of_memory(monkeypatch, True, spared)
    events = list(train(config))
    assert "gradient checkpointing is on" in notices(events)
    assert isinstance(events[-1], Finished)
    assert contents(config.run).keys() == contents(whole.run).keys()
    one, other = (Hypernetwork.load(c.run / "hypernetworks" / "tiny.pt") for c in (config, whole))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_out_of_memory_for_good_says_what_to_lower_and_loses_nothing(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = changed()
    short_of_memory(monkeypatch, False, 5)
    with pytest.raises(TrainerError, match=r"\Aout of memory after step 3: lower batch_size = 2[^\n]+bf16[^\n]+\Z"):
        list(train(config))
    assert Hypernetwork.load(config.run / "hypernetworks" / "tiny.pt").step == 3


def test_a_shortage_is_told_from_other_errors() -> None:
    assert memory.is_shortage(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    assert memory.is_shortage(MemoryError())
    assert not memory.is_shortage(RuntimeError("shape '[2]' is invalid"))
    assert not memory.is_shortage(ValueError("out of memory"))


# --- others -----------------------------------------------------------------------------------------------------------


def test_the_base_models_validation_is_measured_once(changed: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    config, stop = changed(validation=1, validate_every=2), Stop()
    for event in train(config, stop=stop):
        if isinstance(event, Stepped) and event.step == 5:
            stop()
    from trainer.validation import Validation

    def again(*_: object) -> object:
        raise AssertionError("measured again")

    monkeypatch.setattr(Validation, "_bare", again)
    list(train(config, resume=True))
    points = read_validation(config.run / "validation.jsonl")
    assert len({point.base_items for point in points}) == 1
    assert len(points) == 5


@pytest.mark.filterwarnings("ignore::UserWarning")  # dynamo looks at .grad of the shared contexts
def test_a_compiled_unet_trains_the_same(changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, config = changed(out=tmp_path / "plain", steps=2), changed(compile=True, steps=2)
    list(train(plain))
    monkeypatch.setattr(torch.nn.Module, "compile", _traced)
    list(train(config))
    one, other = (Hypernetwork.load(c.run / "hypernetworks" / "tiny.pt") for c in (config, plain))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def _traced(self: torch.nn.Module) -> None:
    """Dynamo's tracing without a compiler behind it, which not every machine has."""
    self._compiled_call_impl = torch.compile(self._call_impl, backend="eager")


def test_prodigys_rate_is_one_unless_another_is_given() -> None:
    assert load_config(None, {"data": "x", "optimizer": "Prodigy"}).learn_rate == "1"
    assert load_config(None, {"data": "x", "optimizer": "Prodigy", "learn_rate": "0.5"}).learn_rate == "0.5"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lr_scheduler": "cosinus"}, 'did you mean "cosine"'),
        ({"lr_warmup_steps": 10, "steps": 10}, "must be fewer than steps"),
        ({"lr_min_ratio": 2}, "from 0 to 1"),
        ({"ema": 1}, "below 1"),
        ({"ema": 0.9, "optimizer": "AdamWScheduleFree"}, "averages by itself"),
        ({"learn_rate": "1e-5:100;1e-6:200"}, "use commas"),
        ({"learn_rate": "1e-5:10:3"}, "too many fields"),
        ({"precision": "fp8"}, "must be one of"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(TrainerError, match=r"\A[^\n]+\Z") as raised:
        load_config(None, {"data": "x"} | values)
    assert said in str(raised.value)


