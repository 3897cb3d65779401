"""The network against plain torch, written from the description of the web UI's, and against real torch files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hndoctor.formats import layout
from trainer.errors import TrainerError
from trainer.module import ACTIVATIONS, HypernetworkModule
from trainer.network import Hypernetwork

DIM = 40


def plain(
    dim: int, structure: list[float], activation: str | None, norm: bool, dropout: list[float], output: bool
) -> nn.Sequential:
    """The web UI's stack, spelled out."""
    names = {"linear": nn.Identity, "relu": nn.ReLU, "swish": nn.Hardswish, "mish": nn.Mish, "prelu": nn.PReLU}
    stack: list[nn.Module] = []
    for i in range(len(structure) - 1):
        stack.append(nn.Linear(int(dim * structure[i]), int(dim * structure[i + 1])))
        last = i >= len(structure) - 2
        if activation not in ("linear", None) and not (last and not output):
            stack.append(names[activation or "linear"]())
        if norm:
            stack.append(nn.LayerNorm(int(dim * structure[i + 1])))
        if dropout[i + 1] > 0:
            stack.append(nn.Dropout(p=dropout[i + 1]))
    return nn.Sequential(*stack)


CASES = [
    ([1, 2, 1], "linear", False, [0, 0, 0], False),
    ([1, 2, 1], None, False, [0, 0, 0], True),
    ([1, 2, 1], "relu", False, [0, 0, 0], False),
    ([1, 2, 1], "relu", True, [0, 0, 0], True),
    ([1, 1.21, 0.51, 1], "swish", False, [0, 0, 0, 0], False),
    ([1, 2, 2, 1], "mish", True, [0, 0.05, 0.15, 0], False),
    ([1, 3, 1], "prelu", False, [0, 0.3, 0], True),
]


@pytest.mark.parametrize(("structure", "activation", "norm", "dropout", "output"), CASES)
def test_it_computes_what_the_plain_stack_computes(
    structure: list[float], activation: str | None, norm: bool, dropout: list[float], output: bool
) -> None:
    ours = HypernetworkModule(DIM, structure, activation, norm, dropout, output)
    ours.initialise("KaimingNormal", activation)
    twin = plain(DIM, structure, activation, norm, dropout, output)
    twin.load_state_dict({name.removeprefix("linear."): t for name, t in ours.state_dict().items()})
    x = torch.randn(2, 7, DIM)
    ours.eval()
    twin.eval()
    assert torch.equal(ours(x), x + twin(x))
    assert torch.equal(ours(x, 0.3), x + twin(x) * 0.3)
    ours.train()
    twin.train()
    torch.manual_seed(5)
    dropped = ours(x)
    torch.manual_seed(5)
    assert torch.equal(dropped, x + twin(x))


def test_every_activation_of_the_web_ui_is_there_and_means_what_it_means_there() -> None:
    assert set(layout.ACTIVATIONS) <= set(ACTIVATIONS)
    assert {name: type(ACTIVATIONS[name]()) for name in ("relu", "gelu", "silu", "linear")} == {
        "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "linear": nn.Identity,
    }  # fmt: skip
    assert isinstance(ACTIVATIONS["swish"](), nn.Hardswish)


