"""The operator's system comes and goes at the very moment at which the pile says something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from central_system import CentralSystem
from relay_site import Site, until
from websockets.asyncio.server import ServerConnection

from edge_agent.piles.relay_store import Fresh

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Volt 22"}
START = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-22T10:00:00Z"}


class HeldUp(CentralSystem):
    """Answers to statuses only once `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.begun = 0

    async def _take(self, socket: ServerConnection, frame: list[Any], number: int) -> None:
        if frame[0] == 2 and frame[2] == "StatusNotification":
            self.begun += 1
            await self.goes_on.wait()
        await super()._take(socket, frame, number)


def status(connector: int, word: str) -> dict[str, Any]:
    return {"connectorId": connector, "errorCode": "NoError", "status": word}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    made.central = HeldUp()
    await made.open_central()
    await made.start()
    await made.dial()
    await made.pile.call("BootNotification", BOOT)
    await made.until_ready()
    yield made
    made.central.goes_on.set()
    await made.close()


async def test_statuses_told_while_the_pile_is_introduced_reach_the_operator(site: Site) -> None:
    """Answered here, as the introduction is not over; told there before it is."""
    await site.pile.call("StatusNotification", status(1, "Available"))
    await site.central.close()
    await site.until_ready(False)
    site.central.goes_on.clear()
    begun = site.central.begun
    await site.open_central()
    await until(lambda: site.central.begun > begun, 60.0)

    await site.pile.call("StatusNotification", status(1, "Faulted"))
    await site.pile.call("StatusNotification", status(2, "Available"))
    site.central.goes_on.set()

    await site.central.wait_for_status(1, "Faulted")
    await site.central.wait_for_status(2, "Available")
    await site.until_ready()


async def test_a_pile_is_answered_though_the_operator_goes_as_it_speaks(site: Site) -> None:
    """The connection ends while the message is made durable: nobody waits for its answer."""
    keep = site.store.put

    async def parting(fresh: Fresh) -> tuple[int, bool] | None:
        kept = await keep(fresh)
        await site.central.close()
        await site.until_ready(False)
        return kept

    site.store.put = parting  # type: ignore[method-assign]

    answer = await site.pile.call("StartTransaction", START)  # well before the call's time is up

    site.store.put = keep  # type: ignore[method-assign]
    assert answer["idTagInfo"]["status"]
    await site.open_central()
    await site.until_delivered()
    assert [heard.action for heard in site.delivered()] == ["StartTransaction"]
