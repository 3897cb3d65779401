"""Optimizers: every one goes on from its file bit for bit; what cannot work is said in a line."""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainer import optimizer as optimizers
from trainer import optimizer_kinds as kinds
from trainer.errors import TrainerError

TORCHS = sorted(
    name
    for name, kind in inspect.getmembers(torch.optim, inspect.isclass)
    if issubclass(kind, torch.optim.Optimizer) and name not in kinds.UNFIT
)
OTHERS = ("Prodigy", "AdamWScheduleFree", "RAdamScheduleFree", "SGDScheduleFree")
#: bitsandbytes is for NVIDIA cards, but steps on a CPU too: where it is installed, it is tested
EIGHT_BIT = tuple(name for name, module in kinds.EXTRAS.items() if module.startswith("bits")) * bool(
    find_spec("bitsandbytes")
)
ARGS = {"SGD": ("momentum=0.9",), "RMSprop": ("momentum=0.5", "centered=True"), "Adam": ("amsgrad=True",)}


def weights() -> list[nn.Parameter]:
    """A matrix and a bias of zeros, as a new network has; large enough for 8 bits."""
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn((96, 64), generator=generator)), nn.Parameter(torch.zeros(3))]


def steps(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], first: int, last: int) -> None:
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        kinds.set_rate(optimizer, 1e-2)
        optimizer.step()


