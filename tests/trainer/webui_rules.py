"""What loaders demand of a file before they look at a number in it, by generation: the small table, and it applied.

Sources: AUTOMATIC1111's `modules/safe.py` through its history (shared facts: member names of 2022-10-11, 2022-12, and
07cf95c7 for 1.10.0; the globals of each; BFloat16Storage since 1.2.1), ComfyUI `comfy_extras/nodes_hypernetwork.py`.
"""

from __future__ import annotations

import collections
import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

FIRST_GLOBALS = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        *(("torch", f"{kind}Storage") for kind in ("Float", "Half", "Int", "Long")),
        ("torch.nn.modules.container", "ParameterDict"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
        ("__builtin__", "set"),
    }
)
LATER = frozenset(
    {
        ("torch", "DoubleStorage"),
        ("torch", "ByteStorage"),
        ("torch", "float32"),
        ("torch._utils", "_rebuild_device_tensor_from_numpy"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
    }
)
SINCE_1_2_1 = frozenset({("torch", "BFloat16Storage")})


@dataclass(frozen=True)
class Generation:
    """One generation of the web UI: what a zip's members may be called, and what its pickle may refer to."""

    name: str
    members: str
    globals: frozenset[tuple[str, str]]


WEB_UI = (
    Generation("2022-10-11", r"archive/(data/\d+|version|data\.pkl)", FIRST_GLOBALS),
    Generation("2022-12", r"([^/]+)/((data/\d+)|version|(data\.pkl))", FIRST_GLOBALS),
    Generation("1.2.0", r"([^/]+)/((data/\d+)|version|(data\.pkl))", FIRST_GLOBALS | LATER),
    Generation("1.9.4", r"([^/]+)/((data/\d+)|version|(data\.pkl))", FIRST_GLOBALS | LATER | SINCE_1_2_1),
    Generation(
        "1.10.1",
        r"([^/]+)/((data/\d+)|version|byteorder|.data/serialization_id|(data\.pkl))",
        FIRST_GLOBALS | LATER | SINCE_1_2_1,
    ),
)


class Restricted(pickle.Unpickler):
    """The web UI's unpickler: it really executes, but only what is on the list."""

    def __init__(self, file: Any, allowed: frozenset[tuple[str, str]]) -> None:
        super().__init__(file)
        self.allowed = allowed

    def persistent_load(self, saved: Any) -> Any:
        assert saved[0] == "storage"
        return torch.storage.TypedStorage(_internal=True)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"global '{module}/{name}' is forbidden")
        return {"OrderedDict": collections.OrderedDict, "set": set}.get(name) or super().find_class(module, name)


def check_pt(path: Path, generation: Generation) -> None:
    """As `safe.py` checks a file before torch loads it; raises where it refuses."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(5):
                Restricted(file, generation.globals).load()
        return
    with zipfile.ZipFile(path) as archive:
        wrong = [name for name in archive.namelist() if not re.fullmatch(generation.members, name)]
        if wrong:
            raise pickle.UnpicklingError(f"bad file inside: {wrong[0]}")
        (inner,) = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
        with archive.open(inner) as file:
            Restricted(file, generation.globals).load()


def comfy_layers(state: dict[str, Any], half: dict[str, torch.Tensor]) -> list[torch.nn.Module]:
    """ComfyUI's reading of one module: linear layers by the order of their weights, whatever their indices say."""
    activations = {
        "linear": torch.nn.Identity, "relu": torch.nn.ReLU, "leakyrelu": torch.nn.LeakyReLU, "elu": torch.nn.ELU,
        "swish": torch.nn.Hardswish, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid,
        "softsign": torch.nn.Softsign, "mish": torch.nn.Mish,
    }  # fmt: skip
    activation = activations[state["activation_func"]]
    output = state.get("activate_output", False)
    names = [name.removesuffix(".weight") for name in half if name.endswith(".weight")]
    stack: list[torch.nn.Module] = []
    for at, name in enumerate(names):
        weight = half[f"{name}.weight"]
        last = at == len(names) - 1
        if weight.ndim == 1:
            layer: torch.nn.Module = torch.nn.LayerNorm(weight.shape[0])
        else:
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": half[f"{name}.bias"]})
        stack.append(layer)
        if weight.ndim == 2 and (not last or output):
            stack.append(activation())
    return stack
