"""Japanese findings: what is translated, what is not, and that nothing translated is ever wrong or slow."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import render_examples as examples

from hndoctor import formats, rules
from hndoctor.render import render_html
from hndoctor.render.sayings import filled, sayings_of
from hndoctor.render.templates import Words, asset, digest_of
from hndoctor.render.templates import sentences as catalogue
from hndoctor.rules import RULES

JAPANESE = Words("ja")
SAID = catalogue("ja")
SOURCES = [*Path(rules.__path__[0]).rglob("*.py"), *Path(formats.__path__[0]).glob("*.py")]
# What may stay English: nothing that a report of ours can hold.  Whoever changes a sentence finds it named here.
UNTRANSLATED = {"titles": 0, "manual pages": 0, "sentences": 0}
# Sentences of modules that no report quotes: writers, and what ends a command with one line on a terminal.
NOT_IN_REPORTS = ("atomic.py", "containers.py", "emit.py", "losslog.py", "settings.py", "source.py", "write.py")


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        (
            "Broken since step 9,000 (98% sure), 3 NaN of 1179648 in linear.0.weight of the key network of "
            "size 768; the preview is colourful noise; step 8,000 was the last that looked sound.",
            "ステップ 9,000 から壊れています（確率 98%）：サイズ 768 の key ネットワークの linear.0.weight に "
            "1179648 個中 NaN 3 個。プレビューがカラフルなノイズです。"
            "最後に健全に見えたのはステップ 8,000 です。",
        ),
        (
            "Go back to step 6,000 and train on at 5e-7 (down from 5e-6) until step 20,000.",
            "ステップ 6,000 へ戻り、学習率 5e-7（これまでは 5e-6）でステップ 20,000 まで続けてください。",
        ),
        (
            "12 +Inf (3.0%) in 768.k.linear.0.weight from step 9000 to the end (2 checkpoints), 4 tensors in all",
            "ステップ 9000 から最後まで（チェックポイント 2 個）、768.k.linear.0.weight に +Inf 12 個（3.0%）"
            "（計 4 テンソル）",
        ),
        ("a.optim: 1 moment is not finite", "a.optim：有限でないモーメントが 1 個あります"),
        ("1 of 1 step was made below 5e-07", "1 ステップ中 1 ステップが 5e-07 未満の学習率でした"),
        ("1 preview has a negative prompt (\"a\")", "1 枚のプレビューにネガティブプロンプトがあります（「a」）"),
        ("copy a b.pt to models/hypernetworks", "a b.pt を models/hypernetworks にコピーする"),
        ("previews", "プレビュー"),
        (
            "Start again with Normal weight initialisation at 5e-6: there is no checkpoint to go back to; if one from "
            "well before step 120 is kept elsewhere, go back to that.",
            "重みの初期化を Normal、学習率を 5e-6 にして最初からやり直してください：戻るチェックポイントがありません"
            "（ステップ 120 より十分前のものが別の場所にあれば、そこへ戻ってください）。",
        ),
    ],
)
def test_sentences_within_sentences(english: str, japanese: str) -> None:
    told = JAPANESE.told(english)
    assert (told.text, told.lang) == (japanese, "ja")


def test_what_no_translation_fits_stays_english() -> None:
    told = JAPANESE.told("A sentence that nobody has translated yet.")
    assert (told.text, told.lang) == ("A sentence that nobody has translated yet.", "en")
    assert JAPANESE.told("there is something in the middle of it").lang == "en"  # no loose sentence takes it
    assert JAPANESE.manual("HN101", "The complaint.\n\nAnother page than the one that was translated.")[0].lang == "en"


@pytest.mark.timeout(60)  # seconds; a search that explodes would take hours
def test_hostile_text_makes_no_search_slow() -> None:
    evil = [
        "the gain of " + "is at step " * 50,
        "; ".join(["copy x to y"] * 40),
        "{0.__class__}",
        "a" * 100_000,
        " " * 590,
    ]
    for text in evil:
        assert JAPANESE.told(text).text
    assert JAPANESE.told("copy {0.__class__} to {x}").text == "{0.__class__} を {x} にコピーする"


def test_translations_fill_in_what_the_english_has() -> None:
    for english, japanese in SAID.items():
        assert set(re.findall(r"\{(\w+)\}", japanese)) <= set(re.findall(r"\{(\w+)\}", english)), english
    assert sayings_of(SAID).translate("hardly trained yet") == "まだほとんど学習していません"


def test_all_titles_manual_pages_and_sentences_are_translated() -> None:
    lacking = {
        "titles": [law.title for law in RULES if JAPANESE.told(law.title).lang == "en"],
        "manual pages": [law.code for law in RULES if JAPANESE.manual(law.code, law.manual)[0].lang == "en"],
        "sentences": [text for text in sentences() if not fits(text)],
    }
    assert len(sentences()) > 200
    for kind, missing in lacking.items():
        assert len(missing) <= UNTRANSLATED[kind], f"{kind}: {missing}"


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        (
            "a.png: blurred (sharpness 2.1); use a sharper one",
            "a.png：ぼやけています（鮮明さ 2.1）。より鮮明なものを使ってください",
        ),
        ("hypernetworks/x-500.pt: the file is empty", "hypernetworks/x-500.pt：ファイルが空です"),
        (
            'a.txt: underscores in "a_b", "c_d", "e_f", "g_h" and 3 more; use spaces, or run with --fix',
            'a.txt："a_b", "c_d", "e_f", "g_h" 他 3 件にアンダースコアがあります。'
            "空白にするか、--fix を付けて実行してください",
        ),
        (
            "web UI to 1.9.4: it has no support for safetensors hypernetworks",
            "Web UI（1.9.4 まで）：safetensors のハイパーネットワークを読めません",
        ),
    ],
)
def test_a_name_before_a_sentence_stays(english: str, japanese: str) -> None:
    assert JAPANESE.told(english).text == japanese


def test_a_list_is_told_one_by_one_or_stays() -> None:
    both = "the key network of size 96, the value network of size 768 do nothing at step 3,000, others do"
    assert JAPANESE.told(both).text.startswith(
        "ステップ 3,000 で、サイズ 96 の key ネットワーク、サイズ 768 の value ネットワークが"
    )
    odd = "the key network of size 96, betas do nothing at step 3,000, others do"
    assert "the key network of size 96, betas" in JAPANESE.told(odd).text


def test_no_manual_page_is_of_a_rule_that_is_gone() -> None:
    pages = tomllib.loads(asset("manual.ja.toml")) | tomllib.loads(asset("manual-check.ja.toml"))
    assert set(pages) == {law.code for law in RULES}
    assert all(re.fullmatch(r"[0-9a-f]{8}", page["of"]) for page in pages.values())
    assert digest_of("a  b\n c") == digest_of("a b c")


def test_the_japanese_page_speaks_japanese(runs: dict[str, examples.Example]) -> None:
    diagnosis, vitals = runs["dying"]
    page = render_html(diagnosis, vitals, RULES, language="ja")
    title = next(law.title for law in RULES if law.code == "HN301")
    assert title not in page
    assert JAPANESE.told(title).text in page
    titles = re.findall(r'<span class="code">(HN[0-4]\d+)</span> <bdi lang="(\w+)">', page)
    assert titles
    assert {language for _, language in titles} == {"ja"}


# --- the sentences in the source --------------------------------------------------------------------------------------


def sentences() -> list[str]:
    """Every message in the source of the rules and of the readers of files, with ``\0`` for what changes: arguments
    named message or text, first arguments of Sign, what is assigned to those names, and reasons of refusals; without a
    name before a colon."""
    found: dict[str, None] = {}
    for file in sorted(SOURCES):
        if file.name in NOT_IN_REPORTS:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for text in map(literal, messages_of(node)):
                said = re.sub("^(learning rate |template line )?\0: ", "", text or "")
                if " " in said.replace("\0", "").strip():
                    found[said] = None
    return list(found)


def messages_of(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Sign", "Offender"):
        at = 1 if node.func.id == "Offender" else 0
        return [*node.args[at : at + 1], *(k.value for k in node.keywords if k.arg == "message")]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Refused", "Trap"):
        return node.args[1:2]
    if (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("message", "text")
    ):
        return [node.value]
    return []


def literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "\0" for v in node.values)
    return None


def fits(text: str) -> bool:
    """Whether the sentence is translated: as one, or part by part between semicolons."""
    return fits_one(text) or all(fits_one(part) for part in text.split("; ") if part.strip("\0 "))


def fits_one(text: str) -> bool:
    """Filled with numbers it is translated, or some English of the catalogue can be it, whose places hold any words."""
    if JAPANESE.told(text.replace("\0", "7")).lang == "ja":
        return True
    pattern = "".join(".*" if part == "\0" else re.escape(part) for part in re.split("(\0)", text))
    return any(re.fullmatch(pattern, re.sub(r"\{\w+\}", "x", english)) for english in SAID)


@pytest.mark.parametrize(
    ("value", "told"), [("9.7", "{what}は 9.7 です"), ("a.pt", "{what}は a.pt です"), ("最大", "{what}は最大です")]
)
def test_a_blank_parts_japanese_from_figures_and_names_alone(value: str, told: str) -> None:
    assert filled("{what} は {value} です", {"what": "利得", "value": value}) == told.format(what="利得")
    assert filled("CFG {what} は {value}", {"what": "利得", "value": value}).startswith("CFG 利得は")
