"""Planned outages, from the operator's calendar to what cars are told, by a real coordinator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from served_brain import HERE, KM_LAT, asking
from wire_agent import pile

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow


def at(from_now_s: float) -> Timestamp:
    """An instant relative to now."""
    return Timestamp(seconds=int(time.time() + from_now_s))


def outage(from_s: float, to_s: float, **which: str) -> op.PlannedOutage:
    """An outage relative to now."""
    window = wire.TimeWindow(from_at=at(from_s), to_at=at(to_s))
    return op.PlannedOutage(window=window, reason="meter exchange", **which)


def two_stations() -> list[nouns.Station]:
    """S1 at 1 km with one EVSE, S2 at 3 km with one."""
    made = []
    for name, north_km in (("S1", 1.0), ("S2", 3.0)):
        where = nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])
        facts = pile(f"{name}-P")
        facts.evses[0].connectors[0].standard = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO
        made.append(nouns.Station(station_id=name, position=where, piles=[facts]))
    return made


class District:
    """Both clients of a coordinator with two stations."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.operator = operator_rpc.OperatorServiceStub(channel)
        self.car = charging_rpc.ChargingServiceStub(channel)

    async def put(
        self, *outages: op.PlannedOutage, replace: bool = False
    ) -> op.PutPlannedOutagesResponse:
        """Enters outages."""
        request = op.PutPlannedOutagesRequest(outages=outages, replace=replace)
        return await self.operator.PutPlannedOutages(request, timeout=10)

    async def station_for(self, car: str) -> str:
        """Where a car is sent; empty where nothing is recommended."""
        answer = await self.car.Recommend(asking(car), timeout=10)
        if answer.HasField("promise"):
            release = wire.ReleaseRequest(recommendation_id=answer.promise.recommendation_id)
            await self.car.Release(release, timeout=10)
        return answer.promise.choice.evse.station_id


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def district(coordinator: CoordinatorProcess) -> AsyncIterator[District]:
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        made = District(channel)
        await made.operator.PutStations(op.PutStationsRequest(stations=two_stations()))
        yield made


async def test_car_is_not_sent_where_an_outage_would_end_its_charge(district: District) -> None:
    """The near station goes out of service in ten minutes: the far one is recommended."""
    assert await district.station_for("car-1") == "S1"

    answer = await district.put(outage(600, 7200, station_id="S1"))

    assert answer.accepted_count == 1
    assert await district.station_for("car-2") == "S2"


async def test_outage_far_ahead_changes_nothing(district: District) -> None:
    """A car that will be gone by then is sent to the near station."""
    await district.put(outage(12 * 3600, 13 * 3600, evse_id="S1-P*1"))

    assert await district.station_for("car-1") == "S1"


async def test_outage_everywhere_leaves_an_empty_answer(district: District) -> None:
    """Where all will be out of service, the car is told so instead of being sent."""
    await district.put(outage(0, 7200, station_id="S1"), outage(0, 7200, station_id="S2"))

    answer = await district.car.Recommend(asking("car-1"), timeout=10)

    assert answer.empty_reason == "NOTHING_REACHABLE"


async def test_replacing_with_nothing_ends_all_outages(district: District) -> None:
    """An empty calendar is a calendar."""
    await district.put(outage(0, 7200, station_id="S1"))
    await district.put(replace=True)

    assert await district.station_for("car-1") == "S1"


async def test_outages_outlive_the_process(
    coordinator: CoordinatorProcess, district: District
) -> None:
    """What the operator planned is known after a crash."""
    await district.put(outage(600, 7200, evse_id="S1-P*1"))

    await coordinator.kill()
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        sent = await District(channel).station_for("car-1")

    assert sent == "S2"


async def test_faulty_outages_are_named_and_the_rest_is_taken(district: District) -> None:
    """Each faulty entry is told by its field; good ones count."""
    answer = await district.put(
        outage(600, 7200, station_id="S1"),
        outage(7200, 600, station_id="S1"),
        outage(600, 7200),
        outage(600, 7200, evse_id="nobody*1"),
    )

    assert (answer.accepted_count, answer.rejected_count) == (1, 3)
    assert [error.field for error in answer.errors] == [
        "outages[1].window.to_at",
        "outages[2]",
        "outages[3].evse_id",
    ]
