"""A car that only wishes is followed through a real city while its district is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from served_brain import asking, station
from small_city import SmallCity, open_city
from small_town import CALL_S

from pilewise.v1 import charging_service_pb2 as wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

END_S = 240.0


async def logged(city: SmallCity, words: str) -> None:
    """Returns once the city has logged this."""
    async with asyncio.timeout(END_S):
        while words not in (city.process.folder / "city.log").read_text():
            await asyncio.sleep(0.05)


async def test_a_wish_is_followed_by_the_next_district(tmp_path: Path) -> None:
    """The car's stream stays open, the city says what broke, and hanging up ends it in order."""
    stations = {"south": [station("A", 1.0)], "north": [station("B", 6.0)]}
    async with open_city(tmp_path, stations, find_s=20.0, call_s=20.0) as city:
        guided = city.cars.Guide(timeout=END_S + CALL_S)
        opening = wire.GuideOpen(wish=asking("car-1"))
        await guided.write(wire.GuideRequest(open=opening))
        first = await guided.read()
        await city.towns["south"].process.kill()
        await logged(city, "wish is not followed")
        await logged(city, "wish is followed again")
        under_way = not guided.done()
        await guided.done_writing()
        async with asyncio.timeout(END_S):
            while await guided.read() is not grpc.aio.EOF:
                pass
        code = await guided.code()

    assert first.HasField("beat")
    assert under_way
    assert code is grpc.StatusCode.OK
