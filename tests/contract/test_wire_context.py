"""Surroundings of a real coordinator: told by an operator, by a file, by cars; used in answers."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from served_brain import HERE, KM_LAT, asking
from wire_agent import pile

from coordinator.core.surroundings import cell_at, cell_text
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
DEADLINE_S = 60.0
NORTH_KM = 5.0


def value(name: str, number: float, north_km: float = 0.0, **more: object) -> op.ContextValue:
    """A value told of a place so far north."""
    cell = cell_text(cell_at(HERE[0] + north_km * KM_LAT, HERE[1]))
    fields = {"h3_cell": cell, "name": name, "value": number, "source": "test"} | more
    return op.ContextValue(**fields)  # type: ignore[arg-type]


class District:
    """Both clients of a coordinator with one station, 5 km to the north."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.operator = operator_rpc.OperatorServiceStub(channel)
        self.car = charging_rpc.ChargingServiceStub(channel)

    async def set_up(self) -> None:
        """The station."""
        facts = pile("S1-P", "S1")
        facts.evses[0].connectors[0].standard = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO
        where = nouns.Position(latitude_deg=HERE[0] + NORTH_KM * KM_LAT, longitude_deg=HERE[1])
        station = nouns.Station(station_id="S1", position=where, piles=[facts])
        await self.operator.PutStations(op.PutStationsRequest(stations=[station]), timeout=10)

    async def put(self, *values: op.ContextValue) -> op.PutContextResponse:
        """Tells of surroundings."""
        return await self.operator.PutContext(op.PutContextRequest(values=values), timeout=10)

    async def ask(self, car: str) -> wire.Promise:
        """What a car is promised; given back at once."""
        answer = await self.car.Recommend(asking(car), timeout=10)
        name = answer.promise.recommendation_id
        await self.car.Release(wire.ReleaseRequest(recommendation_id=name), timeout=10)
        return answer.promise


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path, context_file=str(tmp_path / "context.csv"))
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def district(coordinator: CoordinatorProcess) -> AsyncIterator[District]:
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        made = District(channel)
        await made.set_up()
        yield made


async def test_weather_traffic_and_height_decide_the_drive_and_are_named(
    coordinator: CoordinatorProcess, district: District
) -> None:
    """Frost and a climb cost charge, a jam costs time; the answer says what it was made with."""
    usual = await district.ask("car-1")
    assert list(usual.default_context) == ["temperature_c", "traffic_grade", "height_m"]
    assert list(usual.context) == []

    answer = await district.put(
        value("temperature_c", -10.0),
        value("traffic_grade", 5.0),
        value("traffic_grade", 5.0, NORTH_KM),
        value("height_m", 0.0, ttl_s=1e6),
        value("height_m", 200.0, NORTH_KM, ttl_s=1e6),
        value("people_flow_per_h", 500.0),
    )
    told = await district.ask("car-2")

    assert (answer.accepted_count, answer.rejected_count) == (6, 0)
    assert told.choice.eta_s.p50 > 1.2 * usual.choice.eta_s.p50
    assert told.choice.arrival_soc_pct < usual.choice.arrival_soc_pct - 2.0
    assert list(told.default_context) == []
    assert {note.name: note.value for note in told.context} == {
        "temperature_c": -10.0,
        "traffic_grade": 5.0,
        "height_m": 0.0,
    }
    assert {note.source for note in told.context} == {"test"}
    assert all(0.0 <= note.age_s < 60.0 for note in told.context)

    await coordinator.kill()
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        again = await District(channel).ask("car-3")
    assert list(again.default_context) == []


async def test_bad_values_are_refused_by_name_and_the_rest_is_taken(district: District) -> None:
    """NaN, out of range, an unknown name, no cell, too old: each is told by its field."""
    old = Timestamp(seconds=int(time.time() - 7_200))
    answer = await district.put(
        value("temperature_c", math.nan),
        value("temperature_c", 61.0),
        value("luck", 7.0),
        value("temperature_c", 20.0, h3_cell="nowhere"),
        value("temperature_c", 20.0, observed_at=old),
        value("temperature_c", 20.0, ttl_s=-1.0),
        value("temperature_c", 20.5),
    )
    told = await district.ask("car-1")

    assert (answer.accepted_count, answer.rejected_count) == (1, 6)
    assert [error.field for error in answer.errors] == [
        "values[0].value",
        "values[1].value",
        "values[2].name",
        "values[3].h3_cell",
        "values[4].observed_at",
        "values[5].ttl_s",
    ]
    assert [note.value for note in told.context] == [20.5]


async def test_a_watched_file_is_taken_while_the_coordinator_runs(
    coordinator: CoordinatorProcess, district: District
) -> None:
    """Written after the start, it is used within seconds; its bad row costs only itself."""
    (coordinator.folder / "context.csv").write_text(
        "latitude_deg,longitude_deg,name,value,source\n"
        f"{HERE[0]},{HERE[1]},temperature_c,7,weather\n"
        f"{HERE[0]},{HERE[1]},traffic_grade,nan,police\n"
    )

    deadline, number = time.monotonic() + DEADLINE_S, 0
    while not (told := await district.ask(f"car-{number}")).context:
        assert time.monotonic() < deadline
        number += 1
        await asyncio.sleep(0.1)

    assert [(note.name, note.value) for note in told.context] == [("temperature_c", 7.0)]
    assert list(told.default_context) == ["traffic_grade", "height_m"]


async def test_cars_that_are_guided_tell_the_traffic(tmp_path: Path) -> None:
    """Slow cars in a cell make the way slower for the next one that asks there."""
    process = CoordinatorProcess(tmp_path)
    clock = f"[clock]\nepoch_at_ms = {int(time.time() * 1000)}\n"
    clock += f"anchor_s = {time.monotonic()}\nspeed = 60.0\n"
    process.config.write_text(process.config.read_text() + clock)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            district = District(channel)
            await district.set_up()
            promised = await district.car.Recommend(asking("slow"), timeout=10)
            name, deadline, number = promised.promise.recommendation_id, time.monotonic() + 20, 0
            while True:
                number += 1
                # To and fro over 100 m, by its own word at walking speed.
                where = nouns.Position(
                    latitude_deg=HERE[0] + (number % 2) * 0.1 * KM_LAT,
                    longitude_deg=HERE[1],
                    speed_kmh=5.0,
                )
                progress = wire.Progress(position=where, soc_pct=50.0)
                report = wire.UpdateProgressRequest(recommendation_id=name, progress=progress)
                await district.car.UpdateProgress(report, timeout=10)
                told = await district.ask(f"car-{number}")
                if told.context:
                    break
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
    finally:
        await process.stop()

    (note,) = told.context
    assert (note.name, note.source) == ("traffic_grade", "guide")
    assert note.value > 4.0
