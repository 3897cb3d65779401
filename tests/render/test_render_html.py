"""The page without a browser: what is in it, what cannot be, how large and how fast it is."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import tomllib
from dataclasses import replace

import pytest
import render_examples as examples

from hndoctor.records import Finding, LossPoint, Preview, Settings, Severity, Vitals
from hndoctor.render import digest_of, made, render_html, render_index
from hndoctor.render.axis import Axis, Scale, axis_of, log_scale, nice, path
from hndoctor.render.compare import MOST, compare
from hndoctor.render.course import guide_band
from hndoctor.render.facts import findings_of
from hndoctor.render.figures import link
from hndoctor.render.heat import heat_of, runs_of
from hndoctor.render.lanes import running_mean, thinned
from hndoctor.render.strip import BUDGET, smaller, strip_of, thumbnail_sources
from hndoctor.render.templates import LANGUAGES, Words, asset
from hndoctor.rules.dose import Clock

Runs = dict[str, examples.Example]
ENGLISH = Words("en")


@pytest.fixture(scope="module")
def pages(runs: Runs) -> dict[str, str]:
    return {name: render_html(d, v, examples.RULES) for name, (d, v) in runs.items()}


def test_golden(runs: Runs, golden: object) -> None:
    """One whole page is held, the smallest: a change of templates, style or script shows in review."""
    diagnosis, vitals = runs["unexamined"]
    golden("unexamined.html", render_html(diagnosis, vitals, examples.RULES))


def bare(page: str) -> str:
    """A page without style, script and what names them, which the golden page above holds already."""
    page = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", page, flags=re.DOTALL)
    return re.sub(r"'sha256-[^']*'|&#39;sha256-.*?&#39;", "…", page)


def test_golden_index_and_japanese_page(runs: Runs, golden: object) -> None:
    some = [runs[name] for name in ("healthy", "unexamined")]
    index = render_index([d for d, _ in some], vitals=[v for _, v in some])
    golden("index.html", bare(index))
    japanese = render_html(*runs["unexamined"], examples.RULES, language="ja")
    golden("unexamined.ja.html", bare(japanese))


def test_same_input_same_bytes(pages: dict[str, str], twins: Runs) -> None:
    for name, (diagnosis, vitals) in twins.items():
        assert render_html(diagnosis, vitals, examples.RULES) == pages[name]


def test_nothing_is_fetched(pages: dict[str, str]) -> None:
    for page in pages.values():
        for address in re.findall(r"""(?:src|href|action|xlink:href|poster|srcset)\s*=\s*["']([^"']*)""", page):
            assert address.startswith(("#", "./", "data:"))
        assert "@import" not in page
        assert not re.search(r"url\((?!#)", page)


def test_the_policy_names_exactly_our_style_and_script(pages: dict[str, str]) -> None:
    page = pages["dying"]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    told = policy[1].replace("&#39;", "'")
    assert told.startswith("default-src 'none'")
    assert "unsafe" not in told
    for tag in ("style", "script"):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert inline is not None
        digest = base64.b64encode(hashlib.sha256(inline[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in told
    assert " style=" not in page  # an inline style would be refused


def test_hostile_text_is_escaped_everywhere(pages: dict[str, str]) -> None:
    page = pages["hostile"]
    page.encode("utf-8")
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    for evil in ("<script>alert", "<img src=x", "\u202e", "\x1b", '"><script'):
        assert evil not in page
    assert "{{ 7*7 }}" in page


def test_the_data_block_is_json_and_cannot_be_closed(pages: dict[str, str]) -> None:
    for page in pages.values():
        block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
        assert block is not None
        assert "<" not in block[1]
        json.loads(block[1])


def test_what_people_need_is_there_in_order(pages: dict[str, str], runs: Runs) -> None:
    page, diagnosis = pages["dying"], runs["dying"][0]
    assert diagnosis.prescription is not None
    marks = [diagnosis.summary, diagnosis.prescription.sentence, "hndoctor train", "Copy hypernetworks", 'id="course"',
             'id="previews"', 'id="weights"', 'id="findings"', "not examined", 'id="made"']  # fmt: skip
    places = [page.lower().index(mark.lower(), 25_000 if mark == "not examined" else 0) for mark in marks]
    assert places[:4] == sorted(places[:4])
    assert "The network is broken (G29)." in page  # the rule's manual page, folded
    assert "not comparable: other seed, prompt, negative prompt" in page
    assert "0.000005" in page  # the rate in words


def test_a_long_run_stays_small() -> None:
    """How fast it is, `make bench-report` measures."""
    diagnosis, vitals = examples.large(50, 100)
    page = render_html(diagnosis, vitals, examples.RULES)
    assert len(page.encode()) < 2_000_000


def test_a_very_long_run_is_aggregated() -> None:
    diagnosis, vitals = examples.large(1000, 1000, side=128)
    page = render_html(diagnosis, vitals, examples.RULES)
    assert len(page.encode()) < 10_000_000
    assert "worst of its group" in page


def test_the_web_uis_fields_are_told_apart_from_instructions(pages: dict[str, str]) -> None:
    assert (
        '<code id="hand-3"><bdi><span class="w">5e-6:8000,</span> <span class="w">5e-7:15000</span></bdi></code>'
        in pages["dying"]
    )
    assert ">Copy hypernetworks/fischl-1750.pt and" in pages["dying"]


def test_index_is_sorted_by_need_and_links(runs: Runs) -> None:
    page = render_index([d for d, _ in runs.values()])
    assert [page.index(f">{n}<") for n in ("fischl", "empty", "night-city", "klimt-style")] == sorted(
        page.index(f">{n}<") for n in ("fischl", "empty", "night-city", "klimt-style")
    )
    assert 'href="./fischl/health.html"' in page
    assert 'href="./x/a%20b.html"' in render_index([runs["dying"][0]], {"runs/fischl": "x/a b.html"})


def test_the_index_compares_runs_on_one_axis(runs: Runs) -> None:
    diagnoses, vitals = [d for d, _ in runs.values()], [v for _, v in runs.values()]
    page = render_index(diagnoses, vitals=vitals)
    assert page.index('id="compare"') > page.index("klimt-style")
    assert page.count('class="lane who"') == 5
    assert 'id="compare"' not in render_index(diagnoses)  # nothing to compare with
    assert 'id="compare"' not in render_index(diagnoses[:1], vitals=vitals)


def test_a_crowd_of_runs_is_compared_in_part_and_says_so(runs: Runs) -> None:
    diagnosis, vitals = runs["dying"]
    many = [(replace(diagnosis, run=f"runs/{i}"), replace(vitals, run=f"runs/{i}")) for i in range(40)]
    both = compare([d for d, _ in many], {v.run: digest_of(v) for _, v in many}, ENGLISH)
    assert both is not None
    assert (len(both.rows), both.left_out) == (MOST, 40 - MOST)
    assert len({row.label for row in both.rows}) == MOST  # runs of one name are told apart by their paths
    page = render_index([d for d, _ in many], vitals=[v for _, v in many])
    assert len(page.encode()) < 2_000_000


def test_links_can_only_be_files_below() -> None:
    assert link("javascript:alert(1)") == "./javascript%3Aalert%281%29"
    assert link("//evil.example/x") == "./evil.example/x"


def test_links_only_where_the_page_lies_beside(runs: Runs) -> None:
    diagnosis, vitals = runs["healthy"]
    assert 'href="./images/' in render_html(diagnosis, vitals)
    assert 'href="./images/' not in render_html(diagnosis, vitals, beside=False)


# --- words ------------------------------------------------------------------------------------------------------------


def test_catalogues_have_the_same_words() -> None:
    for language in LANGUAGES:
        told = tomllib.loads(asset(f"words.{language}.toml"))
        keys = {f"{table}.{key}" for table, texts in told.items() for key in texts}
        assert keys == set(ENGLISH)


def test_translations_fill_in_the_same_values() -> None:
    for language in LANGUAGES:
        words = Words(language)
        for key, text in ENGLISH.items():
            assert set(re.findall(r"{(\w+)}", words[key])) == set(re.findall(r"{(\w+)}", text)), key


def test_one_thing_is_told_as_one() -> None:
    english, japanese = Words("en"), Words("ja")
    assert english("check.left_out", n="1") == "1 more picture is not shown."
    assert english("check.left_out", n="2") == "2 more pictures are not shown."
    assert japanese("check.left_out", n="1") == japanese("check.left_out", n="2").replace("2", "1")


def test_every_language_renders(runs: Runs) -> None:
    for language in LANGUAGES:
        for diagnosis, vitals in runs.values():
            assert f'<html lang="{language}">' in render_html(diagnosis, vitals, language=language)
        assert f'<html lang="{language}">' in render_index([d for d, _ in runs.values()], language=language)


def test_an_unknown_language_is_one_clear_line(runs: Runs) -> None:
    with pytest.raises(ValueError, match=r"no language 'xx'; there are en, ja"):
        render_html(*runs["healthy"], language="xx")


# --- arithmetic, against slow twins -----------------------------------------------------------------------------------


def test_running_mean_is_the_mean_of_its_window() -> None:
    points = [(i, float((i * 7919) % 101)) for i in range(200)]
    for step, mean in running_mean(points, 32):
        window = [v for s, v in points if step - 32 < s <= step]
        assert len(window) == 32
        assert mean == pytest.approx(sum(window) / 32)
    assert running_mean([(1, 2.0), (2, 4.0)], 32) == ((2, 3.0),)


def test_thinning_keeps_the_peaks_and_the_order() -> None:
    points = [(i, 100.0 if i == 7777 else float(i % 13)) for i in range(10_000)]
    kept = thinned(points, 50)
    assert len(kept) <= 100
    assert (7777, 100.0) in kept
    assert list(kept) == sorted(kept)


def test_the_guides_band_at_its_own_rate_is_the_guides_band(runs: Runs) -> None:
    plain = replace(runs["overtrained"][1], settings=Settings())
    assert guide_band(plain) == pytest.approx((9000, 25_000))


def test_the_guides_band_moves_with_rate_and_batch(runs: Runs) -> None:
    """A slow twin sums the dose step by step."""
    points = tuple(LossPoint(s, 0.1, 5e-5 if s <= 500 else 5e-6) for s in range(1, 30_001))
    vitals = replace(runs["overtrained"][1], losses=points, settings=Settings(batch_size=2, gradient_step=2))
    dose, slow = 0.0, []
    for p in points:
        dose += (p.learn_rate or 0.0) * 4**0.5
        slow += [p.step for goal in (0.045, 0.125)[len(slow) :] if dose >= goal * (1 - 1e-9)]
    assert guide_band(vitals) == pytest.approx(slow[:2])


def test_the_guides_band_is_sd1s_alone(runs: Runs) -> None:
    vitals = runs["healthy"][1]
    small = tuple(replace(c, modules=tuple(replace(m, size=96) for m in c.modules)) for c in vitals.checkpoints)
    assert guide_band(replace(vitals, checkpoints=small)) is None
    assert guide_band(Vitals("r", "r")) is None


def test_a_rate_of_nothing_never_reaches_the_band() -> None:
    assert Clock((100, 10**9), (0.0, 0.0), (0.0, 0.0), "the loss log").step_at(0.045) == math.inf


def test_axis_starts_at_zero_unless_the_course_is_far_away() -> None:
    assert axis_of([500]).first == 0
    assert axis_of([500, 1000]).first == 0
    assert axis_of([20_000, 21_000]).first > 19_000
    assert axis_of([]) == Axis(0, 1.02)


def test_ticks_are_round_and_inside() -> None:
    for low, high in ((0, 1), (0, 4590), (19_970, 21_020), (0.011, 0.037), (-0.03, 0.02)):
        ticks = nice(low, high, 5)
        assert 2 <= len(ticks) <= 12
        assert all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)
    assert len(log_scale([0.5, 0.5], 100).ticks()) >= 1
    assert len(log_scale([1e-9, 1e3], 100).ticks()) <= 6


def test_scales_hold_what_lies_outside() -> None:
    scale = Scale(0.0, 1.0, 100)
    assert scale.y(-5) == 94
    assert scale.y(9) == 6
    assert Scale(1e-3, 1.0, 100, log=True).y(0.0) == 94


def test_a_path_lifts_its_pen_and_shows_lone_points() -> None:
    assert path([(0, 1), (2, 3), None, (4, 5), None, (6, 7), (8, 9)]) == "M0 1L2 3M4 5h0M6 7L8 9"
    assert path([]) == ""


def test_runs_of_levels_cover_every_column() -> None:
    assert runs_of("4445n") == [(0, 3, "4"), (3, 1, "5"), (4, 1, "n")]


def test_the_page_tells_how_far_each_checkpoint_is_from_the_best(runs: Runs) -> None:
    diagnosis, vitals = runs["overtrained"]
    assert "Distance from the best (The distance" in render_html(diagnosis, vitals)  # no checkpoint knows it
    after = tuple(
        replace(c, modules=tuple(replace(m, best_rms=0.5 * m.rms) for m in c.modules)) for c in vitals.checkpoints[9:]
    )
    known = replace(vitals, checkpoints=(*vitals.checkpoints[:9], *after))
    page = render_html(diagnosis, known)
    assert 'data-lane="best"' in page
    assert '<option value="best">' in page
    assert '"50%"' in page
    assert '<option value="best">' not in render_html(diagnosis, vitals)


def test_a_digest_is_called_what_it_is(runs: Runs) -> None:
    diagnosis, vitals = runs["healthy"]
    first, *rest = vitals.checkpoints
    quick = replace(first, sha256="", content="ab" * 16)
    page = render_html(diagnosis, replace(vitals, checkpoints=(quick, *rest)))
    assert "<code>XXH3 abababababab</code>" in page
    assert f"<code>SHA-256 {rest[0].sha256[:12]}</code>" in page


def test_heat_marks_what_is_not_finite(runs: Runs) -> None:
    heat = heat_of(runs["dying"][1], ENGLISH)
    assert heat is not None
    bad = [(row.group, row.label) for row in heat.rows if row.levels["rms"][-1] == "n"]
    assert bad == [("768 k", "0.weight"), ("768 v", "0.weight")]
    assert heat_of(Vitals("r", "r"), ENGLISH) is None


def test_a_lone_checkpoint_without_a_step_in_its_name_is_shown(runs: Runs) -> None:
    diagnosis, vitals = runs["healthy"]
    final = replace(vitals.checkpoints[-1], step=None, stored_step=6000)
    heat = heat_of(Vitals("x.pt", "x", (final,)), ENGLISH)
    assert heat is not None
    assert heat.columns == ((6000, "6,000"),)
    station = replace(diagnosis.course[-1], step=6000)
    page = render_html(replace(diagnosis, course=(station,)), Vitals("x.pt", "x", (final,)))
    assert 'id="lanes"' in page


def test_files_that_the_table_leaves_out_are_counted(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    diagnosis, vitals = runs["dying"]
    assert "not listed" not in render_html(diagnosis, vitals)
    monkeypatch.setattr(made, "FILES_LISTED", 3)
    more = len(vitals.checkpoints) + len(vitals.unreadable) - 3
    assert f"{more} more files are not listed." in render_html(diagnosis, vitals)


# --- previews ---------------------------------------------------------------------------------------------------------


def test_thumbnails_stay_within_the_budget_and_keep_the_telling_ones() -> None:
    text = examples.picture(1, 0.9, 512)
    made = thumbnail_sources([text] * 150)
    assert sum(len(m) for m in made if m) <= BUDGET + 150 * 30
    assert made[0] is not None
    assert sum(m is not None for m in made) >= 100
    assert len(smaller(text)) < len(text)


def test_a_thumbnail_that_is_no_picture_is_not_shown() -> None:
    for forged in ('"><script>', "AAAA", "", base64.b64encode(b"<svg onload=x>").decode()):
        assert thumbnail_sources([forged]) == [None]
    assert smaller(base64.b64encode(b"\xff\xd8\xff" + b"x" * 99).decode()) == ""


def test_the_strip_says_what_cannot_be_compared(runs: Runs) -> None:
    strip = strip_of(*runs["dying"], {}, ENGLISH, beside=True)
    odd = [frame.odd for frame in strip.frames if frame.odd]
    assert odd == ["not comparable: other seed, prompt, negative prompt"]
    assert [f.step for f in strip.frames] == sorted(f.step or 0 for f in strip.frames)


def test_previews_of_which_no_two_are_alike_are_told_once(runs: Runs) -> None:
    diagnosis, vitals = runs["healthy"]
    random = tuple(replace(p, seed=i, prompt=f"caption {i}") for i, p in enumerate(vitals.previews))
    strip = strip_of(diagnosis, replace(vitals, previews=random), {}, ENGLISH, beside=True)
    assert [f.odd for f in strip.frames if f.odd] == []
    assert strip.note is not None
    assert "(seed, prompt differ)" in strip.note
    assert strip_of(diagnosis, vitals, {}, ENGLISH, beside=True).note is None


def test_two_prompts_a_step_are_two_series_that_can_each_be_compared(runs: Runs) -> None:
    diagnosis, vitals = runs["healthy"]
    both = tuple(replace(p, path=f"{p.path}.{i}", prompt=f"prompt {i}") for p in vitals.previews for i in (1, 2))
    strip = strip_of(diagnosis, replace(vitals, previews=both), {}, ENGLISH, beside=True)
    assert [f.odd for f in strip.frames if f.odd] == []
    assert {f.series for f in strip.frames} == {0, 1}


def test_a_preview_without_step_or_score_is_still_shown(runs: Runs) -> None:
    diagnosis, vitals = runs["healthy"]
    bare = replace(vitals, previews=(Preview("grid.png", None, unreadable="truncated"),))
    page = render_html(diagnosis, bare)
    assert "unreadable: truncated" in page
    assert "no step" in page


@pytest.mark.parametrize(("value", "sure", "told"), [(0.98, 0.98, False), (1.0, 1.0, True), (8.5, 0.7, True)])
def test_what_was_measured_is_told_unless_it_is_only_how_sure_it_is(value: float, sure: float, told: bool) -> None:
    found = Finding("HN301", Severity.ERROR, sure, "the preview is noise", value=value, limit=0.5)
    diagnosis = replace(examples.dying()[0], findings=(found,))
    (law,) = findings_of(diagnosis, (), ENGLISH)
    assert bool(law.first[0].measured) is told
