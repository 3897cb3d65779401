"""What is fuzzed: each target takes any bytes and holds the reader to its contract.  What it may not raise, it raises.

Where somebody else reads the same format, the two are compared: what we accept, they must understand as we do.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import tomllib
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import hndoctor
from hndoctor.cli.baselines import BaselineError, read_baseline
from hndoctor.cli.settings import SettingsError, load_settings
from hndoctor.formats import Refused, read_bytes
from hndoctor.formats.captions import CaptionError, decode, name_as_caption, read_template, tags
from hndoctor.formats.curve import Curve
from hndoctor.formats.infotext import Infotext, compose, parse
from hndoctor.formats.layout import layers, parse_structure
from hndoctor.formats.losslog import read as read_losses
from hndoctor.formats.names import parse_stem
from hndoctor.formats.safetensors import read_safetensors
from hndoctor.formats.schedule import ScheduleError, dose, find_traps, parse_schedule, rate_at, strict_schedule
from hndoctor.formats.settings import read as read_settings
from hndoctor.formats.settings import read_validation
from hndoctor.formats.torchfile import read_legacy, read_zip
from hndoctor.formats.unpickle import unpickle
from hndoctor.metrics.picture import PictureError, load
from hndoctor.records import LossPoint
from hndoctor.render import render_html, render_json, render_text
from hndoctor.rules import RULES
from hndoctor.setup.base import Base
from hndoctor.setup.plan import measure_plan
from hndoctor.setup.webui import arguments_of, launch_arguments
from hndoctor.vitals import VitalsError, from_json, to_json
from hndoctor.vitals.text import infotext_of

CORPUS = Path(__file__).parent / "corpus"
Target = Callable[[bytes], None]
WIDTHS = (64, 96)  # of a network whose layers a structure is built for
STEPS = 20_000
PAGES = 16  # one report in so many is also made a page, which costs much more
MOST_PIXELS = 1 << 16  # of a picture that is decoded: a larger one says nothing new and costs much

_scratch = TemporaryDirectory(prefix="hndoctor-fuzz-", ignore_cleanup_errors=True)


def _file(data: bytes, name: str) -> Path:
    """The bytes as a file: for readers that take a path."""
    path = Path(_scratch.name) / name
    path.write_bytes(data)
    return path


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


# --- checkpoints ------------------------------------------------------------------------------------------------------


WALKED = 10_000  # values compared
_nothing = object()


class _Strict(pickle._Unpickler):  # type: ignore[misc,name-defined]  # Python's own, which has no stub
    """The standard library's, that may import nothing."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, ident: object) -> Any:
        raise pickle.UnpicklingError("persistent")


def pickles(data: bytes) -> None:
    """Refused or a value; where nothing is imported, Python's own unpickler gives the same value."""
    used: set[str] = set()
    try:
        value, end = unpickle(memoryview(data), 0, lambda ident: ("persistent", ident), used)
    except Refused as refused:
        _one_line(refused.reason)
        return
    assert 0 < end <= len(data)
    if used or b"P" in data or b"Q" in data:
        return
    theirs: Any = _nothing
    with suppress(Exception), warnings.catch_warnings():  # it may refuse what we take: a longer memo, an odd frame
        warnings.simplefilter("ignore")
        theirs = _Strict(io.BytesIO(data)).load()
    if theirs is not _nothing:
        _same(theirs, value)


def _same(theirs: Any, ours: Any) -> None:
    """The same values of the same types, as far as a walk of bounded length gets: lists may hold themselves."""
    pairs = [(theirs, ours)]
    for _ in range(WALKED):
        if not pairs:
            return
        a, b = pairs.pop()
        a = set(a) if type(a) is frozenset else a  # ours knows no frozen ones
        assert type(a) is type(b), (a, b)
        if isinstance(a, dict):
            pairs += [*zip(a, b, strict=True), *zip(a.values(), b.values(), strict=True)]
        elif isinstance(a, (list, tuple)):
            pairs += zip(a, b, strict=True)
        else:
            assert a == b or a != a, (a, b)


