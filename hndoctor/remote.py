"""Runs that lie elsewhere (`s3://…`, and whatever else fsspec knows): copied here, examined as any other; reports sent
there.

A whole copy, and not reading at a distance: every byte of a checkpoint is needed to prove it sound, and nothing may
change under a file that is mapped.  Only what a run is made of is copied.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from hndoctor.collect import CHECKPOINTS, PICTURES

WANTED = (*CHECKPOINTS, *PICTURES, ".optim", ".csv", ".json", ".jsonl", ".toml", ".txt")
TRIES = 3  # times that a file which changes while it is copied is copied again; guess
# A path keeps one slash of two: `s3:/runs/x`.  One letter is a Windows drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):[/\\]{1,3}(.*)", re.DOTALL)


class RemoteError(ValueError):
    """A remote path that cannot be examined; one line says why and how to mend it."""


@dataclass(frozen=True)
class Here:
    """A path on this machine, and what it was called where it came from."""

    path: Path
    url: str | None = None

    def told(self, text: str) -> str:
        """A path of the copy as the user knows it."""
        return text if self.url is None else text.replace(str(self.path), self.url)


def url_of(path: Path | str) -> str | None:
    """The URL that a path stands for; None for a path on this machine."""
    text = str(path)
    found = _URL.fullmatch(text)
    if found is None or Path(text).exists():
        return None
    rest = found[2].replace("\\", "/").rstrip("/")
    return f"{found[1].lower()}://{'/' if found[1].lower() == 'file' else ''}{rest}"


def send(data: bytes, url: str) -> None:
    """Write one object, whole or not at all where its store knows how.  Raises RemoteError."""
    with _plain_errors(url):
        import fsspec

        store, name = fsspec.core.url_to_fs(url)
        try:
            _put(store, name, data)
        except FileNotFoundError:  # a store with folders; nothing is made at its top, where a bucket would be
            parent = PurePosixPath(store._parent(name))
            if not store.exists(str(PurePosixPath(*parent.parts[:2] if parent.is_absolute() else parent.parts[:1]))):
                raise
            store.makedirs(str(parent), exist_ok=True)
            _put(store, name, data)


def _put(store: Any, name: str, data: bytes) -> None:
    with store.transaction, store.open(name, "wb") as file:
        file.write(data)


@contextmanager
def _plain_errors(url: str) -> Iterator[None]:
    """Whatever a store raises, in one line."""
    try:
        yield
    except RemoteError:
        raise
    except ImportError as problem:
        raise RemoteError(f"{url}: {_line(problem)}; pip install 'hndoctor[remote]'") from None
    except Exception as problem:  # noqa: BLE001  (each store raises its own)
        raise RemoteError(f"{url}: {_line(problem) or type(problem).__name__}") from None


@contextmanager
def here(path: Path | str) -> Iterator[Here]:
    """The path itself, or a copy of what its URL names, which lasts until the end.  Raises RemoteError."""
    url = url_of(path)
    if url is None:
        yield Here(Path(path))
        return
    with tempfile.TemporaryDirectory(prefix="hndoctor-") as folder:
        with _plain_errors(url):
            copy = _copied(url, Path(folder))
        yield Here(copy, url)


def _line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:200]


def _copied(url: str, folder: Path) -> Path:
    import fsspec

    store, root = fsspec.core.url_to_fs(url)
    if not store.exists(root):
        raise RemoteError(f"{url}: no such file or folder there")
    target = folder / (PurePosixPath(root).name or "run")
    if store.isfile(root):
        _copy(store, root, target)
        if store.exists(root + ".optim"):
            _copy(store, root + ".optim", target.with_name(target.name + ".optim"))
        return target
    target.mkdir()
    for name, info in sorted(store.find(root, detail=True).items()):
        parts = PurePosixPath(name).relative_to(PurePosixPath(root)).parts
        if name.lower().endswith(WANTED) and not any(part.startswith(".") for part in parts):
            if info.get("islink") or info.get("type", "file") != "file":
                raise RemoteError(f"{name}: a link, a pipe or a device is not copied; take it out of the run")
            place = target.joinpath(*parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            _copy(store, name, place)
    return target


def _copy(store: Any, name: str, place: Path) -> None:
    """One file, all of one state, with its time where the store tells it."""
    for _ in range(TRIES):
        before = _state(store.info(name))
        store.get_file(name, str(place))
        if _state(store.info(name)) == before and place.stat().st_size == before[0]:
            break
    else:
        raise RemoteError(f"{name}: it changes while it is copied: still being written, look again later")
    if isinstance(before[1], datetime):
        os.utime(place, (before[1].timestamp(), before[1].timestamp()))


def _state(info: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    times = (info.get(key) for key in ("LastModified", "last_modified", "mtime", "created"))
    return info.get("size"), next((time for time in times if time is not None), None), info.get("ETag")
