"""The main path over real sockets: a register becomes a promise that follows the pile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from small_district import SmallDistrict, eventually, pile

from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

pytestmark = [pytest.mark.flow, pytest.mark.slow]
Make = Callable[..., Awaitable[SmallDistrict]]


async def test_a_failing_pile_moves_the_car_that_was_promised_it(make_district: Make) -> None:
    """Register -> spool -> ack -> Recommend with a hold -> fault -> Guide names another EVSE."""
    district = await make_district([pile(1), pile(2)])
    answer = await district.charging.Recommend(district.request("EV-1"), timeout=10)
    held = answer.promise.choice.evse.evse_id
    guide = district.charging.Guide()
    opening = charging.GuideOpen(recommendation_id=answer.promise.recommendation_id)
    await guide.write(charging.GuideRequest(open=opening))
    await asyncio.wait_for(_next_revision(guide, 0), 60)

    fault = bench.InjectFaultRequest(evse_id=held, fault="HighTemperature")
    await district.bench.InjectFault(fault, timeout=10)
    moved = await asyncio.wait_for(_next_revision(guide, answer.promise.revision), 60)
    guide.cancel()

    assert answer.promise.choice.hold.kind == charging.HOLD_KIND_SOFT
    assert moved.change.from_evse_id == held
    assert moved.choice.evse.evse_id not in ("", held)
    assert moved.change.code
    assert (await district.status())[held] == nouns.EVSE_STATUS_OUTOFORDER
    claims = await district.operator.ListClaims(op.ListClaimsRequest(), timeout=10)
    assert [c.evse_id for c in claims.claims] == [moved.choice.evse.evse_id]


async def _next_revision(guide: object, known: int) -> charging.Promise:
    while True:
        event = await guide.read()  # type: ignore[attr-defined]
        if event.HasField("promise") and event.promise.revision > known:
            return event.promise


async def test_two_cars_never_get_one_pile(make_district: Make) -> None:
    """Two cars that want the near EVSE get two, the second the far one: a conflict resolved."""
    district = await make_district([pile(1), pile(2, station_id="S-B")])

    one, other = await asyncio.gather(
        district.charging.Recommend(district.request("EV-1"), timeout=10),
        district.charging.Recommend(district.request("EV-2"), timeout=10),
    )

    evses = {one.promise.choice.evse.evse_id, other.promise.choice.evse.evse_id}
    assert len(evses) == 2
    indexes = (await district.operator.GetIndexes(op.GetIndexesRequest(), timeout=10)).indexes
    assert indexes["conflicts_resolved"] == 1
    assert indexes["recommendations"] == 2


async def test_the_same_request_twice_is_one_promise(make_district: Make) -> None:
    """A request that is sent again with its id gets the same answer and makes no second claim."""
    district = await make_district([pile(1), pile(2)])
    request = district.request("EV-1")

    first = await district.charging.Recommend(request, timeout=10)
    again = await district.charging.Recommend(request, timeout=10)

    assert again.promise.recommendation_id == first.promise.recommendation_id
    assert again.promise.choice.evse.evse_id == first.promise.choice.evse.evse_id
    claims = await district.operator.ListClaims(op.ListClaimsRequest(), timeout=10)
    assert len(claims.claims) == 1


async def test_a_parked_car_blocks_a_free_pile(make_district: Make) -> None:
    """A bay sensor that says occupied while the pile says available makes it BLOCKED."""
    district = await make_district([pile(1)])

    await district.bench.SetBay(bench.SetBayRequest(evse_id="A-01*1", occupied=True), timeout=10)

    async def blocked() -> bool:
        return (await district.status())["A-01*1"] == nouns.EVSE_STATUS_BLOCKED

    await eventually("A-01*1 is BLOCKED", blocked)


async def test_an_ocpp_pile_is_a_pile_like_any_other(make_district: Make) -> None:
    """A pile that dials the agent by OCPP becomes free, charges a car, and breaks."""
    district = await make_district([pile(1), pile(2, face="ocpp16")])
    plug = bench.PlugInRequest(evse_id="A-02*1", soc_pct=30, battery_kwh=60)

    async def is_now(status: nouns.EvseStatus.ValueType) -> bool:
        return (await district.status())["A-02*1"] == status

    await district.ocpp_bench.PlugIn(plug, timeout=10)
    await eventually("A-02*1 charges", lambda: is_now(nouns.EVSE_STATUS_CHARGING))
    fault = bench.InjectFaultRequest(evse_id="A-02*1", fault="GroundFailure")
    await district.ocpp_bench.InjectFault(fault, timeout=10)
    await eventually("A-02*1 is broken", lambda: is_now(nouns.EVSE_STATUS_OUTOFORDER))
