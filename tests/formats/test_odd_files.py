"""Odd files that users have: each is judged right, or refused with its reason; none is called healthy that is not."""

from __future__ import annotations

import collections
import gzip
import io
import math
import os
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import hndoctor
from hndoctor.formats import read
from hndoctor.records import Refusal, Severity
from hndoctor.render import render_text
from tests.formats.conftest import assert_same, torch_root, torch_state
from tests.formats.makers import rezip

LEGACY = {"_use_new_zipfile_serialization": False}
Ordered = collections.OrderedDict


def each(change, root=None):
    """A hypernetwork whose every tensor went through ``change(size, side, name, tensor)``."""
    return {
        key: tuple(Ordered((n, change(key, side, n, t)) for n, t in part.items()) for side, part in enumerate(value))
        if type(key) is int
        else value
        for key, value in (root or torch_root()).items()
    }


def one(value, where=(24, 0, "linear.0.weight")):
    def change(*at):
        tensor = at[-1].clone()
        if at[:-1] == where:
            tensor.view(-1)[3] = value
        return tensor

    return each(change)


def blocks(size, upsample=False):
    """One module of MonkeyPatch's residual blocks, trained a little."""
    torch.manual_seed(size)
    made = Ordered()
    for i, (n_in, n_out) in enumerate(((size, 2 * size), (2 * size, size))):
        made[f"linear.{i}.linear.0.weight"] = torch.randn(n_out, n_in) * 0.01
        made[f"linear.{i}.linear.0.bias"] = torch.randn(n_out) * 0.001
        if upsample:
            made[f"linear.{i}.upsample_layer.weight"] = torch.randn(n_out, n_in) * 0.1
    return made


def old_names(size, seed=0):
    return Ordered(
        (n.replace("linear.0", "linear1").replace("linear.1", "linear2"), t)
        for n, t in torch_state(size, seed=seed).items()
    )


def judged(path):
    diagnosis = hndoctor.judge(hndoctor.measure(path))
    return diagnosis.verdict.value, {f.code: f.severity for f in diagnosis.findings if f.severity is not Severity.INFO}


SOUND = {
    "torch 2": torch_root(),
    "half": torch_root(torch.float16),
    "bfloat16": torch_root(torch.bfloat16),
    "double": torch_root(torch.float64),
    "halves and singles": each(lambda s, k, n, t: t.half() if "bias" in n else t),
    "NovelAI": {s: (old_names(s), old_names(s, 100)) for s in (24, 8)},
    "kohya": {s: [torch_state(s), torch_state(s, seed=100)] for s in (24, 8)},
    "parameters": each(lambda s, k, n, t: torch.nn.Parameter(t)),
    "turned in memory": each(lambda s, k, n, t: t.t().contiguous().t() if t.ndim == 2 else t),
    "numbers of numpy as sizes": {np.int64(k) if type(k) is int else k: v for k, v in torch_root().items()},
    "a step of numpy": torch_root(step=np.int32(499)),
    "a step with a point": torch_root(step=499.0),
    "no model": torch_root(sd_checkpoint=None, sd_checkpoint_name=None),
    "no activation": torch_root(activation_func=None),
    "no name": torch_root(name=None),
    "a very long name": torch_root(name="a" * 100_000),
    "a structure as a tuple": torch_root(layer_structure=(1, 2, 1)),
    "one subnormal weight": one(1e-40),
}


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", SOUND)
def test_odd_but_sound(tmp_path, name, options):
    torch.save(SOUND[name], tmp_path / "a.pt", **options)
    assert judged(tmp_path / "a.pt") == ("healthy", {})


@pytest.mark.parametrize("upsample", [False, True])
def test_monkeypatchs_blocks_are_evaluated_and_only_its_own_loader_takes_them(tmp_path, upsample):
    sizes = {s: (blocks(s, upsample), blocks(s + 1, upsample)) for s in (24,)}
    sizes[24] = (blocks(24, upsample), each(lambda *at: at[-1] * 1.1, {1: (blocks(24, upsample),)})[1][0])
    torch.save(
        torch_root(skip_connection=True, upsample_linear="Linear" if upsample else None) | sizes, tmp_path / "a.pt"
    )
    vitals = hndoctor.measure(tmp_path / "a.pt")
    assert all(module.gain for module in vitals.checkpoints[0].modules)
    assert judged(tmp_path / "a.pt") == ("healthy", {"HN006": Severity.WARNING})


