"""Hypernetworks inside a UNet: against the web UI's way, written out as an attention processor."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_pipeline import SIZES, make_unet
from torch import Tensor

from trainer.diffusion import Injection, apply_hypernetwork, context_sizes
from trainer.errors import TrainerError
from trainer.network import Hypernetwork


class WebUiProcessor:
    """Attention as the web UI computes it, every layer asking the hypernetworks by itself."""

    def __init__(self, networks: list[tuple[Hypernetwork, float]]) -> None:
        self.networks = networks

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: Any
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        for_k = for_v = context
        for network, strength in self.networks:
            for_k, for_v = network(for_k, strength)[0], network(for_v, strength)[1]
        q, k, v = (
            projection(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for projection, x in ((attn.to_q, hidden_states), (attn.to_k, for_k), (attn.to_v, for_v))
        )
        weights = (q @ k.transpose(-1, -2) * attn.scale).softmax(-1)
        return attn.to_out[0]((weights @ v).transpose(1, 2).flatten(2))


@pytest.fixture
def unet() -> Any:
    return make_unet().requires_grad_(False)


def strong(sizes: tuple[int, ...] = SIZES, seed: int = 1, **options: Any) -> Hypernetwork:
    """A network whose effect cannot be overlooked."""
    return Hypernetwork.create(sizes, activation_func="relu", weight_init="KaimingNormal", seed=seed, **options)


def call(unet: Any) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(2, 4, 8, 8, generator=generator)
    context = torch.randn(2, 77, 20, generator=generator)
    return unet(x, torch.tensor([10, 500]), encoder_hidden_states=context).sample


def test_sizes_are_read_from_the_unet_cross_attention_first(unet: Any) -> None:
    assert context_sizes(unet) == SIZES


@pytest.mark.parametrize("shared", [True, False, "auto"])
def test_hooks_compute_what_the_web_ui_computes(unet: Any, shared: bool | str) -> None:
    networks = [(strong(seed=1), 0.7), (strong((20, 24), seed=2), 1.0)]
    with torch.no_grad():
        bare = call(unet)
        with Injection(unet, [n for n, _ in networks], [s for _, s in networks], shared):
            ours = call(unet)
        unet.set_attn_processor(WebUiProcessor(networks))
        theirs = call(unet)
    assert float((theirs - bare).abs().max()) > 0.01
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_removal_restores_the_unet_to_the_bit(unet: Any) -> None:
    keys = list(unet.state_dict())
    with torch.no_grad():
        before = call(unet)
        injection = apply_hypernetwork(unet, strong())
        assert not torch.equal(call(unet), before)
        assert list(unet.state_dict()) == keys
        injection.remove()
        assert torch.equal(call(unet), before)


def test_disabled_and_strength_zero_are_the_bare_unet(unet: Any) -> None:
    with torch.no_grad():
        before = call(unet)
        with apply_hypernetwork(unet, strong()) as injection:
            with injection.disabled():
                assert torch.equal(call(unet), before)
            injection.strengths[0] = 0.0
            assert torch.equal(call(unet), before)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_shared_context_gives_the_same_gradients(unet: Any, checkpointing: bool) -> None:
    if checkpointing:
        unet.enable_gradient_checkpointing()
        unet.train()
    found = []
    for shared in (True, False):
        network = strong().requires_grad_(True)
        with Injection(unet, [network], shared_context=shared):
            call(unet).square().mean().backward()
        found.append([p.grad for p in network.parameters()])
    assert all(a is not None and float(a.abs().max()) > 0 for a in found[0])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*found, strict=True))
    assert all(p.grad is None for p in unet.parameters())


def test_with_dropout_every_layer_draws_its_own_mask_as_in_the_web_ui(unet: Any) -> None:
    network = strong(use_dropout=True, dropout_structure=[0, 0.5, 0])
    calls = []
    network.layers[20][0].register_forward_hook(lambda *_: calls.append(1))
    with Injection(unet, [network]), torch.no_grad():
        network.train()
        call(unet)
        dropping, calls[:] = len(calls), []
        network.eval()
        call(unet)
    assert (dropping, len(calls)) == (sum(a.to_k.in_features == 20 for a in _attentions(unet)), 1)


def _attentions(unet: Any) -> list[Any]:
    return [m for m in unet.modules() if hasattr(m, "to_k")]


def test_fused_projections_are_refused_before_and_after(unet: Any) -> None:
    injection = Injection(unet, [strong()])
    unet.fuse_qkv_projections()
    with pytest.raises(TrainerError, match="fused"):
        call(unet)
    injection.remove()
    with pytest.raises(TrainerError, match="fused"):
        Injection(unet, [strong()])


def test_files_are_applied_to_pipelines_composed_in_order(unet: Any, tmp_path: Path) -> None:
    first, second = strong(seed=1), strong(seed=2)
    first.save(tmp_path / "a.pt")
    second.save(tmp_path / "b.pt")
    pipe = SimpleNamespace(unet=unet)
    with torch.no_grad():
        with Injection(unet, [first, second], [0.5, 0.5]):
            expected = call(unet)
        with Injection(unet, [second, first], [0.5, 0.5]):
            swapped = call(unet)
        with apply_hypernetwork(pipe, [tmp_path / "a.pt", tmp_path / "b.pt"], strength=0.5):
            assert torch.equal(call(unet), expected)
    assert not torch.equal(expected, swapped)


def test_a_network_of_another_base_model_is_refused(unet: Any) -> None:
    with pytest.raises(TrainerError, match="another base model"):
        apply_hypernetwork(unet, strong((768, 320)))


def test_strength_may_stand_behind_the_file_and_zero_is_the_base_to_the_bit(unet: Any, tmp_path: Path) -> None:
    network = strong()
    network.save(tmp_path / "x.pt")
    with torch.no_grad():
        bare = call(unet)
        with apply_hypernetwork(unet, str(tmp_path / "x.pt"), 0.0):
            assert torch.equal(call(unet), bare)
        with Injection(unet, [network], [0.4]):
            expected = call(unet)
        with apply_hypernetwork(SimpleNamespace(unet=unet), str(tmp_path / "x.pt"), 0.4) as style:
            assert torch.equal(call(unet), expected)
            style.strengths[0] = 0.0
            assert torch.equal(call(unet), bare)


@pytest.mark.parametrize("gone", [0, 1])
def test_networks_applied_one_after_the_other_compose_in_order_too(unet: Any, gone: int) -> None:
    networks = [strong(seed=1), strong(seed=2)]
    with torch.no_grad():
        with apply_hypernetwork(unet, networks, [0.5, 1.0]):
            together = call(unet)
        handles = [apply_hypernetwork(unet, networks[0], 0.5), apply_hypernetwork(unet, networks[1])]
        assert torch.allclose(call(unet), together, atol=1e-6)
        handles[gone].remove()
        handles[gone].remove()  # twice does no harm
        with_one = call(unet)
        handles[1 - gone].remove()
        with Injection(unet, [networks[1 - gone]], [(0.5, 1.0)[1 - gone]]):
            assert torch.equal(call(unet), with_one)


def test_sizes_that_a_network_does_not_have_stay_as_they_are(unet: Any) -> None:
    own = [attn for attn in _attentions(unet) if attn.to_k.in_features == 16]
    seen: list[Tensor] = []
    for attn in own:
        attn.to_k.register_forward_hook(lambda _, args, out: seen.append(args[0]))
    with torch.no_grad(), apply_hypernetwork(unet, strong((20, 1280)), 1.0):
        call(unet)
    assert len(seen) == len(own)
    assert not any(attn.to_k._forward_pre_hooks for attn in own)


def test_half_precision_units_get_half_precision_networks_and_given_ones_keep_their_own(
    unet: Any, tmp_path: Path
) -> None:
    strong().save(tmp_path / "x.pt")
    mine, half = strong(), unet.to(torch.bfloat16)
    style = apply_hypernetwork(half, [tmp_path / "x.pt", mine])
    kinds = [next(network.parameters()).dtype for network in style.networks]
    assert kinds == [torch.bfloat16, torch.float32]
    style.remove()


def test_what_has_no_unet_is_refused(tmp_path: Path) -> None:
    strong().save(tmp_path / "x.pt")
    for pipe in (SimpleNamespace(transformer=1), torch.nn.Linear(2, 2)):
        with pytest.raises(TrainerError, match=r"\A[^\n]*no UNet[^\n]*\Z"):
            apply_hypernetwork(pipe, tmp_path / "x.pt")


def test_one_strength_each_is_asked_for(unet: Any) -> None:
    with pytest.raises(TrainerError, match="2 hypernetworks, 3 strengths"):
        apply_hypernetwork(unet, [strong(), strong()], [1, 2, 3])
