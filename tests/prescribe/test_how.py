"""The commands, and what to type in the web UI, word by word."""

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.prescribe.how import place, quoted, rate_words, train_command, webui_restart, webui_resume, webui_use
from hndoctor.records import Settings, Vitals
from tests.makers import a_checkpoint, an_optimizer


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("runs/x-500.pt", "runs/x-500.pt"),
        ("5e-6:1500,5e-7:2000", "5e-6:1500,5e-7:2000"),
        ("5e-6:1500, 5e-7:2000", '"5e-6:1500, 5e-7:2000"'),
        ("C:\\runs\\x.pt", "C:\\runs\\x.pt"),
        ("C:\\my runs\\x.pt", '"C:\\my runs\\x.pt"'),
        ("two\\\\strokes and more", "'two\\\\strokes and more'"),
        ("$(rm -rf ~)", "'$(rm -rf ~)'"),
        ("a`b`", "'a`b`'"),
        ("so!", "'so!'"),
        ('a"b', "'a\"b'"),
        ("", '""'),
        ("魚.pt", '"魚.pt"'),
    ],
)
def test_a_word_is_quoted_only_where_a_shell_needs_it(word, wanted):
    assert quoted(word) == wanted


@given(st.text(st.characters(exclude_characters="\\\x00", exclude_categories=("Cs",))))
def test_whatever_the_word_a_posix_shell_reads_it_back(word):
    assert shlex.split(quoted(word)) == [word]


@pytest.mark.parametrize(
    ("run", "wanted"),
    [
        ("runs/x", "runs/x/h/x-1.pt"),
        ("runs/x/vitals.json", "runs/x/h/x-1.pt"),
        ("runs/x/x-1.PT", "runs/x/h/x-1.pt"),
        ("runs/v1.5", "runs/v1.5/h/x-1.pt"),
        ("s3://bucket/x", "s3://bucket/x/h/x-1.pt"),
        ("s3://bucket/x/vitals.json", "s3://bucket/x/h/x-1.pt"),
        ("s3://bucket/s3:/x", "s3://bucket/s3:/x/h/x-1.pt"),
    ],
)
def test_a_file_of_the_run_is_named_as_seen_from_outside(run, wanted):
    assert place(Vitals(run, "x"), "h/x-1.pt") == wanted


def test_the_command_names_the_runs_own_configuration_only_where_there_is_one():
    ours = Vitals("runs/x", "x", settings=Settings(source="run.json"))
    theirs = Vitals("runs/x", "x", settings=Settings(source="settings.json"))
    tail = "--learn-rate 5e-7:9 --steps 9"
    assert train_command(ours, None, "5e-7:9", 9) == f"hndoctor train runs/x/config.toml {tail}"
    assert train_command(theirs, None, "5e-7:9", 9) == f"hndoctor train CONFIG.toml {tail}"
    file = a_checkpoint(500)
    assert train_command(theirs, file, "5e-7:9", 9, "--name", "y") == (
        f"hndoctor train CONFIG.toml --resume runs/x/hypernetworks/x-500.pt {tail} --name y"
    )


def test_a_rate_that_is_prescribed_is_meant_without_the_runs_own_shape():
    for source, shape, tail in (
        ("run.json", "cosine", " -o lr_scheduler=constant"),
        ("run.json", "constant", ""),
        ("run.json", None, ""),
        ("settings.json", "cosine", ""),
    ):
        vitals = Vitals("runs/x", "x", settings=Settings(source=source, lr_scheduler=shape))
        assert train_command(vitals, None, "5e-7:9", 9).partition("--steps 9")[2] == tail


AWAY = Vitals("runs/x", "x")
TYPED = ("Hypernetwork: x-500", "Learning rate: 5e-7:900", "Max steps: 900")
ONE = "copy hypernetworks/x-500.pt to models/hypernetworks"
BOTH = "copy hypernetworks/x-500.pt and hypernetworks/x-500.pt.optim to models/hypernetworks"
LEFT = "leave x-500.pt.optim out: with it the web UI would go on at the old rate that it stores"


