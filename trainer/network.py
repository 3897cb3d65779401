"""A hypernetwork: for every context width a pair of modules that rewrite what keys and values are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hndoctor.formats import read
from hndoctor.formats.layout import parse_dropout_structure
from hndoctor.formats.types import Array, HypernetworkFile, Module, Refused
from hndoctor.formats.write import Container, write_hypernetwork
from hndoctor.records import NetworkMetadata
from trainer.errors import TrainerError
from trainer.module import HypernetworkModule

Pair = tuple[HypernetworkModule, HypernetworkModule]
DEFAULT_STRUCTURE = (1.0, 2.0, 1.0)


class Hypernetwork(nn.Module):
    """The web UI's hypernetwork: the same modules, the same metadata, the same files.

    ``hn(context)`` gives the contexts for keys and for values.  The attributes are named as the file's keys are.
    `parameters()` counts in the web UI's order (sizes as given, k before v), which is what ties an optimizer state
    to its network.
    """

    def __init__(self, layers: Mapping[int, Pair], metadata: NetworkMetadata) -> None:
        super().__init__()
        self.layers: dict[int, Pair] = dict(layers)
        self.pairs = nn.ModuleList(module for pair in self.layers.values() for module in pair)
        structure = metadata.layer_structure or DEFAULT_STRUCTURE
        dropout = metadata.dropout_structure or parse_dropout_structure(
            structure, metadata.use_dropout, metadata.last_layer_dropout
        )
        self.name: str | None = metadata.name
        self.step: int = metadata.step
        self.layer_structure: list[float] = [float(m) for m in structure]
        self.activation_func: str | None = metadata.activation_func
        self.is_layer_norm: bool = metadata.is_layer_norm
        self.weight_initialization: str = metadata.weight_initialization
        self.activate_output: bool = metadata.activate_output
        self.dropout_structure: list[float] = [float(p) for p in dropout]
        self.use_dropout: bool = metadata.use_dropout or any(dropout)
        self.last_layer_dropout: bool = len(dropout) > 1 and dropout[-2] != 0
        self.sd_checkpoint: str | None = metadata.sd_checkpoint
        self.sd_checkpoint_name: str | None = metadata.sd_checkpoint_name
        self.optional_info: str | None = metadata.optional_info

    # --- made, read, written ------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        sizes: Iterable[int],
        layer_structure: Sequence[float] = DEFAULT_STRUCTURE,
        activation_func: str | None = "linear",
        weight_init: str = "Normal",
        add_layer_norm: bool = False,
        use_dropout: bool = False,
        dropout_structure: Sequence[float] | None = None,
        activate_output: bool = False,
        name: str | None = None,
        seed: int | None = None,
    ) -> Hypernetwork:
        """A new network in evaluation mode, initialised as the web UI does; the same `seed` gives the same weights.

        Raises `TrainerError` for a structure, activation or initialisation that the web UI could not build.
        """
        dropout = dropout_structure if use_dropout else None
        metadata = NetworkMetadata(
            name=name,
            layer_structure=tuple(float(m) for m in layer_structure),
            activation_func=activation_func,
            is_layer_norm=add_layer_norm,
            weight_initialization=weight_init,
            activate_output=activate_output,
            use_dropout=use_dropout,
            dropout_structure=tuple(dropout) if dropout is not None else None,
        )
        network = cls(_pairs(sizes, metadata), metadata)
        generator = torch.Generator().manual_seed(seed) if seed is not None else None
        for module in network.modules_in_order():
            module.initialise(weight_init, activation_func, generator)
        return network.eval()

    @classmethod
    def load(cls, path: str | Path) -> Hypernetwork:
        """Read a `.pt` (or `.safetensors`) of any generation, as the web UI loads it, in evaluation mode, on the CPU.

        No pickle is executed.  Raises `TrainerError`, in one line, for anything that is not a whole hypernetwork.
        """
        path = Path(path)
        if not path.is_file():
            raise TrainerError(f"{path}: there is no such file; name a hypernetwork's .pt")
        try:
            file = read(path)
        except (Refused, OSError) as error:
            raise TrainerError(f"{path}: {error}") from None
        if not isinstance(file, HypernetworkFile):
            raise TrainerError(f"{path}: this is not a hypernetwork; name a hypernetwork's .pt")
        return cls.from_file(file)

    @classmethod
    def from_file(cls, file: HypernetworkFile) -> Hypernetwork:
        """The network that a file already read holds."""
        metadata = file.metadata
        if metadata.skip_connection:
            raise TrainerError(
                f"{file.path}: made by the MonkeyPatch extension with skip_connection, which only that extension runs; "
                "train a new one without it"
            )
        grouped: dict[int, dict[str, Module]] = {}
        for module in file.modules:
            grouped.setdefault(module.size, {})[module.side] = module
        if not grouped:
            raise TrainerError(f"{file.path}: no layers in it; name a whole hypernetwork")
        try:
            network = cls(_pairs(grouped, metadata), metadata)
            for size, (k, v) in network.layers.items():
                k.load_state_dict(_tensors(grouped[size]["k"]))
                v.load_state_dict(_tensors(grouped[size]["v"]))
        except (KeyError, RuntimeError, TrainerError) as error:
            first = " ".join(str(error).split())[:300]
            raise TrainerError(f"{file.path}: the stored tensors do not fit the stored structure: {first}") from None
        network.name = network.name or file.path.stem
        return network.eval()

    def save(self, path: str | Path, container: Container | None = None) -> None:
        """Write a `.pt` that every web UI generation and ComfyUI load; whole or not at all.  Raises OSError.

        A path that ends in `.safetensors` gets that format, unless `container` says another: `load` and hndoctor read
        it, the web UI and ComfyUI do not.
        """
        path = Path(path)
        told: Container = "safetensors" if path.suffix.lower() == ".safetensors" else "zip"
        write_hypernetwork(path, self.arrays(), self.metadata(), container or told)

    def metadata(self) -> dict[str, Any]:
        """What a file says beside the tensors: the web UI's thirteen keys."""
        return {
            "step": self.step,
            "name": self.name,
            "layer_structure": self.layer_structure,
            "activation_func": self.activation_func or "linear",  # ComfyUI refuses None
            "is_layer_norm": self.is_layer_norm,
            "weight_initialization": self.weight_initialization,
            "sd_checkpoint": self.sd_checkpoint,
            "sd_checkpoint_name": self.sd_checkpoint_name,
            "activate_output": self.activate_output,
            "use_dropout": self.use_dropout,
            "dropout_structure": self.dropout_structure,
            "last_layer_dropout": self.last_layer_dropout,
            "optional_info": self.optional_info,
        }

    def arrays(self) -> list[tuple[int, dict[str, Array], dict[str, Array]]]:
        """(size, k tensors, v tensors) as float32, in the order of the file."""
        return [(size, _arrays(k), _arrays(v)) for size, (k, v) in self.layers.items()]

    # --- used ---------------------------------------------------------------------------------------------------------

    @property
    def sizes(self) -> tuple[int, ...]:
        """The context widths it rewrites, in the file's order."""
        return tuple(self.layers)

    def modules_in_order(self) -> tuple[HypernetworkModule, ...]:
        """k and v modules, in the file's order."""
        return tuple(module for pair in self.layers.values() for module in pair)

    def rewrite(self, side: int, context: Tensor, strength: float = 1.0) -> Tensor:
        """One of the two contexts: `side` 0 for keys, 1 for values.  Unchanged where no pair has its width."""
        pair = self.layers.get(context.shape[-1])
        if pair is None:
            return context
        module = pair[side]
        dtype = next(iter(module.parameters())).dtype
        if context.dtype == dtype:
            return module(context, strength)  # type: ignore[no-any-return]  # torch calls are Any
        return module(context.to(dtype), strength).to(context.dtype)  # type: ignore[no-any-return]  # the same

    def forward(self, context: Tensor, strength: float = 1.0) -> tuple[Tensor, Tensor]:
        """Contexts (..., size) for keys and for values; `strength` 0 leaves them as they are."""
        return self.rewrite(0, context, strength), self.rewrite(1, context, strength)

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return self.first_broken() is None

    def first_broken(self) -> str | None:
        """The first tensor with NaN or infinity in it, in words; None if there is none."""
        for size, pair in self.layers.items():
            for side, module in zip(("key", "value"), pair, strict=True):
                for name, parameter in module.named_parameters():
                    if not bool(torch.isfinite(parameter).all()):
                        return f"{name} of the {side} network of size {size}"
        return None

    def has_active_randomness(self) -> bool:
        """Whether two calls in training mode differ: dropout, or the random slope of `rrelu`."""
        return self.training and (any(p > 0 for p in self.dropout_structure) or self.activation_func == "rrelu")


def _pairs(sizes: Iterable[int], metadata: NetworkMetadata) -> dict[int, Pair]:
    structure = metadata.layer_structure or DEFAULT_STRUCTURE
    dropout = metadata.dropout_structure or parse_dropout_structure(
        structure, metadata.use_dropout, metadata.last_layer_dropout
    )

    def module(size: int) -> HypernetworkModule:
        return HypernetworkModule(
            size, structure, metadata.activation_func, metadata.is_layer_norm, dropout, metadata.activate_output
        )

    return {size: (module(size), module(size)) for size in sizes}


def _tensors(module: Module) -> dict[str, Any]:
    return {name: torch.from_numpy(array.copy()) for name, array in module.tensors.items()}


def _arrays(module: nn.Module) -> dict[str, Array]:
    return {
        name: tensor.detach().to("cpu", torch.float32).contiguous().numpy()
        for name, tensor in module.state_dict().items()
    }
