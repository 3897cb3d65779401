"""The report in a real browser: it loads in silence, asks nothing, and does what it shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import render_examples as examples
import test_render_check as checks
from render_browser import ARGS, axe_source, browser_path

from hndoctor.render import render_html, render_index

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(
    browser_path() is None, reason="no Chromium found; apt install chromium, or HNDOCTOR_BROWSER"
)

Runs = dict[str, examples.Example]


@dataclass
class Opened:
    """A page, and everything it said or asked."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as player:
        started = player.chromium.launch(executable_path=browser_path(), args=list(ARGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, runs: Runs) -> Path:
    made = tmp_path_factory.mktemp("pages")
    for name, (diagnosis, vitals) in runs.items():
        (made / f"{name}.html").write_text(render_html(diagnosis, vitals, examples.RULES), encoding="utf-8")
    vitals = [v for _, v in runs.values()]
    (made / "index.html").write_text(render_index([d for d, _ in runs.values()], vitals=vitals), encoding="utf-8")
    japanese = render_html(*runs["dying"], examples.RULES, language="ja")
    (made / "japanese.html").write_text(japanese, encoding="utf-8")
    (made / "check.html").write_text(checks.page(), encoding="utf-8")
    (made / "check-japanese.html").write_text(checks.page(language="ja"), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def common(browser: Any) -> Iterator[Any]:
    """One context for the pages that need nothing special: starting one takes longer than loading a page."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def opened(browser: Any, common: Any, folder: Path) -> Iterator[Any]:
    to_close = []

    def load(name: str, *, width: int = 1280, theme: str = "light", **options: Any) -> Opened:
        context = browser.new_context(**options) if options else common
        seen = Opened(context.new_page())
        to_close.append(context if options else seen.page)
        seen.page.set_viewport_size({"width": width, "height": 900})
        seen.page.emulate_media(color_scheme=theme)
        seen.page.on("console", lambda message: seen.said.append(message.text))
        seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        seen.page.goto((folder / f"{name}.html").as_uri())
        return seen

    yield load
    for one in to_close:
        one.close()


def chart_box(page: Any) -> dict[str, float]:
    """Where the lanes are, once scrolled below the page's bar."""
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    top = page.locator("#over").bounding_box()["y"]
    page.evaluate(f"scrollTo({{top: {top - 120}, behavior: 'instant'}})")
    return page.locator("#over").bounding_box()


PAGES = ("healthy", "dying", "overtrained", "unexamined", "hostile", "index", "japanese", "check", "check-japanese")


@pytest.mark.parametrize("name", PAGES)
def test_loads_in_silence_and_asks_nothing(name: str, opened: Any) -> None:
    seen = opened(name, width=360)
    assert seen.said == []
    assert [url for url in seen.asked[1:] if not url.startswith("data:")] == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    seen.page.set_viewport_size({"width": 1600, "height": 900})
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 1600
    assert seen.said == []


def test_flags_stay_in_sight_on_a_telephone(opened: Any) -> None:
    page = opened("dying", width=360).page
    edge = page.locator("#over").evaluate("e => e.getBoundingClientRect().right")
    for flag in page.locator(".flag text").all():
        assert flag.evaluate("e => e.getBoundingClientRect().right") <= edge


def test_hostile_text_stays_text(opened: Any) -> None:
    page = opened("hostile").page
    assert page.locator("script").count() == 2  # the data block and ours
    assert page.locator("img[src='x']").count() == 0
    assert "<script>alert(1)</script>" in page.locator("h1").inner_text()


def test_the_policy_stops_a_script_that_is_not_ours(opened: Any) -> None:
    seen = opened("healthy")
    with pytest.raises(Exception, match=r"Content Security Policy|TrustedScript"):
        seen.page.add_script_tag(content="window.foreign = 1")
    assert seen.page.evaluate("window.foreign") is None


def test_crosshair_follows_the_mouse_and_reads_values(opened: Any) -> None:
    page = opened("dying").page
    box = chart_box(page)
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
    early = (page.locator("#hair").evaluate("e => e.style.left"), page.locator(".l-loss .key b").last.inner_text())
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60)
    late = (page.locator("#hair").evaluate("e => e.style.left"), page.locator(".l-loss .key b").last.inner_text())
    assert early[0] != late[0]
    assert float(early[1]) < 0.3 < float(late[1])
    assert page.locator("#card-state").inner_text() == "Broken"
    assert page.locator("#card-picture").is_visible()


def test_keyboard_moves_and_zooms(opened: Any) -> None:
    page = opened("dying").page
    over = page.locator("#over")
    over.focus()
    page.keyboard.press("Home")
    assert over.get_attribute("aria-valuenow") == "250"
    page.keyboard.press("ArrowRight")
    assert over.get_attribute("aria-valuenow") == "500"
    assert "Starting" in over.get_attribute("aria-valuetext")
    whole = page.locator(".inner").first.get_attribute("viewBox")
    page.keyboard.press("+")
    assert page.locator(".inner").first.get_attribute("viewBox") != whole
    page.keyboard.press("0")
    assert page.locator(".inner").first.get_attribute("viewBox") == whole


def test_drag_zooms_to_what_was_dragged_over(opened: Any) -> None:
    page = opened("dying").page
    box = chart_box(page)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40, steps=4)
    page.mouse.up()
    left, _, width, _ = map(float, page.locator(".inner").first.get_attribute("viewBox").split())
    assert left == pytest.approx(500, abs=8)
    assert width == pytest.approx(250, abs=8)


