"""T3: the coordinator's system clock is set while it holds promises.

Debian's libfaketime turns the clock of the process; the monotonic clock is left alone, as a real
clock change leaves it.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from served_brain import station
from small_town import open_town

from pilewise.v1 import charging_service_pb2 as wire

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(300)]
FAKETIME = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
HOUR_S = 3_600
OFFER_S = 30.0


def environment(folder: Path) -> dict[str, str]:
    """What turns the clock of a process by what `turn` writes."""
    if not FAKETIME:
        pytest.skip("hint: apt-get install faketime")
    turn(folder, 0)
    return {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        # Each of these is what some version listens to.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def turn(folder: Path, offset_s: int) -> None:
    """Makes the system clock of the process so much wrong."""
    fresh = folder / "clock.new"
    fresh.write_text(f"{offset_s:+d}\n")
    fresh.rename(folder / "clock")


def steps_seen(log: Path) -> int:
    """Steps of its clock that the coordinator has noticed."""
    return log.read_text().count("the clock was set")


async def test_T3_promises_stand_however_the_coordinators_clock_is_set(tmp_path: Path) -> None:
    """Set a day ahead and two back, a firm promise stands and nobody else gets its place."""
    stations = [station("A", 1.0), station("B", 2.0)]
    async with open_town(tmp_path, stations, environment(tmp_path)) as town:
        held = await town.confirmed("car-1")
        for times, offset_s in ((1, 24 * HOUR_S), (2, -24 * HOUR_S), (3, 0)):
            turn(tmp_path, offset_s)
            async with asyncio.timeout(60):
                while steps_seen(tmp_path / "coordinator.log") < times:
                    await asyncio.sleep(0.1)

            assert await town.holds(held.recommendation_id) == "A-1*1"
            other = (await town.ask("car-2", times)).promise
            assert other.choice.evse.evse_id == "B-1*1"
            await town.cars.Release(wire.ReleaseRequest(recommendation_id=other.recommendation_id))


async def test_T3_offer_ends_after_its_time_although_the_clock_is_set_back(tmp_path: Path) -> None:
    """An offer lasts 30 s of the clock that does not jump, neither an hour more nor less."""
    async with open_town(tmp_path, [station("A", 1.0)], environment(tmp_path)) as town:
        offered = (await town.ask("car-1")).promise
        since_s = time.monotonic()
        turn(tmp_path, -HOUR_S)
        await asyncio.sleep(5.0)
        early = await town.holds(offered.recommendation_id)
        turn(tmp_path, HOUR_S)
        await asyncio.sleep(5.0)
        later = await town.holds(offered.recommendation_id)
        async with asyncio.timeout(OFFER_S * 2):
            while await town.holds(offered.recommendation_id):
                await asyncio.sleep(0.1)
        lasted_s = time.monotonic() - since_s

        assert (early, later) == ("A-1*1", "A-1*1")
        assert OFFER_S - 1.0 <= lasted_s <= OFFER_S + 10.0