def saved(folder: Path, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> tuple[Path, list[bytes]]:
    """A stand-in for a checkpoint with its state, and the weights that the checkpoint would hold."""
    checkpoint = folder / "x-4.pt"
    checkpoint.write_bytes(b"network")
    with kinds.meant(optimizer, parameters) as trained:
        held = [parameter.detach().numpy().tobytes() for parameter in parameters]
    optimizers.save(optimizers.optim_path(checkpoint), checkpoint, optimizer, trained)
    return checkpoint, held


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
@pytest.mark.parametrize("name", [*TORCHS, *OTHERS, *EIGHT_BIT])
def test_every_optimizer_goes_on_from_its_file_bit_for_bit(tmp_path: Path, name: str) -> None:
    whole, args = weights(), ARGS.get(name, ())
    one = kinds.make(name, whole, 1e-2, 0.01, args)
    steps(one, whole, 0, 6)

    parts = weights()
    before = kinds.make(name, parts, 1e-2, 0.01, args)
    steps(before, parts, 0, 3)
    checkpoint, held = saved(tmp_path, before, parts)
    file = optimizers.stored(checkpoint)
    assert not isinstance(file, str), file
    assert optimizers.mismatch(file, checkpoint, 3, name, parts) is None

    again = weights()
    for parameter, data in zip(again, held, strict=True):
        parameter.data = torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(parameter.shape).clone()
    after = kinds.make(name, again, 0.5, 0.01, args)
    optimizers.load(file, after, again)
    steps(after, again, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    assert not torch.equal(whole[0], weights()[0])


class Wrapping(torch.optim.Adam):
    """Keeps a part of its state as bitsandbytes tells it: in a dictionary of its own, 8 bits wide."""

    def state_dict(self) -> dict[str, Any]:
        told = super().state_dict()
        one = told["state"][0]
        wrapped = {"state1": one["exp_avg"].to(torch.uint8), "absmax1": one["exp_avg_sq"]}
        return told | {"state": {0: {"step": 3, "__bnb_optimizer_quant_state__": wrapped}}}


def test_a_state_in_a_dictionary_of_its_own_is_written_flat(tmp_path: Path) -> None:
    parameters = weights()
    optimizer = Wrapping(parameters)
    steps(optimizer, parameters, 0, 3)
    checkpoint, _ = saved(tmp_path, optimizer, parameters)
    file = optimizers.stored(checkpoint)
    assert not isinstance(file, str)
    assert sorted(file.state[0]) == ["absmax1", "state1", "step"]
    assert file.state[0]["state1"].dtype == "uint8"


def test_looking_at_the_meant_weights_changes_nothing() -> None:
    parameters = weights()
    optimizer = kinds.make("AdamWScheduleFree", parameters, 1e-2, 0.01)
    steps(optimizer, parameters, 0, 4)
    before = [parameter.detach().clone() for parameter in parameters]
    with kinds.meant(optimizer, parameters):
        assert not torch.equal(parameters[0], before[0])
    assert all(torch.equal(a, b) for a, b in zip(parameters, before, strict=True))
    steps(optimizer, parameters, 4, 5)  # it is ready for steps again


def test_prodigy_says_the_rate_that_was_at_work() -> None:
    parameters = weights()
    optimizer = kinds.make("Prodigy", parameters, 1.0, 0.01)
    steps(optimizer, parameters, 0, 3)
    estimate = optimizer.param_groups[0]["d"]
    assert kinds.shown_rate(optimizer, 0.5) == pytest.approx(0.5 * estimate)
    assert kinds.shown_rate(kinds.make("AdamW", parameters, 1.0, 0.01), 0.5) == 0.5


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(kinds, "import_module", missing)
    for name in ("AdamW8bit", "Prodigy", "SGDScheduleFree"):
        library = kinds.EXTRAS[name].partition(".")[0]
        with pytest.raises(TrainerError, match=f"pip install {library}$"):
            kinds.make(name, weights(), 1e-3, 0.0)


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("AdamWW", (), "torch.optim's classes"),
        ("adamw", (), 'did you mean "AdamW"?'),
        ("Prodigi", (), 'did you mean "Prodigy"?'),
        ("LBFGS", (), "torch.optim's classes"),
        ("Muon", (), "torch.optim's classes"),
        ("AdamW", ("beta=0.9",), "AdamW has betas"),
        ("AdamW", ("betas",), "option=value"),
        ("AdamW", ("eps=small",), "'small' is no number"),
        ("AdamW", ("eps=-1",), "refuses its settings"),
        ("AdamW", ("lr=1",), "option=value"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(name: str, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(TrainerError, match=r"\A[^\n]+\Z") as raised:
        kinds.make(name, weights(), 1e-3, 0.01, args)
    assert said in str(raised.value)


def test_options_reach_the_optimizer() -> None:
    made = kinds.make("AdamW", weights(), 1e-3, 0.01, ("betas=(0.8, 0.9)", "weight_decay=0.5"))
    assert (made.param_groups[0]["betas"], made.param_groups[0]["weight_decay"]) == ((0.8, 0.9), 0.5)
    assert made.param_groups[0]["fused"]


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
@pytest.mark.parametrize("name", [*TORCHS, *OTHERS, *EIGHT_BIT])
def test_weight_decay_does_not_outweigh_a_small_gradient(name: str) -> None:
    """A hypernetwork's is some 1e-5; added to it, a hundredth of the weights takes them to nothing in 50 steps."""
    sizes = {}
    for decay in (0.0, 0.01):
        matrix, bias = weights()
        optimizer = kinds.make(name, [matrix, bias], 1e-2, decay)
        for step in range(50):
            generator = torch.Generator().manual_seed(step)
            matrix.grad, bias.grad = (1e-5 * torch.randn(one.shape, generator=generator) for one in (matrix, bias))
            kinds.set_rate(optimizer, 1e-2)
            optimizer.step()
        sizes[decay] = float(matrix.detach().norm())
    assert sizes[0.01] == pytest.approx(sizes[0.0], rel=0.01)


def test_weight_decay_that_is_asked_for_by_name_is_the_optimizers_own() -> None:
    for name, args, decay in (("SGD", (), 0), ("SGD", ("weight_decay=0.1",), 0.1), ("NAdam", (), 0.01)):
        assert kinds.make(name, weights(), 1e-3, 0.01, args).param_groups[0]["weight_decay"] == decay
    assert kinds.make("NAdam", weights(), 1e-3, 0.01).param_groups[0]["decoupled_weight_decay"]
    coupled = kinds.make("NAdam", weights(), 1e-3, 0.01, ("decoupled_weight_decay=False",))
    assert not coupled.param_groups[0]["decoupled_weight_decay"]


def test_a_state_of_other_shapes_or_another_step_does_not_fit(tmp_path: Path) -> None:
    parameters = weights()
    optimizer = kinds.make("AdamW", parameters, 1e-2, 0.01)
    steps(optimizer, parameters, 0, 3)
    checkpoint, _ = saved(tmp_path, optimizer, parameters)
    file = optimizers.stored(checkpoint)
    assert not isinstance(file, str)
    others = [nn.Parameter(torch.zeros(5, 4)), nn.Parameter(torch.zeros(3))]
    assert "layers" in str(optimizers.mismatch(file, checkpoint, 3, "AdamW", others))
    assert "not of Adam" in str(optimizers.mismatch(file, checkpoint, 3, "Adam", parameters))
    checkpoint.write_bytes(b"another network")  # then the count of steps decides, as for the web UI's own pairs
    assert optimizers.mismatch(file, checkpoint, 3, "AdamW", parameters) is None
    assert "another network" in str(optimizers.mismatch(file, checkpoint, 4, "AdamW", parameters))
    assert "another network" in str(optimizers.mismatch(file, checkpoint, 2, "AdamW", parameters))