def test_copy_button_copies(opened: Any, runs: Runs) -> None:
    page = opened("dying").page
    button = page.locator(".copy").first
    button.click()
    page.wait_for_function("document.querySelector('.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == runs["dying"][0].prescription.how_hndoctor[0]


def test_previews_enlarge_side_by_side(opened: Any) -> None:
    page = opened("dying").page
    page.locator(".frame .shot").nth(11).click()
    assert page.locator("dialog").is_visible()
    assert "step 2,750" in page.locator("#side-a h4").inner_text()
    assert "step 1,750" in page.locator("#side-b h4").inner_text()  # the recommended one, beside it unasked
    assert not page.locator("#unlike").is_visible()
    odd = page.locator("#beside option", has_text="step 2,000").last  # made with another seed and prompt
    page.locator("#beside").select_option(value=odd.get_attribute("value"))
    assert page.locator("#unlike").is_visible()
    page.keyboard.press("Tab")  # out of the list, whose own keys are arrows
    page.keyboard.press("ArrowRight")
    assert "step 3,000" in page.locator("#side-a h4").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_previews_stand_at_their_steps_on_the_axis_and_move_with_it(opened: Any) -> None:
    page = opened("dying").page
    places = "[...document.querySelectorAll('#thumbs img:not([hidden])')].map(i => i.getBoundingClientRect().left)"
    whole = sorted(page.evaluate(places))
    assert len(whole) >= 5
    assert all(b - a >= 48 for a, b in itertools.pairwise(whole))  # none lies on another
    over = page.locator("#over")
    over.focus()
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("+")
    zoomed = sorted(page.evaluate(places))
    assert zoomed != whole
    page.locator("#card-shot").click()
    assert "step 250" in page.locator("#side-a h4").inner_text()


def test_runs_are_compared_at_the_same_step(opened: Any) -> None:
    page = opened("index").page
    box = chart_box(page)
    page.mouse.move(box["x"] + box["width"] * 4000 / 20_400, box["y"] + 60)
    read = "[...document.querySelectorAll('.l-loss .key')].map(k => k.textContent.trim().split(/\\s+/))"
    told = dict(page.evaluate(read))
    assert float(told["fischl"]) > 0.3 > float(told["klimt-style"])
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60)
    told = dict(page.evaluate(read))
    assert told["fischl"] == "–"  # it ended long before
    assert float(told["night-city"]) < 0.3
    page.locator("[data-zoom=in]").click()
    assert page.locator(".inner").first.get_attribute("viewBox").split()[2] == "500"


