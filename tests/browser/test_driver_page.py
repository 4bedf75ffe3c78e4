"""The driver's page in a real browser: a pile is asked for, held, lost and found again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from driving_tab import SIZES, DrivingTab
from served_brain import HERE
from watched_town import BROKEN, FREE, WatchedTown, watched_town, with_page

from pilewise.v1 import types_pb2 as nouns

SERIOUS = {"serious", "critical"}
BUSY = nouns.EVSE_STATUS_CHARGING
# A round of the re-plan so often that a test does not wait for it.
OFTEN = "[replan]\nperiod_s = 1.0\n"
KEY = re.compile(r"\b(?:drive|state|level|phase|hold|asof|change)\.[a-z_A-Z]+\b")


class Opening(Protocol):
    """Opens another tab, of a driver of its own."""

    def __call__(
        self, size: str = "laptop", **context: object
    ) -> AbstractAsyncContextManager[DrivingTab]: ...


@pytest.fixture
def opening(chromium: Any, town: WatchedTown) -> Opening:
    """Tabs that complain of nothing and ask nobody else, or the test fails."""
    return tabs_in(chromium, town)


def tabs_in(chromium: Any, town: WatchedTown) -> Opening:
    """The same in any town."""

    @asynccontextmanager
    async def opened(size: str = "laptop", **given: object) -> AsyncIterator[DrivingTab]:
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        context = await chromium.new_context(**{"viewport": viewport, "locale": "en-GB", **given})
        context.set_default_timeout(20_000)
        tab = DrivingTab(await context.new_page(), town.url)
        tab.watch()
        yield tab
        await context.close()
        assert tab.complaints == []
        assert tab.hosts <= {urlsplit(town.url).netloc}

    return opened


@pytest.mark.parametrize("size", SIZES)
async def test_a_driver_is_promised_a_pile_and_re_routed_without_reload(
    town: WatchedTown, opening: Opening, size: str
) -> None:
    """Place and charge typed, a pile confirmed; it breaks, and the page says where to go."""
    async with opening(size) as tab:
        await tab.open()
        await tab.stand_here()
        offered = await tab.ask()
        text = await tab.text()
        await tab.page.click("#confirm")
        await tab.phase("driving")
        await town.see(["A-1*1", "A-2*1"], BROKEN)
        await tab.page.wait_for_selector('#promise[data-evse="B-1*1"]')
        await tab.page.wait_for_selector('#map[data-stations*="A=broken"][data-lines$=">B"]')
        news = await tab.text("#news")
        wide = await tab.page.evaluate("document.documentElement.scrollWidth")

        assert offered.startswith("A-")
        assert "Offered for" in text
        assert re.search(r"A-\d · free \d+ s ago", text)  # whatever the reasons of this hour are
        assert "B-1" in text  # an alternative
        assert re.fullmatch(r"You go to B-1 now\. A-\d failed while you were driving", news)
        assert "out of order" in await tab.text("#why-not")
        assert KEY.findall(await tab.text("main")) == []
        assert wide <= SIZES[size][0]
        assert (tab.loads, len(tab.asked)) == (1, 1)


async def test_a_falling_charge_asks_by_itself(town: WatchedTown, opening: Opening) -> None:
    """Typed, pushed by the car, or used up in a played drive: one request at the threshold."""
    async with opening() as typed, opening() as pushed, opening() as played:
        for tab in (typed, pushed, played):
            await tab.open()
            await tab.stand_here(20.5)
        await typed.say(soc_pct=19.5)
        await typed.phase("driving")

        line = await pushed.page.evaluate("document.querySelector('#more pre').textContent")
        command = await asyncio.create_subprocess_shell(
            line.replace("19}", "18.5}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        answer, _ = await asyncio.wait_for(command.communicate(), 60)
        await pushed.phase("driving")

        await played.page.click("#more summary")
        await played.page.select_option("#factor", "60")
        await played.page.click("#play")
        await played.phase("driving", "arrived")

        assert answer == b'{"tabs":1}'
        assert [len(tab.asked) for tab in (typed, pushed, played)] == [1, 1, 1]
        assert typed.asked[0]["soc_pct"] == 19.5
        assert pushed.asked[0]["soc_pct"] == 18.5
        assert 19 < played.asked[0]["soc_pct"] < 20
        assert "below 20 %" in await typed.text("#by-itself")
        assert len({await tab.evse() for tab in (typed, pushed, played)}) == 3


async def test_a_double_click_makes_one_promise(town: WatchedTown, opening: Opening) -> None:
    """While the answer is on its way the page asks no second time."""
    async with opening() as tab:
        await tab.open()

        async def slow(route: Any) -> None:
            await asyncio.sleep(0.3)
            await route.continue_()

        await tab.page.route("**/api/drive/recommend", slow)
        await tab.stand_here()
        await tab.page.evaluate(
            "const b = document.querySelector('#ask'); b.click(); b.click();b.form.requestSubmit();"
        )
        await tab.phase("offered")
        ledger = await tab.page.evaluate(
            "fetch('/api/recommendations').then((answer) => answer.json())"
        )

        assert len(tab.asked) == 1
        assert ledger["total"] == 1


async def test_an_answer_that_was_lost_is_asked_for_with_the_same_id(
    town: WatchedTown, chromium: Any
) -> None:
    """A link that broke after the coordinator had answered makes no second promise."""
    context = await chromium.new_context(locale="en-GB")
    tab = DrivingTab(await context.new_page(), town.url)
    tab.watch()
    await tab.open()

    async def lose(route: Any) -> None:
        await route.fetch()
        await route.abort()

    await tab.page.route("**/api/drive/recommend", lose, times=2)
    await tab.stand_here()
    await tab.page.click("#ask")
    await tab.page.wait_for_selector("#promise .error button")
    await tab.page.click("#promise .error button")
    await tab.page.wait_for_function("() => document.querySelector('#promise .error button')")
    await tab.page.reload()
    await tab.phase("offered")
    ledger = await tab.page.evaluate(
        "fetch('/api/recommendations').then((answer) => answer.json())"
    )
    await context.close()

    assert len({one["request_id"] for one in tab.asked}) == 1
    assert len(tab.asked) == 3
    assert ledger["total"] == 1


async def test_a_lost_connection_resumes_the_same_promise_and_tells_of_a_lost_one(
    town: WatchedTown, chromium: Any
) -> None:
    """The tab keeps its promise over a restart and a reload; gone from the store, it says so."""
    context = await chromium.new_context(locale="en-GB")
    tab = DrivingTab(await context.new_page(), town.url)
    await tab.open()
    await tab.stand_here()
    held = await tab.ask()
    await tab.page.click("#confirm")
    await tab.phase("driving")
    address = town.url.removeprefix("http://").rstrip("/")
    text = town.process.config.read_text().replace('"127.0.0.1:0"', f'"{address}"')
    await town.process.stop()
    await tab.page.wait_for_selector('.banner[data-state="lost"]')
    lost = await tab.text("#banner")

    town.process.config.write_text(text)
    await town.process.start()
    await tab.page.wait_for_selector('.asof[data-state="live"]')
    resumed = await tab.evse()
    await tab.page.reload()
    await tab.phase("driving")
    reloaded = await tab.evse()
    await town.process.stop()
    for file in town.process.data_dir.glob("*.db*"):
        file.unlink()
    await town.process.start()
    await tab.phase("gone")
    gone = await tab.text()
    await context.close()

    assert "Your place stays held meanwhile" in lost
    assert (resumed, reloaded) == (held, held)
    assert "Nothing is held for you any more" in gone


async def test_a_promise_ends_as_the_driver_says(town: WatchedTown, opening: Opening) -> None:
    """An alternative is taken, the arrival told, the place given back, how it went asked for."""
    async with opening("phone") as tab:
        await tab.open()
        await tab.stand_here()
        await tab.ask()
        await tab.page.click('[data-key="take-B-1*1"]')
        await tab.page.wait_for_selector('#promise[data-evse="B-1*1"]')
        await tab.page.click("#arrived")
        await tab.phase("arrived")
        await tab.page.fill("#ahead", "2")
        await tab.page.click("#tell-ahead")
        await tab.page.click("#release")
        await tab.phase("ended")
        await tab.page.click('#outcomes [data-key="OCCUPIED"]')
        await tab.page.wait_for_selector("#promise:has-text('Thank you')")
        await tab.page.click('[data-key="again"]')
        await tab.phase("none")

        assert "No pile asked for yet" in await tab.text()


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("word", "taken"), [("#accept", "A"), ("#keep", "B")])
async def test_a_better_place_is_offered_and_the_driver_decides(
    tmp_path: Path, chromium: Any, word: str, taken: str
) -> None:
    """Nearer piles become free: the page shows what is better, and does as the driver says."""
    async with watched_town(tmp_path, OFTEN) as town, tabs_in(chromium, town)() as tab:
        await town.see(["A-1*1", "A-2*1"], BUSY)
        await tab.open()
        await tab.stand_here()
        first = await tab.ask()
        await tab.page.click("#confirm")
        await tab.phase("driving")
        await town.see(["A-1*1", "A-2*1"], FREE)
        await tab.page.wait_for_selector(word, timeout=60_000)
        offer, held = await tab.text("#proposal"), await tab.evse()
        await tab.page.click(word)
        await tab.page.wait_for_selector("#proposal", state="detached")
        await tab.page.wait_for_selector(f'#promise[data-evse^="{taken}-"]')
        code = "BETTER" if taken == "A" else "KEPT"
        await tab.page.wait_for_selector(f'#news[data-code="{code}"]')

        assert (first, held) == ("B-1*1", "B-1*1")
        assert re.search(r"A better place: A-\d", offer)
        assert (await tab.evse())[0] == taken


async def test_no_state_of_the_driver_page_has_a_serious_barrier(
    town: WatchedTown, opening: Opening
) -> None:
    """axe finds nothing serious: nothing asked, offered, re-routed, ended; light and dark."""
    found = {}
    for scheme in ("light", "dark"):
        async with opening("phone", color_scheme=scheme) as tab:

            async def look(state: str, tab: DrivingTab = tab, scheme: str = scheme) -> None:
                results = await Axe().run(tab.page)
                found[f"{scheme} {state}"] = [
                    (one["id"], [node["html"] for node in one["nodes"][:2]])
                    for one in results.response["violations"]
                    if one["impact"] in SERIOUS
                ]

            await town.see(["A-1*1", "A-2*1"], FREE)
            await tab.open()
            await look("none")
            await tab.stand_here()
            await tab.page.click("#more summary")
            await tab.ask()
            await look("offered")
            await tab.page.click("#confirm")
            await tab.phase("driving")
            await town.see(["A-1*1", "A-2*1"], BROKEN)
            await tab.page.wait_for_selector("#news")
            await look("re-routed")
            await tab.page.click("#release")
            await tab.phase("ended")
            await look("ended")

    assert found == {state: [] for state in found}


async def test_a_pile_is_found_by_keys_only(town: WatchedTown, opening: Opening) -> None:
    """From the first Tab on: place, charge, Enter; then Confirm."""
    async with opening() as tab:
        await tab.open()

        async def reach(key: str) -> None:
            for _ in range(60):
                await tab.page.keyboard.press("Tab")
                if await tab.page.evaluate("document.activeElement.id") == key:
                    return
            raise AssertionError(f"{key} is not reached by Tab")

        await tab.page.keyboard.press("Tab")
        first = await tab.page.evaluate("document.activeElement.id")
        for name, value in (("lat", HERE[0]), ("lon", HERE[1]), ("soc_pct", 45)):
            await reach(f"field-{name}")
            await tab.page.keyboard.press("Control+A")
            await tab.page.keyboard.type(str(value))
        await tab.page.keyboard.press("Enter")
        await tab.phase("offered")
        focused = await tab.page.evaluate("document.activeElement.id")
        await reach("confirm")
        await tab.page.keyboard.press("Enter")
        await tab.phase("driving")

        assert (first, focused) == ("skip", "promise")
        assert tab.asked[0]["soc_pct"] == 45


async def test_the_driver_page_speaks_chinese(town: WatchedTown, opening: Opening) -> None:
    """Page and promise change language together, also after the promise was given."""
    async with opening() as tab:
        await tab.open()
        await tab.stand_here()
        await tab.ask()
        await tab.page.select_option("#tools select", "zh")
        await tab.page.wait_for_selector("#confirm:has-text('确认')")
        await tab.page.wait_for_selector("#reasons:has-text('分钟')")
        text = await tab.text("main")

        assert await tab.page.evaluate("document.documentElement.lang") == "zh-CN"
        assert KEY.findall(text) == []
        assert await tab.page.evaluate("document.querySelector('#field-soc_pct').value") == "50"


async def test_a_place_comes_from_the_map_or_from_the_device(
    town: WatchedTown, opening: Opening
) -> None:
    """A click on the map, the browser's own locating, or the words that it will not tell."""
    place = {"latitude": 22.545, "longitude": 114.052, "accuracy": 12}
    given = {"geolocation": place, "permissions": ["geolocation"]}
    async with opening("tablet", **given) as told, opening("tablet", permissions=[]) as silent:
        await told.open()
        await told.page.click("#map", position={"x": 200, "y": 120})
        await told.page.wait_for_selector("#map:not([data-car=''])")
        clicked = await told.page.get_attribute("#map", "data-car")
        await told.page.click("#locate")
        await told.page.wait_for_selector("#map[data-car='22.5450,114.0520']")
        await told.ask()

        await silent.open()
        await silent.page.click("#ask")
        asked_nowhere = await silent.text("#error-lat")
        await silent.page.click("#locate")
        await silent.page.wait_for_selector("#note:has-text('does not tell where you are')")

        assert clicked
        assert told.asked[0]["position"]["accuracy_m"] == 12
        assert told.asked[0]["position"]["source"] == "POSITION_SOURCE_TERMINAL"
        assert asked_nowhere.startswith("Say where you are")
        assert silent.asked == []


async def test_a_refused_field_says_why_beside_itself(town: WatchedTown, opening: Opening) -> None:
    """A number out of bounds is named where it was typed, and is not taken."""
    async with opening() as tab:
        await tab.open()
        await tab.stand_here()
        await tab.say(soc_pct=140)

        assert await tab.text("#error-soc_pct") == "must be a number from 0 to 100"
        assert await tab.page.get_attribute("#field-soc_pct", "aria-invalid") == "true"
        await tab.page.click("#ask")
        assert tab.asked == []


async def test_a_district_without_stations_says_so(tmp_path: Path, chromium: Any) -> None:
    """Nothing on the map, and an answer that says why there is no pile."""
    process = with_page(tmp_path)
    await process.start()
    context = await chromium.new_context(locale="en-GB")
    try:
        tab = DrivingTab(await context.new_page(), str(process.ready["web"]))
        await tab.open()
        await tab.page.wait_for_selector("#map")
        await tab.page.wait_for_selector("main:has-text('No stations yet')")
        await tab.stand_here()
        await tab.page.click("#ask")
        await tab.phase("empty")

        assert "No charging pile is known here." in await tab.text()
    finally:
        await context.close()
        await process.stop()
