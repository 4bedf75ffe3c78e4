"""Sessions and requests of a real coordinator: from readings, by import, through a kill, out."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from served_brain import HERE, KM_LAT, asking
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import district_service_pb2 as district_pb2
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
FREE, BUSY = nouns.EVSE_STATUS_AVAILABLE, nouns.EVSE_STATUS_CHARGING
DEADLINE_S = 60.0
Rows = list[dict[str, str]]


def station(name: str, north_km: float) -> nouns.Station:
    """A station with one EVSE so far north."""
    where = nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])
    facts = pile(f"{name}-P", name)
    facts.evses[0].connectors[0].standard = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO
    return nouns.Station(station_id=name, position=where, tariff_id="T", piles=[facts])


def at(before_now_s: float) -> Timestamp:
    return Timestamp(seconds=int(time.time() - before_now_s))


class District:
    """Both clients of a coordinator with two stations."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.operator = operator_rpc.OperatorServiceStub(channel)
        self.car = charging_rpc.ChargingServiceStub(channel)

    async def set_up(self) -> None:
        """Two stations with a tariff."""
        energy = op.TariffElement(dimension="ENERGY", price=nouns.Money(micros=1_500_000))
        tariff = op.Tariff(tariff_id="T", currency="CNY", elements=[energy])
        await self.operator.PutTariffs(op.PutTariffsRequest(tariffs=[tariff]), timeout=10)
        stations = [station("S1", 1.0), station("S2", 1.2)]
        await self.operator.PutStations(op.PutStationsRequest(stations=stations), timeout=10)

    async def rows(self, form: str) -> Rows:
        """The exported rows."""
        request = op.ExportRequest(format=form)
        pieces = [p.chunk async for p in self.operator.Export(request, timeout=10)]
        return list(csv.DictReader(io.StringIO(b"".join(pieces).decode())))


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path, stale_after_s=600.0)
    await process.start()
    yield process
    await process.stop()


async def rows_when(district: District, good: Callable[[Rows], bool]) -> Rows:
    """The exported sessions as soon as they are as wanted; they are stored by checkpoints."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        rows = await district.rows("sessions")
        if good(rows):
            return rows
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.1)


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    """Returns as soon as it holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not await what():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def arrived(district: District, agent: WireAgent, user: str) -> str:
    """The EVSE at which a promised car of this user has plugged in."""
    answer = await district.car.Recommend(asking("car-1", user_id=user), timeout=10)
    name, evse_id = answer.promise.recommendation_id, answer.promise.choice.evse.evse_id
    await district.car.Confirm(wire.ConfirmRequest(recommendation_id=name), timeout=10)
    told = wire.UpdateProgressRequest(recommendation_id=name, arrived=wire.GuideArrived())
    await district.car.UpdateProgress(told, timeout=10)
    busy = batch("spool-1", 3, [evse_id], [BUSY])
    busy.energy_kwh.values.append(100.0)
    await agent.report(busy)

    async def charging() -> bool:
        claims = await district.operator.ListClaims(op.ListClaimsRequest(), timeout=10)
        return any(claim.state == district_pb2.CLAIM_STATE_OCCUPIED for claim in claims.claims)

    await until(charging)
    return evse_id