@pytest.mark.parametrize("name", ["softmax", "softmin", "logsoftmax"])
def test_the_softmax_family_takes_the_dimension_that_torch_takes_when_none_is_given(name: str) -> None:
    theirs = {"softmax": nn.Softmax, "softmin": nn.Softmin, "logsoftmax": nn.LogSoftmax}[name]()
    for x in (torch.randn(3, 4, 5), torch.randn(3, 4)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = theirs(x)
        assert torch.equal(ACTIVATIONS[name]()(x), expected)


@pytest.mark.parametrize(
    ("kind", "activation", "spread"),
    [
        ("Normal", "relu", 0.01),
        ("XavierUniform", "relu", (2 / (300 + 600)) ** 0.5),
        ("XavierNormal", "linear", (2 / (300 + 600)) ** 0.5),
        ("KaimingUniform", "relu", (2 / 300) ** 0.5),
        ("KaimingNormal", "leakyrelu", (2 / (1 + 0.01**2) / 300) ** 0.5),
        ("KaimingNormal", "tanh", (2 / 300) ** 0.5),  # no gain of its own: the web UI takes relu's
    ],
)
def test_initialisations_have_the_web_uis_spread(kind: str, activation: str, spread: float) -> None:
    network = Hypernetwork.create([300], [1, 2, 1], activation, kind, seed=3)
    first = network.layers[300][0].linear[0]
    assert isinstance(first, nn.Linear)
    assert float(first.weight.detach().std()) == pytest.approx(spread, rel=0.01)
    assert not first.bias.any()


def test_a_layer_norm_starts_near_zero_whatever_the_initialisation() -> None:
    network = Hypernetwork.create([300], [1, 2, 1], "relu", "KaimingUniform", add_layer_norm=True)
    norms = [layer for layer in network.layers[300][1].linear if isinstance(layer, nn.LayerNorm)]
    assert len(norms) == 2  # after the last layer too
    assert all(float(norm.weight.detach().std()) == pytest.approx(0.01, rel=0.2) for norm in norms)


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two, other = (Hypernetwork.create([16], seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_the_pair_is_chosen_by_the_contexts_width() -> None:
    network = Hypernetwork.create([16, 24], seed=1)
    context = torch.randn(1, 3, 24)
    k, v = network(context)
    assert torch.equal(k, network.layers[24][0](context))
    assert torch.equal(v, network.layers[24][1](context))
    other = torch.randn(1, 3, 17)
    assert network(other)[0] is other
    assert network(other)[1] is other


def test_a_context_of_another_type_keeps_its_type() -> None:
    k, _ = Hypernetwork.create([16])(torch.randn(1, 3, 16, dtype=torch.float16))
    assert k.dtype == torch.float16


def test_parameters_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    network = Hypernetwork.create([20, 16], [1, 2, 1], "relu", seed=1)
    network.save(tmp_path / "a.pt")
    stored = torch.load(tmp_path / "a.pt", weights_only=True)
    tensors = [t for key in stored if type(key) is int for state in stored[key] for t in state.values()]
    assert [key for key in stored if type(key) is int] == [20, 16]
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), tensors, strict=True))


METADATA = {
    "step": 499, "name": "fischl", "layer_structure": [1.0, 2.0, 2.0, 1.0], "activation_func": "mish",
    "is_layer_norm": True, "weight_initialization": "XavierNormal", "sd_checkpoint": "0123456789",
    "sd_checkpoint_name": "tiny", "activate_output": True, "use_dropout": True,
    "dropout_structure": [0.0, 0.1, 0.2, 0.0], "last_layer_dropout": True, "optional_info": None,
}  # fmt: skip


