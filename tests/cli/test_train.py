"""`train`, `check` and `demo` from the command line, on the pocket model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import hndoctor
from hndoctor.cli import healing
from hndoctor.records import Diagnosis, State
from hndoctor.vitals import Following
from trainer.pocket import datasets

SHORT = ("-o", "steps=4", "-o", "save_every=2", "-o", "image_every=0", "-o", "csv_every=1", "-o", "batch_size=2")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures in a style."""
    folder = tmp_path_factory.mktemp("pictures")
    datasets.write("amberglass", folder, 6)
    return folder


@pytest.fixture
def config(tmp_path: Path, pictures: Path) -> Path:
    """A configuration that trains on them."""
    path = tmp_path / "short.toml"
    path.write_text(f'name = "short"\ndata = {json.dumps(str(pictures))}\nlearn_rate = "1e-3"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data", '"nowhere"', "nowhere"),
        ("layer_structure", '"2, 1"', "1"),
        ("learn_rate", '"fast"', "fast"),
        ("learn_rat", '"5e-3"', "learn_rate"),
        ("base_model", '"no/such/model"', "no/such/model"),
        ("name", '"a (b)"', "("),
        ("weight_init", '"Kaiming"', "Kaiming"),
        ("steps", "0", "steps"),
        ("activation", '"swich"', "swish"),
    ],
)
def test_a_wrong_configuration_is_one_line_that_names_the_mend(call, tmp_path, pictures, key, value, said) -> None:
    keys = {"name": '"short"', "data": json.dumps(str(pictures)), key: value}
    path = tmp_path / "wrong.toml"
    path.write_text("".join(f"{k} = {v}\n" for k, v in keys.items()), encoding="utf-8")
    result = call("train", path)
    assert result.code == 2
    assert said in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_what_is_no_data_set_is_one_line(call, tmp_path: Path, config: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for data in (empty, tmp_path / "nowhere"):
        result = call("train", config, "--data", data)
        assert (result.code, len(result.err.strip().splitlines())) == (2, 1)
        assert data.name in result.err
    assert call("train", tmp_path / "no.toml").code == 2
    (tmp_path / "broken.toml").write_text("name = = 1", encoding="utf-8")
    assert "broken.toml" in call("train", tmp_path / "broken.toml").err


def test_the_plan_is_printed_without_training(call, config: Path, tmp_path: Path) -> None:
    result = call("train", config, "--plan")
    assert result.code == 0
    assert "1e-3 = 0.001" in result.err
    assert "parameters" in result.err
    assert not (tmp_path / "runs").exists()


def test_trains_refuses_to_overwrite_resumes_and_is_scanned(call, config: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "runs")
    assert call("train", config, *out, *SHORT).code == 0
    run = tmp_path / "runs" / "short"
    again = call("train", config, *out, *SHORT)
    assert again.code == 2
    assert "--overwrite" in again.err or "resume" in again.err
    checkpoint = run / "hypernetworks" / "short-2.pt"
    assert call("train", config, *out, *SHORT, "--resume", checkpoint, "--steps", "6").code == 0
    with (run / "hypernetwork_loss.csv").open(newline="", encoding="utf-8") as log:
        assert [int(row["step"]) for row in csv.DictReader(log)] == [1, 2, 3, 4, 5, 6]
    result = call("scan", run, "--format", "json")
    (told,) = json.loads(result.out)["runs"]
    assert [station["step"] for station in told["course"]] == [2, 4, 6]
    assert told["verdict"] in ("healthy", "ailing")


def test_heal_goes_back_from_a_ruinous_rate(call, config: Path, tmp_path: Path, monkeypatch) -> None:
    """And at every look it sees what a scan of the same folder says."""
    looked, seen = healing.broken, []

    def beside_a_scan(run: Path, following: Following) -> Diagnosis | None:
        found, told = looked(run, following), hndoctor.scan(run)[0]
        seen.append(found)
        assert found == (told if told.course[-1].state is State.BROKEN else None)
        return found

    monkeypatch.setattr(healing, "broken", beside_a_scan)
    given = (*SHORT, "--out", tmp_path / "runs", "--learn-rate", "1e-3:4, 50:12", "--steps", "12", "--heal")
    assert call("train", config, *given).code == 0
    run = tmp_path / "runs" / "short"
    assert [found is None for found in seen][:3] == [True, True, False]
    treatments = [json.loads(line) for line in (run / "healing.jsonl").read_text(encoding="utf-8").splitlines()]
    assert treatments
    assert treatments[0]["action"] in ("resume", "restart")
    (told,) = json.loads(call("scan", run, "--format", "json").out)["runs"]
    assert told["verdict"] != "broken"


def test_check_judges_the_data_and_the_plan(call, pictures: Path, config: Path, tmp_path: Path) -> None:
    assert call("check", pictures, "--config", config).code == 0
    ruinous = tmp_path / "ruinous.toml"
    ruinous.write_text('name = "x"\nlearn_rate = "5e-3"\nbase_model = "sd15"\n', encoding="utf-8")
    result = call("check", pictures, "--config", ruinous, "--format", "json")
    codes = {finding["code"] for finding in json.loads(result.out)["runs"][0]["findings"]}
    assert "HN551" in codes
    assert call("check", tmp_path / "nowhere").code == 2


def test_the_demo_touches_no_folder_of_somebody_else(call, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    result = call("demo", tmp_path)
    assert result.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
