"""From every generation to every other: what a form can hold computes the same there, what it cannot is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hndoctor.formats import read
from hndoctor.formats.generations import GENERATIONS, KOHYA, MONKEYPATCH, WEB_UIS
from hndoctor.formats.hashes import short_hash
from hndoctor.formats.write import write_optimizer
from hndoctor.interop import InteropError, convert, fates
from hndoctor.interop.fates import OTHER, REFUSES, SAME, ranged
from hndoctor.interop.reading import network
from tests.interop import twins
from tests.interop.conftest import KINDS, Kind, meant, root_of, saved

FORMS = [form.name for form in WEB_UIS]
# What each form can hold, by hand: its loader's code, not ours, decides (see the twins).
HOLDS = {
    "novelai": {"plain"},
    "2022-10-11": {"plain"},
    "2022-10-19": {"plain", "wide", "norm", "single"},
    "2022-10-21": {"plain", "wide", "norm", "relu-out", "tanh-norm-out"},
}
HOLDS["2022-10-22"] = HOLDS["2022-10-26"] = HOLDS["2022-10-21"]
HOLDS["2022-11-04"] = HOLDS["webui"] = set(KINDS)


@pytest.mark.parametrize("form", FORMS)
def test_what_a_form_can_hold_computes_the_same_and_the_rest_is_refused(tmp_path: Path, form: str) -> None:
    held = set()
    for name, kind in KINDS.items():
        source, target = saved(tmp_path / f"{name}.pt", kind), tmp_path / f"{name}-{form}.pt"
        if not _converted(source, target, form):
            assert not target.exists()
            continue
        held.add(name)
        torch.testing.assert_close(twins.outputs(twins.web_ui(target, form)), meant(kind))
    assert held == HOLDS[form]


def _converted(source: Path, target: Path, form: str) -> bool:
    try:
        convert(source, target, form)
    except InteropError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_table_of_loaders_is_what_the_loaders_do(tmp_path: Path, name: str) -> None:
    """Every row of the table, against the twin of that very loader."""
    kind = KINDS[name]
    for form in ("webui", *(form for form in FORMS if name in HOLDS[form])):
        path = tmp_path / f"{form}.pt"
        convert(saved(tmp_path / "a.pt", kind), path, form, overwrite=True)
        said = {row.loader: row.outcome for row in fates(network(path))}
        for generation in WEB_UIS:
            assert said[generation.title] == _tried(twins.web_ui, kind, path, generation.name), (form, generation)
        assert said["ComfyUI"] == _tried(twins.comfyui, kind, path), form
        assert said["kohya sd-scripts"] == _tried(twins.kohya, kind, path), form


def _tried(load, kind: Kind, *given) -> str:
    try:
        computed = twins.outputs(load(*given))
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AssertionError):
        return REFUSES
    return SAME if torch.allclose(computed, meant(kind), atol=1e-4) else OTHER


@pytest.mark.parametrize("form", [form for form in FORMS if form != "webui"])
def test_through_safetensors_and_back_nothing_changes(tmp_path: Path, form: str) -> None:
    kind = KINDS["plain"]
    first, flat, last = tmp_path / "first.pt", tmp_path / "x.safetensors", tmp_path / "first-again.pt"
    convert(saved(tmp_path / "a.pt", kind, name="first"), first, form)
    convert(first, flat)
    convert(flat, last, form)
    one, two = torch.load(first, weights_only=True), torch.load(last, weights_only=True)
    assert list(one) == list(two)
    for size in kind.sizes:
        assert isinstance(two[size], tuple)
        for a, b in zip(one[size], two[size], strict=True):
            assert list(a) == list(b)
            assert all(torch.equal(a[key], b[key]) for key in a)
    assert {key: value for key, value in one.items() if type(key) is str} == {
        key: value for key, value in two.items() if type(key) is str
    }


@pytest.mark.parametrize("form", GENERATIONS, ids=lambda form: form.name)
def test_a_form_holds_exactly_its_own_keys(tmp_path: Path, form) -> None:
    kind = Kind(sizes=(320,))
    convert(saved(tmp_path / "a.pt", kind), tmp_path / "b.pt", form.name)
    root = torch.load(tmp_path / "b.pt", weights_only=True)
    assert tuple(key for key in root if isinstance(key, str)) == form.keys
    assert isinstance(root[320], list if form is KOHYA else tuple)
    assert (set(root[320][0]) == twins.NOVELAI_KEYS) is form.old_names
    if form is not MONKEYPATCH:
        assert read(tmp_path / "b.pt").provenance.split(",")[0] in ("NovelAI", "kohya sd-scripts", "web UI")


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.pt", KINDS["plain"], optional_info="seed 7", step=1499)
    notes = " ".join(convert(source, tmp_path / "b.pt", "novelai").notes)
    for word in ("step (1499)", "name (fischl)", "sd_checkpoint (6ce0161689)", "optional_info (seed 7)"):
        assert word in notes
    notes = " ".join(convert(saved(tmp_path / "c.pt", KINDS["elu-odd-dropout"]), tmp_path / "d.pt", "2022-11-04").notes)
    assert "dropout 0, 0.05, 0.15, 0" in notes
    assert "older one cannot be told" in notes
    assert convert(source, tmp_path / "e.safetensors").notes == ()


def test_dropout_that_flags_can_tell_is_kept(tmp_path: Path) -> None:
    for name, last in (("swish-dropout", False), ("swish-dropout-last", True)):
        convert(saved(tmp_path / f"{name}.pt", KINDS[name]), tmp_path / f"{name}-old.pt", "2022-11-04")
        root = torch.load(tmp_path / f"{name}-old.pt", weights_only=True)
        assert (root["use_dropout"], root["last_layer_dropout"]) == (True, last)
        convert(tmp_path / f"{name}-old.pt", tmp_path / f"{name}-new.pt")
        root = torch.load(tmp_path / f"{name}-new.pt", weights_only=True)
        assert root["dropout_structure"] == list(KINDS[name].dropout)


def test_a_file_of_october_keeps_its_last_activation(tmp_path: Path) -> None:
    convert(saved(tmp_path / "a.pt", KINDS["relu-out"]), tmp_path / "october.pt", "2022-10-26")
    assert "activate_output" not in torch.load(tmp_path / "october.pt", weights_only=True)
    convert(tmp_path / "october.pt", tmp_path / "today.pt")
    assert torch.load(tmp_path / "today.pt", weights_only=True)["activate_output"] is True
    torch.testing.assert_close(twins.outputs(twins.web_ui(tmp_path / "today.pt", "webui")), meant(KINDS["relu-out"]))


def test_settings_that_do_not_fit_their_tensors_are_mended(tmp_path: Path) -> None:
    kind = KINDS["elu-odd-dropout"]
    wrong = saved(tmp_path / "a.pt", kind, dropout_structure=[0, 0, 0, 0], use_dropout=False)
    with pytest.raises(RuntimeError):
        twins.web_ui(wrong, "webui")
    convert(wrong, tmp_path / "b.pt")
    torch.testing.assert_close(twins.outputs(twins.web_ui(tmp_path / "b.pt", "webui")), meant(kind))


def residual(tmp_path: Path) -> Path:
    """MonkeyPatch's ResBlocks."""
    state = {"linear.0.linear.0.weight": torch.ones(16, 8), "linear.0.linear.0.bias": torch.zeros(16)}
    state |= {"linear.1.linear.0.weight": torch.ones(8, 16), "linear.1.linear.0.bias": torch.zeros(8)}
    root = {key: value for key, value in root_of(KINDS["relu"]).items() if type(key) is str}
    torch.save({8: (state, state)} | root | {"skip_connection": True, "upsample_linear": None}, tmp_path / "res.pt")
    return tmp_path / "res.pt"