def test_what_is_saved_torch_loads_and_we_load_again(tmp_path: Path) -> None:
    network = Hypernetwork.create(
        [20, 16], [1, 2, 2, 1], "mish", "XavierNormal", True, True, [0, 0.1, 0.2, 0], True, "fischl", seed=4
    )
    network.step, network.sd_checkpoint, network.sd_checkpoint_name = 499, "0123456789", "tiny"
    network.save(tmp_path / "a.pt")
    stored = torch.load(tmp_path / "a.pt", weights_only=True)
    assert {key: value for key, value in stored.items() if isinstance(key, str)} == METADATA
    again = Hypernetwork.load(tmp_path / "a.pt")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    assert {key: getattr(again, key) for key in METADATA} == METADATA
    again.save(tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def state(stack: nn.Sequential) -> dict[str, Tensor]:
    return {f"linear.{name}": tensor for name, tensor in stack.state_dict().items()}


def novelai(stack: nn.Sequential) -> dict[str, Tensor]:
    return {
        "linear1.weight": stack[0].weight.data, "linear1.bias": stack[0].bias.data,
        "linear2.weight": stack[1].weight.data, "linear2.bias": stack[1].bias.data,
    }  # fmt: skip


def test_a_file_of_october_2022_without_metadata_computes_the_same(tmp_path: Path) -> None:
    k, v = (plain(DIM, [1, 2, 1], "linear", False, [0, 0, 0], False) for _ in range(2))
    torch.save({DIM: (novelai(k), novelai(v))}, tmp_path / "anime.pt")
    network = Hypernetwork.load(tmp_path / "anime.pt")
    assert (network.name, network.step, network.layer_structure) == ("anime", 0, [1.0, 2.0, 1.0])
    x = torch.randn(1, 5, DIM)
    assert all(torch.equal(a, x + b(x)) for a, b in zip(network(x), (k, v), strict=True))


def test_lists_of_kohya_and_the_old_stream_are_read(tmp_path: Path) -> None:
    k, v = (plain(DIM, [1, 2, 1], "linear", False, [0, 0, 0], False) for _ in range(2))
    torch.save({DIM: [state(k), state(v)]}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    x = torch.randn(1, 5, DIM)
    assert torch.equal(Hypernetwork.load(tmp_path / "a.pt")(x)[1], x + v(x))


def test_without_the_key_the_last_layer_is_activated_as_the_web_ui_then_did(tmp_path: Path) -> None:
    k, v = (plain(DIM, [1, 2, 1], "relu", False, [0, 0, 0], True) for _ in range(2))
    old = {DIM: (state(k), state(v)), "step": 3, "layer_structure": [1, 2, 1], "activation_func": "relu"}
    torch.save(old, tmp_path / "a.pt")
    network = Hypernetwork.load(tmp_path / "a.pt")
    x = torch.randn(1, 5, DIM)
    assert network.activate_output
    assert torch.equal(network(x)[0], x + k(x))


def test_dropout_of_before_its_structure_was_stored_is_filled_in(tmp_path: Path) -> None:
    k, v = (plain(DIM, [1, 2, 2, 1], "relu", False, [0, 0.3, 0, 0], True) for _ in range(2))
    old: dict[Any, Any] = {DIM: (state(k), state(v)), "layer_structure": [1, 2, 2, 1], "activation_func": "relu"}
    torch.save(old | {"use_dropout": True}, tmp_path / "a.pt")
    network = Hypernetwork.load(tmp_path / "a.pt")
    assert network.dropout_structure == [0.0, 0.3, 0.0, 0.0]
    x = torch.randn(1, 5, DIM)
    k.eval()
    assert torch.equal(network(x)[0], x + k(x))


def test_half_precision_files_are_brought_to_single(tmp_path: Path) -> None:
    k, v = (plain(DIM, [1, 2, 1], "linear", False, [0, 0, 0], False).half() for _ in range(2))
    torch.save({DIM: (state(k), state(v)), "layer_structure": [1, 2, 1]}, tmp_path / "a.pt")
    x = torch.randn(1, 5, DIM)
    assert torch.equal(Hypernetwork.load(tmp_path / "a.pt")(x)[0], x + k.float()(x))


def one_line(path: Path) -> str:
    with pytest.raises(TrainerError) as raised:
        Hypernetwork.load(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_cannot_be_loaded_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "no such file" in one_line(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    assert "text.pt" in one_line(tmp_path / "text.pt")
    k = state(plain(DIM, [1, 2, 1], "relu", False, [0, 0, 0], False))
    torch.save({DIM: (k, k), "layer_structure": [1, 3, 1], "activation_func": "linear"}, tmp_path / "wrong.pt")
    assert "wrong.pt" in one_line(tmp_path / "wrong.pt")
    torch.save({DIM: (k, k), "layer_structure": [1, 2, 1], "skip_connection": True}, tmp_path / "skip.pt")
    assert "skip" in one_line(tmp_path / "skip.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer_structure": [1, 2]}, "must start and end with 1"),
        ({"activation_func": "reloo"}, "reloo"),
        ({"weight_init": "Zero"}, "Zero"),
        ({"use_dropout": True, "dropout_structure": [0, 1.5, 0]}, "dropout"),
    ],
)
def test_a_network_that_the_web_ui_could_not_build_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainerError, match=said):
        Hypernetwork.create([16], **change)
