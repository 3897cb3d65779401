"""What torch writes that no state dict of numbers needs, and that is harmless: told by its name, not as a danger.

The list is that of ``torch.load(weights_only=True)``, as far as it is of tensors.  They stay as they are in the values
of a file, so that the rest of its pickle is looked through all the same; whoever needs the numbers refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = {
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without numbers (of torch's meta device)",
}
_DTYPES = (
    "float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2 complex32 qint8 quint8 qint32 quint4x2 quint2x4"
)
_SCHEMES = (
    "per_tensor_affine per_channel_affine per_tensor_symmetric per_channel_symmetric per_channel_affine_float_qparams"
)
DTYPES, SCHEMES = _DTYPES.split(), _SCHEMES.split()


@dataclass(frozen=True)
class Unread:
    """A tensor whose numbers are not read."""

    what: str


def _unread(what: str) -> Callable[..., Unread]:
    return lambda *_: Unread(what)


UNREAD: Mapping[tuple[str, str], Callable[..., Any] | None] = {
    **{("torch._utils", name): _unread(what) for name, what in KINDS.items()},
    **{("torch", name): None for name in (*DTYPES, *SCHEMES)},
    ("torch.serialization", "_get_layout"): lambda *_: "layout",
}
"""(module, name) -> what stands for its value."""
