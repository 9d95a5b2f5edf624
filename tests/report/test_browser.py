"""The report in a real browser: no errors, nothing loaded, everything works, at any width."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from worlds import make_run

from driftloop.report import write_report
from driftloop.steps import Trajectory

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
HOSTILE = (
    "<script>document.title = 'stolen'</script><img src=x onerror=\"document.title='stolen'\">"
)

ARM = "two [a-captioner-with-a-name.temperature=1.3]"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    patch = pytest.MonkeyPatch()
    patch.setattr("driftloop.encoders.minilm.is_installed", lambda: False)
    stopped = Trajectory("one", "prompt-2", 1)
    prompts = ["a ship on the sea", "a red house", HOSTILE, *(f"cat number {n}" for n in range(4))]
    with make_run(
        tmp_path_factory.mktemp("report") / "run",
        prompts=prompts,
        arms=["one", ARM],
        rounds=12,
        side=8,
        write=lambda rng, previous, round: f"{rng.choice(['ship', 'moon'])} {HOSTILE} {round // 3}",
        failing={stopped: HOSTILE},
        lengths={stopped: 7},
        flags=lambda trajectory, index: {"flags": (HOSTILE,)} if index == 5 else {},
        title=HOSTILE,
    ) as run:
        yield write_report(run)
    patch.undo()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda r: (
            troubles.append(r.url[:100]) if not r.url.startswith(("data:", "file:")) else None
        ),
    )
    page.goto(report.as_uri())
    yield page
    assert page.evaluate("document.title").endswith("· Driftloop")
    assert "stolen" not in page.title().replace(HOSTILE, "")
    assert page.evaluate("document.images.length") == 0
    page.close()
    assert troubles == []


def test_nothing_runs_over_at_any_width(page: Page) -> None:
    for width in (1280, 768, 390, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_zoom_opens_moves_and_closes(page: Page) -> None:
    page.locator(".frame button.pic").nth(1).click()
    zoom = page.locator("#zoom")
    assert zoom.is_visible()
    assert "Round 2" in zoom.inner_text()
    assert "seed" in zoom.inner_text()
    assert "a ship on the sea" in zoom.inner_text()
    picture = "getComputedStyle(document.querySelector('#zoom .pic')).backgroundImage"
    before = page.evaluate(picture)
    assert before.startswith('url("data:image/')
    page.keyboard.press("ArrowRight")
    assert "Round 3" in zoom.inner_text()
    assert page.evaluate(picture) != before
    page.keyboard.press("ArrowDown")
    assert "twin 2" in zoom.inner_text()
    assert "Round 3" in zoom.inner_text()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert "Round 1" in zoom.inner_text()
    assert HOSTILE in zoom.inner_text()
    page.keyboard.press("Escape")
    assert not zoom.is_visible()


def test_mosaic_opens_the_same_frame(page: Page) -> None:
    page.locator(".mosaic-arm button.pic").nth(3).click()
    assert "Round 10" in page.locator("#zoom").inner_text()


def test_find_and_show_all(page: Page) -> None:
    groups = page.locator(".group:visible")
    expect(groups).to_have_count(4)
    page.get_by_label("Find words in prompts and captions").fill("red HOUSE")
    expect(groups).to_have_count(2)
    assert "2 of 14" in page.locator(".find").inner_text()
    page.get_by_label("Arm", exact=True).select_option(ARM)
    expect(groups).to_have_count(1)
    page.get_by_label("Find words in prompts and captions").fill("")
    page.get_by_label("Arm", exact=True).select_option("")
    page.get_by_role("button", name="Show all").click()
    expect(groups).to_have_count(14)


def test_arms_are_tabs_and_rounds_can_be_played(page: Page) -> None:
    assert page.locator(".mosaic-arm:visible").count() == 1
    page.locator(".tabs button", has_text=ARM).click()
    assert page.locator(".mosaic-arm:visible").first.get_attribute("data-tab") == "1"
    slider = page.locator("#wall input")
    tile = "document.querySelector('.wall-tiles .pic').className"
    before = page.evaluate(tile)
    slider.fill("11")
    assert "round 12" in page.locator("#wall").inner_text()
    assert page.evaluate(tile) != before
    page.locator(".wall-tiles .pic").nth(2).click()
    assert f"Round 12 {ARM}, twin 1" in " ".join(page.locator("#zoom").inner_text().split())


def test_charts_tell_their_numbers(page: Page) -> None:
    chart = page.locator("svg[data-readings]").first
    chart.scroll_into_view_if_needed()
    chart.hover()
    reading = page.locator("output.reading").first.inner_text()
    assert reading.startswith("Round ")
    assert "one: 0." in reading


def test_a_dot_of_the_map_shows_its_state_and_opens_it(page: Page) -> None:
    dot = page.locator("svg.map circle").last
    dot.scroll_into_view_if_needed()
    dot.hover(force=True)
    hover = page.locator("#hover")
    assert hover.is_visible()
    assert hover.inner_text().startswith("Round ")
    assert len(page.locator(".trail").last.get_attribute("points").split()) > 1
    page.mouse.move(2, 2)
    assert not hover.is_visible()
    dot.click(force=True)
    assert "Round " in page.locator("#zoom").inner_text()


def test_paper_shows_what_the_page_keeps_closed(page: Page) -> None:
    closed = page.locator("details:not([open])")
    before = closed.count()
    assert before > 3
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert closed.count() == 0
    assert page.locator(".group:visible").count() == 14
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert closed.count() == before


def test_without_scripts_everything_is_there(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator(".group:visible").count() == 14
    assert page.locator(".mosaic-arm:visible").count() == 2
    assert page.locator("#wall:visible, .find:visible, .tabs:visible").count() == 0
    context.close()
