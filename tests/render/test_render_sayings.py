"""Japanese findings: what is translated, what is not, and that nothing translated is ever wrong or slow."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import render_examples as examples

from hndoctor import rules
from hndoctor.render import render_html
from hndoctor.render.sayings import sayings_of
from hndoctor.render.templates import Words, asset, digest_of
from hndoctor.rules import RULES

JAPANESE = Words("ja")
OF_RUNS = [law for law in RULES if law.needs != "setup"]  # those of `check` have no page
SAID = {en: ja for table in tomllib.loads(asset("sayings.ja.toml")).values() for en, ja in table.items()}
# What may stay English until somebody translates it: rules are written in English, and nobody must wait for a
# translator.  Shares of the titles, the manual pages and the sentences in the rules' source.
UNTRANSLATED = {"titles": 0.05, "manual pages": 0.1, "sentences": 0.1}


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        (
            "Broken since step 9,000 (probability 0.98), 3 NaN of 1179648 in linear.0.weight of the key network of "
            "size 768; the preview is colourful noise; step 8,000 was the last that looked sound.",
            "ステップ 9,000 から破損しています（確率 0.98）：サイズ 768 の key ネットワークの linear.0.weight に "
            "1179648 個中 NaN 3 個；プレビューがカラフルなノイズです。"
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
        ("copy a b.pt to models/hypernetworks", "a b.pt を models/hypernetworks にコピーする"),
        ("previews", "プレビュー"),
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


def test_most_titles_manual_pages_and_sentences_are_translated(record_property: pytest.RecordProperty) -> None:
    """Counts what is not, and names it when there is too much."""
    lacking = {
        "titles": [law.title for law in OF_RUNS if JAPANESE.told(law.title).lang == "en"],
        "manual pages": [law.code for law in OF_RUNS if JAPANESE.manual(law.code, law.manual)[0].lang == "en"],
        "sentences": [text for text in sentences() if not fits(text)],
    }
    of = {"titles": len(OF_RUNS), "manual pages": len(OF_RUNS), "sentences": len(sentences())}
    for kind, missing in lacking.items():
        record_property(kind, f"{len(missing)} of {of[kind]}")
        assert len(missing) <= UNTRANSLATED[kind] * of[kind], missing


def test_no_manual_page_is_of_a_rule_that_is_gone() -> None:
    pages = tomllib.loads(asset("manual.ja.toml"))
    assert set(pages) <= {law.code for law in OF_RUNS}
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
    """Every message in the rules' source, with ``\0`` for what changes: arguments named message or text, first
    arguments of Sign, and what is assigned to those names."""
    found: dict[str, None] = {}
    for file in sorted(Path(rules.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for text in map(literal, messages_of(node)):
                if text and " " in text.replace("\0", ""):
                    found[text] = None
    return list(found)


def messages_of(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sign":
        return [*node.args[:1], *(k.value for k in node.keywords if k.arg == "message")]
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
    """Whether some English of the catalogue can be this sentence: its own places may hold any words."""
    pattern = "".join(".*" if part == "\0" else re.escape(part) for part in re.split("(\0)", text))
    return any(re.fullmatch(pattern, re.sub(r"\{\w+\}", "x", english)) for english in SAID)
