"""The travel-demand model in a real coordinator: surroundings of a pile move its first score."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import HERE, KM_LAT, asking
from wire_agent import pile

from coordinator.core.surroundings import cell_at, cell_text
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
# Two stations on either side of the destination, hardly farther one than the other.
PLACES_KM = {"S1": 3.92, "S2": 4.08}
FINE = 10  # resolution of cells in which each station has its own
DESTINATION_KM = 4.0


class District:
    """Clients of a coordinator with two stations on either side of a destination."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.operator = operator_rpc.OperatorServiceStub(channel)
        self.car = charging_rpc.ChargingServiceStub(channel)
        self.asked = 0

    async def set_up(self) -> None:
        """The stations."""
        stations = []
        for name, north_km in PLACES_KM.items():
            facts = pile(f"{name}-P", name)
            facts.evses[0].connectors[0].standard = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO
            stations.append(nouns.Station(station_id=name, position=at(north_km), piles=[facts]))
        await self.operator.PutStations(op.PutStationsRequest(stations=stations), timeout=10)

    async def put(self, name: str, number: float, station: str) -> None:
        """A value of the surroundings of a station."""
        cell = cell_text(cell_at(HERE[0] + PLACES_KM[station] * KM_LAT, HERE[1], FINE))
        value = op.ContextValue(h3_cell=cell, name=name, value=number, source="test")
        answer = await self.operator.PutContext(op.PutContextRequest(values=[value]), timeout=10)
        assert answer.accepted_count == 1

    async def ask(self, purpose: wire.TravelPurpose.ValueType) -> wire.Promise:
        """What a car on this errand is promised; given back at once."""
        self.asked += 1
        request = asking(f"car-{self.asked}", soc_pct=60.0, purpose=purpose)
        request.destination.CopyFrom(at(DESTINATION_KM))
        answer = await self.car.Recommend(request, timeout=10)
        name = answer.promise.recommendation_id
        await self.car.Release(wire.ReleaseRequest(recommendation_id=name), timeout=10)
        return answer.promise


def at(north_km: float) -> nouns.Position:
    """A position so far north of the car."""
    return nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])


def scores(promise: wire.Promise) -> dict[str, float]:
    """First scores by station."""
    judged = [promise.choice, *promise.alternatives]
    return {one.evse.station_id: one.scores.travel for one in judged}


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[District]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    async with grpc.aio.insecure_channel(process.address) as channel:
        made = District(channel)
        await made.set_up()
        yield made
    await process.stop()


async def test_flow_of_people_moves_the_first_score_and_the_choice(district: District) -> None:
    """Of two piles as far from a hospital, the one in the crowd loses points, then the choice.

    The answer names what took part with its source, and what nobody told of.
    """
    hospital = wire.TRAVEL_PURPOSE_HOSPITAL
    before = await district.ask(hospital)
    assert not before.degraded
    assert {"people_flow_per_h", "road_facility_score"} <= set(before.default_context)
    assert before.choice.evse.station_id == "S1"  # the nearer to the car
    assert scores(before)["S1"] == pytest.approx(scores(before)["S2"], abs=0.5)

    await district.put("people_flow_per_h", 20_000.0, "S1")
    await district.put("people_flow_per_h", 20.0, "S2")
    await district.put("road_facility_score", 0.0, "S1")
    await district.put("road_facility_score", 100.0, "S2")
    told = await district.ask(hospital)

    assert scores(told)["S1"] < scores(before)["S1"] - 5.0
    assert scores(told)["S2"] > scores(before)["S2"] + 1.0
    assert told.choice.evse.station_id == "S2"
    notes = {note.name: (note.value, note.source) for note in told.context}
    assert notes["people_flow_per_h"] == (20.0, "test")
    assert notes["road_facility_score"] == (100.0, "test")
    assert not {"people_flow_per_h", "road_facility_score"} & set(told.default_context)


async def test_errand_decides_what_a_crowd_weighs(district: District) -> None:
    """The same crowd takes more points from a way to hospital than from a meal."""
    lost = {}
    errands = wire.TRAVEL_PURPOSE_HOSPITAL, wire.TRAVEL_PURPOSE_EAT
    before = {errand: scores(await district.ask(errand))["S1"] for errand in errands}
    await district.put("people_flow_per_h", 20_000.0, "S1")
    for errand in errands:
        lost[errand] = before[errand] - scores(await district.ask(errand))["S1"]

    assert lost[wire.TRAVEL_PURPOSE_HOSPITAL] > lost[wire.TRAVEL_PURPOSE_EAT] + 3.0
    assert lost[wire.TRAVEL_PURPOSE_EAT] > 0.0


async def test_without_a_destination_nothing_is_said_of_people(district: District) -> None:
    """A request that goes nowhere has no first score, and no word about the pile's surroundings."""
    await district.put("people_flow_per_h", 20_000.0, "S1")
    answer = await district.car.Recommend(asking("car-x"), timeout=10)

    assert not answer.promise.choice.scores.HasField("travel")
    names = {note.name for note in answer.promise.context} | set(answer.promise.default_context)
    assert not names & {"people_flow_per_h", "road_facility_score"}
