"""The demo as a newcomer watches it: its page, and a car of the newcomer's own at /drive."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from driving_tab import SIZES, DrivingTab
from pictures import keep_page

COMMAND = (sys.executable, "-c", "from pilewise.cli import main; main()", "demo")
START_S, STOP_S = 90, 60


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """The page of a running demo, without its token."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--for", "150s", "--speed", "20", "--no-browser",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_S):
            while b"watch it:" not in (line := await process.stderr.readline()):
                assert line, "the demo ended before it began"
        drained = asyncio.create_task(process.stderr.read())
        yield line.decode().split()[-1].partition("#")[0]
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(asyncio.gather(process.wait(), drained), STOP_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(300)
async def test_the_demo_re_routes_a_car_on_the_screen(chromium: Any, address: str) -> None:
    """Stations, cars and a re-route appear by themselves; a car of /drive is one of them."""
    width, height = SIZES["laptop"]
    context = await chromium.new_context(
        viewport={"width": width, "height": height}, locale="en-GB"
    )
    context.set_default_timeout(60_000)
    watched = DrivingTab(await context.new_page(), address)
    phone = await chromium.new_context(
        viewport=dict(zip(("width", "height"), SIZES["phone"], strict=True)), locale="en-GB"
    )
    phone.set_default_timeout(60_000)
    driver = DrivingTab(await phone.new_page(), address)
    for tab in (watched, driver):
        tab.watch()
    await watched.page.goto(f"{address}#/live")
    await watched.page.wait_for_selector('.asof[data-state="live"]')
    await watched.page.wait_for_selector('#ticker li[data-kind="REROUTED"]')
    await watched.page.wait_for_selector("#faults li")
    await watched.page.wait_for_selector("#cars tbody tr:nth-child(3)")
    await keep_page(watched.page, "live.png")
    await driver.open()
    await driver.page.click("#map", position={"x": 60, "y": 270})
    await driver.say(soc_pct=17)
    await driver.phase("driving")
    await watched.page.wait_for_selector('#cars tr[data-row^="web-"]')
    await driver.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    await keep_page(driver.page, "drive.png")
    stations = await watched.page.get_attribute("#map", "data-stations")
    evse = await driver.evse()
    await context.close()
    await phone.close()

    assert len(str(stations).split()) >= 4
    assert evse
    for tab in (watched, driver):
        assert tab.complaints == []
        assert tab.hosts == {urlsplit(address).netloc}
