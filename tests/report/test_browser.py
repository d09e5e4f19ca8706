"""The page in headless Chromium: it works by mouse and by keyboard, on a desk and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from irncli.evaluation.scores import Scores
from irncli.report.page import page as page_of

WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium here")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"], timeout=0)
        yield running
        running.close()


@pytest.fixture(params=[(w, s) for w in WIDTHS for s in ("light", "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def page(request: pytest.FixtureRequest, browser, scores: Scores, tmp_path: Path) -> Iterator[object]:
    """The page, opened; afterwards: nothing was asked of anybody, and nothing went wrong."""
    width, scheme = request.param
    path = tmp_path / "report.html"
    path.write_text(page_of([scores]), "utf-8")
    opened = browser.new_page(
        viewport={"width": width, "height": 800}, color_scheme=scheme, has_touch=width < 500
    )
    opened.set_default_timeout(0)  # the library's own is of half a minute
    asked: list[str] = []
    trouble: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: trouble.append(message.text))
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.goto(path.as_uri())
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert trouble == []
    opened.close()


def value(page) -> float:
    return page.evaluate("document.querySelector('img-comparison-slider').value")


def table(page, number: int):
    return page.locator("table.sortable").nth(number)


def head(page, number: int, column: int):
    return table(page, number).locator("thead th").nth(column)


def column(page, number: int, column: int) -> list[str]:
    return table(page, number).locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()


def test_the_slider_moves_by_mouse(page) -> None:
    slider = page.locator("img-comparison-slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert value(page) == 50
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=4)
    page.mouse.up()
    assert value(page) == pytest.approx(80, abs=1.5)
    assert slider.get_attribute("aria-valuenow") == str(round(value(page)))
    assert "restored" in slider.get_attribute("aria-valuetext")


def test_the_slider_moves_by_keyboard(page) -> None:
    slider = page.locator("img-comparison-slider")
    slider.focus()
    page.keyboard.down("ArrowRight")
    while value(page) <= 55:
        page.wait_for_timeout(20)
    page.keyboard.up("ArrowRight")
    page.keyboard.press("Home")
    assert value(page) == 0 and slider.get_attribute("aria-valuenow") == "0"
    page.keyboard.press("PageUp")
    assert value(page) == 10
    page.keyboard.press("End")
    assert value(page) == 100


def test_pictures_and_ways_are_chosen_and_zoomed(page) -> None:
    shown = page.locator("img-comparison-slider img")
    first, second = shown.nth(0), shown.nth(1)
    width = "image => image.decode().then(() => image.getBoundingClientRect().width)"
    assert (
        first.get_attribute("alt") == "Set3/bird, restored"
        and second.get_attribute("alt") == "Set3/bird, Lanczos"
    )
    assert first.evaluate(width) == 96 == page.evaluate("document.querySelector('.compare img').naturalWidth")
    assert page.locator(".small img").evaluate(width) == 24
    page.select_option("select.left", label="original")
    page.select_option("select.right", label="DAT-light")
    assert second.get_attribute("alt") == "Set3/bird, DAT-light"
    assert "32.50 dB" in page.locator(".right-note").inner_text()
    page.select_option("select.picture", label="Set3/apple")
    assert first.get_attribute("alt") == "Set3/apple, original"  # the ways stay
    assert "35.25 dB" in page.locator(".right-note").inner_text()
    page.locator(".zoom input[value='4']").check()
    assert first.evaluate(width) == second.evaluate(width) == 384
    assert page.locator(".rate:visible").count() == 1


def test_everything_is_reached_by_the_tab_key(page) -> None:
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
    wanted = {"SELECT.picture", "SELECT.left", "SELECT.right", "INPUT.", "BUTTON."}
    assert wanted | {"IMG-COMPARISON-SLIDER.rendered"} <= reached


def test_tables_sort_both_ways(page) -> None:
    before = column(page, 1, 1)
    head(page, 1, 1).locator("button").click()
    assert head(page, 1, 1).get_attribute("aria-sort") == "descending"
    falling = column(page, 1, 1)
    assert falling == sorted(before, key=float, reverse=True) != before
    head(page, 1, 1).locator("button").press("Enter")
    assert head(page, 1, 1).get_attribute("aria-sort") == "ascending"
    assert column(page, 1, 1) == falling[::-1]
    head(page, 1, 0).locator("button").click()
    names = column(page, 1, 0)
    assert names.index("Set3/apple") < names.index("Set3/bird")
    assert head(page, 1, 1).get_attribute("aria-sort") is None


def test_missing_figures_are_last_whichever_way(page) -> None:
    for _ in range(2):
        head(page, 0, 6).locator("button").click()
        seconds = column(page, 0, 6)
        blank = [i for i, text in enumerate(seconds) if text == "–"]
        assert blank and blank == list(range(len(seconds) - len(blank), len(seconds)))


def test_dark_is_dark(page) -> None:
    light = page.evaluate("matchMedia('(prefers-color-scheme: light)').matches")
    style = "getComputedStyle(document.body)"
    red = [page.evaluate(f"Number({style}.{what}.match(/\\d+/)[0])") for what in ("backgroundColor", "color")]
    assert (red[0] > 200 and red[1] < 60) if light else (red[0] < 60 and red[1] > 200)
