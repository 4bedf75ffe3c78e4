"""Tables of the operator's page on a narrow screen, and numbers as people read them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from watched_town import WatchedTown

PHONE = {"width": 360, "height": 740}
# Lines of text in the tallest cell of the first table.
LINES = """() => Math.max(...[...document.querySelectorAll('main td')].map(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return new Set([...range.getClientRects()].map(box => Math.round(box.top / 8))).size;
}))"""


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_phone_reads_no_column_of_single_letters(
    town: WatchedTown, tab: Any, language: str
) -> None:
    """Rows of piles and of recommendations stay low: words are kept whole, in Chinese as well."""
    await town.promise("car-1")
    await tab.page.set_viewport_size(PHONE)
    await tab.open("piles")
    await tab.page.select_option("#tools select", language)
    lines = {}
    for page in ("piles", "recommendations"):
        await tab.open(page)
        await tab.page.wait_for_selector("main td")
        lines[page] = await tab.page.evaluate(LINES)

    assert 1 <= lines["piles"] <= 2
    assert lines["recommendations"] <= 5


async def test_facts_of_a_pile_stand_whole_on_a_phone(town: WatchedTown, tab: Any) -> None:
    """Value, source and day of a fact are read without scrolling sideways."""
    await tab.page.set_viewport_size(PHONE)
    await tab.open("piles/A-1")
    facts = tab.page.locator(".card", has=tab.page.locator("h2:has-text('Facts')"))
    await facts.locator("table").wait_for()

    inside = await facts.locator(".scroll").evaluate("part => part.scrollWidth - part.clientWidth")
    assert inside <= 0
    assert re.search(r", \d{4}-\d\d-\d\d\b", await facts.inner_text())


async def test_counts_of_a_model_are_told_as_counts(town: WatchedTown, tab: Any) -> None:
    """An epoch is no fraction, and what is tiny is not told as nothing."""
    await tab.open("models")
    await tab.page.wait_for_selector("#models table")

    words = await tab.page.locator("#models table").first.inner_text()
    assert re.search(r"epochs \d+\n", words)
    assert not re.search(r" 0\.0000\b", words)
    assert re.search(r"parity \d\.\de-\d", words)


async def test_an_area_of_one_station_stands_in_the_middle(town: WatchedTown, tab: Any) -> None:
    """The picture of a charging area is balanced, whatever lies in it."""
    promise = await town.promise("car-1")
    await tab.open(f"recommendations/{promise.recommendation_id}")
    card = tab.page.locator(".card", has=tab.page.locator("h2:text-is('Charging area')"))
    await card.locator("svg").wait_for()

    frame = await card.locator("svg").bounding_box()
    marks = [await mark.bounding_box() for mark in await card.locator("circle, polygon").all()]
    left = min(box["x"] for box in marks) - frame["x"]
    right = frame["x"] + frame["width"] - max(box["x"] + box["width"] for box in marks)
    assert abs(left - right) < frame["width"] / 10


async def test_the_strip_of_use_is_read_on_a_phone(town: WatchedTown, tab: Any) -> None:
    """Names of stations are as large as small print; the strip scrolls inside its card."""
    await town.promise("car-1")
    await tab.page.set_viewport_size(PHONE)
    await tab.open("evaluation")
    strip = tab.page.locator(".scroll > svg.chart")
    await strip.locator("text").first.wait_for()

    box = await strip.locator("text").first.bounding_box()
    assert box["height"] >= 10
    assert await tab.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