ILL = {
    "one NaN": (one(math.nan), "broken", "HN101"),
    "one infinity in a bias": (one(-math.inf, (8, 1, "linear.1.bias")), "broken", "HN101"),
    "NaN everywhere": (each(lambda s, k, n, t: t * math.nan), "broken", "HN101"),
    "exploded evenly": (each(lambda s, k, n, t: t * 1e3), "broken", "HN102"),
    "exploded in half precision": (each(lambda s, k, n, t: (t * 1e4).half()), "broken", "HN102"),
    "one exploded module": (each(lambda s, k, n, t: t * 1e4 if (s, k) == (8, 0) else t), "broken", "HN102"),
    "one weight of 1e38": (one(1e38), "broken", "HN102"),
    "one weight of 7e4": (one(7e4), "broken", "HN102"),
    "zeros": (each(lambda s, k, n, t: t * 0), "ailing", "HN104"),
    "hardly more than zeros": (each(lambda s, k, n, t: t * 1e-6), "ailing", "HN104"),
    "subnormal everywhere": (each(lambda s, k, n, t: t * 1e-37), "ailing", "HN104"),
    "an activation nobody knows": (torch_root(activation_func="nosuch"), "ailing", "HN114"),
    "capital letters": (torch_root(activation_func="RELU"), "ailing", "HN114"),
    "halving": (torch_root(activation_func="glu"), "ailing", "HN114"),
    "complex numbers": (each(lambda s, k, n, t: t.to(torch.complex64)), "ailing", "HN114"),
    "a size that is not its width": ({768: torch_root()[8], "step": 499}, "ailing", "HN114"),
    "three dimensions": (each(lambda s, k, n, t: t[None]), "ailing", "HN114"),
    "names of another program": (
        {
            k: tuple({f"module.{n}": t for n, t in p.items()} for p in v)
            for k, v in torch_root().items()
            if type(k) is int
        },
        "ailing",
        "HN114",
    ),
}


def test_a_network_that_no_step_has_changed_is_told_but_is_not_sick(tmp_path):
    torch.save(each(lambda s, k, n, t: t * ("weight" in n)), tmp_path / "a.pt")
    verdict, findings = judged(tmp_path / "a.pt")
    assert (verdict, findings["HN105"]) == ("healthy", Severity.WARNING)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ILL)
def test_no_false_green(tmp_path, name, options):
    root, verdict, code = ILL[name]
    torch.save(root, tmp_path / "a.pt", **options)
    found, findings = judged(tmp_path / "a.pt")
    assert found == verdict
    assert findings[code] is Severity.ERROR


