"""Agent and coordinator are killed in turn; what was written down arrives once, holds survive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from small_district import SmallDistrict, eventually, pile

from city_sim.accounts import spooled
from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import operator_service_pb2 as op

pytestmark = [pytest.mark.flow, pytest.mark.slow]
Make = Callable[..., Awaitable[SmallDistrict]]


async def test_killing_either_side_loses_and_doubles_nothing(make_district: Make) -> None:
    """SIGKILL on the coordinator, then the agent, twice: 0 lost, 0 doubled, 0 double holds."""
    district = await make_district([pile(1), pile(2), pile(3)])
    promised = (await district.charging.Recommend(district.request("EV-1"), timeout=10)).promise
    confirm = charging.ConfirmRequest(recommendation_id=promised.recommendation_id)
    await district.charging.Confirm(confirm, timeout=10)
    free = [e for e in ("A-01*1", "A-02*1", "A-03*1") if e != promised.choice.evse.evse_id]
    busy = asyncio.create_task(_keep_busy(district, free[0]), name="test:busy")
    try:
        for _ in range(2):
            await district.crash_coordinator()
            await _grows(district)
            await district.crash_agent()
            await _grows(district)
    finally:
        busy.cancel()
    kept = await district.charging.GetRecommendation(
        charging.GetRecommendationRequest(recommendation_id=promised.recommendation_id), timeout=10
    )
    other = await district.charging.Recommend(district.request("EV-2"), timeout=10)

    async def settled() -> bool:
        given_out = spooled(district.folder / "agent-0" / "spool.db")
        return await _stored(district) == sum(given_out.values())

    await eventually("the coordinator has caught up", settled)
    await district.agent.stop()
    given_out = spooled(district.folder / "agent-0" / "spool.db")

    await eventually("every record is stored exactly once", settled)
    assert kept.promise.choice.evse.evse_id == promised.choice.evse.evse_id
    assert other.promise.choice.evse.evse_id != promised.choice.evse.evse_id
    agents = (await district.operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents
    for spool in agents[0].spools:
        assert spool.record_count == given_out[spool.spool_id]
        assert spool.stored.acked_through == given_out[spool.spool_id]
        assert spool.gap_count == 0
        assert spool.rejected_count == 0


async def _keep_busy(district: SmallDistrict, evse_id: str) -> None:
    """Plugs in and out, so that there is always something to report."""
    while True:
        plug = bench.PlugInRequest(evse_id=evse_id, soc_pct=20, battery_kwh=60)
        await district.bench.PlugIn(plug, timeout=10)
        await asyncio.sleep(0.4)
        await district.bench.Unplug(bench.UnplugRequest(evse_id=evse_id), timeout=10)
        await asyncio.sleep(0.4)


async def _stored(district: SmallDistrict) -> int:
    answer = await district.operator.ListAgents(op.ListAgentsRequest(), timeout=10)
    return sum(spool.record_count for agent in answer.agents for spool in agent.spools)


async def _grows(district: SmallDistrict) -> None:
    """Returns once new records arrive."""
    before = await _stored(district)

    async def more() -> bool:
        return await _stored(district) >= before + 3

    await eventually("records arrive again", more)
