"""A file of any kind -> what is in it.  The content decides the kind, never the file's name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from hndoctor.formats.hidden import refuse_hidden_pickle, refuse_hidden_tar
from hndoctor.formats.recognise import Facts, recognise, recognise_flat
from hndoctor.formats.safetensors import looks_like, read_safetensors
from hndoctor.formats.source import Source, in_memory, opened, withheld
from hndoctor.formats.torchfile import Loaded, Watch, read_legacy, read_zip
from hndoctor.formats.types import HypernetworkFile, OptimizerFile, Refused, TensorFile
from hndoctor.records import Refusal


def read(
    path: Path, sha256: bool = True, content: bool = True, watch: Watch | None = None
) -> HypernetworkFile | OptimizerFile | TensorFile:
    """Read a checkpoint, an optimizer state or other tensors; arrays are read-only, large ones mapped where safe.

    Without `sha256` that field stays empty (hashing takes several times as long as everything else), without `content`
    the content key does.  `watch` may look at the numbers on their way through the checksums: a file refused later has
    shown it some all the same.  Raises Refused: UNSAFE, DAMAGED, FOREIGN or WRITING, with a reason in one line; nothing
    else.
    """
    try:
        with opened(path, sha256) as source:
            file = _read(source, watch)
            return replace(file, content=source.content) if content else file
    except OSError as problem:
        raise withheld(problem) from None


def read_bytes(data: bytes, path: Path) -> HypernetworkFile | OptimizerFile | TensorFile:
    """The same of bytes in memory, which would have the name `path`.  Raises Refused."""
    source = in_memory(data, path)
    return replace(_read(source), content=source.content)


def _read(source: Source, watch: Watch | None = None) -> HypernetworkFile | OptimizerFile | TensorFile:
    data = source.data
    if looks_like(data):
        refuse_hidden_pickle(data)
        return recognise_flat(read_safetensors(data), _facts(source, "safetensors"))
    loaded = _load(data, watch)
    return recognise(loaded.root, loaded.shelf, _facts(source, loaded.container, loaded))


def _load(data: memoryview, watch: Watch | None) -> Loaded:
    head = bytes(data[:4])
    if head == b"PK\3\4":
        return read_zip(data, watch)
    if bytes(data[-22:-18]) == b"PK\5\6":
        raise Refused(Refusal.UNSAFE, "a zip archive hidden behind other bytes")
    loaded = read_legacy(data) if head[:1] == b"\x80" else _not_torch(data)
    refuse_hidden_tar(data)
    return loaded


_LIKE_A_PICKLE = re.compile(rb"c[\w.]+\n[\w.]+\n|[(\]})}0-9NILFSVX]", re.ASCII)  # how protocol 0 and 1 begin


def _not_torch(data: memoryview) -> Loaded:
    """Not by its first bytes; a pickle of protocol 0 or 1 has no mark of its own, so it is tried as one."""
    try:
        return read_legacy(data)
    except Refused as refused:
        if refused.kind is Refusal.UNSAFE and _LIKE_A_PICKLE.match(data):
            raise
    if not any(data[: 1 << 16]):
        raise Refused(Refusal.DAMAGED, "it begins with zeros only: a crash or a full disk left it empty")
    begins = bytes(data[:16]).lower()
    what = next((what for start, what in _OTHERS if begins.startswith(start)), None)
    if bytes(data[257:262]) == b"ustar":
        what = "a tar archive: unpack it first"
    what = what or f"not a checkpoint of any known kind: it begins with {bytes(data[:8]).hex(' ')}"
    raise Refused(Refusal.FOREIGN, what)


_OTHERS = (
    (b"version https://", "a Git LFS pointer, not the file itself: fetch it with git lfs pull"),
    (b"<!doctype html", "a web page: the download gave an error page instead of the file"),
    (b"<html", "a web page: the download gave an error page instead of the file"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"rar!", "a RAR archive: unpack it first"),
    (b"gguf", "a GGUF model"),
    (b"\x89png", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)
"""What users have under a checkpoint's name, by its first bytes in lower case."""


def _facts(source: Source, container: str, loaded: Loaded | None = None) -> Facts:
    names = (loaded.members, loaded.globals, loaded.top) if loaded else ()
    return Facts(source.path, container, source.size, source.digest, *names)
