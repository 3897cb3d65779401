"""Which layer sits where: the web UI's hypernetwork module as a list of layers, without building it.

A module is an ``nn.Sequential`` in which activations, layer norms and dropouts take an index too, so the names of the
stored tensors (``linear.3.weight``) follow from the settings, and wrong settings make the web UI refuse the file.
Source: web UI ``modules/hypernetworks/hypernetwork.py``, ``HypernetworkModule.__init__``, 1.7.0 to 1.10.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

Kind = Literal["linear", "activation", "layer_norm", "dropout"]

LEGACY_DROPOUT = 0.3  # probability every web UI before 2023-01-10 used, wherever it used dropout

_NEEDS_ARGUMENTS = "the web UI builds it without the arguments it needs, so it cannot be created"
_ACROSS_PICTURES = "torch normalises it over the pictures of a batch, not over the channels; alone it is constant"

ACTIVATIONS: Mapping[str, str | None] = MappingProxyType(
    {
        "linear": None,
        "relu": None,
        "leakyrelu": None,
        "elu": None,
        "swish": None,  # the web UI maps it to Hardswish, not to SiLU
        "tanh": None,
        "sigmoid": None,
        "celu": None,
        "gelu": None,
        "glu": "it halves the width, so the next layer does not fit",
        "hardshrink": None,
        "hardsigmoid": None,
        "hardswish": None,
        "hardtanh": None,
        "logsigmoid": "its output is always negative, so a layer can only push one way",
        "logsoftmax": _ACROSS_PICTURES,
        "mish": None,
        "multiheadattention": _NEEDS_ARGUMENTS,
        "prelu": None,
        "relu6": None,
        "rrelu": "its slope is drawn at random while training",
        "selu": None,
        "silu": None,
        "softmax": _ACROSS_PICTURES,
        "softmax2d": _ACROSS_PICTURES,
        "softmin": _ACROSS_PICTURES,
        "softplus": None,
        "softshrink": None,
        "softsign": None,
        "tanhshrink": None,
        "threshold": _NEEDS_ARGUMENTS,
    }
)
"""Every activation name of the web UI; the value is None, or why the choice is broken by nature."""


@dataclass(frozen=True)
class Layer:
    """One entry of the ``nn.Sequential``."""

    index: int
    kind: Kind
    n_in: int
    n_out: int
    p: float = 0.0  # dropout probability; 0 for the other kinds

    @property
    def prefix(self) -> str:
        """``linear.<index>``: what the names of its tensors begin with."""
        return f"linear.{self.index}"


def parse_structure(text: str) -> tuple[float, ...]:
    """Read a layer structure as the web UI's text box takes it: ``"1, 2, 1"`` gives ``(1.0, 2.0, 1.0)``.

    Raises ValueError, in one line, if it is not a list of at least two numbers above 0 that starts and ends with 1.
    """
    try:
        structure = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f'layer structure "{text}": write numbers parted by commas, such as "1, 2, 1"') from None
    check_structure(structure)
    return structure


def check_structure(structure: Sequence[float]) -> None:
    """Raise ValueError unless the web UI would accept this layer structure."""
    shown = ", ".join(f"{m:g}" for m in structure)
    if len(structure) < 2:
        raise ValueError(f'layer structure "{shown}": at least two numbers are needed, such as "1, 2, 1"')
    if not all(0 < m < float("inf") for m in structure):
        raise ValueError(f'layer structure "{shown}": every number must be above 0 and finite')
    if structure[0] != 1 or structure[-1] != 1:
        raise ValueError(f'layer structure "{shown}": it must start and end with 1, such as "1, 2, 1"')


def parse_dropout_structure(
    structure: Sequence[float] | None, use_dropout: bool, last_layer_dropout: bool
) -> tuple[float, ...]:
    """The dropout probabilities of a file that stores none, as the web UI fills them in.

    One number per entry of `structure` (None: 1, 2, 1); a two-entry structure with dropout gets three, the last of
    which is unused, exactly as there.
    """
    length = len(structure or (1.0, 2.0, 1.0))
    if not use_dropout:
        return (0.0,) * length
    last = LEGACY_DROPOUT if last_layer_dropout else 0.0
    return (0.0, *(LEGACY_DROPOUT,) * (length - 3), last, 0.0)


def layers(
    dim: int,
    structure: Sequence[float],
    activation: str | None = "linear",
    is_layer_norm: bool = False,
    dropout_structure: Sequence[float] | None = None,
    activate_output: bool = False,
) -> tuple[Layer, ...]:
    """The entries of one module's ``nn.Sequential`` for contexts of width `dim`, in order.

    Widths are truncated as there: ``int(dim * multiplier)``.  Raises ValueError if the web UI could not build it.
    """
    widths = _widths(dim, structure)
    dropout = _dropout(structure, dropout_structure)
    _check_activation(activation)
    return tuple(_stack(widths, activation, is_layer_norm, dropout, activate_output))


def _stack(
    widths: Sequence[int], activation: str | None, is_layer_norm: bool, dropout: Sequence[float], activate_output: bool
) -> Iterator[Layer]:
    index, last = 0, len(widths) - 2
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        yield Layer(index, "linear", n_in, n_out)
        index += 1
        if activation not in ("linear", None) and (i < last or activate_output):
            yield Layer(index, "activation", n_out, n_out)
            index += 1
        if is_layer_norm:
            yield Layer(index, "layer_norm", n_out, n_out)
            index += 1
        if dropout[i + 1] > 0:
            yield Layer(index, "dropout", n_out, n_out, dropout[i + 1])
            index += 1


def _widths(dim: int, structure: Sequence[float]) -> tuple[int, ...]:
    check_structure(structure)
    widths = tuple(int(dim * m) for m in structure)
    if min(widths) < 1:
        raise ValueError(f"layer structure: {min(structure):g} of {dim} channels leaves a layer without any channel")
    return widths


def _dropout(structure: Sequence[float], dropout: Sequence[float] | None) -> tuple[float, ...]:
    filled = (0.0,) * len(structure) if dropout is None else tuple(dropout)
    if len(filled) < len(structure):
        raise ValueError(f"dropout structure has {len(filled)} numbers, the layer structure {len(structure)}")
    if not all(0 <= p < 1 for p in filled):
        raise ValueError("dropout structure: every number must be 0 or between 0 and 1")
    return filled


def _check_activation(activation: str | None) -> None:
    if activation is None:
        return
    if activation not in ACTIVATIONS:
        hint = f'; write it in lower case: "{activation.lower()}"' if activation.lower() in ACTIVATIONS else ""
        raise ValueError(f'activation "{activation}" is not one of the web UI\'s{hint}')
    if ACTIVATIONS[activation] == _NEEDS_ARGUMENTS:
        raise ValueError(f'activation "{activation}": {_NEEDS_ARGUMENTS}')


def layer_parameters(layer: Layer, activation: str | None = "linear") -> int:
    """How many numbers one entry stores: weights and biases, and the one slope of a PReLU."""
    if layer.kind == "linear":
        return layer.n_out * (layer.n_in + 1)
    if layer.kind == "layer_norm":
        return 2 * layer.n_out
    return int(layer.kind == "activation" and activation == "prelu")


def parameters(
    sizes: Sequence[int],
    structure: Sequence[float],
    activation: str | None = "linear",
    is_layer_norm: bool = False,
    activate_output: bool = False,
) -> int:
    """How many numbers a whole hypernetwork stores: k and v modules of every context width in `sizes`."""
    stacks = (layers(dim, structure, activation, is_layer_norm, None, activate_output) for dim in sizes)
    return 2 * sum(layer_parameters(layer, activation) for stack in stacks for layer in stack)


OVERHEAD = 9_000  # bytes beside the tensors: the web UI's own 1,2,1 file of four sizes has 8,991; a few kB either way


def file_bytes(
    sizes: Sequence[int],
    structure: Sequence[float],
    activation: str | None = "linear",
    is_layer_norm: bool = False,
    activate_output: bool = False,
    itemsize: int = 4,
) -> int:
    """The size of a checkpoint in bytes, to within a few kB; an Adam ``.optim`` beside it is twice that."""
    return OVERHEAD + itemsize * parameters(sizes, structure, activation, is_layer_norm, activate_output)
