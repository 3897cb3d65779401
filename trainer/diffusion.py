"""Hypernetworks inside a diffusers UNet: hooks on the key and value projections, nothing else touched.

The web UI rewrites the context of every attention whose width has a pair of modules (web UI, `apply_hypernetworks`);
here a forward pre-hook on `attn.to_k` and `attn.to_v` does, so that it works under every attention processor.  The
text context is the same in all cross-attentions of one UNet call: its pair is computed once per call and substituted.

    pipe = StableDiffusionPipeline.from_pretrained(...)
    style = apply_hypernetwork(pipe, "fischl.pt", strength=0.8)
    pipe("portrait of a girl")
    style.remove()

Several files compose in order, `apply_hypernetwork(pipe, ["a.pt", "b.pt"], [0.8, 0.5])`, or call after call.
Install after LoRA layers and before `torch.compile`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.network import Hypernetwork

SHARED = "auto"  # once per UNet call, unless dropout must differ from layer to layer as in the web UI

_AT_WORK: WeakKeyDictionary[nn.Module, list[Injection]] = WeakKeyDictionary()  # injections by their UNet


def attentions(unet: nn.Module) -> Iterator[Any]:
    """Every attention of a UNet, in order of its modules."""
    return (m for m in unet.modules() if hasattr(m, "to_k") and hasattr(m, "to_v") and hasattr(m.to_k, "in_features"))


def context_sizes(unet: nn.Module) -> tuple[int, ...]:
    """The context widths of a UNet in the web UI's order: cross-attention first, then the blocks, ascending."""
    cross = {attn.to_k.in_features for attn in attentions(unet) if is_cross(attn)}
    own = {attn.to_k.in_features for attn in attentions(unet) if not is_cross(attn)}
    return (*sorted(cross), *sorted(own - cross))


def is_cross(attn: Any) -> bool:
    """Whether an attention takes its context from the text."""
    return bool(getattr(attn, "is_cross_attention", False))


