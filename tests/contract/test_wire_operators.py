"""What operators put in, give away and end, by a real coordinator process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from served_brain import HERE, KM_LAT, asking
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
DEADLINE_S = 60.0
PILES_AROUND = 20


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    yield process
    await process.stop()


class Callers:
    """Both clients of one coordinator."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.operator = operator_rpc.OperatorServiceStub(channel)
        self.car = charging_rpc.ChargingServiceStub(channel)

    async def build(self, north_km: float = 1.0, evse_count: int = PILES_AROUND) -> None:
        """Puts the station S1 in, so many DC EVSEs north of the cars."""
        where = nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])
        piles = [pile(f"P{n}") for n in range(evse_count)]
        for facts in piles:
            facts.position.CopyFrom(where)
            plug = facts.evses[0].connectors[0]
            plug.standard = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO
        stations = [nouns.Station(station_id="S1", position=where, piles=piles)]
        answer = await self.operator.PutStations(op.PutStationsRequest(stations=stations))
        assert answer.accepted_count == 1

    async def ask(self, car: str, number: int = 1, **fields: object) -> wire.Promise:
        """What a car with much charge is promised."""
        answer = await self.car.Recommend(asking(car, number, soc_pct=90.0, **fields), timeout=10)
        assert answer.HasField("promise"), answer.empty_text
        return answer.promise


@pytest.fixture
async def callers(coordinator: CoordinatorProcess) -> AsyncIterator[Callers]:
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        yield Callers(channel)


def named(error: grpc.aio.AioRpcError) -> list[str]:
    """Fields that an INVALID_ARGUMENT names; empty for any other status."""
    bad = error_details_pb2.BadRequest()
    if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
        return []
    for detail in rpc_status.from_call(error).details:
        if detail.Unpack(bad):
            return [violation.field for violation in bad.field_violations]
    return []


async def test_a_vip_is_who_the_operator_says_and_nobody_else(callers: Callers) -> None:
    """A record in force makes the level HIGH; an ended one, another driver or a name do not."""
    await callers.build()
    ended = Timestamp(seconds=int(time.time()) - 60)
    answer = await callers.operator.PutUsers(
        op.PutUsersRequest(
            users=[
                op.UserRecord(user_id="u-vip", vip=True),
                op.UserRecord(user_id="u-was", vip=True, vip_until=ended),
                op.UserRecord(user_id="u plain"),
            ]
        )
    )
    reasons = {
        name: (await callers.ask(f"car-{n}", user_id=name, id_token="VIP")).level_reason
        for n, name in enumerate(("u-vip", "u-was", "vip", ""))
    }

    assert (answer.accepted_count, answer.rejected_count) == (2, 1)
    assert (answer.errors[0].index, answer.errors[0].field) == (2, "users[2].user_id")
    assert reasons.pop("u-vip") == "VIP"
    assert set(reasons.values()) == {"NO_HURRY"}


async def test_a_vip_stays_one_after_a_restart(
    coordinator: CoordinatorProcess, callers: Callers
) -> None:
    """The record is durable before it is answered."""
    await callers.build()
    await callers.operator.PutUsers(
        op.PutUsersRequest(users=[op.UserRecord(user_id="u-vip", vip=True)])
    )
    await coordinator.kill()
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        promise = await Callers(channel).ask("car-1", user_id="u-vip")

    assert (promise.level, promise.level_reason) == (nouns.WARNING_LEVEL_HIGH, "VIP")


def road(start: str, end: str, length_km: float, **fields: object) -> op.RoadEdge:
    """A two-way road from the cars to the station of `Callers.build`."""
    return op.RoadEdge(
        from_node=start,
        to_node=end,
        from_position=nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1]),
        to_position=nouns.Position(latitude_deg=HERE[0] + KM_LAT, longitude_deg=HERE[1]),
        length_km=length_km,
        free_speed_kmh=50.0,
        two_way=True,
        **fields,  # type: ignore[arg-type]
    )


async def test_roads_put_in_are_driven_along(callers: Callers) -> None:
    """A winding road of 7 km replaces the estimate of 1.3 km; wrong edges are answered."""
    await callers.build()
    before = await callers.ask("car-1")
    edges = [
        road("n1", "n2", 7.0),
        road("n 3", "n4", 1.0),
        road("n5", "n6", 0.0),
        road("n7", "n8", 1.0, grade_by_hour=[1.0] * 23),
    ]
    answer = await callers.operator.PutRoads(op.PutRoadsRequest(edges=edges))
    number = 1
    async with asyncio.timeout(DEADLINE_S):
        while True:  # the graph is built beside the calls
            number += 1
            after = await callers.ask("car-1", number)
            if after.choice.distance_km > 5.0:
                break

    assert before.choice.distance_km == pytest.approx(1.3, rel=0.02)
    assert after.choice.distance_km == pytest.approx(7.0, rel=0.05)
    assert (answer.accepted_count, answer.rejected_count) == (1, 3)
    assert [(error.index, error.field) for error in answer.errors] == [
        (1, "edges[1].from_node"),
        (2, "edges[2].length_km"),
        (3, "edges[3].grade_by_hour"),
    ]


