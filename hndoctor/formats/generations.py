"""Every generation of the hypernetwork file: what it stores, and what its loader makes of a network.

The web UI's file grew key by key from October 2022 to January 2023; a loader ignores keys that it does not know and
fills in what it misses.  So each generation reads a network as it can: `reads` gives what it would build, and where
that is another network than was meant, `obstacle` says why.  Source: history of
``modules/hypernetworks/hypernetwork.py`` (web UI), ``hypernetwork_nai.py`` (kohya sd-scripts), the MonkeyPatch
extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hndoctor.formats.layout import parse_dropout_structure
from hndoctor.formats.plain import METADATA_KEYS
from hndoctor.records import NetworkMetadata

OLD_STRUCTURE = (1.0, 2.0, 1.0)  # the only one that files without layer_structure have
KOHYA_SIZES = (320, 640, 768, 1280)


@dataclass(frozen=True)
class Generation:
    """One form of the file.  `knows` holds what its loader can build beyond two plain linear layers."""

    name: str  # as `hndoctor convert --to` takes it
    title: str
    keys: tuple[str, ...] = ()  # metadata it stores, in its order
    knows: frozenset[str] = frozenset()
    old_names: bool = False  # linear1, linear2 instead of linear.0, linear.1
    lists: bool = False  # pairs are lists instead of tuples
    sizes: tuple[int, ...] | None = None  # the only widths it takes


def _knows(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FIRST = ("step", "name", "sd_checkpoint", "sd_checkpoint_name")
_OCT_19 = ("step", "name", "layer_structure", "is_layer_norm", "sd_checkpoint", "sd_checkpoint_name")
_OCT_21 = ("step", "name", "layer_structure", "activation_func", "is_layer_norm", "sd_checkpoint", "sd_checkpoint_name")
_OCT_22 = (*_OCT_21[:5], "use_dropout", *_OCT_21[5:])
_OCT_26 = (*_OCT_21[:5], "weight_initialization", "use_dropout", *_OCT_21[5:])
_NOV_04 = (*_OCT_26, "activate_output", "last_layer_dropout")
_SHAPES = "structure layer_norm"

NOVELAI = Generation("novelai", "web UI of 7 to 11 October 2022, and NovelAI", old_names=True)
KOHYA = Generation("kohya", "kohya sd-scripts", lists=True, sizes=KOHYA_SIZES)
WEBUI = Generation(
    "webui",
    "web UI since 10 January 2023",
    METADATA_KEYS,
    _knows(f"{_SHAPES} activation plain_output dropout last dropout_structure"),
)
MONKEYPATCH = Generation(
    "monkeypatch",
    "MonkeyPatch extension",
    (*METADATA_KEYS, "skip_connection", "upsample_linear"),
    WEBUI.knows | {"residual"},
)
WEB_UIS: tuple[Generation, ...] = (
    NOVELAI,
    Generation("2022-10-11", "web UI of 11 to 19 October 2022", _FIRST, old_names=True),
    Generation("2022-10-19", "web UI of 19 to 21 October 2022", _OCT_19, _knows(_SHAPES)),
    Generation("2022-10-21", "web UI of 21 to 22 October 2022", _OCT_21, _knows(f"{_SHAPES} activation")),
    Generation("2022-10-22", "web UI of 22 to 26 October 2022", _OCT_22, _knows(f"{_SHAPES} activation dropout")),
    Generation(
        "2022-10-26", "web UI of 26 October to 4 November 2022", _OCT_26, _knows(f"{_SHAPES} activation dropout")
    ),
    Generation(
        "2022-11-04",
        "web UI of 4 November 2022 to 10 January 2023",
        _NOV_04,
        _knows(f"{_SHAPES} activation plain_output dropout last"),
    ),
    WEBUI,
)
GENERATIONS: tuple[Generation, ...] = (*WEB_UIS, MONKEYPATCH, KOHYA)
"""All of them; the list is the switch of ``hndoctor convert --to``."""


def find(name: str) -> Generation:
    """The generation of a name.  Raises KeyError."""
    return {one.name: one for one in GENERATIONS}[name]


def dropout_of(metadata: NetworkMetadata) -> tuple[float, ...]:
    """The dropout that a network has, one number for each of its structure, as the web UI fills it in."""
    structure = metadata.layer_structure or OLD_STRUCTURE
    if metadata.dropout_structure is not None:
        return metadata.dropout_structure
    return parse_dropout_structure(structure, metadata.use_dropout, metadata.last_layer_dropout)[: len(structure)]


def carried(metadata: NetworkMetadata, to: Generation) -> NetworkMetadata:
    """The metadata that a file of another generation gets so that its loader builds this network.

    Dropout acts in training only, so where it cannot be told it is left out and not an obstacle.
    """
    dropout = dropout_of(metadata)
    if "dropout_structure" in to.knows:
        return replace(metadata, dropout_structure=dropout, use_dropout=any(dropout))
    told = _told_by_flags(metadata.layer_structure or OLD_STRUCTURE, dropout, to)
    use, last = told or (False, False)
    return replace(metadata, dropout_structure=None, use_dropout=use, last_layer_dropout=last)


def _told_by_flags(structure: Sequence[float], dropout: tuple[float, ...], to: Generation) -> tuple[bool, bool] | None:
    """(use_dropout, last_layer_dropout) that mean this very dropout there; None: no flags do."""
    ways = ((True, False), (True, True)) if "last" in to.knows else ((True, False),)
    for use, last in ways if "dropout" in to.knows and any(dropout) else ():
        if parse_dropout_structure(structure, use, last)[: len(structure)] == dropout:
            return use, last
    return None


def reads(metadata: NetworkMetadata, by: Generation) -> NetworkMetadata:
    """What the loader of a generation takes a file with these metadata for."""
    knows = by.knows
    dropout = metadata.dropout_structure if "dropout_structure" in knows else None
    use = metadata.use_dropout and "dropout" in knows
    return replace(
        metadata,
        layer_structure=metadata.layer_structure if "structure" in knows else OLD_STRUCTURE,
        is_layer_norm=metadata.is_layer_norm and "layer_norm" in knows,
        activation_func=metadata.activation_func if "activation" in knows else None,
        activate_output=metadata.activate_output if "plain_output" in knows else True,
        use_dropout=use or any(dropout or ()),
        last_layer_dropout=metadata.last_layer_dropout and "last" in knows,
        dropout_structure=dropout,
        skip_connection=metadata.skip_connection and "residual" in knows,
    )


def nonlinear(metadata: NetworkMetadata) -> bool:
    """Whether an activation acts at all: a single layer has one on its output or nowhere."""
    acts = metadata.activate_output or len(metadata.layer_structure or OLD_STRUCTURE) > 2
    return acts and metadata.activation_func not in (None, "linear")


def obstacle(metadata: NetworkMetadata, sizes: Sequence[int], to: Generation) -> str | None:
    """Why a loader of this generation cannot compute the network, whatever file it is given; None: it can."""
    seen = reads(metadata, to)
    if metadata.layer_structure is None:
        return "it stores no layer structure"
    if metadata.skip_connection != seen.skip_connection:
        return "it is made of residual blocks (skip_connection), which only the MonkeyPatch extension builds"
    if metadata.layer_structure != seen.layer_structure:
        return f"its layer structure is {_shown(metadata.layer_structure)}, and only 1, 2, 1 is known there"
    if metadata.is_layer_norm != seen.is_layer_norm:
        return "it has layer norms, which are not known there"
    if nonlinear(metadata) and not nonlinear(seen):
        return f"it has the activation {metadata.activation_func}, and none is known there"
    if nonlinear(seen) and metadata.activate_output != seen.activate_output:
        return f"it has no activation on its output, and there {metadata.activation_func} acts on the output too"
    unknown = [size for size in sizes if to.sizes is not None and size not in to.sizes]
    return f"it has the size {unknown[0]}, which is refused there" if unknown else None


def _shown(structure: Sequence[float]) -> str:
    return ", ".join(f"{part:g}" for part in structure)