@pytest.mark.parametrize(
    ("pair", "changes", "wanted"),
    [(True, False, [BOTH]), (True, True, [ONE, LEFT]), (False, False, [ONE]), (False, True, [ONE])],
)
def test_the_optimizer_goes_along_only_where_the_rate_stays(pair, changes, wanted):
    file = a_checkpoint(500, optimizer=an_optimizer(5e-6) if pair else None)
    assert list(webui_resume(AWAY, file, "5e-7:900", 900, changes)) == [*wanted, *TYPED]


@pytest.mark.parametrize("spoilt", [{"nonfinite": 1}, {"misfits": 1}, {"unreadable": "damaged"}, {"update_rms": 1.0}])
def test_an_unfit_optimizer_stays_behind(spoilt):
    file = a_checkpoint(500, optimizer=replace(an_optimizer(5e-6), **spoilt))
    lines = list(webui_resume(AWAY, file, "5e-7:900", 900, False))
    alone = "copy hypernetworks/x-500.pt to models/hypernetworks"
    assert lines == [alone, "leave x-500.pt.optim out: it is not fit to go on from (HN110)", *TYPED]


@pytest.mark.parametrize("run", ["webui/models/hypernetworks", "webui/models/hypernetworks/x-500.pt"])
def test_what_lies_where_the_web_ui_looks_is_not_copied(run):
    there = Vitals(run, "x")
    file = replace(a_checkpoint(500, optimizer=an_optimizer(5e-6)), path="x-500.pt")
    moved = "move x-500.pt.optim away: with it the web UI would go on at the old rate that it stores"
    assert list(webui_resume(there, file, "5e-7:900", 900, False)) == [*TYPED]
    assert list(webui_resume(there, file, "5e-7:900", 900, True)) == [moved, *TYPED]
    assert list(webui_use(there, file)) == ["Prompt: <hypernet:x-500:1>"]
    other = replace(file, path="x-500.ckpt")
    assert next(webui_use(there, other)) == "copy x-500.ckpt to models/hypernetworks"


def test_brackets_in_a_name_are_warned_of():
    file = replace(a_checkpoint(500), path="hypernetworks/x (1).pt")
    lines = list(webui_resume(AWAY, file, "5e-7:900", 900, False))
    assert lines[1:3] == [
        "rename the copy without brackets: the web UI cuts names at the first one",
        "Hypernetwork: x (1)",
    ]


def test_how_to_use_it_and_how_to_begin_again():
    assert list(webui_use(AWAY, a_checkpoint(500))) == [ONE, "Prompt: <hypernet:x-500:1>"]
    assert list(webui_restart("5e-6:900", 900)) == [
        "Create hypernetwork: a new name; weights initialization: Normal; no layer normalization",
        "Learning rate: 5e-6:900",
        "Max steps: 900",
    ]
    assert rate_words(0.0000005) == "5e-7"


def test_the_web_ui_lists_names_in_pt_alone_and_reads_no_safetensors():
    made = a_checkpoint(500)
    plain = replace(made, path="h/x-500.pt", container="zip", optimizer=None)
    assert list(webui_use(AWAY, plain)) == ["copy h/x-500.pt to models/hypernetworks", "Prompt: <hypernet:x-500:1>"]
    renamed = list(webui_use(AWAY, replace(plain, path="h/x.ckpt")))
    assert renamed[:2] == [
        "copy h/x.ckpt to models/hypernetworks",
        "rename the copy to x.pt: the web UI lists no other names",
    ]
    other = replace(plain, path="my x.safetensors", container="safetensors")
    first, second, *_ = webui_resume(AWAY, other, "1e-5", 9, True)
    assert first == 'hndoctor convert "my x.safetensors" "my x.pt" --to webui'
    assert second == "copy my x.pt to models/hypernetworks"