async def test_an_assigned_pile_is_reported_by_its_agent_only(
    coordinator: CoordinatorProcess, callers: Callers
) -> None:
    """Readings of another agent are settled as refused; the owner's are believed."""
    await callers.build(evse_count=1)
    await callers.operator.AssignPile(op.AssignPileRequest(pile_id="P0", agent_id="agent-1"))
    async with WireAgent(coordinator.address, "agent-2", "spool-2", [pile("P0")]) as other:
        refused = await other.report(batch("spool-2", 1, ["P0*1"]))
    async with WireAgent(coordinator.address, "agent-1", "spool-1", [pile("P0")]) as owner:
        taken = await owner.report(batch("spool-1", 1, ["P0*1"]))
    listed = await callers.operator.ListAgents(op.ListAgentsRequest())

    assert len(refused.rejections) == 1
    assert not taken.rejections
    assert {a.agent_id: list(a.pile_ids) for a in listed.agents}["agent-1"] == ["P0"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (op.AssignPileRequest(pile_id="P 0", agent_id="agent-1"), "pile_id"),
        (op.AssignPileRequest(pile_id="P0", agent_id="a b"), "agent_id"),
        (
            op.AssignPileRequest(pile_id="P0", agent_id="a", valid_from=Timestamp(seconds=-1)),
            "valid_from",
        ),
    ],
)
async def test_a_pile_is_assigned_by_proper_names(
    callers: Callers, request_: op.AssignPileRequest, field: str
) -> None:
    """Each bad field is named."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await callers.operator.AssignPile(request_)

    assert named(caught.value) == [field]


async def test_a_claim_ended_by_hand_is_free_and_its_car_is_told(callers: Callers) -> None:
    """The guidance closes with RELEASED; ending it again ends nothing; an unknown one is none."""
    await callers.build(evse_count=1)
    promise = await callers.ask("car-1")
    guide = callers.car.Guide()
    await guide.write(
        wire.GuideRequest(open=wire.GuideOpen(recommendation_id=promise.recommendation_id))
    )
    async with asyncio.timeout(DEADLINE_S):
        while (await guide.read()).WhichOneof("message") != "promise":
            pass
    (claim,) = (await callers.operator.ListClaims(op.ListClaimsRequest())).claims
    release = op.ReleaseClaimRequest(claim_id=claim.claim_id, reason="closed for cleaning")

    first = await callers.operator.ReleaseClaim(release)
    again = await callers.operator.ReleaseClaim(release)
    async with asyncio.timeout(DEADLINE_S):
        while (message := await guide.read()).WhichOneof("message") != "closed":
            pass
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await callers.operator.ReleaseClaim(op.ReleaseClaimRequest(claim_id="nobody"))
    with pytest.raises(grpc.aio.AioRpcError) as bad:
        await callers.operator.ReleaseClaim(op.ReleaseClaimRequest(claim_id=""))

    assert (claim.vehicle_id, claim.evse_id) == ("car-1", "P0*1")
    assert (first.released, again.released) == (True, False)
    assert message.closed.code == "RELEASED"
    assert not (await callers.operator.ListClaims(op.ListClaimsRequest())).claims
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    assert named(bad.value) == ["claim_id"]


async def test_page_tokens_of_somebody_else_are_refused_by_every_list(callers: Callers) -> None:
    """Digits of other scripts, signs and endless numbers are no tokens; 18 digits are beyond."""
    await callers.build()
    lists = (
        (callers.operator.ListPiles, op.OperatorServiceListPilesRequest),
        (callers.operator.ListAgents, op.ListAgentsRequest),
        (callers.operator.ListClaims, op.ListClaimsRequest),
    )
    for call, kind in lists:
        for token in ("²", "٣", "-1", "1 ", "x", "9" * 19, "9" * 5000):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(kind(page=nouns.PageRequest(page_token=token)))  # type: ignore[operator]
            assert named(caught.value) == ["page.page_token"], (kind, token)
    beyond = nouns.PageRequest(page_token="9" * 18)
    answer = await callers.operator.ListPiles(op.OperatorServiceListPilesRequest(page=beyond))

    assert not answer.evses
    assert not answer.next_page_token
