"""Slow twins of other programs' loaders, re-made from what they are described to do, built on torch.

Each takes a file and gives, for every size, the two modules that the program would apply.  They raise where it refuses.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import torch
from torch import nn

ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "swish": nn.Hardswish,
    "hardswish": nn.Hardswish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softsign": nn.Softsign,
    "mish": nn.Mish,
    "celu": nn.CELU,
    "gelu": nn.GELU,
    "prelu": nn.PReLU,
}
COMFY_KNOWS = {"linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid", "softsign", "mish"}
STRICTEST = re.compile(r"archive/(data/\d+|version|data\.pkl)")  # safe.py of October 2022
NOVELAI_KEYS = {"linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"}


def safe_load(path: Path) -> dict:
    """safe.py: member names first, then a pickle of the few names that torch's own weights_only allows too."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                assert STRICTEST.fullmatch(name), f"{name} is not on the list"
    return torch.load(path, weights_only=True)


def stack(size: int, structure, activation, norm: bool, dropout, activate_output: bool) -> nn.Sequential:
    """HypernetworkModule of any generation: linear, activation, layer norm, dropout."""
    entries: list[nn.Module] = []
    for i in range(len(structure) - 1):
        entries.append(nn.Linear(int(size * structure[i]), int(size * structure[i + 1])))
        if activation not in ("linear", None) and (i < len(structure) - 2 or activate_output):
            entries.append(ACTIVATIONS[activation]())
        if norm:
            entries.append(nn.LayerNorm(int(size * structure[i + 1])))
        if dropout[i + 1] > 0:
            entries.append(nn.Dropout(dropout[i + 1]))
    return nn.Sequential(*entries)


class WebUIModule(nn.Module):
    """So that names begin with `linear`."""

    def __init__(self, sequential: nn.Sequential) -> None:
        super().__init__()
        self.linear = sequential

    def forward(self, x):
        return x + self.linear(x)


class OldModule(nn.Module):
    """The module of the first days."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)

    def forward(self, x):
        return x + self.linear2(self.linear1(x))


def _dropout(form: str, root: dict, structure) -> list[float]:
    if form == "webui" and root.get("dropout_structure") is not None:
        return list(root["dropout_structure"])
    use = root.get("use_dropout", False) and form in ("2022-10-22", "2022-10-26", "2022-11-04", "webui")
    last = root.get("last_layer_dropout", False) and form in ("2022-11-04", "webui")
    made = [0.0] * len(structure)
    for i in range(len(structure) - 1):
        if use and (i < len(structure) - 3 or (last and i < len(structure) - 2)):
            made[i + 1] = 0.3
    return made


def _module(form: str, size: int, state: dict, root: dict) -> nn.Module:
    if form in ("novelai", "2022-10-11"):
        module: nn.Module = OldModule(size)
    else:
        for old, new in (("linear1", "linear.0"), ("linear2", "linear.1")):  # fix_old_state_dict
            state = {name.replace(old, new): tensor for name, tensor in state.items()}
        structure = root.get("layer_structure", [1, 2, 1])
        activation = root.get("activation_func") if form >= "2022-10-21" else None
        out = root.get("activate_output", True) if form in ("2022-11-04", "webui") else True
        dropout = _dropout(form, root, structure)
        module = WebUIModule(stack(size, structure, activation, root.get("is_layer_norm", False), dropout, out))
    module.load_state_dict(state)  # strict
    return module.eval()


def web_ui(path: Path, form: str) -> dict[int, tuple[nn.Module, nn.Module]]:
    """The web UI of a generation, by the names of `formats.generations`."""
    root = safe_load(path)
    sizes = list(root) if form == "novelai" else [key for key in root if type(key) is int]
    found = {}
    for size in sizes:
        k, v = root[size][0], root[size][1]
        found[size] = (_module(form, size, k, root), _module(form, size, v, root))
    return found


def kohya(path: Path) -> dict[int, tuple[nn.Module, nn.Module]]:
    """sd-scripts: four fixed sizes, two plain layers, strict names."""
    root = torch.load(path, weights_only=True)
    found = {}
    for size, pair in root.items():
        if type(size) is not int:
            continue
        if size not in (320, 640, 768, 1280):
            raise ValueError(f"size {size}")
        modules = []
        for state in pair:
            module = WebUIModule(nn.Sequential(nn.Linear(size, 2 * size), nn.Linear(2 * size, size)))
            module.load_state_dict(state)
            modules.append(module)
        found[size] = tuple(modules)
    return found


def comfyui(path: Path) -> dict[int, tuple[nn.Module, nn.Module]]:
    """ComfyUI: tensors in their order, whatever the settings say; dropout left in training mode; never eval()."""
    root = torch.load(path, weights_only=True)
    activation = root.get("activation_func", "linear")
    if activation not in COMFY_KNOWS:
        raise ValueError("Unsupported Hypernetwork format")
    return {
        size: tuple(WebUIModule(_comfy_stack(state, activation, root)) for state in root[size])
        for size in root
        if type(size) is int
    }


def _comfy_stack(state: dict, activation: str, root: dict) -> nn.Sequential:
    names = [name[: -len(".weight")] for name in state if name.endswith(".weight")]
    norm, dropout = root.get("is_layer_norm", False), root.get("use_dropout", False)
    entries: list[nn.Module] = []
    position = 0
    while position < len(names):
        # Counted over all entries, norms among them: behind a norm no linear layer is ever the last one.
        is_last, before_last = position == len(names) - 1, position == len(names) - 2
        entries.append(_filled(state, names[position]))
        if activation != "linear" and (not is_last or root.get("activate_output", False)):
            entries.append(ACTIVATIONS[activation]())
        if norm:
            position += 1
            entries.append(_filled(state, names[position]))
        if dropout and not is_last and (not before_last or root.get("last_layer_dropout", False)):
            entries.append(nn.Dropout(0.3))
        position += 1
    return nn.Sequential(*entries)


def _filled(state: dict, name: str) -> nn.Module:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    made = nn.Linear(weight.shape[1], weight.shape[0]) if weight.dim() == 2 else nn.LayerNorm(weight.shape[0])
    made.load_state_dict({"weight": weight, "bias": bias})
    return made


def outputs(modules: dict[int, tuple[nn.Module, nn.Module]]) -> torch.Tensor:
    """What all modules make of fixed contexts, in one row."""
    rows = []
    with torch.no_grad():
        for size in sorted(modules):
            x = torch.randn(6, size, generator=torch.Generator().manual_seed(size))
            rows += [module(x).flatten() for module in modules[size]]
    return torch.cat(rows)
