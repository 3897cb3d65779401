"""Plain values out of a file: metadata as the web UI defaults it, and leaves that are not what they seem."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hndoctor.formats.allowed import NumpyArray, Parameters, Tensor
from hndoctor.formats.types import Refused, shown
from hndoctor.formats.unread import Unread
from hndoctor.records import NetworkMetadata, Refusal

LEAF_LIMIT = 200_000  # values walked through; a hypernetwork has some hundreds
DEPTH_LIMIT = 24
TEXT_LIMIT = 4096  # characters of a text kept
STEP_LIMIT = 10**9  # steps: years of training; beyond it a number is damage, and would fill any axis

METADATA_KEYS = (
    "step",
    "name",
    "layer_structure",
    "activation_func",
    "is_layer_norm",
    "weight_initialization",
    "sd_checkpoint",
    "sd_checkpoint_name",
    "activate_output",
    "use_dropout",
    "dropout_structure",
    "last_layer_dropout",
    "optional_info",
)
"""The thirteen metadata keys of the web UI, in the order in which it writes them."""


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is not a container, with its path, depth first.  Raises Refused for bombs."""
    stack: list[tuple[tuple[str, ...], Any]] = [(path, value)]
    for _ in range(LEAF_LIMIT):
        if not stack:
            return
        where, item = stack.pop()
        inner = _children(item)
        if inner is None:
            yield where, item
        elif len(where) > DEPTH_LIMIT:
            raise Refused(Refusal.UNSAFE, "its values are nested without end")
        else:
            if len(stack) + len(inner) > LEAF_LIMIT:
                break
            stack.extend(((*where, key), child) for key, child in reversed(inner))
    raise Refused(Refusal.UNSAFE, f"it holds more than {LEAF_LIMIT} values")


def _children(item: Any) -> list[tuple[str, Any]] | None:
    if isinstance(item, Parameters):
        item = item.entries
    if isinstance(item, dict):
        return [(str(key)[:TEXT_LIMIT], child) for key, child in item.items()]
    if isinstance(item, (list, tuple)):
        return [(str(i), child) for i, child in enumerate(item)]
    return [("*", child) for child in item] if isinstance(item, set) else None


def check_leaves(root: Any) -> None:
    """Raise Refused(UNSAFE) if a text or a run of bytes is itself a pickle, to be unpickled by somebody later.

    Raise Refused(FOREIGN) if a tensor is of a kind that is not read.
    """
    unread: list[str] = []
    for where, leaf in leaves(root):
        if isinstance(leaf, (str, bytes)) and _hides_a_pickle(leaf):
            raise Refused(Refusal.UNSAFE, f'the value of "{shown("/".join(where))}" is a pickle in disguise')
        if isinstance(leaf, Unread):
            unread = unread or [shown("/".join(where)), leaf.what]
    if unread:
        raise Refused(Refusal.FOREIGN, f'"{unread[0]}" is {unread[1]}: save it as an ordinary one of float32')


def _hides_a_pickle(leaf: str | bytes) -> bool:
    raw = leaf.encode("utf-8", "surrogatepass") if isinstance(leaf, str) else leaf
    if isinstance(leaf, bytes) and _is_pickle(raw):
        return True
    packed = re.sub(rb"\s+", b"", raw[: 1 << 20])
    for unpack in (binascii.unhexlify, base64.b64decode):
        try:
            if _is_pickle(unpack(packed)):
                return True
        except (binascii.Error, ValueError):
            continue
    return False


def _is_pickle(raw: bytes) -> bool:
    return len(raw) > 3 and raw[0] == 0x80 and raw[1] in (2, 3, 4, 5) and raw[-1:] == b"."


