"""Which loaders will refuse a hypernetwork, and which will compute something else than its trainer meant.

Facts about released loaders, each with its source; no judgement.

* "web UI" is AUTOMATIC1111/stable-diffusion-webui, whose ``modules/safe.py`` decides by member names and globals before
  anything is loaded: @66b7d758 (11 October 2022), @e4614778 (2 December 2022), @cb5f6128 (bfloat16, 13 May 2023); it
  lists what matches ``**/*.pt`` (``list_hypernetworks``).
* ComfyUI is comfyanonymous/ComfyUI ``comfy_extras/nodes_hypernetwork.py`` @0323d874 and ``comfy/utils.py``
  (``load_torch_file``) @00728eb2.
* SD.Next (vladmandic/sdnext) loads as the web UI does since 10 January 2023 (``modules/hypernetworks/hypernetwork.py``
  @0862b803), without its ``safe.py`` since spring 2023 (no module imports it @22da90d4), in its original backend only,
  which it removed with all hypernetworks on 5 July 2025 (@e8b5ea38).
* Forge (lllyasviel/stable-diffusion-webui-forge @dfdcbab6) loads what a prompt names and applies nothing: every place
  that would is a comment in ``modules/sd_hijack_optimizations.py``, and ``modules/safe.py`` guards nothing.
* InvokeAI (invoke-ai/InvokeAI) has no loader: the word is in no module of 2.2.5, 2.3.5, 3.7.0, 4.2.9, 5.0.0, @8e71a8a5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hndoctor.formats.layout import layers, parse_dropout_structure
from hndoctor.formats.types import HypernetworkFile, Module, shown
from hndoctor.records import NetworkMetadata

MALFORMED = "malformed"  # key of HypernetworkFile.raw: metadata keys whose values are of the wrong kind

# safe.py of 2022-12 to 1.9.4, then of 1.10.0
_NAMES_1_9 = re.compile(r"data/\d+|version|data\.pkl")
_NAMES_1_10 = re.compile(r"data/\d+|version|data\.pkl|byteorder|\.data/serialization_id")

_ARCHIVE = "archive"  # the folder that torch up to 1.12 wrote, the only one that safe.py then let pass
_OF_AUTUMN_2022 = (
    "web UI, 10 to 19 October 2022",
    "web UI, 19 to 21 October 2022",
    "web UI, 21 to 22 October 2022",
    "web UI, 22 to 26 October 2022",
    "web UI, 26 October to 4 November 2022",
)  # provenances: who has such a file may still use such a web UI

_BUILT_FROM = ("layer_structure", "activation_func", "dropout_structure")  # it takes other values as they are

_SAFE_GLOBALS = frozenset(
    {
        "OrderedDict",
        "_rebuild_tensor_v2",
        "_rebuild_parameter",
        "_rebuild_device_tensor_from_numpy",
        "FloatStorage",
        "HalfStorage",
        "IntStorage",
        "LongStorage",
        "DoubleStorage",
        "ByteStorage",
        "BFloat16Storage",
        "float32",
        "ParameterDict",
        "numpy.core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "dtype",
        "ndarray",
        "encode",
        "ModelCheckpoint",
        "set",
    }
)

COMFY_ACTIVATIONS = frozenset({"linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid", "softsign", "mish"})


def refused_by(file: HypernetworkFile) -> tuple[str, ...]:
    """Loaders that will not take this file, each with the reason: ``"web UI to 1.9.4: …"``."""
    then = refused_in_autumn_2022(file) if file.provenance in _OF_AUTUMN_2022 else ()
    return (*_safe_py(file), *then, *_strict_load(file), *_comfy_refuses(file))


def misread_by(file: HypernetworkFile) -> tuple[str, ...]:
    """Loaders that take the file but compute something else, each with the reason."""
    return tuple(_comfy_misreads(file))


def refused_in_autumn_2022(file: HypernetworkFile) -> Iterator[str]:
    """What kept the web UIs of those weeks from a file that later ones take: nearly every zip that torch now writes."""
    if file.container == "zip" and file.top != _ARCHIVE:
        why = f'the folder "{shown(file.top)[:40]}" inside, where torch to 1.12 wrote "{_ARCHIVE}", is not on its list'
        yield f"web UI of 11 October to 2 December 2022: {why}"


# --- web UI -----------------------------------------------------------------------------------------------------------


def _safe_py(file: HypernetworkFile) -> Iterator[str]:
    if file.container == "safetensors":
        yield "web UI: it has no support for safetensors hypernetworks"
    elif file.path.suffix.lower() != ".pt":
        yield f'web UI: a name that ends in "{shown(file.path.suffix)[:20]}", not in ".pt", is not on its list'
    folders = [name for name in file.members if not name or name.endswith("/")]
    if folders:
        yield "web UI: a folder as a member, which programs that pack archives write, is not on its list"
    newest = [name for name in file.members if name not in folders and not _NAMES_1_10.fullmatch(name)]
    newer = [name for name in file.members if name not in folders and not _NAMES_1_9.fullmatch(name)]
    if newest:
        yield f'web UI: the member "{newest[0]}", which torch writes since 2.7, is not on its list'
    elif newer:
        yield f'web UI to 1.9.4: the member "{newer[0]}", which torch writes since 2.1, is not on its list'
    forbidden = sorted(set(file.globals) - _SAFE_GLOBALS)
    if forbidden:
        yield f"web UI: the global {forbidden[0]} is not on its list"
    if any(dtype == "bfloat16" for module in file.modules for dtype in module.dtypes.values()):
        yield "web UI to 1.2.0: bfloat16 is not on its list"


def _strict_load(file: HypernetworkFile) -> Iterator[str]:
    """What ``load_state_dict`` with its strict comparison of names and shapes will say."""
    for key in file.raw.get(MALFORMED, ()):
        if key in _BUILT_FROM:
            yield f'web UI: the value of "{key}" is not of the kind it must be'
    if file.metadata.layer_structure is None:
        if "layer_structure" not in file.raw.get(MALFORMED, ()):
            yield "web UI: layer_structure is None"
        return
    for module in file.modules:
        problem = layout_problem(file, module)
        if problem:
            yield f"web UI: {module.size}.{module.side}: {problem}"
            return


def layout_problem(file: HypernetworkFile, module: Module) -> str | None:
    """How a module's tensors differ from what its metadata make the web UI build; None if they fit."""
    metadata = file.metadata
    if metadata.skip_connection:
        return "made with a skip connection, which only the MonkeyPatch extension builds"
    structure = metadata.layer_structure or ()
    dropout = metadata.dropout_structure
    if dropout is None:
        dropout = parse_dropout_structure(structure, metadata.use_dropout, metadata.last_layer_dropout)
    try:
        stack = layers(
            module.size,
            structure,
            metadata.activation_func,
            metadata.is_layer_norm,
            dropout,
            metadata.activate_output,
        )
    except ValueError as problem:
        return str(problem)
    expected: dict[str, tuple[int, ...]] = {}
    for layer in stack:
        if layer.kind == "linear":
            expected[f"{layer.prefix}.weight"] = (layer.n_out, layer.n_in)
        elif layer.kind == "layer_norm":
            expected[f"{layer.prefix}.weight"] = (layer.n_out,)
        elif layer.kind == "activation" and metadata.activation_func == "prelu":
            expected[f"{layer.prefix}.weight"] = (1,)
        if layer.kind in ("linear", "layer_norm"):
            expected[f"{layer.prefix}.bias"] = (layer.n_out,)
    return _difference(expected, {name: array.shape for name, array in module.tensors.items()})


