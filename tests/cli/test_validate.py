"""`validate` from the command line, on the pocket model: runs of ours, of the web UI, and what cannot be measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from trainer.pocket import datasets

SHORT = ("steps=4", "save_every=2", "image_every=0", "csv_every=1", "batch_size=2")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures in a style, to train on, in `train`; three more in `others`."""
    folder = tmp_path_factory.mktemp("pictures")
    datasets.write("amberglass", folder / "others", 6)
    (folder / "train").mkdir()
    for path in sorted((folder / "others").iterdir())[:6]:
        path.rename(folder / "train" / path.name)
    return folder


@pytest.fixture
def run(call, tmp_path: Path, pictures: Path) -> Path:
    """Four steps, saved at two, with nothing held out."""
    config = tmp_path / "short.toml"
    config.write_text(f'name = "short"\ndata = {json.dumps(str(pictures / "train"))}\n', encoding="utf-8")
    given = [word for one in SHORT for word in ("-o", one)]
    assert call("train", config, "--out", tmp_path / "runs", *given).code == 0
    return tmp_path / "runs" / "short"


def examined(call, run: Path) -> dict[str, object]:
    (told,) = json.loads(call("scan", run, "--format", "json").out)["runs"]
    return {one["what"]: one["why"] for one in told["not_examined"]}


def test_a_run_that_held_nothing_out_is_measured_and_then_examined(call, run: Path, pictures: Path) -> None:
    assert "hndoctor validate" in str(examined(call, run)["validation"])
    told = call("validate", run, "--held-out", pictures / "others")
    assert told.code == 0
    assert "2 checkpoints measured on 3 held-out pictures" in told.err
    assert f"hndoctor scan {run}" in told.err
    assert "validation" not in examined(call, run)


def test_a_web_uis_run_says_what_it_needs(call, run: Path, pictures: Path) -> None:
    for name in ("config.toml", "run.json"):
        (run / name).unlink()
    told = call("validate", run, "--held-out", pictures / "others")
    assert (told.code, len(told.err.strip().splitlines())) == (2, 1)
    assert "--base-model" in told.err
    told = call("validate", run, "--held-out", pictures / "others", "--base-model", "pocket")
    assert told.code == 0
    assert "--data" not in told.err  # its settings file names the folder
    point = json.loads((run / "validated.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert point["train"] > 0


def test_one_network_of_a_shelf_has_a_log_of_its_own(call, run: Path, pictures: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("fischl", "amber"):
        shutil.copyfile(run / "hypernetworks" / "short.pt", shelf / f"{name}.pt")
    given = ("--held-out", pictures / "others", "--base-model", "pocket")
    told = call("validate", shelf, *given)
    assert (told.code, len(told.err.strip().splitlines())) == (2, 1)
    assert "2 runs" in told.err
    assert call("validate", shelf / "amber.pt", *given).code == 0
    assert sorted(path.name for path in shelf.glob("*.jsonl")) == ["amber.validated.jsonl"]
    told = json.loads(call("scan", shelf, "--format", "json").out)["runs"]
    lacking = [{one["what"] for one in each["not_examined"]} for each in told]
    assert ["validation" in each for each in lacking] == [False, True]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "--held-out"),
        (("--held-out", "nowhere"), "nowhere"),
        (("--held-out", "{train}"), "trained on"),
        (("--held-out", "{others}", "-o", "precison=bf16"), "precision"),
        (("--held-out", "{others}", "--base-model", "no/such"), "no/such"),
    ],
)
def test_what_cannot_be_done_is_one_line(call, run: Path, pictures: Path, given, said) -> None:
    places = {"train": pictures / "train", "others": pictures / "others"}
    told = call("validate", run, *(word.format(**places) for word in given))
    assert (told.code, len(told.err.strip().splitlines())) == (2, 1)
    assert said in told.err
    assert not (run / "validated.jsonl").exists()


def test_without_checkpoints_there_is_nothing_to_measure(call, tmp_path: Path) -> None:
    (tmp_path / "hypernetwork_loss.csv").write_text("step,epoch,epoch_step,loss,learn_rate\n", encoding="utf-8")
    told = call("validate", tmp_path)
    assert (told.code, len(told.err.strip().splitlines())) == (2, 1)
    assert "no checkpoints" in told.err
