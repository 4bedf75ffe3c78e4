"""Fixtures of the flow tests: a real broker, small real districts."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from small_district import SmallDistrict, eventually

from city_sim.clock import SimClock
from coordinator.core.pile import Pile
from pilewise.rooms import RoomProcess


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[str]:
    """A real MQTT broker on a free port: mosquitto where it is installed, else the demo's."""
    mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if mosquitto is None:
        async with RoomProcess("city_sim.broker", (), tmp_path / "broker.log") as room:
            yield str(room.ready["mqtt"])
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        mosquitto, "-p", str(port), stderr=asyncio.subprocess.DEVNULL
    )
    await eventually("mosquitto listens", lambda: _listens(port))
    yield f"mqtt://127.0.0.1:{port}"
    process.terminate()
    await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.fixture
async def make_district(
    tmp_path: Path, broker: str
) -> AsyncIterator[Callable[..., Awaitable[SmallDistrict]]]:
    """Opens small districts; `make_district(piles, speed=1)`."""
    opened: list[SmallDistrict] = []

    async def make(piles: list[Pile], speed: float = 1.0) -> SmallDistrict:
        clock = SimClock.starting_at(time.time(), speed)
        district = SmallDistrict(tmp_path / f"district-{len(opened)}", clock, broker, piles)
        district.folder.mkdir()
        opened.append(district)
        await district.open()
        return district

    yield make
    for district in opened:
        await district.close()