def plain_values(root: Mapping[Any, Any], leave_out: tuple[str, ...] = METADATA_KEYS) -> dict[str, Any]:
    """The other text-keyed entries that are plain: text, numbers, yes or no, None, and short lists of these."""
    return {
        key[:TEXT_LIMIT]: value
        for key, value in root.items()
        if isinstance(key, str) and key not in leave_out and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= 64 and all(_is_plain(item) and not isinstance(item, (list, tuple)) for item in value)
    if isinstance(value, str):
        return len(value) < TEXT_LIMIT
    return value is None or isinstance(value, (bool, int, float))


def is_tensor(value: Any) -> bool:
    """Whether a value out of the pickle is a tensor."""
    return isinstance(value, (Tensor, NumpyArray))


# --- the web UI's metadata --------------------------------------------------------------------------------------------


def metadata_of(root: Mapping[Any, Any], stem: str) -> tuple[NetworkMetadata, tuple[str, ...]]:
    """The metadata with the web UI's defaults, and the keys whose values are not of the kind they must be."""
    wrong: list[str] = []

    def get(key: str, kind: type | tuple[type, ...], default: Any) -> Any:
        value = root.get(key, default)
        if isinstance(value, kind):
            return value[:TEXT_LIMIT] if isinstance(value, str) else value
        wrong.append(key)
        return default

    def flag(key: str, default: bool) -> bool:
        value = root.get(key, default)
        if not isinstance(value, (bool, int, float, type(None))):
            wrong.append(key)
        return bool(value)  # every web UI asks no more of it

    text = (str, type(None))
    dropout = _numbers(root, "dropout_structure", wrong)
    metadata = NetworkMetadata(
        name=get("name", text, stem),
        step=_step(root, wrong),
        layer_structure=_numbers(root, "layer_structure", wrong),
        activation_func=get("activation_func", text, None),
        is_layer_norm=flag("is_layer_norm", False),
        weight_initialization=get("weight_initialization", str, "Normal"),
        activate_output=flag("activate_output", True),
        use_dropout=flag("use_dropout", False) or any(dropout or ()),
        dropout_structure=dropout,
        last_layer_dropout=flag("last_layer_dropout", False),
        sd_checkpoint=get("sd_checkpoint", text, None),
        sd_checkpoint_name=get("sd_checkpoint_name", text, None),
        optional_info=get("optional_info", text, None),
        skip_connection=flag("skip_connection", False),
    )
    return replace(metadata, odd=tuple(wrong)), tuple(wrong)


def _step(root: Mapping[Any, Any], wrong: list[str]) -> int:
    """The stored step; whole numbers of any kind count, and only what a training can reach."""
    value = root.get("step", 0)
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    if plain and 0 <= value < STEP_LIMIT and value == int(value):
        return int(value)
    wrong.append("step")
    return 0


def _numbers(root: Mapping[Any, Any], key: str, wrong: list[str]) -> tuple[float, ...] | None:
    value = root.get(key)
    if value is None:
        if key == "layer_structure" and key not in root:
            return (1.0, 2.0, 1.0)
        return None
    plain = isinstance(value, (list, tuple)) and len(value) <= 64
    if plain and all(isinstance(n, (int, float)) and abs(n) < 1e6 and math.isfinite(n) for n in value):
        return tuple(float(n) for n in value)
    wrong.append(key)
    return None


# --- who wrote it -----------------------------------------------------------------------------------------------------

_FIRST_WITHOUT = (
    ("layer_structure", "web UI, 10 to 19 October 2022"),
    ("activation_func", "web UI, 19 to 21 October 2022"),
    ("use_dropout", "web UI, 21 to 22 October 2022"),
    ("weight_initialization", "web UI, 22 to 26 October 2022"),
    ("activate_output", "web UI, 26 October to 4 November 2022"),
    ("dropout_structure", "web UI, 4 November 2022 to 10 January 2023"),
)


def provenance_of(keys: tuple[str, ...], pairs_are_lists: bool, raw: Mapping[str, Any]) -> str:
    """Who wrote a hypernetwork, told from which keys are there (web UI history of ``Hypernetwork.save``)."""
    if "hndoctor" in raw:
        return f"hndoctor {raw['hndoctor']}".strip()[:40]
    if "step" not in keys:
        return "kohya sd-scripts" if pairs_are_lists else "NovelAI"
    if "skip_connection" in keys or "upsample_linear" in keys:
        return "MonkeyPatch extension, since 17 January 2023"
    for key, writer in _FIRST_WITHOUT:
        if key not in keys:
            return writer
    return "web UI, since 10 January 2023"