@pytest.mark.parametrize(("name", "width"), [("overtrained", 360), ("dying", 1280), ("index", 1280), ("dying", 3840)])
def test_no_text_of_the_chart_lies_on_another(name: str, width: int, opened: Any) -> None:
    """Flags, band names, ticks and limits, at every width: their boxes do not meet within their lane."""
    page = opened(name, width=width).page
    told = """() => [...document.querySelectorAll('#lanes .lane')].flatMap((lane) => {
      const boxes = [...lane.querySelectorAll('text')].filter((t) => t.textContent.trim()).filter(
        (t) => t.checkVisibility({visibilityProperty: true})).map((t) => [t.textContent, t.getBoundingClientRect()]);
      const across = (a, b) => a.left < b.right - 1 && b.left < a.right - 1;
      const meet = (a, b) => across(a, b) && a.top < b.bottom - 3 && b.top < a.bottom - 3;
      return boxes.flatMap(([x, a], i) => boxes.slice(i + 1).filter(([, b]) => meet(a, b)).map(([y]) => [x, y]));
    })"""
    assert page.evaluate(told) == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_hangs_over_the_edge_of_a_telephone(name: str, opened: Any) -> None:
    page = opened(name, width=360).page
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_heat_map_tells_a_tensor_by_click_and_by_key(opened: Any) -> None:
    page = opened("dying").page
    row = page.locator(".cells").nth(16)
    row.scroll_into_view_if_needed()
    box = row.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + 5)
    assert page.locator("#cell h4").inner_text() == "Tensor 768.k.linear.0.weight, step 4,250"
    assert "37" in page.locator("#cell dl").inner_text()
    page.locator("#heat").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#cell h4").inner_text() == "Tensor 768.k.linear.0.weight, step 4,000"
    for measure in ("gain", "update", "spectral", "rank", "rms"):
        page.locator("#measure").select_option(measure)
        assert page.locator("#heat.m-size").count() == 1
        assert row.locator(".qn").count() == 1  # what is not finite shows whatever the colour means


def test_a_finding_leads_to_its_step(opened: Any) -> None:
    page = opened("dying").page
    page.locator("[data-goto='4000']").first.click()
    assert page.locator("#over").get_attribute("aria-valuenow") == "4000"


def test_theme_follows_the_system_and_can_be_switched(opened: Any) -> None:
    page = opened("healthy", theme="dark", locale="en-GB").page  # its own storage
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").click()
    light = page.evaluate(ground)
    assert dark != light
    page.reload()
    for _ in range(20):  # Chromium writes its storage down when it finds time
        if page.evaluate(ground) != light:
            page.wait_for_timeout(100)
            page.reload()
    assert page.evaluate(ground) == light


def test_paper_is_white_whatever_the_screen_is(opened: Any) -> None:
    page = opened("dying", theme="dark", locale="en-GB").page
    page.locator("#theme").click()
    page.locator("#theme").click()  # dark by choice, too
    ground = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color"
    assert page.evaluate(ground) == "rgb(16, 21, 27)rgb(228, 234, 240)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(ground) == "rgb(255, 255, 255)rgb(24, 33, 44)"


def test_without_scripts_everything_is_there(opened: Any) -> None:
    page = opened("dying", java_script_enabled=False).page
    for text in ("Go back to step 1,750", "colourful noise", "broken from 2,500", "1.6 or later"):
        assert text in page.content()
    assert page.locator(".plot").first.is_visible()


@pytest.mark.parametrize(
    ("name", "theme"),
    [
        *itertools.product(("dying", "overtrained", "unexamined", "index", "check"), ("light", "dark")),
        ("japanese", "light"),
        ("check-japanese", "dark"),
    ],
)
def test_axe_finds_nothing(name: str, theme: str, opened: Any) -> None:
    axe = axe_source()
    if axe is None:
        pytest.skip("axe-core is not here; pip install axe-playwright-python")
    page = opened(name, theme=theme, bypass_csp=True).page
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate(axe)
    told = "r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 120) + n.failureSummary)])"
    found = page.evaluate(f"axe.run(document, {{resultTypes: ['violations']}}).then({told})")
    assert found == []