def archives(data: bytes) -> None:
    """Refused or read; what is read, zipfile finds too, byte for byte."""
    loaded = _refused_or(read_zip, data)
    if loaded is None:
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        theirs = {info.filename.partition("/")[2]: info for info in archive.infolist() if not info.is_dir()}
        assert set(theirs) == set(loaded.members)
        for name, info in theirs.items():
            if name.startswith("data/") and info.CRC:
                assert archive.read(info) == bytes(loaded.shelf._raw[name.removeprefix("data/")])


def legacies(data: bytes) -> None:
    """Refused or read."""
    _refused_or(read_legacy, data)


def flats(data: bytes) -> None:
    """Refused or read, and then the ranges fill the file."""
    if len(data) < 10:
        return
    flat = _refused_or(read_safetensors, data)
    if flat is not None:
        (length,) = (int.from_bytes(data[:8], "little"),)
        stored = sum(end - begin for begin, end in _ranges(data[8 : 8 + length]))
        assert 8 + length + stored == len(data)


def _ranges(header: bytes) -> list[tuple[int, int]]:
    return [entry["data_offsets"] for name, entry in json.loads(header).items() if name != "__metadata__"]


def checkpoints(data: bytes) -> None:
    """A whole file of any kind, recognised: Refused or a network, a state, tensors."""
    try:
        read_bytes(data, Path("fuzzed-500.pt"))
    except Refused as refused:
        _one_line(refused.reason)


def _refused_or(reader: Callable[[memoryview], Any], data: bytes) -> Any:
    try:
        return reader(memoryview(data))
    except Refused as refused:
        _one_line(refused.reason)
        return None


def _one_line(reason: str) -> None:
    assert "\n" not in reason, reason
    assert reason.isprintable(), reason
    assert len(reason) < 400, reason


# --- text -------------------------------------------------------------------------------------------------------------


def infotexts(data: bytes) -> None:
    """Never fails; what we write of it, we read again as it was."""
    found = parse(_text(data))
    assert isinstance(found, Infotext)
    again = compose(found)
    assert compose(parse(again)) == compose(parse(compose(parse(again))))


def csvs(data: bytes) -> None:
    """Never fails; steps rise, and numbers are numbers."""
    points = read_losses(_file(data, "hypernetwork_loss.csv"))
    assert all(a.step < b.step for a, b in pairwise(points))
    for point in points:
        assert isinstance(point, LossPoint)
        assert point.loss is None or math.isfinite(point.loss)
        assert point.learn_rate is None or math.isfinite(point.learn_rate)


def schedules(data: bytes) -> None:
    """ScheduleError in one line, or rates that are finite and a dose that is one."""
    text = _text(data)
    for trap in find_traps(text, STEPS):
        _plain(trap.text)
    with suppress(ScheduleError):
        strict_schedule(text, STEPS, 100)
    try:
        segments = parse_schedule(text, STEPS)
    except ScheduleError as error:
        _plain(str(error))
        return
    curve = Curve(segments, "cosine", 10, 1, 0.1)
    for step in (0, 1, STEPS - 1, STEPS):
        rate = rate_at(segments, step)
        assert rate is None or (math.isfinite(rate) and rate >= 0)
        assert (curve.at(step) is None) == (rate is None)
    assert not math.isnan(dose(segments, 4))


def _plain(text: str) -> None:
    assert "\n" not in text.replace("\\n", ""), text


def structures(data: bytes) -> None:
    """ValueError, or a structure that layers can be made of (or not: ValueError again)."""
    try:
        structure = parse_structure(_text(data))
    except ValueError:
        return
    assert structure[0] == structure[-1] == 1
    for width in WIDTHS:
        with suppress(ValueError):
            made = layers(width, structure, "relu", True)
            assert made[0].n_in == width
            assert made[-1].n_out == width


def captions(data: bytes) -> None:
    """Any bytes are a caption in some encoding; names and templates never fail but as they say."""
    text, _ = decode(data)
    tags(text)
    name_as_caption(text[:200])
    parse_stem(text[:200], "fischl")
    with suppress(CaptionError):
        read_template(_file(data, "style.txt"))


