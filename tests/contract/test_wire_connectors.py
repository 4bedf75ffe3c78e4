"""Plugs whose numbers this version does not know, by every way in to a real coordinator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from served_brain import CCS2, asking, serve_brain, station
from wire_agent import WireAgent, batch, pile

from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.store.sqlite import SqliteTelemetry
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

UNKNOWN = [70, 63, 100_000, -1, 2_147_483_647]
PLACE = nouns.Position(latitude_deg=22.5, longitude_deg=114.0)
BOX = wire.BoundingBox(south_deg=22.0, north_deg=23.0, west_deg=113.0, east_deg=115.0)


def odd_pile(pile_id: str, numbers: list[int]) -> nouns.PileFacts:
    """A pile with one plug for each number."""
    facts = pile(pile_id)
    del facts.evses[0].connectors[:]
    for number in numbers:
        facts.evses[0].connectors.add(standard=number, max_power_kw=60)  # type: ignore[arg-type]
    return facts


async def plugs(address: str) -> dict[str, list[int]]:
    """Standards of the plugs that the map shows, by pile."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = charging_rpc.ChargingServiceStub(channel)
        answer = await stub.ListStations(wire.ListStationsRequest(box=BOX), timeout=10)
    return {
        facts.pile_id: [c.standard for evse in facts.evses for c in evse.connectors]
        for entry in answer.stations
        for facts in entry.station.piles
    }


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    yield process
    await process.stop()


@pytest.mark.slow
async def test_a_station_put_with_unknown_plugs_has_unspecified_ones(
    coordinator: CoordinatorProcess,
) -> None:
    """Unknown numbers read as 0 beside the known ones, and the process starts again with them."""
    place = nouns.Station(station_id="S1", position=PLACE, piles=[odd_pile("P1", [*UNKNOWN, CCS2])])
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
        answer = await stub.PutStations(op.PutStationsRequest(stations=[place]), timeout=10)
    before = await plugs(coordinator.address)
    await coordinator.kill()
    await coordinator.start()

    assert (answer.accepted_count, list(answer.errors)) == (1, [])
    assert before == {"P1": [0, 0, 0, 0, 0, CCS2]}
    assert await plugs(coordinator.address) == before


@pytest.mark.slow
async def test_an_agent_that_brings_unknown_plugs_is_heard(coordinator: CoordinatorProcess) -> None:
    """The greeting is answered, the reading acked, and the plugs read as 0."""
    async with WireAgent(coordinator.address, piles=[odd_pile("P1", UNKNOWN)]) as agent:
        ack = await agent.report(batch("spool-1", 1, ["P1*1"]))

    assert ack.stored.acked_through == 1
    assert await plugs(coordinator.address) == {"P1": [0] * 5}


@pytest.mark.slow
async def test_a_store_that_holds_unknown_plugs_is_opened(tmp_path: Path) -> None:
    """Numbers stored before anybody checked them do not keep the coordinator from its start."""
    (tmp_path / "data").mkdir()
    store = SqliteTelemetry(tmp_path / "data")
    odd = tuple(Connector("1", number, PowerType.DC, 60.0) for number in UNKNOWN)
    piles = (Pile("P1", "S1", (Evse("P1*1", odd),)),)
    await store.put_stations([Station("S1", "S1", 22.5, 114.0, piles)])
    await store.close()
    process = CoordinatorProcess(tmp_path)
    await process.start()
    try:
        assert process.ready["evses"] == 1
        assert list(await plugs(process.address)) == ["P1"]
    finally:
        await process.stop()


@pytest.mark.parametrize("number", UNKNOWN)
async def test_a_car_with_unknown_plugs_only_is_told_so(number: int) -> None:
    """No plug that fits is not the same as any plug: the field is named and nothing is held."""
    request = asking("car-1")
    request.vehicle.connectors[:] = [number]  # type: ignore[list-item]
    async with serve_brain([station("A", 1.0)]) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.Recommend(request)

        bad = error_details_pb2.BadRequest()
        status = rpc_status.from_call(caught.value)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert any(detail.Unpack(bad) for detail in status.details)
        assert [v.field for v in bad.field_violations] == ["vehicle.connectors"]
        assert not list(served.brain.claims.table.live())


async def test_unknown_plugs_of_a_car_are_passed_over_beside_a_known_one() -> None:
    """The plug that is known decides what fits."""
    fits, other = asking("car-1"), asking("car-2")
    fits.vehicle.connectors[:] = [*UNKNOWN, CCS2]  # type: ignore[list-item]
    other.vehicle.connectors[:] = [*UNKNOWN, nouns.CONNECTOR_STANDARD_CHADEMO]  # type: ignore[list-item]
    async with serve_brain([station("A", 1.0)]) as served:
        found = await served.client.Recommend(fits)
        nothing = await served.client.Recommend(other)

        assert found.promise.choice.evse.evse_id == "A-1*1"
        assert not nothing.HasField("promise")
        assert nothing.empty_reason
