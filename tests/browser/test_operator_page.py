"""The operator's page in a real browser: what changes by itself, and who can use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from watched_town import BLOCKED, BROKEN, TOKEN, URL, WatchedTown

from pilewise.v1 import operator_service_pb2 as op

PAGES = ("live", "piles", "recommendations", "models", "evaluation", "quality")
SERIOUS = {"serious", "critical"}


async def shown(tab: Any, page: str) -> None:
    """Waits until a page has its data."""
    await tab.open(page)
    part = {"live": "#stations table", "models": "#models .card", "quality": "#quality .card"}
    await tab.page.wait_for_selector(part.get(page.partition("/")[0], "main table, main .grid"))


async def test_a_pile_that_breaks_changes_map_faults_and_line_without_reload(
    town: WatchedTown, tab: Any
) -> None:
    """The station's mark, the fault list and the line of the car follow within seconds."""
    promise = await town.promise("car-1")
    held = promise.choice.evse.evse_id
    assert held.startswith("A-")
    await tab.open("live")
    await tab.page.wait_for_selector('#map[data-stations*="A=free"][data-lines="car-1>A"]')

    await town.see(["A-1*1", "A-2*1"], BROKEN)
    await tab.page.wait_for_selector('#map[data-stations*="A=broken"][data-lines="car-1>B"]')

    first = tab.page.locator("#faults li").first
    assert await first.get_attribute("data-evse") == held
    assert (await first.locator(".drivers").inner_text()).startswith("1")
    assert "out of order" in await first.inner_text()
    assert await tab.page.locator('#ticker li[data-kind="REROUTED"]').count() == 1
    assert "B-1" in await tab.page.locator('#cars tr[data-row="car-1"]').inner_text()
    assert tab.loads == 1


async def test_the_map_is_drawn_where_it_says(town: WatchedTown, tab: Any) -> None:
    """The canvas itself changes when a station changes, not only the words beside it."""
    await tab.open("live")
    await tab.page.wait_for_selector('#map[data-stations*="B=free"]')
    canvas = tab.page.locator("#map canvas")
    before = await canvas.evaluate("canvas => canvas.toDataURL()")

    await town.see(["B-1*1"], BLOCKED)
    await tab.page.wait_for_selector('#map[data-stations*="B=blocked"]')

    assert await canvas.evaluate("canvas => canvas.toDataURL()") != before


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_has_a_serious_barrier(town: WatchedTown, tab: Any, scheme: str) -> None:
    """axe finds nothing serious on any page, light or dark, with data on them."""
    promise = await town.promise("car-1")
    await town.see(["B-1*1"], BROKEN)
    await tab.page.emulate_media(color_scheme=scheme)
    found = {}
    for page in (*PAGES, "piles/A-1", f"recommendations/{promise.recommendation_id}"):
        await shown(tab, page)
        results = await Axe().run(tab.page)
        violations = results.response["violations"]
        found[page] = [
            (one["id"], [node["html"] for node in one["nodes"][:2]])
            for one in violations
            if one["impact"] in SERIOUS
        ]

    assert found == {page: [] for page in found}


@pytest.mark.parametrize("size", [(360, 740), (768, 1024), (1440, 900)])
async def test_every_page_fits_its_screen(
    town: WatchedTown, tab: Any, size: tuple[int, int]
) -> None:
    """Nothing is wider than a phone, a tablet or a laptop; tables scroll inside themselves."""
    promise = await town.promise("car-1")
    await tab.page.set_viewport_size({"width": size[0], "height": size[1]})
    wide = {}
    for page in (*PAGES, "piles/A-1", f"recommendations/{promise.recommendation_id}"):
        await shown(tab, page)
        wide[page] = await tab.page.evaluate("document.documentElement.scrollWidth")

    assert {page: width for page, width in wide.items() if width > size[0]} == {}


async def test_a_phone_shows_on_which_page_it_is(town: WatchedTown, tab: Any) -> None:
    """The list of pages is wider than the screen; the one that is open stands within."""
    await town.promise("car-1")
    await tab.page.set_viewport_size({"width": 360, "height": 740})
    seen = {}
    for page in (*PAGES, *reversed(PAGES)):
        await shown(tab, page)
        box = await tab.page.locator("#nav a[aria-current]").bounding_box()
        seen[page] = box["x"] >= 0 and box["x"] + box["width"] <= 360

    assert seen == dict.fromkeys(PAGES, True)


async def test_everything_is_reached_by_keys(town: WatchedTown, tab: Any) -> None:
    """From the first Tab on: skip link, pages, then a car whose promise Enter explains."""
    promise = await town.promise("car-1")
    await tab.open("live")
    await tab.page.wait_for_selector("#cars table")
    await tab.page.keyboard.press("Tab")
    first = await tab.page.evaluate("document.activeElement.id")
    for _ in range(60):
        await tab.page.keyboard.press("Tab")
        key = await tab.page.evaluate("document.activeElement.dataset.key")
        if key == f"why-{promise.recommendation_id}":
            break
    await tab.page.keyboard.press("Enter")

    await tab.page.wait_for_selector(f"h1:has-text('{promise.choice.evse.label}')")
    assert first == "skip"