def test_residual_blocks_change_their_container_and_nothing_else(tmp_path: Path) -> None:
    source = residual(tmp_path)
    convert(source, tmp_path / "a.safetensors", "monkeypatch")
    convert(tmp_path / "a.safetensors", tmp_path / "b.pt", "monkeypatch")
    one, two = (torch.load(path, weights_only=True) for path in (source, tmp_path / "b.pt"))
    assert two["skip_connection"] is True
    assert all(torch.equal(one[8][0][key], two[8][0][key]) for key in one[8][0])
    for form in ("webui", "comfyui", "kohya"):
        with pytest.raises(InteropError, match="residual blocks"):
            convert(source, tmp_path / "c.pt", form)


def test_the_optimizer_state_goes_along_with_the_new_hash(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.pt", KINDS["relu-norm"])
    shapes = [
        t.shape
        for size in KINDS["relu-norm"].sizes
        for state in root_of(KINDS["relu-norm"])[size]
        for t in state.values()
    ]
    state = {i: {"step": 500.0, "exp_avg": np.full(shape, i, np.float32)} for i, shape in enumerate(shapes)}
    group = {"lr": 1e-5, "betas": (0.9, 0.999), "params": list(range(len(shapes)))}
    write_optimizer(tmp_path / "a.pt.optim", "AdamW", state, [group], "e3b0c442")
    done = convert(source, tmp_path / "b.pt", "2022-11-04")
    assert done.optim == tmp_path / "b.pt.optim"
    again = torch.load(done.optim, weights_only=True)
    assert again["hash"] == short_hash(tmp_path / "b.pt")
    assert again["optimizer_state_dict"]["param_groups"] == [group]
    assert torch.equal(again["optimizer_state_dict"]["state"][3]["exp_avg"], torch.full(shapes[3], 3.0))
    del state[0]
    write_optimizer(tmp_path / "a.pt.optim", "AdamW", state, [group], None)
    done = convert(source, tmp_path / "c.pt")
    assert done.optim is None
    assert "left out" in done.notes[-1]


@pytest.mark.parametrize(
    ("target", "to", "words"),
    [
        ("there.pt", "webui", "there already"),
        ("x.ckpt", "webui", "ends in .pt"),
        ("x.pt", "sd-scripts", "there is no form"),
        ("x.safetensors", "novelai", "no safetensors form"),
        ("x.safetensors", "comfyui", "no safetensors form"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, target: str, to: str, words: str) -> None:
    (tmp_path / "there.pt").write_bytes(b"mine")
    with pytest.raises(InteropError, match=words) as refused:
        convert(saved(tmp_path / "a.pt", KINDS["plain"]), tmp_path / target, to)
    assert "\n" not in str(refused.value)
    assert (tmp_path / "there.pt").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "there.pt"]


def test_what_is_no_network_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"PK\x03\x04 and nothing more")
    torch.save({"x": torch.ones(3)}, tmp_path / "b.pt")
    for path, words in (
        (tmp_path / "a.pt", "another"),
        (tmp_path / "b.pt", "not a hypernetwork"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(InteropError, match=words):
            convert(path, tmp_path / "c.pt")


def test_bfloat16_becomes_float32_and_says_so(tmp_path: Path) -> None:
    root = root_of(KINDS["plain"])
    for size in KINDS["plain"].sizes:
        root[size] = tuple({name: tensor.bfloat16() for name, tensor in state.items()} for state in root[size])
    torch.save(root, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    done = convert(tmp_path / "a.pt", tmp_path / "b.pt")
    assert any("bfloat16" in note for note in done.notes)
    made = torch.load(tmp_path / "b.pt", weights_only=True)
    assert torch.equal(made[8][0]["linear.0.weight"], root[8][0]["linear.0.weight"].float())


def test_the_table_is_shown_with_neighbours_together(tmp_path: Path) -> None:
    convert(saved(tmp_path / "a.pt", KINDS["relu"]), tmp_path / "b.pt")
    rows = ranged(fates(network(tmp_path / "b.pt")))
    assert ("web UI since 2022-11-04", SAME) in {(row.loader, row.outcome) for row in rows}
    assert ("web UI, 2022-10-21 to 2022-11-04", OTHER) in {(row.loader, row.outcome) for row in rows}
