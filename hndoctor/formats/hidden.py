"""Files that are two things at once: what this reader sees is sound, and torch would load, and run, the other.

torch goes by the first bytes only: what is no zip archive is tried as a tar archive (its first container) and then as a
pickle, whatever the file's name.  Source: ``torch/serialization.py``, ``_load`` and ``_legacy_load``.
"""

from __future__ import annotations

import re
import struct

from hndoctor.formats.types import Refused
from hndoctor.formats.unpickle import OPCODE_LIMIT
from hndoctor.records import Refusal

TAR_HEADER = 512  # bytes
_NAMES = re.compile(rb"([\w.]+)\n([\w.]+)\n", re.ASCII)  # what can be imported; chance puts other bytes there
_GIVES_UP = frozenset({"EXT1", "EXT2", "EXT4", "NEXT_BUFFER"})  # nobody registered, or hands over, what these ask for
_LENGTHS = {-2: "<B", -3: "<i", -4: "<I", -5: "<Q"}  # pickletools' kinds of arguments that begin with their length


def refuse_hidden_pickle(data: memoryview) -> None:
    """Raise Refused(UNSAFE) for safetensors that an unpickler would follow to something to import.

    The header's length, in the first byte, can be the opcode of a text that reaches over the zeros behind it; texts in
    the header then lead to the tensors, where anything may stand.  What the values are does not matter here: a real
    unpickler gets no further than a walk from opcode to opcode, and chance seldom gets beyond the second.
    """
    refuse_hidden_tar(data)
    if what := _imported(data):
        raise Refused(Refusal.UNSAFE, f"safetensors that are a pickle too: it would import {what}")


def _imported(data: memoryview) -> str:
    """What a walk from opcode to opcode comes upon that would be imported; empty where there is nothing."""
    from pickletools import opcodes  # slow to import, and only needed here

    known = {ord(op.code): op for op in opcodes}
    at, texts = 0, 0
    for _ in range(OPCODE_LIMIT):
        op = known.get(data[at]) if at < len(data) else None
        if op is None or op.name in _GIVES_UP or (op.name == "PERSID" and at == 0):  # the first pickle has no storages
            return ""
        at += 1
        if op.name in ("GLOBAL", "INST"):
            named = _NAMES.match(data, at)
            return b".".join(named.groups()).decode() if named else ""
        if op.name == "STACK_GLOBAL":
            return "something" if texts >= 2 else ""
        texts += op.name.endswith(("UNICODE", "UNICODE8", "STRING", "GET", "DUP"))
        at = _behind(data, at, op.arg.n if op.arg else 0)
    raise Refused(Refusal.UNSAFE, f"safetensors that are a pickle too, of more than {OPCODE_LIMIT} opcodes")


def _behind(data: memoryview, at: int, size: int) -> int:
    """Where the argument at `at` ends; beyond the data where it is not whole."""
    if size >= 0:
        return at + size
    if size not in _LENGTHS:  # a line
        line = re.compile(rb"\n").search(data, at)
        return line.end() if line else len(data)
    layout = struct.Struct(_LENGTHS[size])
    if at + layout.size > len(data):
        return len(data)
    (length,) = layout.unpack_from(data, at)
    return at + layout.size + length if length >= 0 else len(data)


def refuse_hidden_tar(data: memoryview) -> None:
    """Raise Refused(UNSAFE) for what is no archive to this reader, and a tar archive to torch."""
    if len(data) < TAR_HEADER:
        return
    import tarfile  # slow to import, and only needed here

    try:
        tarfile.TarInfo.frombuf(bytes(data[:TAR_HEADER]), "utf-8", "surrogateescape")
    except tarfile.TarError:
        return
    raise Refused(Refusal.UNSAFE, "a tar archive too, and torch would load that instead of what is seen here")