class Injection:
    """Hypernetworks at work in one UNet, until `remove()`.  Also a context manager.

    `networks` compose in order: the second rewrites what the first gave.  `enabled` False leaves the bare UNet.
    The networks stay outside the UNet's module tree: its state dict, `.to()` and `.parameters()` do not see them.
    """

    def __init__(
        self,
        unet: nn.Module,
        networks: Sequence[Hypernetwork],
        strengths: Sequence[float] | None = None,
        shared_context: bool | str = SHARED,
    ) -> None:
        self.networks = tuple(networks)
        self.strengths = list(strengths) if strengths is not None else [1.0] * len(self.networks)
        self.shared_context, self.enabled = shared_context, True
        self._shared: tuple[Tensor, Tensor] | None = None
        self._alone = True  # else another one's hooks come between the UNet's context and ours
        self._attentions = tuple(attentions(unet))
        self._projected = getattr(unet, "encoder_hid_proj", None) is not None or any(
            getattr(attn, "norm_cross", None) is not None for attn in self._attentions
        )  # then the cross-attentions do not see the text context as it is given
        self._refuse_fused()
        sizes = {size for network in self.networks for size in network.sizes}
        self._handles: list[Any] = [
            unet.register_forward_pre_hook(self._before, with_kwargs=True),
            unet.register_forward_hook(self._after, always_call=True),
        ]
        for attn in self._attentions:
            if attn.to_k.in_features in sizes:
                for side, projection in enumerate((attn.to_k, attn.to_v)):
                    self._handles.append(projection.register_forward_pre_hook(self._hook(side, is_cross(attn))))
        self._others = _AT_WORK.setdefault(unet, [])
        self._others.append(self)
        _count(self._others)

    def remove(self) -> None:
        """Take the hooks out; the UNet computes bit for bit what it did before."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._shared = None
        if self in self._others:
            self._others.remove(self)
            _count(self._others)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The bare UNet, for a while."""
        before, self.enabled = self.enabled, False
        try:
            yield
        finally:
            self.enabled = before

    @contextmanager
    def using(self, network: Hypernetwork) -> Iterator[None]:
        """Another network in place of all, for a while."""
        before, self.networks = self.networks, (network,)
        try:
            yield
        finally:
            self.networks = before

    def __enter__(self) -> Injection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def rewrite(self, side: int, context: Tensor) -> Tensor:
        """One context through all networks in order; `side` 0 for keys, 1 for values."""
        for network, strength in zip(self.networks, self.strengths, strict=True):
            if strength:
                context = network.rewrite(side, context, strength)
        return context

    def _hook(self, side: int, cross: bool) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...] | None]:
        def rewrite(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if not self.enabled:
                return None
            if cross and self._shared is not None:
                return (self._shared[side], *args[1:])
            return (self.rewrite(side, args[0]), *args[1:])

        return rewrite

    def _before(self, _: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._refuse_fused()
        context = kwargs.get("encoder_hidden_states", args[2] if len(args) > 2 else None)
        self._shared = None
        if self.enabled and isinstance(context, Tensor) and self._shares():
            self._shared = self.rewrite(0, context), self.rewrite(1, context)

    def _after(self, *_: object) -> None:
        if not torch.is_grad_enabled():  # with gradients a checkpointed UNet asks again during backward
            self._shared = None

    def _shares(self) -> bool:
        if self.shared_context == SHARED:
            return self._alone and not self._projected and not any(n.has_active_randomness() for n in self.networks)
        return self._alone and bool(self.shared_context)

    def _refuse_fused(self) -> None:
        if any(getattr(attn, "fused_projections", False) for attn in self._attentions):
            raise TrainerError(
                "the UNet's projections are fused, so a hypernetwork would have no effect; "
                "call unfuse_qkv_projections() first"
            )


def _count(injections: list[Injection]) -> None:
    """Tell the injections of one UNet whether they are alone: then the text context can be rewritten once for all."""
    for injection in injections:
        injection._alone = len(injections) == 1


Network = Hypernetwork | str | Path


def apply_hypernetwork(
    pipe: Any, networks: Network | Sequence[Network], strength: float | Sequence[float] = 1.0
) -> Injection:
    """Let hypernetworks work in a diffusers pipeline (or a bare UNet), as the web UI does.

    `networks` is a file, a loaded `Hypernetwork`, or several of them, composed in the order given, also over several
    calls; `strength` is one for all or one each, 0 is the base model to the bit.  Attentions whose width a network
    does not have stay as they are.  Files are brought to the UNet's device and type, loaded networks to its device.
    Gives the handle whose `remove()` undoes it; `strengths` can be changed between two pictures.
    Raises `TrainerError`, in one line, for unreadable files, fused projections, or a network none of whose sizes the
    model has.
    """
    unet = getattr(pipe, "unet", pipe)
    sizes = context_sizes(unet) if isinstance(unet, nn.Module) else ()
    if not sizes:
        raise TrainerError(f"{type(pipe).__name__}: has no UNet with attention in it, so no place for a hypernetwork")
    given = [networks] if isinstance(networks, Hypernetwork | str | Path) else list(networks)
    strengths = [float(strength)] * len(given) if isinstance(strength, int | float) else [float(s) for s in strength]
    if len(strengths) != len(given):
        raise TrainerError(f"{len(given)} hypernetworks, {len(strengths)} strengths: give one strength each")
    device = getattr(pipe, "_execution_device", unet.device)  # offloaded models wait on another device
    return Injection(unet, [_ready(one, sizes, device, unet.dtype) for one in given], strengths)


def _ready(network: Network, sizes: Sequence[int], device: Any, dtype: torch.dtype) -> Hypernetwork:
    """A network of this base model, in evaluation mode, where the UNet is."""
    loaded = network if isinstance(network, Hypernetwork) else Hypernetwork.load(network).to(dtype=dtype)
    if not set(loaded.sizes) & set(sizes):
        raise TrainerError(
            f"{loaded.name}: made for contexts of {_listed(loaded.sizes)}, the model has {_listed(sizes)}: "
            "it belongs to another base model"
        )
    return loaded.to(device=device).eval()


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(str(size) for size in sizes) or "no size"
