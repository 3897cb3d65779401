"""Configurations: read, completed, written back; every mistake named in one line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from trainer.config import DEFAULT_LEARN_RATE, SD_LEARN_RATE, Config, as_dict, load_config, to_toml
from trainer.errors import TrainerError


def written(folder: Path, text: str) -> Path:
    path = folder / "fischl.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_and_options_come_on_top(tmp_path: Path) -> None:
    path = written(tmp_path, 'data = "pictures"\nsteps = 20\nlearn_rate = 5e-6\nlayer_structure = [1, 1.5, 1]\n')
    config = load_config(path, {"steps": "30", "shuffle_tags": "true", "sizes": "768, 320", "seed": None})
    assert (config.name, config.steps, config.learn_rate) == ("fischl", 30, "5e-06")
    assert (config.layer_structure, config.sizes, config.shuffle_tags) == ("1, 1.5, 1", (768, 320), True)
    assert config.data == tmp_path / "pictures"
    assert {"steps", "learn_rate"} <= config.given
    assert "seed" not in config.given


def test_paths_of_a_file_count_from_the_file_and_those_of_options_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    path = written(tmp_path, 'data = "theirs"\nout = "runs"\ntemplate = "style.txt"\nbase_model = "models/sd"\n')
    config = load_config(path)
    assert (config.data, config.out) == (tmp_path / "theirs", tmp_path / "runs")
    assert config.template == (str(tmp_path / "style.txt"),)
    assert Path(config.base_model) == tmp_path / "models" / "sd"
    assert load_config(path, {"data": "mine"}).data == Path("mine")
    assert load_config(written(tmp_path, 'data = "mine"\n')).data == Path("mine")  # an input that only lies here


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    config = Config(
        name="fräulein", data=tmp_path / 'a "b"', out=tmp_path / "runs", sizes=(768,),
        template=("[filewords], by [name]", "x"), preview_prompts=("a\tb", "日本"), validation=0.1, use_dropout=True,
    )  # fmt: skip
    again = load_config(written(tmp_path, to_toml(config)))
    assert again == config
    assert as_dict(again)["template"] == ["[filewords], by [name]", "x"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rate = 5e-6", 'unknown key "learning_rate"; did you mean "learn_rate"'),
        ("layer_struct = 1", "layer_structure"),
        ("zzz = 1", "known are"),
        ('steps = "many"', "must be a whole number"),
        ("steps = 1.5", "must be a whole number"),
        ("steps = 0", "must be 1 or more"),
        ("shuffle_tags = 3", "must be true or false"),
        ('layer_structure = "1, 2"', "must start and end with 1"),
        ('activation = "rellu"', 'did you mean "relu"'),
        ('activation = "glu"', "must be one of"),
        ('weight_init = "normal"', 'did you mean "Normal"'),
        ('learn_rate = "5e-6;1e-6"', "with commas"),
        ('learn_rate = "abc"', "learning rate"),
        ("learn_rate = nan", "finite"),
        ('name = "fischl (2)"', "the web UI cuts a name there"),
        ('name = "a/b"', '"/"'),
        ('name = ".."', "give the network a name"),
        ("width = 500", "multiple of 8"),
        ("tag_drop_out = 2", "from 0 to 1"),
        ("version = 2", "version 2"),
        ("steps = ", "is not TOML"),
        ("preview_prompts = [1]", "a list of texts"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, f'data = "pictures"\n{text}\n')
    with pytest.raises(TrainerError, match=r"\A[^\n]+\Z") as raised:
        load_config(path)
    assert said in str(raised.value)


def test_other_base_models_have_defaults_of_their_own(tmp_path: Path) -> None:
    pocket = load_config(written(tmp_path, 'data = "pictures"\n'))
    other = load_config(written(tmp_path, 'data = "pictures"\nbase_model = "sd"\n'))
    assert (pocket.learn_rate, other.learn_rate) == (DEFAULT_LEARN_RATE, SD_LEARN_RATE)
    assert load_config(None, {"data": "x", "base_model": "sd", "learn_rate": "1e-6"}).learn_rate == "1e-6"
    assert "learn_rate" not in other.given


def test_a_missing_file_and_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="no such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(TrainerError, match="data is not set"):
        load_config(written(tmp_path, "steps = 3\n"))
    with pytest.raises(TrainerError, match='option: unknown key "lr"'):
        load_config(None, {"lr": 1})


def test_the_table_of_keys_tells_the_defaults() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w.*?) \| (`.*?) \| ", _between(readme), re.MULTILINE)
    told = {}
    for keys, defaults in rows:
        names, values = (re.findall(r"`([^`]*)`", cell) for cell in (keys, defaults))
        told |= {name: tomllib.loads(f"x = {value}")["x"] for name, value in zip(names, values, strict=True)}
    plain = as_dict(Config())
    assert told == {key: plain[key] for key in told}
    assert {"base_model", "buckets", "cache", "use_weight", "webui_template"} <= set(told)


def _between(readme: str) -> str:
    return readme.split("<!-- data keys -->")[1].split("<!-- /data keys -->")[0]
