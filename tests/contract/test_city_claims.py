"""What a city has chosen is held by the district's own ledger, under the city's names."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from served_brain import asking, station
from small_town import CALL_S, SmallTown, open_town

from coordinator.core.areas.claim_index import QUEUE_PLACES
from pilewise.client import new_id
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import district_service_pb2 as wire
from pilewise.v1 import district_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow

STATIONS = [station("A", 1.0, evse_count=2), station("B", 3.0)]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallTown]:
    """A district whose three EVSEs were just seen free, and are still."""
    async with (
        open_town(tmp_path, STATIONS, stale_after_s=600.0) as opened,
        opened.agent() as agent,
    ):
        await opened.report(agent)
        await opened.known(A_1=nouns.EVSE_STATUS_AVAILABLE)
        yield opened


def wish(car: str, evse_id: str, number: int = 1) -> wire.ClaimRequest:
    """A city's claim for a car."""
    claim = wire.ClaimRecord(
        claim_id=new_id(), evse_id=evse_id, recommendation_id=new_id(), revision=4,
        level=nouns.WARNING_LEVEL_HIGH,
    )  # fmt: skip
    return wire.ClaimRequest(claim=claim, request=asking(car, number))


async def district(town: SmallTown) -> rpc.DistrictServiceStub:
    """The service that cities call."""
    channel = grpc.aio.insecure_channel(town.process.address)
    await town._open.enter_async_context(channel)
    return rpc.DistrictServiceStub(channel)


async def test_claim_of_a_city_is_kept_like_any_promise(town: SmallTown) -> None:
    """Its names and level are taken over; asked again it is the same; a car confirms it here."""
    city = await district(town)
    asked = wish("car-1", "B-1*1")

    first = await city.Claim(asked, timeout=CALL_S)
    again = await city.Claim(asked, timeout=CALL_S)
    told = await town.cars.Confirm(
        charging.ConfirmRequest(recommendation_id=asked.claim.recommendation_id), timeout=CALL_S
    )
    found = await city.GetPromise(
        wire.GetPromiseRequest(recommendation_id=asked.claim.recommendation_id), timeout=CALL_S
    )

    assert first.granted
    assert first.promise.choice.evse.evse_id == "B-1*1"
    assert first.promise.choice.hold.claim_id == asked.claim.claim_id
    assert first.claim.level == first.promise.level == nouns.WARNING_LEVEL_HIGH
    assert first.promise.revision == 4
    assert again.promise == first.promise
    assert told.promise.choice.hold.claim_id == asked.claim.claim_id
    assert (found.vehicle_id, found.request_id, found.closed) == ("car-1", "car-1-1", "")


async def test_an_evse_of_another_car_is_given_behind_it_or_not_at_all(town: SmallTown) -> None:
    """The district's ledger decides, whatever the city believed: each car after the one before it,
    at most as many as may queue there; an unknown EVSE is said so."""
    city = await district(town)
    firm = wish("car-1", "B-1*1")
    await city.Claim(firm, timeout=CALL_S)
    confirm = wire.DistrictServiceConfirmRequest(claim_id=firm.claim.claim_id)
    first = (await city.Confirm(confirm, timeout=CALL_S)).claim

    unknown = await city.Claim(wish("car-0", "Z-1*1"), timeout=CALL_S)
    others = [
        await city.Claim(wish(f"car-{number}", "B-1*1"), timeout=CALL_S) for number in range(2, 8)
    ]
    listed = await town.operator.ListClaims(op.ListClaimsRequest(), timeout=CALL_S)

    assert first.state == wire.CLAIM_STATE_CONFIRMED
    assert (unknown.granted, unknown.refused_reason) == (False, "UNKNOWN_EVSE")
    granted = [one for one in others if one.granted]
    windows = sorted(
        (claim.window.from_at.ToNanoseconds(), claim.window.to_at.ToNanoseconds())
        for claim in listed.claims
    )
    assert len(windows) == 1 + len(granted) == QUEUE_PLACES
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(windows))
    assert [one.promise.choice.hold.queue_position for one in granted] == [1, 2]
    assert {one.refused_reason for one in others if not one.granted} == {"TAKEN"}


async def test_released_claim_may_be_given_again_under_the_same_name(town: SmallTown) -> None:
    """A promise that comes back to a district lives on, however many have ended since."""
    city = await district(town)
    asked = wish("car-1", "B-1*1")
    name = asked.claim.recommendation_id
    await city.Claim(asked, timeout=CALL_S)

    release = wire.DistrictServiceReleaseRequest(claim_id=asked.claim.claim_id)
    gone = await city.Release(release, timeout=CALL_S)
    twice = await city.Release(release, timeout=CALL_S)
    ended = await city.GetPromise(wire.GetPromiseRequest(recommendation_id=name), timeout=CALL_S)
    asked.claim.claim_id, asked.claim.revision = new_id(), 9
    back = await city.Claim(asked, timeout=CALL_S)
    lives = await city.GetPromise(wire.GetPromiseRequest(recommendation_id=name), timeout=CALL_S)

    assert (gone.released, twice.released) == (True, False)
    assert ended.closed == "RELEASED"
    assert back.granted
    assert lives.closed == ""
    assert lives.promise.revision == 9
    assert await town.holds(name) == "B-1*1"


async def test_looking_tells_what_was_promised_and_is_held(town: SmallTown) -> None:
    """The same request_id brings its answer instead of candidates; another one what is held."""
    city = await district(town)
    asked = wish("car-1", "A-1*1")
    await city.Claim(asked, timeout=CALL_S)

    same = await city.FindCandidates(
        wire.FindCandidatesRequest(request=asking("car-1")), timeout=CALL_S
    )
    other = await city.FindCandidates(
        wire.FindCandidatesRequest(request=asking("car-1", 2)), timeout=CALL_S
    )
    foreign = asking("car-2")
    foreign.request_id = "car-1-1"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await city.FindCandidates(wire.FindCandidatesRequest(request=foreign), timeout=CALL_S)

    assert same.answered.recommendation_id == asked.claim.recommendation_id
    assert not same.facts
    assert [held.claim_id for held in other.held] == [asked.claim.claim_id]
    assert len(other.facts) == 3
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_summary_counts_and_says_the_area(town: SmallTown) -> None:
    """Statuses, live claims, agents and the rectangle of the stations, again and again."""
    city = await district(town)
    await city.Claim(wish("car-1", "A-1*1"), timeout=CALL_S)

    told = await city.Summarize(wire.SummarizeRequest(), timeout=CALL_S)
    watched = city.WatchSummary(wire.WatchSummaryRequest(), timeout=CALL_S)
    seen = [(await watched.read()).summary for _ in range(2)]
    watched.cancel()

    assert dict(told.evse_count_by_status) == {"AVAILABLE": 3}
    assert (told.claim_count, told.agent_count, told.station_count) == (1, 1, 2)
    assert told.area.south_deg < told.area.north_deg
    assert [one.claim_count for one in seen] == [1, 1]


async def test_a_claim_without_a_request_names_the_field(town: SmallTown) -> None:
    """INVALID_ARGUMENT says what to mend, before anything is held."""
    city = await district(town)
    asked = wish("car-1", "A-1*1")
    asked.ClearField("request")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await city.Claim(asked, timeout=CALL_S)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "request" in str(refused.value.details())