async def test_the_page_speaks_chinese(town: WatchedTown, tab: Any) -> None:
    """The language is chosen on the page, stays chosen, and reaches the reasons of an answer."""
    promise = await town.promise("car-1")
    await shown(tab, "live")
    await tab.page.select_option("#tools select", "zh")
    await tab.page.wait_for_selector("nav a:has-text('实时')")
    await tab.page.reload()
    await tab.open(f"recommendations/{promise.recommendation_id}")
    await tab.page.wait_for_selector("h2:has-text('理由')")

    assert await tab.page.evaluate("document.documentElement.lang") == "zh-CN"
    assert "车程" in await tab.page.locator("main").inner_text()


async def test_a_lost_connection_is_said_and_mends_itself(town: WatchedTown, chromium: Any) -> None:
    """While the coordinator is away the page says how old its data are; then it goes on."""
    page = await chromium.new_page()
    await page.goto(f"{town.url}#/live")
    await page.wait_for_selector('.asof[data-state="live"]')
    address = town.url.removeprefix("http://").rstrip("/")
    text = town.process.config.read_text()
    await town.process.stop()
    await page.wait_for_selector('.banner[data-state="lost"]')
    lost = await page.locator(".banner").inner_text()

    town.process.config.write_text(
        text.replace('[web]\nlisten = "127.0.0.1:0"', f'[web]\nlisten = "{address}"')
    )
    await town.process.start()
    await page.wait_for_selector('.asof[data-state="live"]')
    assert "What you see is of" in lost
    assert await page.locator(".banner").count() == 0


async def test_roads_are_drawn_with_their_load_once_they_are_known(
    town: WatchedTown, tab: Any
) -> None:
    """First the page says that none are known; then they are on the map, and the car on them."""
    await town.promise("car-1")
    await tab.open("live")
    await tab.page.wait_for_selector("#roads:has-text('not known')")

    await town.build_roads()
    await tab.page.wait_for_selector('#map[data-roads="2"][data-busiest="1"]', timeout=40_000)

    assert "2 roads; 1 guided cars" in await tab.page.locator("#roads").inner_text()


async def test_the_url_of_a_pile_is_copied_as_it_is(town: WatchedTown, tab: Any) -> None:
    """What lands on the clipboard is the URL to the letter; a pile that is asked has no button."""
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.open("piles/A-1")
    await tab.page.click("button[data-key=copy]")
    await tab.page.wait_for_selector("button[data-key=copy]:has-text('Copied')")
    copied = await tab.page.evaluate("navigator.clipboard.readText()")
    await tab.open("piles/B-1")
    await tab.page.wait_for_selector("#address:has-text('modbus-tcp 10.0.0.7:502 unit 1')")

    assert copied == URL
    assert await tab.page.locator("button[data-key=copy]").count() == 0


async def test_an_empty_district_says_what_to_do(town: WatchedTown, tab: Any) -> None:
    """Without faults, cars and sessions each part says so in words instead of being blank."""
    await tab.open("live")
    await tab.page.wait_for_selector("#faults .state:has-text('Nothing is wrong')")
    await tab.page.wait_for_selector("#cars .state:has-text('No car is guided now')")
    await tab.open("recommendations")
    await tab.page.wait_for_selector("#recommendations .state:has-text('Nobody has asked yet')")


async def test_acting_needs_a_token_and_names_its_holder(town: WatchedTown, tab: Any) -> None:
    """Without a token there is no button to swap models; the token of the address opens it once."""
    await tab.open("models")
    await tab.page.wait_for_selector("text=Use a token (above)")
    assert await tab.page.locator("button:has-text('Roll back')").count() == 0

    await tab.page.goto(f"{town.url}?again#token={TOKEN}")
    await tab.page.wait_for_selector("#tools button:has-text('anna')")
    assert TOKEN not in tab.page.url
    await tab.open("models")
    await tab.page.wait_for_selector("button:has-text('Roll back')")


def text_of(path: Path) -> str:
    """What a downloaded file says."""
    return path.read_text()


async def test_files_for_others_are_taken_from_the_page(town: WatchedTown, tab: Any) -> None:
    """Every file that there is stands there; what tells of drivers comes with the token only."""
    await tab.open("quality")
    await tab.page.wait_for_selector("#exports button[disabled]:has-text('requests.csv')")
    async with tab.page.expect_download() as linked:
        await tab.page.click("#exports a:has-text('stations.geojson')")
    stations = json.loads(text_of(await (await linked.value).path()))
    await tab.page.goto(f"{town.url}?again#token={TOKEN}")
    await tab.page.wait_for_selector("#tools button:has-text('anna')")
    await tab.open("quality")
    async with tab.page.expect_download() as fetched:
        await tab.page.click("#exports button:has-text('requests.csv')")
    requests = await fetched.value

    assert {feature["id"] for feature in stations["features"]} >= {"A", "B"}
    assert requests.suggested_filename == "requests.csv"
    assert text_of(await requests.path()).startswith("request_id,asked_at,vehicle_id")
    assert await tab.page.locator("#exports li").count() == 8


async def test_a_name_with_markup_stays_text(town: WatchedTown, tab: Any) -> None:
    """What a pile or an import says is shown as it is, and runs nothing."""
    name = "<img src=x onerror=alert(1)>"
    listed = await town.operator.ListPiles(op.OperatorServiceListPilesRequest(), timeout=10)
    assert listed.evses
    await town.rename("A", name)
    await tab.open("live")
    await tab.page.wait_for_selector(f"#stations button:has-text('{name}')")

    assert await tab.page.locator("#stations img").count() == 0
