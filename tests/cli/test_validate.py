"""`validate` from the command line, on the pocket model: runs of ours, of the web UI, and what cannot be measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import write_network
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


def as_the_web_ui_leaves_it(run: Path, **settings: object) -> None:
    """Without what our trainer alone writes, and with settings of the web UI's."""
    for name in ("config.toml", "run.json"):
        (run / name).unlink()
    (file,) = run.glob("settings-*.json")
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **settings}), encoding="utf-8")


def points(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "validated.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_web_uis_run_is_measured_with_its_own_template(call, run: Path, pictures: Path, tmp_path: Path) -> None:
    """`template_file` as it wrote it, on Windows too; where it is not here, that is said."""
    as_the_web_ui_leaves_it(run, template_file="C:\\sd\\textual_inversion_templates\\style_filewords.txt")
    given = ("validate", run, "--held-out", pictures / "others", "--base-model", "pocket", "--overwrite")
    told = call(*given)
    assert "style_filewords.txt is not here (-o template=FILE)" in told.err
    alone = points(run)
    templates = tmp_path / "textual_inversion_templates"  # the run lies in runs/short
    templates.mkdir()
    (templates / "style_filewords.txt").write_text("a ruin of [filewords], art by [name]\n", encoding="utf-8")
    told = call(*given)
    assert "template" not in told.err
    assert [one["held_out"] for one in points(run)] != [one["held_out"] for one in alone]
    ours = points(run)
    assert call(*given, "-o", "template=a ruin of [filewords], art by [name]").code == 0
    assert points(run) == ours


def test_a_web_uis_pictures_have_the_size_that_it_wrote_down(call, run: Path, pictures: Path) -> None:
    as_the_web_ui_leaves_it(run, training_width=64, training_height=128)
    given = ("validate", run, "--held-out", pictures / "others", "--base-model", "pocket", "--overwrite")
    assert call(*given).code == 0
    ours = points(run)
    assert call(*given, "-o", "width=64", "-o", "height=128", "-o", "resize=distort").code == 0
    assert points(run) == ours
    assert call(*given, "-o", "resize=crop").code == 0
    assert points(run) != ours


def test_a_checkpoint_in_a_runs_folder_is_measured_as_that_runs(
    call, run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was trained on is left out, and the log is the run's; from whatever folder it is named."""
    held_out = tmp_path / "held out"
    shutil.copytree(pictures / "others", held_out)
    shutil.copy(sorted(held_out.glob("*.png"))[0], held_out / "twin.png")
    shutil.copy(sorted((pictures / "train").glob("*.png"))[0], held_out / "z-again.png")
    monkeypatch.chdir(run / "hypernetworks")
    told = call("validate", "short-2.pt", "--held-out", held_out)
    assert "the network was trained on z-again.png" in told.err
    assert "there twice is twin.png" in told.err
    assert "1 checkpoint measured on 3 held-out pictures" in told.err
    assert [one["step"] for one in points(run)] == [2]
    assert "2 checkpoints measured" in call("validate", run, "--held-out", held_out).err


def test_a_network_for_another_base_model_is_one_line_before_anything_is_measured(
    call, run: Path, pictures: Path, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    write_network(shelf / "sd.pt", 500)
    told = call("validate", shelf, "--held-out", pictures / "others", "--base-model", "pocket")
    assert told.code == 2
    *notes, last = told.err.strip().splitlines()
    assert len(notes) == 1
    assert "--data" in notes[0]
    assert "the base model pocket has 64, 80, 96, 112; name the one that it was trained on" in last


def test_what_was_measured_stays_until_the_first_checkpoint_is_measured_anew(
    call, run: Path, pictures: Path, tmp_path: Path
) -> None:
    assert call("validate", run, "--held-out", pictures / "others").code == 0
    before = (run / "validated.jsonl").read_bytes()
    fewer = tmp_path / "fewer"
    shutil.copytree(pictures / "others", fewer)
    sorted(fewer.glob("*.png"))[0].unlink()
    for file in (run / "hypernetworks").glob("*.pt"):
        file.write_bytes(file.read_bytes()[:1000])
    assert call("validate", run, "--held-out", fewer, "--overwrite").code == 2
    assert (run / "validated.jsonl").read_bytes() == before


def test_one_network_of_a_shelf_has_a_log_of_its_own(call, run: Path, pictures: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("fischl", "amber"):
        shutil.copyfile(run / "hypernetworks" / "short.pt", shelf / f"{name}.pt")
    given = ("--held-out", pictures / "others", "--base-model", "pocket")
    told = call("validate", shelf, *given)
    assert (told.code, len(told.err.strip().splitlines())) == (2, 1)
    assert f"2 runs; name one of them, such as {shelf / 'amber.pt'}" in told.err
    assert call("validate", shelf / "amber.pt", *given).code == 0
    assert sorted(path.name for path in shelf.glob("*.jsonl")) == ["amber.validated.jsonl"]
    told = json.loads(call("scan", shelf, "--format", "json").out)["runs"]
    lacking = [{one["what"] for one in each["not_examined"]} for each in told]
    assert ["validation" in each for each in lacking] == [False, True]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "--held-out"),
        (("--held-out", "nowhere"), "held-out pictures nowhere: there is no such folder"),
        (("--held-out", __file__), "a file; name the folder of the held-out pictures"),
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
