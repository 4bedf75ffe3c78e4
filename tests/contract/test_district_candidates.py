"""A city asks districts for candidates, and sorts what comes over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import asking, station

from city_sim.messages import station_message
from coordinator.core.pile import Station
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.districts import sort_together
from coordinator.models.serving import open_models
from coordinator.rpc.charging_request import to_request
from coordinator.rpc.district_codec import to_share
from pilewise.v1 import district_service_pb2 as wire
from pilewise.v1 import district_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

pytestmark = pytest.mark.slow

STATIONS = [station(f"S{number:02d}", 0.3 + 0.4 * number, 2) for number in range(20)]


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[list[CoordinatorProcess]]:
    """A district of twenty stations, and two of ten each."""
    made = []
    for name in ("whole", "even", "odd"):
        folder = tmp_path / name
        folder.mkdir()
        made.append(CoordinatorProcess(folder, district=name))
    for process in made:
        await process.start()
    yield made
    for process in made:
        await process.stop()


async def candidates(
    process: CoordinatorProcess, stations: list[Station], limit: int = 0
) -> wire.FindCandidatesResponse:
    """What a district with these stations answers; twice, so that nothing is held by asking."""
    messages = [station_message(one) for one in stations]
    async with grpc.aio.insecure_channel(process.address) as channel:
        operator = operator_rpc.OperatorServiceStub(channel)
        await operator.PutStations(op.PutStationsRequest(stations=messages), timeout=10)
        district = rpc.DistrictServiceStub(channel)
        request = wire.FindCandidatesRequest(request=asking("car-1"), limit=limit)
        first = await district.FindCandidates(request, timeout=10)
        second = await district.FindCandidates(request, timeout=10)
        claims = await operator.ListClaims(op.ListClaimsRequest(), timeout=10)
        assert not claims.claims
        assert [c.evse.evse_id for c in first.candidates] == [
            c.evse.evse_id for c in second.candidates
        ]
        return second


async def test_two_districts_answer_what_one_would(processes: list[CoordinatorProcess]) -> None:
    """Sorted together, their candidates come in the order of the district that has them all."""
    whole, even, odd = processes
    one = await candidates(whole, STATIONS)
    halves = [await candidates(even, STATIONS[::2]), await candidates(odd, STATIONS[1::2])]
    request, models = to_request(asking("car-1")), Models(open_models().ranker)
    now_s = one.candidates[0].done_at.seconds

    together = sort_together(
        request, Context(utc_offset_h=8.0), [to_share(h) for h in halves], models, now_s
    )
    alone = sort_together(request, Context(utc_offset_h=8.0), [to_share(one)], models, now_s)

    assert together.evse_ids == alone.evse_ids == [c.evse.evse_id for c in one.candidates]
    assert {"even", "odd"} == set(together.district_ids)
    assert [h.district_id for h in halves] == ["even", "odd"]


async def test_candidates_carry_facts_and_are_told_as_in_an_answer(
    processes: list[CoordinatorProcess],
) -> None:
    """Scores and cost in the district's order; facts of each; no more than asked for."""
    response = await candidates(processes[0], STATIONS, limit=5)

    assert len(response.candidates) == len(response.facts) == 5
    costs = [candidate.cost_s for candidate in response.candidates]
    assert costs == sorted(costs)
    assert {c.evse.evse_id for c in response.candidates} == {f.evse_id for f in response.facts}
    distances = [facts.distance_km for facts in response.facts]
    assert distances == sorted(distances)
    assert response.candidates[0].summary
    assert response.district.fitting_in_reach_count == 40
    assert sum(one.evse_count for one in response.district.classes) == 40


@pytest.mark.parametrize(
    ("fields", "field"),
    [({}, "request"), ({"limit": 257}, "limit"), ({"soc_pct": 101.0}, "request.soc_pct")],
)
async def test_a_faulty_question_names_its_field(
    tmp_path: Path, fields: dict[str, float], field: str
) -> None:
    """INVALID_ARGUMENT says what to mend."""
    process = CoordinatorProcess(tmp_path)
    await process.start()
    request = wire.FindCandidatesRequest()
    if fields:
        request.request.CopyFrom(asking("car-1", soc_pct=fields.get("soc_pct", 50.0)))
        request.limit = int(fields.get("limit", 0))
    async with grpc.aio.insecure_channel(process.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rpc.DistrictServiceStub(channel).FindCandidates(request, timeout=10)
    await process.stop()

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(refused.value.details())
