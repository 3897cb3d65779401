"""Averages: the arithmetic against torch's, and what must not be added."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hndoctor.formats import read
from hndoctor.interop import InteropError, merge
from tests.interop import twins
from tests.interop.conftest import KINDS, Kind, root_of, saved


def three(tmp_path: Path, kind: Kind) -> list[Path]:
    return [saved(tmp_path / f"x-{500 * n}.pt", kind, seed=n, step=500 * n - 1) for n in (1, 2, 3)]


@pytest.mark.parametrize("name", ["plain", "relu-norm", "prelu", "elu-odd-dropout"])
def test_the_average_is_torchs(tmp_path: Path, name: str) -> None:
    paths = three(tmp_path, KINDS[name])
    done = merge(paths, tmp_path / "m.pt", (1, 1, 2))
    assert done.weights == (0.25, 0.25, 0.5)
    parts = [root_of(KINDS[name], seed) for seed in (1, 2, 3)]
    made = torch.load(done.path, weights_only=True)
    for size in KINDS[name].sizes:
        for side in (0, 1):
            for key, tensor in made[size][side].items():
                a, b, c = (part[size][side][key].double() for part in parts)
                torch.testing.assert_close(tensor, (a / 4 + b / 4 + c / 2).float(), rtol=0, atol=1e-7)
    assert made["step"] == 1499
    assert made["name"] == "m"
    assert "0.5 x-1500" in made["optional_info"]
    assert twins.web_ui(done.path, "webui")


def test_equal_parts_give_themselves(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.pt", KINDS["relu"])
    done = merge([one, one], tmp_path / "m.safetensors")
    assert done.likeness == pytest.approx(1)
    before, after = read(one), read(done.path)
    for a, b in zip(before.modules, after.modules, strict=True):
        assert all((a.tensors[key] == b.tensors[key]).all() for key in a.tensors)


def test_strangers_are_told(tmp_path: Path) -> None:
    done = merge(three(tmp_path, KINDS["plain"])[:2], tmp_path / "m.pt")
    assert abs(done.likeness) < 0.2
    assert any("no kin" in note for note in done.notes)


def test_likeness_is_a_cosine(tmp_path: Path) -> None:
    done = merge(three(tmp_path, KINDS["wide"])[:2], tmp_path / "m.pt")
    flat = [
        torch.cat([t.double().flatten() for size in KINDS["wide"].sizes for s in root[size] for t in s.values()])
        for root in (root_of(KINDS["wide"], 1), root_of(KINDS["wide"], 2))
    ]
    assert done.likeness == pytest.approx(float(torch.cosine_similarity(*flat, dim=0)), abs=1e-5)


def test_dropout_may_differ(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.pt", KINDS["swish-dropout"], step=10)
    other = saved(tmp_path / "b.pt", KINDS["swish-dropout-last"], step=20)
    made = torch.load(merge([one, other], tmp_path / "m.pt").path, weights_only=True)
    assert made["dropout_structure"] == [0, 0.3, 0.3, 0]
    assert twins.web_ui(tmp_path / "m.pt", "webui")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wide", "layer_structure is 1, 1.5, 1.5, 1, that of a.pt is 1, 2, 1"),
        ("relu-norm", "is_layer_norm is True"),
        ("gelu", "activation_func is gelu"),
        ("small", "sizes is 8, that of a.pt is 8, 12"),
    ],
)
def test_other_structures_are_refused_in_one_line(tmp_path: Path, name: str, words: str) -> None:
    kinds = {**KINDS, "small": Kind(activation="relu", sizes=(8,))}
    one = saved(tmp_path / "a.pt", KINDS["relu"])
    with pytest.raises(InteropError, match=words) as refused:
        merge([one, saved(tmp_path / "b.pt", kinds[name])], tmp_path / "m.pt")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "m.pt").exists()


@pytest.mark.parametrize(
    ("weights", "words"),
    [((1,), "2 checkpoints and 1 weight;"), ((1, -1), "sum above 0"), ((float("nan"), 1), "finite")],
)
def test_weights_that_mean_nothing(tmp_path: Path, weights: tuple[float, ...], words: str) -> None:
    paths = three(tmp_path, KINDS["plain"])[:2]
    with pytest.raises(InteropError, match=words):
        merge(paths, tmp_path / "m.pt", weights)


def test_what_else_is_refused(tmp_path: Path) -> None:
    paths = three(tmp_path, KINDS["plain"])
    with pytest.raises(InteropError, match="no merger"):
        merge(paths[:1], tmp_path / "m.pt")
    with pytest.raises(InteropError, match="there already"):
        merge(paths, paths[0])
    root = root_of(KINDS["plain"])
    root[8][1]["linear.1.bias"][2] = float("inf")
    torch.save(root, tmp_path / "inf.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(InteropError, match=r"8\.v\.linear\.1\.bias has values that are not numbers"):
        merge([paths[0], tmp_path / "inf.pt"], tmp_path / "m.pt")
