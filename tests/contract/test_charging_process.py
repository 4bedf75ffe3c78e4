"""A real coordinator process: roads in use, reasons on record, promises that survive SIGKILL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import HERE, KM_LAT, asking, station

from city_sim.messages import station_message
from coordinator.core.recommend.features import FEATURES, schema_sha256
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    yield process
    await process.stop()


async def put_town(channel: grpc.aio.Channel) -> None:
    """Two stations, and a road that makes the nearer one the farther."""
    operator = operator_rpc.OperatorServiceStub(channel)
    stations = [station("A", 1.0), station("B", 2.0)]
    messages = [station_message(one) for one in stations]
    await operator.PutStations(op.PutStationsRequest(stations=messages), timeout=10)
    here, a, b = (
        nouns.Position(latitude_deg=HERE[0] + km * KM_LAT, longitude_deg=HERE[1])
        for km in (0.0, 1.0, 2.0)
    )
    ways = (("here", here, "a", a, 9.0), ("here", here, "b", b, 2.5))
    edges = [
        op.RoadEdge(
            from_node=start, from_position=p, to_node=end, to_position=q, length_km=km,
            free_speed_kmh=40.0, two_way=True,
        )
        for start, p, end, q, km in ways
    ]  # fmt: skip
    await operator.PutRoads(op.PutRoadsRequest(edges=edges), timeout=10)


async def test_a_road_longer_than_it_looks_makes_the_nearer_pile_the_farther(
    coordinator: CoordinatorProcess,
) -> None:
    """Imported roads replace the estimate, and the answer says so."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        cars = rpc.ChargingServiceStub(channel)
        await put_town(channel)
        number, quality = 0, 0
        while quality != wire.QUALITY_EXACT:
            number += 1
            answer = await cars.Recommend(asking("car-1", number), timeout=10)
            quality = answer.promise.choice.route_quality

        assert answer.promise.choice.evse.evse_id == "B-1*1"
        assert answer.promise.choice.distance_km == pytest.approx(2.5, abs=0.05)


async def test_a_promise_and_its_reasons_survive_a_sigkill(
    coordinator: CoordinatorProcess,
) -> None:
    """The hold stands, the guidance goes on, and Explain gives what was recorded."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        await put_town(channel)
        cars = rpc.ChargingServiceStub(channel)
        before = (await cars.Recommend(asking("car-1"), timeout=10)).promise
        confirm = wire.ConfirmRequest(recommendation_id=before.recommendation_id)
        await cars.Confirm(confirm, timeout=10)

    await coordinator.kill()
    await coordinator.start()

    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        cars = rpc.ChargingServiceStub(channel)
        other = (await cars.Recommend(asking("car-2"), timeout=10)).promise
        call = cars.Guide(timeout=10)
        opening = wire.GuideOpen(recommendation_id=before.recommendation_id)
        await call.write(wire.GuideRequest(open=opening))
        promise = None
        while promise is None:
            message = await call.read()
            promise = message.promise if message.HasField("promise") else None
        call.cancel()
        explained = await operator_rpc.OperatorServiceStub(channel).Explain(
            op.ExplainRequest(recommendation_id=before.recommendation_id), timeout=10
        )

        assert promise.choice.evse.evse_id == before.choice.evse.evse_id
        assert other.choice.evse.evse_id != before.choice.evse.evse_id
        assert explained.schema_sha256 == schema_sha256()
        first = explained.candidates[0]
        assert first.recommendation.evse.evse_id == before.choice.evse.evse_id
        assert set(first.features) == set(FEATURES)
        assert sum(first.cost_terms_s.values()) == pytest.approx(before.choice.cost_s, rel=1e-4)