def _difference(expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> str | None:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    if missing or extra:
        parts = [f"{missing[0]} is missing"] if missing else []
        parts += [f"{extra[0][:60]} does not belong"] if extra else []
        return ", ".join(parts) + ": layer, activation or dropout settings do not fit its tensors"
    for name, shape in expected.items():
        if found[name] != shape:
            return f"{name} has shape {found[name]}, its layer structure makes {shape}"
    return None


# --- ComfyUI ----------------------------------------------------------------------------------------------------------


def _comfy_refuses(file: HypernetworkFile) -> Iterator[str]:
    if file.container == "safetensors":
        yield "ComfyUI: it finds no sizes in a safetensors file and leaves the model unchanged"
    elif file.path.suffix.lower() in (".safetensors", ".sft"):
        yield "ComfyUI: it takes a file of this name for safetensors, which it is not"
    if any("numpy" in name or name in ("dtype", "ndarray", "ModelCheckpoint") for name in file.globals):
        yield "ComfyUI: numpy values inside, which torch.load(weights_only=True) refuses"
    activation = file.metadata.activation_func
    if activation is None and "activation_func" in file.keys:
        yield "ComfyUI: its activation_func is None; ComfyUI then leaves the model unchanged"
    elif activation is not None and activation not in COMFY_ACTIVATIONS:
        yield f'ComfyUI: it does not know the activation "{activation[:40]}" and leaves the model unchanged'
    else:
        bare = next((name for name in _weights(file) if f"{name}.bias" not in file.modules[0].tensors), None)
        if bare:
            yield f"ComfyUI: {bare[:60]} has no bias, without which it fails"


def _weights(file: HypernetworkFile) -> list[str]:
    """The layers of the first module in the order in which they are stored, as ComfyUI finds them: norms are layers."""
    names = file.modules[0].tensors
    return [name.removesuffix(".weight") for name in names if name.endswith(".weight")]


def _comfy_misreads(file: HypernetworkFile) -> Iterator[str]:
    metadata = file.metadata
    nonlinear = metadata.activation_func in COMFY_ACTIVATIONS - {"linear"}
    if nonlinear and "activate_output" not in file.keys and not metadata.is_layer_norm:  # with norms it adds it anyway
        yield "ComfyUI: it leaves out the last activation of a file that does not say whether it has one"
    if nonlinear and metadata.is_layer_norm and not metadata.activate_output:
        yield "ComfyUI: with layer norm it adds an activation after the last layer"
    if metadata.use_dropout and _comfy_drops(len(_weights(file)), metadata):
        yield "ComfyUI: it leaves dropout switched on, so every picture is another"
    places = [int(found[1]) for name in _weights(file) if (found := re.fullmatch(r"linear\.(\d{1,9})", name))]
    if places != sorted(places):
        yield "ComfyUI: it takes layers in the order in which they are stored, not in that of their numbers"
    if any(".linear." in name or "upsample_layer" in name for m in file.modules for name in m.tensors):
        yield "ComfyUI: it takes residual blocks for plain layers"


def _comfy_drops(weights: int, metadata: NetworkMetadata) -> bool:
    """Whether it puts dropout anywhere.

    It does so behind every entry but the last and the last but one, and behind that where `last_layer_dropout` says so;
    but it counts layer norms as entries, so that with them no linear layer is ever the last.
    """
    linears = weights // 2 if metadata.is_layer_norm else weights
    last_but_one = linears if metadata.is_layer_norm else linears - 1
    return last_but_one > 1 or (last_but_one == 1 and metadata.last_layer_dropout)