async def test_a_session_has_its_driver_its_price_and_its_end_through_a_kill(
    coordinator: CoordinatorProcess,
) -> None:
    """The car of the claim is the session's, even if the coordinator dies before plug-out."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        district = District(channel)
        await district.set_up()
        piles = [*station("S1", 1.0).piles, *station("S2", 1.2).piles]
        async with WireAgent(coordinator.address, piles=piles) as agent:
            await agent.report(batch("spool-1", 1, ["S1-P*1", "S2-P*1"]))
            evse_id = await arrived(district, agent, "user-1")

    await coordinator.kill()
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        district = District(channel)
        async with WireAgent(coordinator.address, piles=piles) as agent:
            free = batch("spool-1", 4, [evse_id], [FREE])
            free.energy_kwh.values.append(120.0)
            await agent.report(free)
        (row,) = await rows_when(district, lambda rows: len(rows) == 1)

    assert (row["evse_id"], row["station_id"]) == (evse_id, evse_id[:2])
    assert (row["vehicle_id"], row["user_id"]) == ("car-1", "user-1")
    assert (float(row["energy_kwh"]), float(row["price"]), row["currency"]) == (20.0, 30.0, "CNY")
    assert (row["ended_by_fault"], row["source"]) == ("false", "readings")


def visit(number: int, evse_id: str = "S2-P*1", **more: object) -> op.SessionRecord:
    """A session of user-1, an hour long, so many days ago."""
    began, ended = at(number * 86_400.0), at(number * 86_400.0 - 3_600.0)
    fields = {"evse_id": evse_id, "started_at": began, "ended_at": ended, "user_id": "user-1"}
    return op.SessionRecord(**(fields | more))  # type: ignore[arg-type]


async def test_sessions_put_in_are_the_drivers_history_after_a_kill(
    coordinator: CoordinatorProcess,
) -> None:
    """A driver who always charged at S2 is shown that it is preferred, then and after a kill."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        district = District(channel)
        await district.set_up()
        answer = await district.operator.PutSessions(
            op.PutSessionsRequest(sessions=[visit(n) for n in range(1, 11)]), timeout=10
        )
    assert (answer.accepted_count, answer.rejected_count) == (10, 0)

    for _ in range(2):
        async with grpc.aio.insecure_channel(coordinator.address) as channel:
            car = charging_rpc.ChargingServiceStub(channel)
            request = asking(f"car-{coordinator.kills}", user_id="user-1")
            request.select_by = wire.SELECT_BY_PREFERENCE
            told = await car.Recommend(request, timeout=10)
        assert told.promise.choice.evse.station_id == "S2"
        await coordinator.kill()
        await coordinator.start()


async def test_faulty_sessions_and_requests_are_named_and_the_rest_is_taken(
    coordinator: CoordinatorProcess,
) -> None:
    """Each faulty entry is told by its field; good ones come out again."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        district = District(channel)
        await district.set_up()
        sessions = await district.operator.PutSessions(
            op.PutSessionsRequest(
                sessions=[
                    visit(1, energy_kwh=20.0, queue_length=2),
                    visit(2, evse_id="nobody*1"),
                    visit(3, energy_kwh=float("nan")),
                    visit(4, ended_at=at(10 * 86_400.0)),
                    visit(5, price=nouns.Money(currency="Y", micros=1)),
                ]
            ),
            timeout=10,
        )
        here = nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1])
        requests = await district.operator.PutRequests(
            op.PutRequestsRequest(
                requests=[
                    op.RequestRecord(request_id="q1", asked_at=at(60), position=here, soc_pct=30),
                    op.RequestRecord(request_id="q2", asked_at=at(60), position=here, soc_pct=130),
                    op.RequestRecord(request_id="q3", position=here, soc_pct=30),
                ]
            ),
            timeout=10,
        )

        assert [error.field for error in sessions.errors] == [
            "sessions[1].station_id",
            "sessions[2].energy_kwh",
            "sessions[3].ended_at",
            "sessions[4].price.currency",
        ]
        assert [error.field for error in requests.errors] == [
            "requests[1].soc_pct",
            "requests[2].asked_at",
        ]
        (row,) = await district.rows("sessions")
        assert (row["station_id"], row["queue_length"], row["source"]) == ("S2", "2", "import")
        assert [row["request_id"] for row in await district.rows("requests")] == ["q1"]


async def test_an_unknown_form_of_export_is_refused(coordinator: CoordinatorProcess) -> None:
    """The forms that there are stand in the message."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await District(channel).rows("xlsx")

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "sessions" in str(caught.value.details())
