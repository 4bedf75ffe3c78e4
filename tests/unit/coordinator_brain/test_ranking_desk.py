"""Requests that arrive together share one pass of the pipeline."""

from __future__ import annotations

import asyncio

import pytest
from served_brain import district_of, station

from coordinator.brain import assemble_brain
from coordinator.clock import Clock
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.ranking import TOGETHER, RankingDesk

CCS2 = 1 << 27


def desk_and_counters() -> tuple[RankingDesk, Counters]:
    """A desk over a small district."""
    clock = Clock()
    district = district_of([station("S1", 1.0), station("S2", 2.0)], clock.now_s(), clock.link_s())
    events, counters = Events(clock.now_s, clock.system_s), Counters()
    brain = assemble_brain(district, Models(RULES_RANKER), clock, events, counters, MemoryClaims())
    return brain.recommender._desk, counters


def request(number: int) -> ChargingRequest:
    """A car near the stations."""
    vehicle = Vehicle(60.0, "", (), 5.0, 10.0, CCS2)
    return ChargingRequest(f"r{number}", f"car-{number}", vehicle, 50.0, 22.54, 114.05)


async def arrive_one_by_one(desk: RankingDesk, count: int) -> None:
    """Requests of which each comes one turn of the loop after the other; all are answered."""
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(desk.rank(request(number)), name=f"test:{number}"))
        await asyncio.sleep(0)
    answers = await asyncio.gather(*tasks)

    assert all(ranked.batch is not None for ranked, _ in answers)


async def test_lone_request_is_ranked_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that comes alone starts no timer: it is ranked in the next turn of the loop."""
    desk, counters = desk_and_counters()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", lambda *_: pytest.fail("a lone request waited"))

    ranked, _ = await desk.rank(request(1))

    assert ranked.batch is not None
    assert counters.values()["rankings"] == 1


async def test_crowd_shares_a_pass() -> None:
    """After a large pass, callers that come one by one are judged side by side."""
    desk, counters = desk_and_counters()
    await asyncio.gather(*(desk.rank(request(number)) for number in range(TOGETHER)))
    before = counters.values()["rankings"]

    await arrive_one_by_one(desk, TOGETHER)

    assert counters.values()["rankings"] == before + 1


async def test_more_than_a_pass_takes_is_split() -> None:
    """No pass judges more than it may; the rest follows at once."""
    desk, counters = desk_and_counters()

    answers = await asyncio.gather(*(desk.rank(request(number)) for number in range(TOGETHER + 1)))

    assert len(answers) == TOGETHER + 1
    assert counters.values()["rankings"] == 2
