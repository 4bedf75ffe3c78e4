"""Requests that arrive together share one pass of the pipeline."""

from __future__ import annotations

import asyncio
import time

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
from coordinator.usecases.ranking import LATE_S, QUIET, STEP_S, TOGETHER, RankingDesk

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
    """No pass judges more than it may; the rest follows in another one."""
    desk, counters = desk_and_counters()

    answers = await asyncio.gather(*(desk.rank(request(number)) for number in range(TOGETHER + 1)))

    assert len(answers) == TOGETHER + 1
    assert counters.values()["rankings"] == 2


async def test_rest_of_a_crowd_shares_a_pass_with_who_comes_next() -> None:
    """Who was one too many for a full pass is not ranked alone while others come."""
    desk, counters = desk_and_counters()
    crowd = [asyncio.create_task(desk.rank(request(n))) for n in range(TOGETHER + 1)]
    while counters.values().get("rankings", 0) < 1:
        await asyncio.sleep(0)

    await arrive_one_by_one(desk, 8)

    await asyncio.gather(*crowd)
    assert counters.values()["rankings"] == 2


async def test_busy_loop_does_not_count_as_quiet() -> None:
    """Looks that come late, because the loop was at work, do not end the waiting for others."""
    desk, counters = desk_and_counters()
    await desk.rank(request(0))
    desk._pass_s = 10.0  # so that only quiet ends the waiting

    first = asyncio.create_task(desk.rank(request(1)))
    for _ in range(2 * QUIET):
        await asyncio.sleep(0)
        time.sleep(2 * (STEP_S + LATE_S))  # noqa: ASYNC251 - the loop is held up
    await arrive_one_by_one(desk, 4)

    await first
    assert counters.values()["rankings"] == 2