WARNED = {
    "one dead module": (each(lambda s, k, n, t: t * 0 if (s, k) == (8, 0) else t), "HN104"),
    "k for v": ({k: ((v[0], v[0]) if type(k) is int else v) for k, v in torch_root().items()}, "HN106"),
    "another structure": (torch_root(layer_structure=[1, 2, 1.5, 1]), "HN006"),
    "no structure": (torch_root(layer_structure=None), "HN006"),
    "an infinite structure": (torch_root(layer_structure=[1, 10**400, 1]), "HN006"),
    "dropout of another structure": (torch_root(dropout_structure=[0, 0.1, 0]), "HN006"),
    "a tensor too many": (
        each(lambda s, k, n, t: t) | {8: ({**torch_state(8), "x": torch.ones(3)}, torch_state(8))},
        "HN006",
    ),
    **{
        f"a step of {step}": (torch_root(step=step), "HN005")
        for step in (499.5, math.nan, math.inf, -5, 10**30, "499", None, True, torch.tensor(499))
    },
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", WARNED)
def test_what_is_odd_is_said(tmp_path, name):
    root, code = WARNED[name]
    torch.save(root, tmp_path / "a.pt")
    verdict, findings = judged(tmp_path / "a.pt")
    assert verdict == "healthy"
    assert findings == {code: Severity.WARNING}


def test_a_step_beyond_any_training_does_not_stretch_the_course(tmp_path):
    torch.save(torch_root(step=2**63), tmp_path / "a.pt")
    file = read(tmp_path / "a.pt")
    assert (file.metadata.step, file.raw["malformed"]) == (0, ("step",))


def pairs(*parts):
    return {8: parts, "step": 1}


REFUSED = {
    "both names": (pairs({**old_names(8), **torch_state(8)}, torch_state(8)), "under an old name too"),
    "three in a pair": (pairs(*[torch_state(8)] * 3), "two state dicts"),
    "half a pair": (pairs(torch_state(8)), "two state dicts"),
    "an empty half": (pairs(torch_state(8), {}), "two state dicts"),
    "nothing for v": (pairs(torch_state(8), None), "two state dicts"),
    "no size": ({0: torch_root()[8]}, "width of no context"),
    "a negative size": ({-8: torch_root()[8]}, "width of no context"),
    "a monstrous size": ({1 << 40: torch_root()[8]}, "width of no context"),
    "sizes as text": ({"768": torch_root()[8], "step": 3}, "stored as text"),
    "tensors without numbers": (pairs({"a": torch.empty(0, 8)}, {"a": torch.empty(0, 8)}), "no numbers at all"),
    "an empty dictionary": ({}, "without any number"),
    "a list": ([1, 2], "without any number"),
    "a number in place of a tensor": (pairs({"linear.0.weight": 3}, torch_state(8)), "not a named tensor"),
}


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(tmp_path, name, options):
    root, words = REFUSED[name]
    torch.save(root, tmp_path / "a.pt", **options)
    vitals = hndoctor.measure(tmp_path / "a.pt")
    assert words in vitals.unreadable[0].reason
    assert hndoctor.judge(vitals).verdict.value == "unexamined"


def packed(data):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("a.pt")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zipped(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("my net/a.pt", data)
    return file.getvalue()


OTHERS = {
    "zip": (zipped, "checkpoints in it: unpack it first"),
    "a pointer": (lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
    "a page": (lambda data: b"<!DOCTYPE html><html>404</html>", "web page"),
    "gzip": (gzip.compress, "gzip archive"),
    "tar": (packed, "tar archive"),
    "zeros": (lambda data: bytes(5000), "zeros only"),
    "empty": (lambda data: b"", "empty"),
    "one byte": (lambda data: data[:1], "not a checkpoint"),
    "cut": (lambda data: data[:9000], "cut short"),
    "cut and filled": (lambda data: data[:9000] + bytes(9000), "cut short"),
    "twice": (lambda data: data * 2, "archive"),
    "with a tail": (lambda data: data + b"x", "after the end"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_a_download_can_be(tmp_path, name):
    torch.save(torch_root(), tmp_path / "b.pt")
    (tmp_path / "a.pt").write_bytes(OTHERS[name][0]((tmp_path / "b.pt").read_bytes()))
    assert OTHERS[name][1] in hndoctor.measure(tmp_path / "a.pt").unreadable[0].reason


@pytest.mark.parametrize("name", ["NovelAI", "kohya"])
def test_a_network_that_tells_no_step_is_given_none(tmp_path, name):
    """Neither "hardly trained yet" nor a step to train on to is known of it."""
    torch.save(SOUND[name], tmp_path / "anime.pt", **LEGACY)
    diagnosis = hndoctor.judge(hndoctor.measure(tmp_path / "anime.pt"))
    assert diagnosis.summary.startswith("Healthy, after an unknown number of steps (")
    assert "HN407" not in {finding.code for finding in diagnosis.findings}
    assert diagnosis.prescription.sentence.startswith("Use it as it is")
    assert diagnosis.prescription.how_hndoctor == ()
    torch.save(SOUND[name], tmp_path / "anime-500.pt", **LEGACY)
    assert "at step 500" in hndoctor.judge(hndoctor.measure(tmp_path / "anime-500.pt")).summary


def test_an_exploded_network_that_tells_no_step_is_not_said_to_be_dead_from_the_start(tmp_path):
    torch.save({8: tuple({n: 99 * t for n, t in old_names(8, i).items()} for i in (0, 9))}, tmp_path / "a.pt")
    summary = hndoctor.judge(hndoctor.measure(tmp_path / "a.pt")).summary
    assert summary.startswith("Broken (")
    assert "step" not in summary


def test_layers_that_do_not_fit_are_not_blamed_on_the_rate(tmp_path):
    torch.save(each(lambda s, k, n, t: torch.zeros(0) if n == "linear.0.bias" else t), tmp_path / "a.pt", **LEGACY)
    diagnosis = hndoctor.judge(hndoctor.measure(tmp_path / "a.pt"))
    assert "HN114" in {finding.code for finding in diagnosis.findings}
    assert "its layers or its activation cannot be computed" in diagnosis.prescription.sentence


class Pipe(io.RawIOBase):
    """A file that cannot go back, so that zip writes data descriptors."""

    def __init__(self):
        self.held = io.BytesIO()

    def writable(self):
        return True

    def write(self, data):
        return self.held.write(data)


def descriptors(path, members):
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for name, body in members:
            archive.writestr(zipfile.ZipInfo(name), body)
    path.write_bytes(pipe.held.getvalue())


def wide(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members:
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
                file.write(body)


def folders(path, members):
    top = members[0][0].partition("/")[0]
    rezip.write(path, [(f"{top}/", b""), (f"{top}/data/", b""), *members])


PACKED = {
    "descriptors": descriptors,
    "64-bit sizes": wide,
    "deflated": lambda path, members: rezip.write(path, members, zipfile.ZIP_DEFLATED),
    "the other way round": lambda path, members: rezip.write(path, members[::-1]),
    "another top": lambda path, members: rezip.write(path, [(f"日本/{n.partition('/')[2]}", b) for n, b in members]),
    "a storage nobody uses": lambda path, members: rezip.write(path, [*members, (members[0][0][:2] + "data/99", b"1")]),
    "folders as members": folders,
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_anew(tmp_path, name):
    root, path = torch_root(), tmp_path / "a.pt"
    torch.save(root, path)
    PACKED[name](path, rezip.read(path))
    torch.load(path, weights_only=True)  # torch takes it too
    assert_same(read(path), root)
    assert judged(path) == ("healthy", {})


def test_folders_as_members_are_told(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    folders(path, rezip.read(path))
    (told, *_) = hndoctor.measure(path).checkpoints[0].refused_by
    assert told.startswith("web UI: a folder as a member")


@pytest.mark.parametrize("extra", [("__MACOSX/._a.pt", b"x"), ("a/data/", b"x"), ("a/code/", b"")])
def test_other_folders_are_not_let_in(tmp_path, extra):
    path = tmp_path / "a.pt"
    torch.save(torch_root(), path)
    rezip.write(path, [*rezip.read(path), extra])
    assert hndoctor.measure(path).unreadable[0].kind is Refusal.UNSAFE


def test_links_are_followed_and_pipes_are_not_read(tmp_path):
    folder = tmp_path / "x" / "hypernetworks"
    folder.mkdir(parents=True)
    torch.save(torch_root(), folder / "x-500.pt")
    torch.save(torch_root(), tmp_path / "outside.pt")
    (folder / "x-700.pt").symlink_to(folder / "x-500.pt")
    (folder / "x-900.pt").symlink_to(tmp_path / "outside.pt")
    (folder / "x-1000.pt").symlink_to(folder / "nowhere.pt")
    (folder / "x-1500.pt").symlink_to(folder / "x-1500.pt")
    os.mkfifo(folder / "x-2000.pt")
    (folder / "x-2500.pt").mkdir()
    vitals = hndoctor.measure(tmp_path / "x")
    assert [c.step for c in vitals.checkpoints] == [500, 700]
    assert vitals.unreadable == ()
    reasons = {skipped.what: skipped.why for skipped in vitals.skipped}
    assert "leads out of the folder" in reasons["x-900.pt"]
    assert "pipe" in reasons["x-2000.pt"]
    assert "link to nothing" in reasons["x-1000.pt"]


@pytest.mark.parametrize("kind", ["lora", "embedding"])
def test_a_sound_network_of_another_kind_is_partial_and_a_nan_in_it_is_found(tmp_path, kind):
    for value, codes in ((0.01, {"HN009"}), (math.nan, {"HN009", "HN101"})):
        if kind == "lora":
            path = tmp_path / "a.safetensors"
            save_file({"lora_unet_x.lora_up.weight": torch.full((4, 2), value)}, path)
        else:
            path = tmp_path / "a.pt"
            torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.full((2, 768), value)}}, path)
        diagnosis = hndoctor.judge(hndoctor.measure(path))
        assert {finding.code for finding in diagnosis.findings} == codes
        assert diagnosis.verdict.value == "unexamined"
        assert diagnosis.summary.startswith(f"No hypernetwork to judge: {path.name} is a")
        assert diagnosis.summary.endswith("only integrity and norms were examined.")


def test_nothing_is_said_of_the_course_of_what_is_no_network(tmp_path):
    torch.save({"lora_unet_x.lora_up.weight": torch.randn(4, 8)}, tmp_path / "a.pt")
    told = render_text((hndoctor.judge(hndoctor.measure(tmp_path / "a.pt")),))
    assert "  course  " not in told
    assert "starting" not in told
    torch.save(torch_root(), tmp_path / "b-500.pt")
    assert "  course  500 " in render_text((hndoctor.judge(hndoctor.measure(tmp_path / "b-500.pt")),))
