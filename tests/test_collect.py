"""PATH -> runs, on folder trees in the layouts that trainers leave behind."""

import os
import sys
from pathlib import Path

import pytest

from hndoctor.cli.merging import of_run
from hndoctor.collect import CollectError, beside, find_own, find_pictures, find_runs
from hndoctor.diagnose import diagnose
from hndoctor.records import Refusal, Severity, Verdict
from hndoctor.vitals import measure_run as measure


@pytest.fixture
def tree(tmp_path):
    """`tree("a/b.pt", "c.csv")` makes empty files and returns the folder."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return tmp_path

    return make


def steps(parts):
    return [part.step for part in parts]


def names(paths):
    return [path.name for path in paths]


def a_run(folder, name, *counts):
    files = [f"{folder}/hypernetworks/{name}-{n}.pt" for n in counts] + [
        f"{folder}/images/{name}-{n}.png" for n in counts
    ]
    return [*files, f"{folder}/hypernetwork_loss.csv", f"{folder}/settings-2023-01-01-10-00-00.json"]


def test_a_run_of_ours(tree):
    files = a_run("runs/fischl", "fischl", 500, 1000, 5000)
    more = ("hypernetworks/fischl-500.pt.optim", "images/fischl-500-1.png", "images/fischl-0.png", "run.json")
    more = (*more, "validation.jsonl", "hypernetworks/fischl.pt", "vitals.json", "health.html", "notes.txt")
    root = tree(*files, *(f"runs/fischl/{name}" for name in more))
    (run,) = find_runs(root / "runs" / "fischl")
    assert (run.name, run.root, run.shares_folder) == ("fischl", root / "runs" / "fischl", False)
    assert steps(run.checkpoints) == [500, 1000, 5000, None]
    assert [part.optim is not None for part in run.checkpoints] == [True, False, False, False]
    assert steps(run.previews) == [0, 500, 500, 1000, 5000]
    assert (names(run.loss_logs), names(run.validation_logs)) == (["hypernetwork_loss.csv"], ["validation.jsonl"])
    assert names(run.settings) == ["run.json", "settings-2023-01-01-10-00-00.json"]
    assert find_runs(root) == (run,)


def test_a_folder_of_runs(tree):
    root = tree(*a_run("deep/a", "a", 10), *a_run("deep/er/b", "b", 20), *a_run(".hidden/c", "c", 30))
    assert [run.name for run in find_runs(root)] == ["a", "b"]


def test_a_shelf_of_networks_is_grouped_by_name(tree):
    root = tree(
        *(f"models/hypernetworks/{name}.pt" for name in ("x-500", "x-1000", "x", "anime_3", "style-2", "v-1", "v-2")),
        "models/hypernetworks/x-500.pt.optim",
        "models/hypernetworks/sub/y-300.pt",
        "models/Stable-diffusion/huge.safetensors",
        "models/VAE/some.vae.pt",
    )
    runs = {run.name: run for run in find_runs(root / "models")}
    assert sorted(runs) == ["anime_3", "style-2", "v-1", "v-2", "x", "y-300"]
    assert steps(runs["x"].checkpoints) == [500, 1000, None]
    assert runs["x"].checkpoints[0].optim is not None
    assert steps(runs["style-2"].checkpoints) == [None]
    assert steps(runs["y-300"].checkpoints) == [300]
    assert beside(runs["x"], "vitals.json").name == "x.vitals.json"
    assert beside(runs["y-300"], "vitals.json").name == "vitals.json"


def test_reports_beside_networks_of_the_longest_names_have_names_that_fit(tree):
    """251 bytes leave no room for `.health.html`; two such runs must not share a report either."""
    long = ["é" * 122 + "a", "é" * 122 + "b", "n" * 251]
    runs = find_runs(tree(*(f"shelf/{name}.pt" for name in long)))
    reports = [beside(run, "health.html").name for run in runs]
    assert len(runs) == len(set(reports)) == 3
    assert all(len(name.encode()) <= 255 and name.endswith(".health.html") for name in reports)
    assert {name[:50] for name in reports} == {"é" * 50, "n" * 50}


def test_a_numbered_name_keeps_its_number(tree):
    root = tree("shelf/style-2-500.pt", "shelf/style-2-1000.pt", "shelf/style-2.pt")
    (run,) = find_runs(root)
    assert (run.name, steps(run.checkpoints)) == ("style-2", [500, 1000, None])
    root = tree(*a_run("runs/style-20", "style-20", 100), "runs/style-20/hypernetworks/style-20.pt")
    assert steps(find_runs(root / "runs")[0].checkpoints) == [100, None]


@pytest.mark.parametrize("name", ["フィッシュル", "a b (c)", "über", "名前-2", "x.y"])
def test_names_of_any_script(tree, name):
    (run,) = find_runs(tree(*a_run(name, name, 500)))
    assert (run.name, steps(run.checkpoints), steps(run.previews)) == (name, [500], [500])


def test_decomposed_names_of_macos(tree):
    (run,) = find_runs(tree(*a_run("u\u0308ber", "\u00fcber", 500)))
    assert (run.name, steps(run.checkpoints)) == ("\u00fcber", [500])


def test_a_renamed_folder_knows_its_run(tree):
    root = tree(*a_run("backup of june", "fischl", 500, 1000), "backup of june/images/fischl-500-1.png")
    (run,) = find_runs(root)
    assert (run.name, steps(run.previews)) == ("fischl", [500, 500, 1000])


def test_previews_alone_are_a_run_in_their_folder(tree):
    (run,) = find_runs(tree("fischl/images/fischl-500.png", "fischl/images/fischl-1000.jpg"))
    assert (steps(run.previews), run.checkpoints) == ([500, 1000], ())


def test_previews_alone_are_a_run_whatever_its_folder_is_called(tree):
    (run,) = find_runs(tree("backup/images/fischl-500.png", "backup/images/fischl-1500.png"))
    assert (run.name, steps(run.previews)) == ("fischl", [500, 1500])


def test_several_previews_a_step_alone_are_a_run_from_before_training_on(tree):
    drawn = [f"fischl-{step}{prompt}" for step in (0, 50, 100) for prompt in ("", "-1")]
    (run,) = find_runs(tree(*(f"backup/images/{stem}.png" for stem in drawn)))
    assert (run.name, steps(run.previews)) == ("fischl", [0, 0, 50, 50, 100, 100])


@pytest.mark.parametrize(
    "names",
    [("IMG-500", "DSC-10"), ("photo-1", "photo-2"), ("x-500",), ("x-500", "x-1003"), ("x-500", "x"), ("x-0", "x-0-1")],
)
def test_photographs_in_a_folder_called_images_are_no_run(tree, names):
    with pytest.raises(CollectError):
        find_runs(tree(*(f"backup/images/{name}.png" for name in names)))


def test_one_checkpoint(tree):
    root = tree("hypernetworks/x-500.pt", "hypernetworks/x-500.pt.optim", "hypernetworks/x-1000.pt")
    (run,) = find_runs(root / "hypernetworks" / "x-500.pt")
    assert (run.name, steps(run.checkpoints), len(run.checkpoints)) == ("x-500", [500], 1)
    assert run.checkpoints[0].optim is not None


def test_one_loss_log_and_one_vitals_file(tree):
    root = tree("x/hypernetwork_loss.csv", "y/vitals.json", "z/run-7.vitals.json")
    assert names(find_runs(root / "x" / "hypernetwork_loss.csv")[0].loss_logs) == ["hypernetwork_loss.csv"]
    assert find_runs(root / "y" / "vitals.json")[0].vitals == root / "y" / "vitals.json"
    assert find_runs(root / "z" / "run-7.vitals.json")[0].vitals == root / "z" / "run-7.vitals.json"
    assert find_runs(root / "y")[0].vitals == root / "y" / "vitals.json"


def test_a_resumed_run_over_several_dates_is_one(tree):
    root = tree(
        *a_run("textual_inversion/2023-01-01/x", "x", 500, 1000, 1500),
        *a_run("textual_inversion/2023-01-02/x", "x", 1500, 2000),
        *a_run("textual_inversion/2023-01-02/other", "other", 500),
    )
    other, run = find_runs(root)
    assert (other.name, run.name) == ("other", "x")
    assert run.root.parent.name == "2023-01-02"
    assert steps(run.checkpoints) == steps(run.previews) == [500, 1000, 1500, 2000]
    assert [path.path.parents[2].name for path in run.checkpoints] == ["2023-01-01"] * 2 + ["2023-01-02"] * 2
    assert len(run.loss_logs) == len(run.settings) == 2
    assert {skip.what for skip in run.skipped} == {"x-1500.pt", "x-1500.png"}


def test_what_was_left_behind_is_named_and_not_judged(tree):
    root = tree(*a_run("t/2023-01-01/x", "x", 500, 1000, 9000), *a_run("t/2023-01-03/x", "x", 1500))
    (run,) = find_runs(root)
    assert steps(run.checkpoints) == [500, 1000, 1500]
    assert any(skip.what == "x-9000.pt" and "2023-01-03" in skip.why for skip in run.skipped)


def test_the_same_name_begun_again_is_another_run(tree):
    root = tree(*a_run("t/2023-01-01/x", "x", 500, 1000), *a_run("t/2023-01-02/x", "x", 500, 1000))
    assert len(find_runs(root)) == 2


def test_nothing_is_said_in_one_line(tree):
    root = tree("a/readme.md", "x.png", "x.pt.optim", "x.doc")
    for path in (root / "a", root / "missing", root / "x.pt.optim", root / "x.doc", root / "x.png"):
        with pytest.raises(CollectError) as caught:
            find_runs(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_pictures_alone(tree):
    root = tree("p/a.png", "p/b.webp", "p/b.txt", "q/a.png", "q/x-500.pt")
    assert names(find_pictures(root / "p")) == ["a.png", "b.webp"]
    assert names(find_pictures(root / "p" / "a.png")) == ["a.png"]
    assert find_pictures(root / "q") == find_pictures(root / "p" / "b.txt") == find_pictures(root / "none") == ()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows, pipes do not exist there")
def test_links_out_pipes_and_rings_are_not_followed(tree, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x-900.pt").write_bytes(b"")
    root = tree(*a_run("x", "x", 500))
    (root / "x" / "hypernetworks" / "x-900.pt").symlink_to(outside / "x-900.pt")
    (root / "x" / "hypernetworks" / "x-700.pt").symlink_to("x-500.pt")
    (root / "out").symlink_to(outside)
    (root / "ring").symlink_to(root)
    (root / "x" / "self.pt").symlink_to(root / "x" / "self.pt")
    os.mkfifo(root / "x" / "hypernetworks" / "x-800.pt")
    os.mkfifo(root / "x" / "hypernetworks" / "x-500.pt.optim")
    (run,) = find_runs(root)
    assert steps(run.checkpoints) == [500, 700]
    assert run.checkpoints[0].optim is None
    assert {"x-900.pt", "x-800.pt"} <= {skip.what for skip in run.skipped}
    with pytest.raises(CollectError, match="pipe"):
        find_runs(root / "x" / "hypernetworks" / "x-800.pt")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_out_are_named_where_nothing_else_is_there(tree, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    root = tree("x/hypernetworks/notes.txt")
    for step in (500, 1000):
        (outside / f"x-{step}.pt").write_bytes(b"")
        (root / "x" / "hypernetworks" / f"x-{step}.pt").symlink_to(outside / f"x-{step}.pt")
    with pytest.raises(CollectError, match=r"not into x-500\.pt \(and 1 more\): a link that leads out of the folder"):
        find_runs(root / "x")


def shut(monkeypatch, closed):
    """Nobody may list this folder (root may list all, so that permissions would show nothing)."""
    listing = Path.iterdir

    def iterdir(path):
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)


def test_a_folder_that_cannot_be_listed_is_a_run_of_which_nothing_is_known(tree, monkeypatch):
    root = tree(*a_run("runs/a", "a", 500), *a_run("runs/b", "b", 500), "runs/lost+found/x")
    shut(monkeypatch, root / "runs" / "a")
    shut(monkeypatch, root / "runs" / "lost+found")
    unknown, run = find_runs(root)
    assert (unknown.name, unknown.checkpoints, steps(run.checkpoints)) == ("a", (), [500])
    assert [skip.why for skip in unknown.skipped] == ["the folder cannot be read (Permission denied)"]
    diagnosis = diagnose(measure(unknown))
    assert diagnosis.verdict is Verdict.UNEXAMINED
    assert "a: the folder cannot be read (Permission denied)" in diagnosis.summary
    with pytest.raises(CollectError, match=r"runs.a: the folder cannot be read \(Permission denied\)\Z"):
        find_runs(root / "runs" / "a")


def test_a_run_whose_checkpoints_cannot_be_reached_is_not_healthy(tree, monkeypatch):
    root = tree(*a_run("a", "a", 500, 1000))
    rows = "".join(f"{step},0,0,0.1,1e-05\r\n" for step in range(500, 5000, 500))
    (root / "a" / "hypernetwork_loss.csv").write_text("step,epoch,epoch_step,loss,learn_rate\r\n" + rows)
    shut(monkeypatch, root / "a" / "hypernetworks")
    diagnosis = diagnose(measure(find_runs(root)[0]))
    assert diagnosis.verdict is Verdict.AILING
    (found,) = (one for one in diagnosis.findings if one.severity is Severity.ERROR)
    assert (found.code, found.subject) == ("HN002", "hypernetworks")
    assert "cannot be read (Permission denied)" in found.message
    shut(monkeypatch, root / "a" / "images")
    why = {one.what: one.why for one in diagnose(measure(find_runs(root)[0])).not_examined}
    assert "Permission denied" in why["previews"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_run_whose_checkpoints_lie_behind_a_link_says_so(tree, tmp_path_factory):
    root = tree(*a_run("a", "a", 500, 1000))
    (root / "a" / "hypernetworks").rename(tmp_path_factory.mktemp("outside") / "hypernetworks")
    (root / "a" / "hypernetworks").symlink_to(tmp_path_factory.getbasetemp())
    (run,) = find_runs(root)
    (refused,) = measure(run).unreadable
    assert (refused.path, refused.kind) == ("hypernetworks", Refusal.FOREIGN)
    assert "a link that leads out of the folder; it was not followed: name where it leads" in refused.reason


def test_embeddings_and_upscalers_beside_are_left_alone(tree):
    other = ("embeddings/e-500.pt", "images/e-500.png", "textual_inversion_loss.csv", "settings-2023-01-01.json")
    root = tree(*a_run("t/2023-01-01/x", "x", 500), *(f"t/2023-01-01/e/{name}" for name in other), "ESRGAN/4x.pth")
    assert [run.name for run in find_runs(root)] == ["x"]


def test_the_order_of_files_does_not_matter(tree):
    root = tree(*a_run("x", "x", 20, 3000, 100))
    assert steps(find_runs(root)[0].checkpoints) == [20, 100, 3000]


def test_a_run_whose_folder_has_another_name_than_its_network(tmp_path):
    (tmp_path / "mine" / "hypernetworks").mkdir(parents=True)
    (tmp_path / "mine" / "hypernetworks" / "fischl-500.pt").write_bytes(b"x")
    (run,) = find_runs(tmp_path / "mine")
    assert (run.root, run.name) == (tmp_path / "mine", "fischl")


def test_what_a_resumption_set_aside_is_no_run(tmp_path):
    for folder in ("x", "x/set-aside/1"):
        (tmp_path / folder / "hypernetworks").mkdir(parents=True)
        (tmp_path / folder / "hypernetworks" / "x-500.pt").write_bytes(b"x")
    (tmp_path / "x" / "run.json").write_bytes(b"{}")
    (run,) = find_runs(tmp_path / "x")
    assert [one.path.parent.parent for one in run.checkpoints] == [tmp_path / "x"]


def test_of_very_many_files_some_are_examined_and_the_rest_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("hndoctor.collect.finding.MOST_FILES", 3)
    run = tmp_path / "x"
    for part, suffix in (("hypernetworks", "pt"), ("images", "png")):
        (run / part).mkdir(parents=True)
        for step in range(100, 1100, 100):
            (run / part / f"x-{step}.{suffix}").write_bytes(b"x")
    (found,) = find_runs(run)
    assert [part.step for part in found.checkpoints] == [100, 500, 1000]
    assert [part.step for part in found.previews] == [100, 500, 1000]
    assert [skip.what for skip in found.skipped] == ["7 checkpoints", "7 previews"]


def test_a_log_of_held_out_losses_alone_is_a_run(tmp_path):
    (tmp_path / "fischl").mkdir()
    log = tmp_path / "fischl" / "validation.jsonl"
    log.touch()
    (run,) = find_runs(log)
    assert (run.name, run.validation_logs, run.loss_logs) == ("fischl", (log,), ())


def test_a_run_of_nothing_but_its_loss_has_its_folders_name(tmp_path):
    (tmp_path / "fischl").mkdir()
    (tmp_path / "fischl" / "hypernetwork_loss.csv").write_bytes(b"step,epoch,epoch_step,loss,learn_rate\r\n")
    (run,) = find_runs(tmp_path / "fischl")
    assert run.name == "fischl"


def test_what_is_not_opened_beside_loose_networks_is_named_once(tmp_path):
    for name in ("a-500.pt", "a-500.safetensors", "b.pt", "big.ckpt", "c.bin", "d.safetensors", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    first, *others = find_runs(tmp_path)
    (skipped,) = first.skipped
    assert skipped.what == "big.ckpt and 2 more"  # a-500.safetensors is a copy of a-500.pt
    assert "name the file itself" in skipped.why
    assert all(run.skipped == () for run in others)


def test_what_was_validated_afterwards_belongs_to_its_run(tree):
    root = tree(*a_run("a", "a", 500), "a/validation.jsonl", "a/validated.jsonl", "shelf/b.pt", "shelf/c.pt",
                "shelf/b.validated.jsonl", "one/d-500.pt", "one/d-1000.pt", "one/validated.jsonl")  # fmt: skip
    logs = {run.name: names(run.validation_logs) for run in find_runs(root)}
    own = ["validation.jsonl", "validated.jsonl"]
    assert logs == {"a": own, "b": ["b.validated.jsonl"], "c": [], "d": ["validated.jsonl"]}
    assert beside(find_runs(root / "shelf")[0], "validated.jsonl") == root / "shelf" / "b.validated.jsonl"
    (lone,) = find_runs(root / "shelf" / "b.pt")
    assert names(lone.validation_logs) == ["b.validated.jsonl"]
    (log,) = find_runs(root / "shelf" / "b.validated.jsonl")
    assert names(log.validation_logs) == ["b.validated.jsonl"]


def test_another_network_in_a_runs_folder_is_a_run_of_its_own(tree):
    """Both have step 500: they cannot be one course."""
    strangers = [f"runs/anna/hypernetworks/berta{rest}.pt" for rest in ("-500", "-1000", "-1500", "")]
    root = tree(*a_run("runs/anna", "anna", 500, 1000), *strangers, "runs/anna/images/berta-500.png",
                "runs/anna/berta.validated.jsonl")  # fmt: skip
    anna, berta = find_runs(root)
    assert (anna.name, steps(anna.checkpoints), steps(anna.previews)) == ("anna", [500, 1000], [500, 1000])
    assert (berta.name, steps(berta.checkpoints), steps(berta.previews)) == ("berta", [500, 1000, 1500, None], [500])
    assert (names(anna.loss_logs), berta.loss_logs) == (["hypernetwork_loss.csv"], ())
    assert (anna.validation_logs, names(berta.validation_logs)) == ((), ["berta.validated.jsonl"])
    assert find_own(root / "runs" / "anna") == (anna,), "for whoever wants the run of this folder"
    assert (beside(anna, "vitals.json").name, beside(berta, "vitals.json").name) == ("vitals.json", "berta.vitals.json")


def test_a_run_that_was_renamed_on_its_way_stays_one(tree):
    later = [f"runs/anna/hypernetworks/anna-slow-{n}.pt" for n in (1500, 2000)]
    (run,) = find_runs(tree(*a_run("runs/anna", "anna", 500, 1000), *later))
    assert steps(run.checkpoints) == [500, 1000, 1500, 2000]


@pytest.mark.parametrize("mark", [" (1)", "(2)", " - Copy", " - Copy (2)", " copy 2", " - コピー", " (copy)"])
def test_a_copy_is_of_its_originals_step_and_comes_after_it(tree, mark):
    copy = f"x-1000{mark}"
    root = tree(*(f"shelf/{name}.pt" for name in ("x-500", "x-1000", copy)))
    (run,) = find_runs(root / "shelf")
    assert (run.name, steps(run.checkpoints)) == ("x", [500, 1000, 1000])
    assert names(part.path for part in run.checkpoints) == ["x-500.pt", "x-1000.pt", f"{copy}.pt"]
    root = tree(*a_run("run/x", "x", 500, 1000), f"run/x/hypernetworks/{copy}.pt")
    (run,) = find_runs(root / "run")
    assert names(part.path for part in run.checkpoints) == ["x-500.pt", "x-1000.pt", f"{copy}.pt"]


@pytest.mark.parametrize("name", ["x (1)", "x - Copy", "x-500 - best"])
def test_what_only_looks_like_a_copy_is_a_name(tree, name):
    (run,) = find_runs(tree(f"{name}.pt"))
    assert (run.name, steps(run.checkpoints)) == (name, [None])


def test_a_copy_beside_its_original_is_not_merged_with_it(tree):
    root = tree(*a_run("x", "x", 500, 1000, 1500), "x/hypernetworks/x-1000 (1).pt", "x/hypernetworks/berta-500.pt")
    assert names(of_run([root / "x"], "500-1500")) == ["x-500.pt", "x-1000.pt", "x-1500.pt"]
