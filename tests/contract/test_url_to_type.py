"""The URL that the operator's page tells: a pile that dials exactly it is let in."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from watched_town import with_page
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

pytestmark = pytest.mark.slow
READY_S = 60.0
AGENT = """\
[agent]
id = "G1"
coordinator = "{coordinator}"
data_dir = "agent-data"
[ocpp]
listen = "127.0.0.1:0"
[[pile]]
uid = "A-01"
profile = "ocpp16"
identity = "CP A 1"
latitude_deg = 22.54
longitude_deg = 114.05
[[pile.connector]]
standard = "GBT_DC"
max_power_kw = 120
[[pile]]
uid = "B-01"
profile = "abb-terra-ac"
host = "127.0.0.1"
port = 1
device_id = 3
latitude_deg = 22.55
longitude_deg = 114.05
"""


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[str]:
    """Where the page of a coordinator is, to which a real agent has brought its piles."""
    coordinator = with_page(tmp_path)
    await coordinator.start()
    config = tmp_path / "agent.toml"
    config.write_text(AGENT.format(coordinator=coordinator.address))
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge_agent", "-c", str(config), "--log-level", "error",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert agent.stdout is not None
    try:
        await asyncio.wait_for(agent.stdout.readline(), READY_S)
        yield str(coordinator.ready["web"])
    finally:
        agent.terminate()
        await asyncio.wait_for(agent.wait(), READY_S)
        await coordinator.stop()


async def told(page: str, pile_id: str) -> dict[str, Any]:
    """What the page is told of the pile, once it is known."""

    def ask() -> dict[str, Any]:
        with urllib.request.urlopen(f"{page}api/piles/{pile_id}", timeout=10) as answer:
            value: dict[str, Any] = json.loads(answer.read())
            return value

    deadline = asyncio.get_running_loop().time() + 30
    while True:
        try:
            return await asyncio.to_thread(ask)
        except urllib.error.HTTPError:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)


async def test_page_tells_the_url_that_lets_a_pile_in(page: str) -> None:
    """The exact URL with the bound port and the encoded identity is dialled, and answers."""
    pile = await told(page, "A-01")
    async with connect(pile["address"], subprotocols=[Subprotocol("ocpp1.6")]) as dialled:
        await dialled.send(
            json.dumps([2, "1", "BootNotification",
                        {"chargePointVendor": "V", "chargePointModel": "M"}])
        )  # fmt: skip
        answer = json.loads(await asyncio.wait_for(dialled.recv(), 60))

    assert pile["address"].endswith("/CP%20A%201")
    assert (answer[:2], answer[2]["status"]) == ([3, "1"], "Accepted")
    fact = next(fact for fact in pile["facts"] if fact["field"] == "address")
    assert (fact["value"], fact["source"]) == (pile["address"], "config")


async def test_page_tells_where_a_pile_is_asked(page: str) -> None:
    """A Modbus pile has nothing to type in but its address and unit."""
    pile = await told(page, "B-01")

    assert pile["address"] == "modbus-tcp 127.0.0.1:1 unit 3"