def pictures(data: bytes) -> None:
    """PictureError, or pixels; its text is an infotext or nothing."""
    path = _file(data, "picture.png")
    infotext_of(path)
    if _claims(data) > MOST_PIXELS:
        return
    try:
        load(path)
    except PictureError as error:
        _plain(str(error))


def _claims(data: bytes) -> int:
    """Pixels that a PNG's header claims; other kinds are not made by these mutations."""
    return int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big") if data[:4] == b"\x89PNG" else 0


# --- settings and records ---------------------------------------------------------------------------------------------


def gate_settings(data: bytes) -> None:
    """`hndoctor.toml`: SettingsError in one line, or settings."""
    try:
        load_settings(_file(data, "hndoctor.toml"), Path(_scratch.name))
    except SettingsError as error:
        _plain(str(error))


def plans(data: bytes) -> None:
    """A training's TOML, read leniently for `check`: never fails once it is TOML."""
    with suppress(tomllib.TOMLDecodeError, RecursionError):
        table = tomllib.loads(_text(data))
        for base in (Base(), Base(768, (768, 320), 512)):
            measure_plan(table, base, 10)


def configs(data: bytes) -> None:
    """The same, read strictly for `train`: TrainerError in one line, or a configuration."""
    from trainer.config import load_config
    from trainer.errors import TrainerError

    try:
        load_config(_file(data, "config.toml"))
    except TrainerError as error:
        _plain(str(error))


def run_settings(data: bytes) -> None:
    """`settings-*.json`, `run.json`, `settings.txt`, `validation.jsonl`: ValueError in one line, or what they tell."""
    for name in ("run.json", "settings-2022-11-11-11-11-11.json", "settings.txt"):
        try:
            read_settings(_file(data, name))
        except ValueError as error:
            _plain(str(error))
    for point in read_validation(_file(data, "validation.jsonl")):
        assert math.isfinite(point.held_out)
        assert math.isfinite(point.held_out_base)


def vitals(data: bytes) -> None:
    """Forged vitals: VitalsError in one line, or a diagnosis that can be shown."""
    try:
        found = from_json(data)
    except VitalsError as error:
        _plain(str(error))
        return
    diagnosis = hndoctor.judge(found)
    render_text((diagnosis,))
    json.loads(render_json((diagnosis,)))
    to_json(found)
    if len(data) % PAGES == 0:
        render_html(diagnosis, found, RULES)


EXTREMES = (
    0, -1, 1, 2, -0.0, 0.5, 1e-300, 1e300, -1e300, 10**9, -(10**9), 2**63 - 1, "", "x", "9.k.w", "9.v.w", "-1.k.w",
    "a.b.c", "\u202e<b>\n{{7}}", None, True, [], [0], {}, [1, 2], ["x"],
)  # fmt: skip


def forged(data: bytes) -> None:
    """Sound vitals with some of their values put wrong: three bytes choose a place, and what stands there."""
    tree = json.loads(max((CORPUS / "vitals").glob("*"), key=lambda path: path.stat().st_size).read_bytes())
    for at in range(0, min(len(data) - 2, 30), 3):
        places = [*_places(tree)]
        holder, key = places[int.from_bytes(data[at : at + 2], "big") % len(places)]
        holder[key] = deepcopy(EXTREMES[data[at + 2] % len(EXTREMES)])
    vitals(json.dumps(tree).encode())


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def baselines(data: bytes) -> None:
    """BaselineError, or marks."""
    with suppress(BaselineError):
        read_baseline(_file(data, "baseline.json"))


def launchers(data: bytes) -> None:
    """A web UI's launch script, whatever it holds."""
    arguments_of({"webui-user.sh:COMMANDLINE_ARGS": launch_arguments(_text(data))})


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "pickle": pickles,
        "zip": archives,
        "legacy": legacies,
        "safetensors": flats,
        "checkpoint": checkpoints,
        "infotext": infotexts,
        "csv": csvs,
        "schedule": schedules,
        "structure": structures,
        "captions": captions,
        "picture": pictures,
        "settings": gate_settings,
        "plan": plans,
        "config": configs,
        "run": run_settings,
        "vitals": vitals,
        "forged": forged,
        "baseline": baselines,
        "launcher": launchers,
    }
)
"""Every target by the name of its folder of seeds."""
