"""GetIndexes over a window, from what a real coordinator keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from wire_agent import pile

from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
BEGIN_S = 1_700_000_000


@pytest.fixture
async def operator(
    tmp_path: Path,
) -> AsyncIterator[operator_service_pb2_grpc.OperatorServiceAsyncStub]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    async with grpc.aio.insecure_channel(process.address) as channel:
        yield operator_service_pb2_grpc.OperatorServiceStub(channel)
    await process.stop()


def session(evse_id: str, begin_min: int, wait_s: float) -> op.SessionRecord:
    begin_s = BEGIN_S + begin_min * 60
    return op.SessionRecord(
        evse_id=evse_id,
        started_at=Timestamp(seconds=begin_s),
        ended_at=Timestamp(seconds=begin_s + 1800),
        wait_s=wait_s,
        price=nouns.Money(currency="CNY", micros=20_000_000),
    )


def window(from_min: int, to_min: int) -> op.GetIndexesRequest:
    return op.GetIndexesRequest(
        window=pb.TimeWindow(
            from_at=Timestamp(seconds=BEGIN_S + from_min * 60),
            to_at=Timestamp(seconds=BEGIN_S + to_min * 60),
        )
    )


async def test_indexes_of_a_window_are_of_what_happened_in_it(
    operator: operator_service_pb2_grpc.OperatorServiceAsyncStub,
) -> None:
    """Sessions and requests of the window give the five indexes; what is before it does not."""
    station = nouns.Station(
        station_id="S1",
        position=nouns.Position(latitude_deg=22.5, longitude_deg=114.0),
        piles=[pile("P1"), pile("P2")],
    )
    await operator.PutStations(op.PutStationsRequest(stations=[station]), timeout=10)
    sessions = [session("P1*1", 0, 0.0), session("P1*1", 40, 240.0), session("P2*1", 90, 0.0)]
    await operator.PutSessions(op.PutSessionsRequest(sessions=sessions), timeout=10)
    asked = op.RequestRecord(
        request_id="q1",
        asked_at=Timestamp(seconds=BEGIN_S + 60),
        position=nouns.Position(latitude_deg=22.51, longitude_deg=114.0),
        soc_pct=30.0,
        level=nouns.WARNING_LEVEL_MEDIUM,
        evse_id="P1*1",
    )
    await operator.PutRequests(op.PutRequestsRequest(requests=[asked]), timeout=10)

    first = dict((await operator.GetIndexes(window(0, 60), timeout=10)).indexes)
    later = dict((await operator.GetIndexes(window(60, 120), timeout=10)).indexes)

    assert (first["cars_served"], later["cars_served"]) == (2.0, 1.0)
    assert (first["total_cost"], first["gini"]) == (40.0, 0.5)
    assert (first["mean_wait_min"], first["no_plug_occupied"]) == (2.0, 0.5)
    assert first["point_demand_km"] == pytest.approx(1.11 * 1.3, rel=0.01)
    assert first["cars_passing"] == 1.0
    assert "point_demand_km" not in later
    assert first["evses"] == 2.0


async def test_window_that_ends_before_it_begins_is_refused(
    operator: operator_service_pb2_grpc.OperatorServiceAsyncStub,
) -> None:
    """The field is named, and what it has to be."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await operator.GetIndexes(window(60, 0), timeout=10)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "window" in (caught.value.details() or "")
