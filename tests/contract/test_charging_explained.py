"""What was told can be told again from what was stored, and each configured way is served."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import HERE, KM_LAT, asking, serve_brain, station

from city_sim.messages import station_message
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    """A coordinator that asks the ranker first and adds the two scores."""
    coordinator = CoordinatorProcess(tmp_path)
    with coordinator.config.open("a") as config:
        config.write('[recommend]\nselect_by = "ranker"\nweights_by = "sum"\n')
    await coordinator.start()
    yield coordinator
    await coordinator.stop()


async def put_stations(channel: grpc.aio.Channel) -> None:
    """A station around the corner with one EVSE, and one further on."""
    stations = [station("A", 0.1), station("B", 2.0, 3)]
    await operator_rpc.OperatorServiceStub(channel).PutStations(
        op.PutStationsRequest(stations=[station_message(one) for one in stations]), timeout=10
    )


def bound(car: str, **fields: Any) -> wire.RecommendRequest:
    """A request with a destination 2 km north."""
    request = asking(car, **fields)
    request.destination.CopyFrom(
        nouns.Position(latitude_deg=HERE[0] + 2.0 * KM_LAT, longitude_deg=HERE[1])
    )
    return request


def sentences(promise: wire.Promise) -> list[str]:
    """Everything that is said in words."""
    choice = promise.choice
    return [
        choice.summary, choice.scores.text, *(reason.text for reason in choice.reasons),
        *(other.difference.text for other in promise.alternatives),
        *(passed.text for passed in promise.why_not),
    ]  # fmt: skip


async def cli(*words: str) -> dict[str, Any]:
    """The JSON that the command prints."""
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from pilewise.cli import main; main()", *words, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(command.communicate(), 60)
    assert command.returncode == 0, err.decode()
    return dict(json.loads(out.splitlines()[-1]))


async def test_an_answer_is_told_again_word_for_word_and_in_chinese(
    process: CoordinatorProcess,
) -> None:
    """By the call and by the command; the reasons keep codes and weights in either language."""
    async with grpc.aio.insecure_channel(process.address) as channel:
        await put_stations(channel)
        operator = operator_rpc.OperatorServiceStub(channel)
        cars = rpc.ChargingServiceStub(channel)
        told = (await cars.Recommend(bound("car-1"), timeout=10)).promise
        name = told.recommendation_id
        same = await operator.Explain(op.ExplainRequest(recommendation_id=name), timeout=10)
        chinese = await operator.Explain(
            op.ExplainRequest(recommendation_id=name, language="zh"), timeout=10
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await operator.Explain(
                op.ExplainRequest(recommendation_id=name, language="fr"), timeout=10
            )
        printed = await cli("ask", "explain", name, "--target", process.address)

    assert same.same_as_told
    assert sentences(same.retold) == sentences(told)
    assert all(sentences(told))
    assert not chinese.HasField("same_as_told")
    for promise in (same.retold, chinese.retold):
        kept = [(reason.code, reason.weight) for reason in promise.choice.reasons]
        assert kept == [(reason.code, reason.weight) for reason in told.choice.reasons]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese.retold.choice.summary)
    assert chinese.retold.why_not[0].code == told.why_not[0].code
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "language" in str(refused.value.details())
    assert printed["retold"]["choice"]["summary"] == told.choice.summary


async def test_configured_ways_reach_the_answer(process: CoordinatorProcess) -> None:
    """The two scores are added, and a request that names an order still gets its own."""
    async with grpc.aio.insecure_channel(process.address) as channel:
        await put_stations(channel)
        cars = rpc.ChargingServiceStub(channel)
        added = (await cars.Recommend(bound("car-1"), timeout=10)).promise.choice
        by_time = (
            await cars.Recommend(bound("car-2", select_by=wire.SELECT_BY_TIME), timeout=10)
        ).promise

    assert added.scores.failure_weight == 1.0
    assert added.scores.merged == pytest.approx(added.scores.travel + added.scores.failure)
    assert f"{added.scores.merged:.4g} points" in added.scores.text
    drives = [by_time.choice.eta_s.p50, *(other.eta_s.p50 for other in by_time.alternatives)]
    assert drives == sorted(drives)


async def test_a_station_that_the_chain_left_out_is_named_with_its_filter() -> None:
    """Around the corner is too near for a car without haste, and the answer says so."""
    async with serve_brain([station("A", 0.1), station("B", 2.0, 30)]) as served:
        promise = (await served.client.Recommend(asking("car-1"), timeout=10)).promise

    assert promise.choice.evse.station_id == "B"
    assert [why.code for why in promise.why_not] == ["UNSUITED_DISTANCE_BAND"]
    assert promise.relaxed_filters == []


async def test_a_relaxed_filter_is_named_in_the_answer() -> None:
    """With nothing else around, too near is better than nothing."""
    async with serve_brain([station("A", 0.1, 20)]) as served:
        request = asking("car-1")
        promise = (await served.client.Recommend(request, timeout=10)).promise

    assert promise.relaxed_filters == ["DISTANCE_BAND"]


async def test_the_word_of_a_waiting_driver_sends_the_next_car_elsewhere() -> None:
    """A car at A says that two wait before it; nobody else is sent into that queue."""
    async with serve_brain([station("A", 1.0), station("B", 1.3)]) as served:
        client = served.client
        first = (await client.Recommend(asking("car-1"), timeout=10)).promise
        assert first.choice.evse.station_id == "A"
        told = wire.UpdateProgressRequest(recommendation_id=first.recommendation_id)
        told.progress.soc_pct, told.progress.cars_ahead = 49.0, 2
        told.progress.position.CopyFrom(first.choice.evse.position)
        await client.UpdateProgress(told, timeout=10)
        row = served.district.row[first.choice.evse.evse_id]
        waiting = int(served.district.told_queue[row])
        told.progress.cars_ahead = 51
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.UpdateProgress(told, timeout=10)
        await client.Release(
            wire.ReleaseRequest(recommendation_id=first.recommendation_id), timeout=10
        )
        second = (await client.Recommend(asking("car-2"), timeout=10)).promise

    assert waiting == 2
    assert "progress.cars_ahead" in str(refused.value.details())
    assert second.choice.evse.station_id == "B"
    assert second.why_not[0].code in {"OCCUPIED", "UNSUITED_WAITING"}
