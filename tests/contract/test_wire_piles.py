"""Piles of a real coordinator: facts entered by an operator, and one that is scrapped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import HERE, KM_LAT, asking
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow


def facts(name: str) -> nouns.PileFacts:
    """A CCS2 pile `<name>-P` of a station."""
    made = pile(f"{name}-P", name)
    made.evses[0].connectors[0].standard = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO
    return made


class District:
    """Both clients of a coordinator with S1 at 1 km and S2 at 3 km."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.operator = operator_rpc.OperatorServiceStub(channel)
        self.car = charging_rpc.ChargingServiceStub(channel)

    async def set_up(self) -> None:
        """Puts the stations, once each."""
        stations = []
        for name, north_km in (("S1", 1.0), ("S2", 3.0)):
            where = nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])
            stations.append(nouns.Station(station_id=name, position=where, piles=[facts(name)]))
        await self.operator.PutStations(op.PutStationsRequest(stations=stations), timeout=10)

    async def station_for(self, car: str) -> str:
        """Where a car is sent."""
        answer = await self.car.Recommend(asking(car), timeout=10)
        release = wire.ReleaseRequest(recommendation_id=answer.promise.recommendation_id)
        await self.car.Release(release, timeout=10)
        return answer.promise.choice.evse.station_id

    async def evses(self) -> list[str]:
        """All EVSEs of the live picture."""
        live = await self.operator.ListPiles(op.OperatorServiceListPilesRequest(), timeout=10)
        return sorted(evse.evse.evse_id for evse in live.evses)

    async def retire(self, pile_id: str) -> None:
        """Scraps a pile."""
        request = op.RetirePileRequest(pile_id=pile_id, reason="burnt")
        await self.operator.RetirePile(request, timeout=10)


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
        await made.set_up()
        yield made


async def test_a_car_promised_a_scrapped_pile_is_sent_elsewhere_at_once(district: District) -> None:
    """Its Guide says where and why, and nobody is sent there again."""
    promised = (await district.car.Recommend(asking("car-1"), timeout=10)).promise
    assert promised.choice.evse.station_id == "S1"
    guide = district.car.Guide(timeout=20)
    opened = wire.GuideOpen(recommendation_id=promised.recommendation_id)
    await guide.write(wire.GuideRequest(open=opened))
    while (await guide.read()).WhichOneof("message") != "promise":
        pass

    await district.retire("S1-P")
    while (message := await guide.read()).WhichOneof("message") != "promise":
        pass

    assert message.promise.choice.evse.station_id == "S2"
    assert message.promise.change.code == "PILE_OUT_OF_USE"
    assert await district.evses() == ["S2-P*1"]
    guide.cancel()


async def test_a_scrapped_pile_comes_back_by_put_piles_only(
    coordinator: CoordinatorProcess, district: District
) -> None:
    """Not by its agent, nor its station's import, nor a crash; heard of, it is a candidate."""
    await district.retire("S1-P")
    await district.set_up()
    async with WireAgent(coordinator.address, piles=[facts("S1"), facts("S2")]) as agent:
        ack = await agent.report(batch("spool-1", 1, ["S1-P*1", "S2-P*1"]))
    assert [entry.code for entry in ack.rejections] == ["DATA-003"]
    assert await district.station_for("car-1") == "S2"

    await coordinator.kill()
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        again = District(channel)
        assert await again.evses() == ["S2-P*1"]
        answer = await again.operator.PutPiles(op.PutPilesRequest(piles=[facts("S1")]), timeout=10)
        assert answer.accepted_count == 1
        async with WireAgent(coordinator.address, piles=[facts("S1"), facts("S2")]) as agent:
            ack = await agent.report(batch("spool-1", 3, ["S1-P*1", "S2-P*1"]))
        assert not ack.rejections
        told = (await again.car.Recommend(asking("car-2"), timeout=10)).promise
        listed = [told.choice, *told.alternatives]
        assert {one.evse.station_id for one in listed} == {"S1", "S2"}


async def test_a_scrapped_pile_leaves_the_knowledge_map(district: District) -> None:
    """The map of the present stations has one node less."""
    whole = await district.operator.UpdateKnowledgeMap(op.UpdateKnowledgeMapRequest(), timeout=10)
    assert whole.iterations
    before = await district.operator.GetKnowledgeMap(op.GetKnowledgeMapRequest(), timeout=10)

    await district.retire("S1-P")
    await district.operator.UpdateKnowledgeMap(op.UpdateKnowledgeMapRequest(), timeout=10)
    after = await district.operator.GetKnowledgeMap(op.GetKnowledgeMapRequest(), timeout=10)

    assert (before.pile_count, after.pile_count) == (2, 1)


async def test_facts_that_an_operator_enters_are_kept_with_their_source(district: District) -> None:
    """Maker and label are known as the operator's; faulty piles are named, the rest is taken."""
    good = nouns.PileFacts(pile_id="S1-P", maker="ABB", label="Gate 3")
    homeless, foreign = nouns.PileFacts(pile_id="new"), facts("S1")
    foreign.pile_id = "thief"
    answer = await district.operator.PutPiles(
        op.PutPilesRequest(piles=[good, homeless, foreign]), timeout=10
    )
    known = await district.operator.ListPileFacts(
        op.ListPileFactsRequest(pile_id="S1-P", only_present=True), timeout=10
    )

    assert (answer.accepted_count, answer.rejected_count) == (1, 2)
    assert [error.field for error in answer.errors] == [
        "piles[1].station_id",
        "piles[2].evses[0].evse_id",
    ]
    told = {fact.field: (fact.value, fact.source) for fact in known.facts}
    assert told["maker"] == ("ABB", "operator")
    assert told["label"] == ("Gate 3", "operator")
    assert await district.station_for("car-1") == "S1"


async def test_an_unknown_pile_cannot_be_scrapped(district: District) -> None:
    """The answer says that there is none."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await district.retire("nobody")

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
