"""A web UI's folder of every generation: scanned as it is, checked, and exported back into."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from hndoctor.collect import find_runs
from hndoctor.interop import InteropError, Order, export, find_home
from hndoctor.interop.export import choose
from hndoctor.rules.engine import examine
from hndoctor.rules.setup import RULES_SETUP
from hndoctor.setup import measure_setup
from hndoctor.vitals import measure_run
from tests import webui_home
from tests.interop import twins
from tests.webui_home import ERAS, NAME, STEPS, Era, hash_of

DAYS = [era.day for era in ERAS]
HASHED = [era for era in ERAS if era.hashing]
each = pytest.mark.parametrize("era", ERAS, ids=DAYS)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hndoctor.formats.source.FRESH", 0.0)


@each
def test_g34_its_run_folder_is_scanned_as_it_is(tmp_path: Path, era: Era) -> None:
    root = webui_home.home(tmp_path / "webui", era)
    webui_home.run_folder(root, era)
    runs = {run.root.parent.parent.name: run for run in find_runs(root)}
    vitals = measure_run(runs["textual_inversion"], cache=False)
    assert vitals.unreadable == ()
    assert [c.step for c in vitals.checkpoints] == list(STEPS)
    assert [c.stored_step for c in vitals.checkpoints] == [step - era.stores for step in STEPS]
    assert {c.provenance.split(",")[0] for c in vitals.checkpoints} == {"web UI"}
    assert {c.metadata.activation_func or "linear" for c in vitals.checkpoints} == {era.kind.activation}
    assert {c.metadata.activate_output for c in vitals.checkpoints} == {era.kind.out or era.form < "2022-11"}
    assert all(module.gain for c in vitals.checkpoints for module in c.modules)
    assert [point.step for point in vitals.losses] == list(STEPS)
    assert [p.step for p in vitals.previews] == [750, 1500]  # at another interval than the networks
    for shown in vitals.previews:
        assert (shown.seed, shown.sampler, shown.cfg_scale, shown.clip_skip) == (
            (shown.step or 0) * 7919,
            "Euler a",
            7,
            1,
        )
        assert shown.prompt == f"fischl, (red hair:1.1), standing {shown.step}\nsecond line"
        assert shown.model_hash == era.model_hash
    assert vitals.settings.learn_rate == ("1e-5:20000" if era.settings else None)
    assert [run.name for run in runs.values()] == [NAME] * 2  # the final file without a number is a network of its own


@each
def test_its_optimizer_states_are_read_and_judged(tmp_path: Path, era: Era) -> None:
    root = webui_home.home(tmp_path / "webui", era)
    vitals = measure_run(find_runs(webui_home.run_folder(root, era))[0], cache=False)
    matches = [c.optimizer.hash_matches if c.optimizer else None for c in vitals.checkpoints]
    assert matches == [{0: None, 1: True, 2: False}[era.hashing]] * 3


def test_g34_a_run_resumed_on_another_day_is_one(tmp_path: Path) -> None:
    era = ERAS[-1]
    root = webui_home.home(tmp_path / "webui", era)
    webui_home.run_folder(root, era, (500, 1000), "2024-08-01")
    webui_home.run_folder(root, era, (1500, 2000), "2024-08-02", initial=1000)
    (run,) = find_runs(root / "textual_inversion")
    vitals = measure_run(run, cache=False)
    assert [c.step for c in vitals.checkpoints] == [500, 1000, 1500, 2000]
    assert [point.step for point in vitals.losses] == [500, 1000, 1500, 2000]
    assert vitals.settings.resumed_at == (1000,)


# --- check ------------------------------------------------------------------------------------------------------------


@each
def test_g10_g11_g12_g20_g33_its_settings_are_judged_by_its_age(tmp_path: Path, era: Era) -> None:
    root = webui_home.home(tmp_path / "webui", era, "--medvram --xformers")
    data = tmp_path / "data"
    data.mkdir()
    Image.effect_noise((512, 512), 90).convert("RGB").save(data / "a.png")
    found, _ = examine(RULES_SETUP, measure_setup(data, webui=root), {})
    codes = {finding.code for finding in found}
    young = era.day > "2022-11-05"
    assert {"HN570", "HN571", "HN580"} <= codes
    assert ("HN572" in codes) is not young  # --deepdanbooru: later ones always have the tagger
    assert ({"HN573", "HN574"} <= codes) is young
    assert ("HN579" in codes) is (era.rate == 0.005)


@pytest.mark.parametrize("era", [ERAS[4], ERAS[-1]], ids=["path", "name"])
def test_g9_the_template_that_the_train_tab_names_is_judged(tmp_path: Path, era: Era) -> None:
    import json

    root = webui_home.home(tmp_path / "webui", era)
    folder = root / "textual_inversion_templates"
    folder.mkdir()
    (folder / "mine.txt").write_text("a picture of [caption]\n\n", encoding="utf-8")
    field, value = ("Prompt template", "mine.txt")
    if era.hashing == 1:
        field, value = "Prompt template file", str(folder / "mine.txt")
    (root / "ui-config.json").write_text(json.dumps({f"train/{field}/value": value}), encoding="utf-8")
    data = tmp_path / "data"
    data.mkdir()
    Image.effect_noise((64, 64), 90).convert("RGB").save(data / "a.png")
    (data / "a.txt").write_text("fischl", encoding="utf-8")
    found, _ = examine(RULES_SETUP, measure_setup(data, webui=root), {})
    assert {"HN540", "HN541", "HN542"} <= {finding.code for finding in found}


# --- back into it -----------------------------------------------------------------------------------------------------


def exported(root: Path, run: Path, step: int, **more: object) -> webui_home.Path:
    home = find_home(root)
    found, chosen = choose(run, step)
    return export(found, chosen, Order(home.networks, "webui", home, **more))


@each
def test_g33_g34_an_exported_pair_is_taken_by_the_very_web_ui(tmp_path: Path, era: Era) -> None:
    root = webui_home.home(tmp_path / "webui", era)
    run = webui_home.run_folder(root, era)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    done = exported(root, run, 1000, learn_rate="5e-7:20000")
    assert all(path.read_bytes() == data for path, data in before.items())
    assert done.path == root / "models" / "hypernetworks" / "fischl-1000.pt"
    original = run / "hypernetworks" / "fischl-1000.pt"
    theirs, ours = (twins.outputs(twins.web_ui(path, era.form)) for path in (original, done.path))
    torch.testing.assert_close(ours, theirs)
    root_ = twins.safe_load(done.path)
    assert root_["step"] == 1000 - era.stores
    assert root_["name"] == "fischl-1000"  # the web UI saves under the stored name: not over fischl.pt
    if era.hashing:
        assert done.optim is not None
        state = twins.safe_load(done.optim)
        assert state["hash"] == hash_of(done.path, era.hashing)
        assert state["optimizer_state_dict"]["param_groups"][0]["lr"] == 5e-7  # what is typed is what is trained at
    else:
        assert done.optim is None
        assert any("new optimizer" in note for note in done.notes)
    assert dict(done.fields) | {"Batch size": "", "Gradient accumulation steps": ""} == {
        "Hypernetwork": "fischl-1000",
        "Hypernetwork Learning rate": "5e-7:20000",
        "Max steps": "20000",
        "Batch size": "",
        "Gradient accumulation steps": "",
    }


@pytest.mark.parametrize("hashing", [1, 2])
def test_g33_both_hashes_on_a_file_that_both_can_tell_apart(tmp_path: Path, hashing: int) -> None:
    """Below 1 MiB all files have one old hash: here is one above."""
    from dataclasses import replace

    from tests.interop.conftest import Kind

    era = replace(next(e for e in ERAS if e.hashing == hashing), kind=Kind((1, 1, 1), sizes=(320,)))
    root = webui_home.home(tmp_path / "webui", era)
    done = exported(root, webui_home.run_folder(root, era, (500,)), 500)
    assert done.optim is not None
    stored = twins.safe_load(done.optim)["hash"]
    assert stored == hash_of(done.path, hashing)
    assert stored != "e3b0c442"


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    era = ERAS[-1]
    root = webui_home.home(tmp_path / "webui", era)
    run = webui_home.run_folder(root, era)
    deeper = root / "models" / "hypernetworks" / "old" / "FISCHL-1000_2.pt"  # the web UI lists subfolders too
    deeper.parent.mkdir()
    deeper.write_bytes(b"mine")
    names = [exported(root, run, 1000).path.name for _ in range(3)]
    assert names == ["fischl-1000.pt", "fischl-1000_3.pt", "fischl-1000_4.pt"]
    with pytest.raises(InteropError, match="there already"):
        exported(root, run, 1000, name=NAME)
    with pytest.raises(InteropError, match="does not survive the web UI"):
        exported(root, run, 1000, name="fischl (v2)")
    assert exported(root, run, 500, name="fischl v2").path.stem == "fischl v2"


def test_without_a_rate_the_run_goes_on_at_its_own(tmp_path: Path) -> None:
    era = ERAS[-1]
    root = webui_home.home(tmp_path / "webui", era)
    fields = dict(exported(root, webui_home.run_folder(root, era), 1000).fields)
    assert fields["Hypernetwork Learning rate"] == "1e-5:20000"
    assert (fields["Batch size"], fields["Gradient accumulation steps"]) == ("2", "3")


def test_the_web_uis_own_flags_are_heeded(tmp_path: Path) -> None:
    era = ERAS[-1]
    root = webui_home.home(tmp_path / "webui", era, '--no-hashing --hypernetwork-dir "my networks"')
    done = exported(root, webui_home.run_folder(root, era), 1000)
    assert done.path.parent == root / "my networks"
    assert done.optim is not None
    assert twins.safe_load(done.optim)["hash"] is None  # it compares None with None
    assert find_home(root / "models" / "hypernetworks").root == root


def test_a_network_that_an_old_web_ui_cannot_compute_is_refused(tmp_path: Path) -> None:
    october, late = ERAS[0], ERAS[-1]
    root = webui_home.home(tmp_path / "old", october)
    run = webui_home.run_folder(webui_home.home(tmp_path / "new", late), late)
    with pytest.raises(InteropError, match="relu"):
        exported(root, run, 1000)
    assert [path.name for path in (root / "models" / "hypernetworks").iterdir()] == ["fischl.pt"]


@pytest.mark.parametrize("era", HASHED[-1:], ids=["1.10"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, era: Era) -> None:
    root = webui_home.home(tmp_path / "webui", era)
    run = webui_home.run_folder(root, era)

    def full(*_: object) -> None:
        raise OSError(28, "cannot write it: No space left on device; nothing was written")

    monkeypatch.setattr("hndoctor.interop.optim.write_optimizer", full)
    with pytest.raises(OSError, match="No space"):
        exported(root, run, 1000)
    assert [path.name for path in (root / "models" / "hypernetworks").iterdir()] == ["fischl.pt"]


def test_what_is_no_web_ui_and_what_is_no_step(tmp_path: Path) -> None:
    era = ERAS[-1]
    root = webui_home.home(tmp_path / "webui", era)
    run = webui_home.run_folder(root, era)
    (tmp_path / "empty").mkdir()
    for place, words in ((tmp_path / "empty", "does not look like"), (tmp_path / "no", "no such folder")):
        with pytest.raises(InteropError, match=words):
            find_home(place)
    with pytest.raises(InteropError, match="no checkpoint of step 1250; there are 500, 1000, 1500"):
        choose(run, 1250)
    with pytest.raises(InteropError, match="which checkpoint"):
        choose(run, None)
    with pytest.raises(InteropError, match="write more"):
        exported(root, run, 1000, steps=900)
