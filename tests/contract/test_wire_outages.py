"""Planned outages, from the operator's calendar to what cars are told, by a real coordinator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from served_brain import HERE, KM_LAT, asking, serve_brain, station
from wire_agent import pile

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus, PlannedOutage
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


class Guided:
    """A car that confirmed its promise and listens."""

    def __init__(self, client: charging_rpc.ChargingServiceStub, car: str) -> None:
        self._client, self._car = client, car

    async def start(self) -> wire.Promise:
        """Asks, confirms and opens the guidance."""
        answer = await self._client.Recommend(asking(self._car), timeout=10)
        name = answer.promise.recommendation_id
        await self._client.Confirm(wire.ConfirmRequest(recommendation_id=name), timeout=10)
        self.guide = self._client.Guide(timeout=30)
        await self.guide.write(wire.GuideRequest(open=wire.GuideOpen(recommendation_id=name)))
        return await self.promise()

    async def promise(self) -> wire.Promise:
        """The next promise told."""
        while (message := await self.guide.read()).WhichOneof("message") != "promise":
            assert message.WhichOneof("message") != "closed"
        return message.promise

    async def hears_no_promise(self, within_s: float) -> bool:
        """Whether the guidance only beats."""
        waiting = asyncio.create_task(self.promise())
        done, _ = await asyncio.wait([waiting], timeout=within_s)
        waiting.cancel()
        return not done


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


async def test_a_list_with_a_bad_entry_replaces_nothing(district: District) -> None:
    """What was planned stays, and the entry at fault is named."""
    await district.put(outage(600, 7200, station_id="S1"))
    answer = await district.put(
        outage(600, 7200, station_id="S2"), outage(600, 7200, evse_id="P9*1"), replace=True
    )

    assert (answer.accepted_count, answer.rejected_count) == (0, 2)
    assert [error.field for error in answer.errors] == ["outages[1].evse_id"]
    assert await district.station_for("car-1") == "S2"


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


@pytest.mark.parametrize("from_now_s", [-5.0, 400.0])
async def test_outage_before_the_end_of_a_promised_charge_moves_the_car(
    district: District, from_now_s: float
) -> None:
    """Its Guide says at once where to go instead and why, and the claim stays confirmed."""
    car = Guided(district.car, "car-1")
    first = await car.start()
    assert first.choice.evse.station_id == "S1"

    await district.put(outage(from_now_s, 3600, evse_id="S1-P*1"))
    async with asyncio.timeout(60):
        moved = await car.promise()

    assert moved.choice.evse.station_id == "S2"
    assert moved.change.code == "PILE_OUT_OF_USE"
    assert moved.choice.hold.kind == first.choice.hold.kind == wire.HOLD_KIND_SOFT
    car.guide.cancel()


async def test_outage_that_concerns_no_promise_moves_nobody(district: District) -> None:
    """Neither one after the charge nor one of another station changes what a car was told."""
    car = Guided(district.car, "car-1")
    await car.start()

    await district.put(outage(12 * 3600, 13 * 3600, evse_id="S1-P*1"))
    await district.put(outage(-5, 3600, station_id="S2"))

    assert await car.hears_no_promise(within_s=2.5)
    car.guide.cancel()


async def test_outage_moves_no_car_that_charges() -> None:
    """Of two cars whose EVSEs go out of service, the one that is plugged in stays."""
    async with serve_brain([station("A", 1.0), station("B", 2.0), station("C", 3.0)]) as served:
        charging, coming = Guided(served.client, "car-1"), Guided(served.client, "car-2")
        await charging.start()
        await charging.guide.write(wire.GuideRequest(arrived=wire.GuideArrived()))
        served.see("A-1*1", EvseStatus.CHARGING)
        while (await charging.guide.read()).WhichOneof("message") != "closed":
            pass
        assert (await coming.start()).choice.evse.station_id == "B"

        now_s = time.time()
        served.district.put_outages(
            [PlannedOutage(now_s - 5, now_s + 3600, station_id=name) for name in "AB"]
        )
        served.brain.watchman.on_outages()
        moved = await coming.promise()

        assert moved.choice.evse.station_id == "C"
        held = {claim.evse_id: claim.state for claim in served.brain.claims.table.live()}
        assert held == {"A-1*1": ClaimState.OCCUPIED, "C-1*1": ClaimState.CONFIRMED}
        coming.guide.cancel()
