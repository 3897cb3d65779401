"""`export`, `convert`, `merge` and `check` as a shell calls them: what is printed, exit codes, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hndoctor.formats import read
from hndoctor.formats.hashes import short_hash
from tests.cli.conftest import Result, write_network

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hndoctor.formats.source.FRESH", 0.0)


@pytest.fixture
def webui(tmp_path: Path) -> Path:
    home = tmp_path / "webui"
    (home / "models" / "hypernetworks").mkdir(parents=True)
    (home / "webui-user.sh").write_text("#!/bin/bash\n", encoding="utf-8")
    return home


def one_line(result: Result, words: str) -> None:
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("hndoctor: ")
    assert result.err.count("\n") == 1
    assert words in result.err


def test_g34_export_prints_the_file_and_what_to_type(call: Call, healthy: Path, webui: Path) -> None:
    done = call("export", healthy, "--step", 1000, "--webui", webui, "--learn-rate", "5e-7:20000")
    assert done.code == 0
    written = webui / "models" / "hypernetworks" / "quiet-1000.pt"
    assert done.out.splitlines() == [str(written)]
    assert read(written).metadata.name == "quiet-1000"
    for words in ("Hypernetwork ", "quiet-1000", "5e-7:20000", "20000", "<hypernet:quiet-1000:1>", "ComfyUI"):
        assert words in done.err
    again = call("export", healthy, "--step", 1000, "--webui", webui)
    assert again.out.strip().endswith("quiet-1000_2.pt")


def test_export_takes_the_prescribed_rate_of_a_scan(call: Call, dying: Path, webui: Path) -> None:
    call("scan", dying)
    done = call("export", dying, "--step", 1000, "--webui", webui)
    assert done.code == 0
    if "prescribes for this checkpoint" in done.err:
        assert "Learning rate" in done.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--step", 1200, "--out", "x.pt"), "there are 500, 1000, 1500"),
        (("--out", "x.pt"), "which checkpoint"),
        (("--step", 500), "where to"),
        (("--step", 500, "--out", "x.pt", "--for", "invokeai"), "there is no form"),
        (("--step", 500, "--out", "x.pt", "--learn-rate", "5e-7;9"), "is not a number"),
        (("--step", 500, "--webui", "."), "does not look like a web UI"),
        (("--step", 500, "--out", "x.ckpt"), "ends in .pt"),
        (("--step", 500, "--out", "x.safetensors", "--for", "comfyui"), "no safetensors form"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    call: Call, healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[object, ...], words: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    one_line(call("export", healthy, *more), words)
    assert list((tmp_path / "here").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(call: Call, healthy: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / "webui-user.sh").touch()
    (home / "models" / "hypernetworks").write_text("a file in the way", encoding="utf-8")
    one_line(call("export", healthy, "--step", 500, "--webui", home), "hypernetworks")
    assert (home / "models" / "hypernetworks").read_text(encoding="utf-8") == "a file in the way"


def test_a_full_disk_is_one_line_and_nothing_is_left(
    call: Call, healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    source = healthy / "hypernetworks" / "quiet-500.pt"
    monkeypatch.setattr("hndoctor.formats.atomic.os.fsync", full)
    one_line(call("convert", source, tmp_path / "x.pt"), "No space left on device; nothing was written")
    one_line(call("merge", healthy, "--steps", "500-1500", "--out", tmp_path / "m.pt"), "nothing was written")
    one_line(call("export", source, "--out", tmp_path / "e.pt"), "nothing was written")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_export_for_others(call: Call, healthy: Path, tmp_path: Path) -> None:
    source = healthy / "hypernetworks" / "quiet-500.pt"
    done = call("export", source, "--for", "diffusers", "--out", tmp_path)
    assert done.out.strip() == str(tmp_path / "quiet-500.safetensors")
    assert "apply_hypernetwork(pipe" in done.err
    done = call("export", source, "--for", "comfyui", "--out", tmp_path / "c.pt")
    assert done.code == 0
    assert "ComfyUI" in done.err


def test_convert_says_what_is_lost_and_who_loads_it(call: Call, healthy: Path, tmp_path: Path) -> None:
    done = call("convert", healthy / "hypernetworks" / "quiet-500.pt", tmp_path / "old.pt", "--to", "novelai")
    assert done.out.splitlines() == [str(tmp_path / "old.pt")]
    assert "not kept" in done.err
    assert "step (499)" in done.err
    assert "web UI since 2022-10-07" in done.err
    one_line(call("convert", tmp_path / "old.pt", tmp_path / "old.pt"), "there already")
    assert call("convert", tmp_path / "old.pt", tmp_path / "old.pt", "--overwrite").code == 0
    (tmp_path / "kept.pt.optim").write_bytes(b"of another network")
    one_line(call("convert", tmp_path / "old.pt", tmp_path / "kept.pt", "--overwrite"), "kept.pt.optim: is there")
    legacy = call("convert", tmp_path / "old.pt", tmp_path / "stream.pt", "--legacy")
    assert legacy.code == 0
    assert read(tmp_path / "stream.pt").container == "legacy"


def test_merge_shows_health(call: Call, healthy: Path, dying: Path, tmp_path: Path) -> None:
    done = call("merge", healthy, "--steps", "500,1500", "--weights", "1,3", "--out", tmp_path / "m.pt")
    assert done.code == 0
    assert done.out.splitlines()[0] == str(tmp_path / "m.pt")
    assert "HEALTHY" in done.out
    assert "0.25" in done.err
    assert "least likeness" in done.err
    bad = call("merge", dying, "--steps", "1000-1500", "--out", tmp_path / "bad.pt")
    assert bad.code == 1  # written, and told to be unhealthy
    assert (tmp_path / "bad.pt").is_file()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--steps", "500,700"), "no checkpoint of step 700"),
        (("--steps", "500-600"), "fewer than two"),
        (("--steps", "500,1000", "--weights", "1,x"), "numbers parted by commas"),
        ((), "is a folder"),
    ],
)
def test_what_cannot_be_merged_is_one_line(
    call: Call, healthy: Path, tmp_path: Path, more: tuple[str, ...], words: str
) -> None:
    paths = (healthy,) if more else (healthy, healthy)
    one_line(call("merge", *paths, *more, "--out", tmp_path / "m.pt"), words)
    assert not (tmp_path / "m.pt").exists()


def test_an_optimizer_state_goes_along(call: Call, tmp_path: Path, webui: Path) -> None:
    from hndoctor.formats.types import OptimizerFile
    from hndoctor.formats.write import write_optimizer

    path = write_network(tmp_path / "x-500.pt", 500)
    shapes = [tensor.shape for module in read(path).modules for tensor in module.tensors.values()]
    import numpy as np

    state = {at: {"step": 500.0, "exp_avg": np.zeros(shape, np.float32)} for at, shape in enumerate(shapes)}
    write_optimizer(path.with_name("x-500.pt.optim"), "AdamW", state, [{"lr": 1e-5, "params": [0]}], "0000000000")
    done = call("export", path, "--webui", webui, "--learn-rate", "2e-6")
    network, carried = map(Path, done.out.splitlines())
    file = read(carried)
    assert isinstance(file, OptimizerFile)
    assert file.hash == short_hash(network)
    assert file.param_groups[0]["lr"] == 2e-6
    alone = call("export", path, "--webui", webui, "--no-optim", "--name", "alone")
    assert alone.out.splitlines() == [str(webui / "models" / "hypernetworks" / "alone.pt")]


# --- check ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "data"
    folder.mkdir()
    for n in range(3):
        Image.effect_noise((64, 64), 60 + n).convert("RGB").save(folder / f"{n}.png")
        (folder / f"{n}.txt").write_text("fischl, red_hair, hat", encoding="utf-8")
    return folder


def test_g2_fix_in_place_keeps_a_backup_and_says_what_it_did(call: Call, data: Path) -> None:
    done = call("check", data, "--fix-in-place")
    assert done.code == 0
    assert (data / "0.txt").read_text(encoding="utf-8") == "fischl, red hair, hat"
    assert (data / "0.txt.bak").read_text(encoding="utf-8") == "fischl, red_hair, hat"
    assert "0.txt (underscores): fischl, red hair, hat" in done.err
    assert "3 captions rewritten" in done.err
    assert "nothing to mend" in call("check", data, "--fix-in-place").err


def test_fix_into_a_folder_leaves_the_data_alone(call: Call, data: Path, tmp_path: Path) -> None:
    done = call("check", data, "--fix", tmp_path / "mended")
    assert "3 captions rewritten into" in done.err
    assert (data / "0.txt").read_text(encoding="utf-8") == "fischl, red_hair, hat"
    assert (tmp_path / "mended" / "0.txt").read_text(encoding="utf-8") == "fischl, red hair, hat"
    one_line_after = call("check", data, "--fix", tmp_path / "mended")
    assert one_line_after.code == 2
    assert call("check", data, "--fix", tmp_path / "m", "--fix-in-place").code == 2


def test_check_without_fix_writes_nothing(call: Call, data: Path) -> None:
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    assert call("check", data, "--format", "html").out.startswith("<!doctype html>")
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_the_plan_is_added_up_for_the_users_card(call: Call, data: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    lines = ('base_model = "stable-diffusion-v1-5"', "steps = 3000", 'learn_rate = "5e-6"', "batch_size = 3")
    plan.write_text("\n".join((*lines, 'layer_structure = "1, 2, 1"')), encoding="utf-8")
    small = call("check", data, "--config", plan, "--vram", 8)
    assert "HN583" in small.out
    assert "Tokens: " in small.out  # with which vocabulary they were counted
    assert "1 an epoch" in small.out
    assert "HN583" not in call("check", data, "--config", plan, "--vram", 24).out
    page = call("check", data, "--config", plan, "--vram", 8, "--format", "html", "--out", tmp_path / "page.html")
    assert "report: " in page.err
    assert "data:image/jpeg;base64," in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_of_check_speaks_japanese(call: Call, data: Path, tmp_path: Path) -> None:
    page = tmp_path / "check.html"
    done = call("check", data, "--format", "html", "--lang", "ja", "--out", page)
    assert done.code == 0
    text = page.read_text(encoding="utf-8")
    assert '<html lang="ja">' in text
    assert "タグの語がアンダースコアでつながっています。" in text
    assert "Words of a tag are parted" not in text
