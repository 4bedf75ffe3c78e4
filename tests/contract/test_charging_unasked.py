"""A car that has asked for nothing: intention from its positions, reminders, an offer in time."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from served_brain import HERE, KM_LAT, ServedBrain, asking, serve_brain, station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.usecases.unasked import OFFER_EVERY_S
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

Call = grpc.aio.StreamStreamCall[wire.GuideRequest, wire.GuideResponse]
PLENTY = [station("A", 5.0, 20), station("B", -30.0, 20)]


def at(north_km: float) -> nouns.Position:
    """A position so far north of `HERE`."""
    return nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])


async def wishing(served: ServedBrain, car: str = "car", **fields: object) -> Call:
    """A guidance without a promise; its car has 40 % and stands at `HERE`."""
    wish = asking(car, **({"soc_pct": 40.0, "offers_opt_in": True} | fields))
    wish.request_id = ""
    call = served.client.Guide()
    await call.write(wire.GuideRequest(open=wire.GuideOpen(wish=wish)))
    return call


async def drive(call: Call, *north_km: float, soc_pct: float = 40.0) -> None:
    """Reports positions, one after the other."""
    for km in north_km:
        progress = wire.Progress(position=at(km), soc_pct=soc_pct)
        await call.write(wire.GuideRequest(progress=progress))


async def the_next(call: Call, *kinds: str) -> wire.GuideResponse:
    """The next message of one of these kinds, within a deadline."""
    async with asyncio.timeout(60):
        while True:
            event = await call.read()
            assert isinstance(event, wire.GuideResponse), "the stream ended"
            if event.WhichOneof("message") in kinds:
                return event


async def taken_in(served: ServedBrain, car: str, north_km: float) -> None:
    """Returns when the coordinator knows the car to be there, so that its silence means no."""
    async with asyncio.timeout(60):
        while served.brain.intentions.fleet.place_of(car) != pytest.approx(
            (HERE[0] + north_km * KM_LAT, HERE[1])
        ):
            await asyncio.sleep(0.01)


async def test_car_on_its_way_that_opted_in_is_offered_a_pile() -> None:
    """Three fixes nearing a station with 40 % make an offer, held for the car, unasked."""
    async with serve_brain(PLENTY) as served:
        call = await wishing(served)
        await drive(call, 1.0, 2.0, 3.0)

        offer = (await the_next(call, "offer")).offer
        claims = served.brain.claims.table.of_car("car")
        call.cancel()

    assert offer.choice.evse.station_id == "A"
    assert [claim.claim_id for claim in claims] == [offer.choice.hold.claim_id]
    assert claims[0].state is ClaimState.OFFERED


async def test_accepted_offer_is_followed_like_any_promise() -> None:
    """A yes confirms the hold; the same stream then tells the promise, its changes and its end."""
    async with serve_brain(PLENTY) as served:
        call = await wishing(served)
        await drive(call, 1.0, 2.0, 3.0)
        offer = (await the_next(call, "offer")).offer
        decision = wire.GuideDecision(revision=offer.revision, accepted=True)
        await call.write(wire.GuideRequest(decision=decision))

        promise = (await the_next(call, "promise")).promise
        claim = served.brain.claims.table.get(offer.choice.hold.claim_id)
        served.see(promise.choice.evse.evse_id, EvseStatus.OUTOFORDER)
        revised = (await the_next(call, "promise")).promise
        release = wire.ReleaseRequest(recommendation_id=promise.recommendation_id)
        await served.client.Release(release)
        closed = (await the_next(call, "closed")).closed

    assert promise.recommendation_id == offer.recommendation_id
    assert claim is not None
    assert claim.state is ClaimState.CONFIRMED
    assert revised.change.code == "PILE_FAILED"
    assert closed.code == "RELEASED"


async def test_refused_offer_is_given_back_and_not_repeated() -> None:
    """A no frees the place at once, and the next positions bring no further offer."""
    async with serve_brain(PLENTY) as served:
        call = await wishing(served)
        await drive(call, 1.0, 2.0, 3.0)
        await the_next(call, "offer")
        await call.write(wire.GuideRequest(decision=wire.GuideDecision(accepted=False)))
        await drive(call, 3.5, 3.6, 3.7)
        await taken_in(served, "car", 3.7)
        offers = served.counters.values()["offers"]
        claims = served.brain.claims.table.of_car("car")
        call.cancel()

    assert claims == ()
    assert offers == 1


async def test_more_urgent_level_is_a_reason_for_another_offer() -> None:
    """A car that said no is offered a pile once more when its charge has become little."""
    async with serve_brain(PLENTY) as served:
        call = await wishing(served, soc_pct=45.0)
        await drive(call, 1.0, 1.1, 1.2, soc_pct=45.0)
        first = (await the_next(call, "offer")).offer
        await call.write(wire.GuideRequest(decision=wire.GuideDecision(accepted=False)))
        await drive(call, 1.5, soc_pct=14.0)
        second = (await the_next(call, "offer")).offer
        call.cancel()

    assert second.level < first.level
    assert OFFER_EVERY_S > 60.0


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        ({"offers_opt_in": False}, (1.0, 2.0, 3.0)),  # on its way, but did not opt in
        ({}, (3.0, 2.0, 1.0)),  # nearing nothing: no intention
        ({}, (3.0, 4.0, 4.99)),  # at a pile
    ],
    ids=["not opted in", "S3", "S2"],
)
async def test_car_gets_no_offer(fields: dict[str, object], way: tuple[float, ...]) -> None:
    """Without opting in, without an intention, and at a pile nothing is offered nor held."""
    soc_pct = 49.0
    async with serve_brain(PLENTY[:1]) as served:
        call = await wishing(served, soc_pct=soc_pct, **fields)
        if way[-1] > 4.9:
            await drive(call, way[-1], soc_pct=soc_pct)
        else:
            await drive(call, *way, soc_pct=soc_pct)
        await taken_in(served, "car", way[-1])
        counted = served.counters.values().get("offers", 0)
        claims = served.brain.claims.table.of_car("car")
        call.cancel()

    assert counted == 0
    assert claims == ()


async def test_car_without_intention_that_asks_is_answered() -> None:
    """An explicit Recommend is answered whatever was detected, and ends the offers."""
    async with serve_brain(PLENTY) as served:
        call = await wishing(served)
        answer = await served.client.Recommend(asking("car", soc_pct=90.0))
        await drive(call, 1.0, 2.0, 3.0)
        await taken_in(served, "car", 3.0)
        counted = served.counters.values().get("offers", 0)
        call.cancel()

    assert answer.promise.choice.hold.claim_id
    assert counted == 0


async def test_car_that_only_wishes_is_reminded() -> None:
    """Where piles are few, who asks for nothing hears by when to charge, and again at half."""
    async with serve_brain([station("A", -20.0, 4)]) as served:
        call = await wishing(served, soc_pct=20.0, offers_opt_in=False)
        first = (await the_next(call, "reminder")).reminder
        await drive(call, 8.0, 12.0, soc_pct=19.0)
        second = (await the_next(call, "reminder")).reminder
        call.cancel()

    assert first.last_station_id == "A"
    assert second.charge_before_km <= first.charge_before_km / 2.0


async def test_wish_is_refused_by_field() -> None:
    """A wrong field of a wish is named with its place, and a wish excludes a promise."""
    async with serve_brain(PLENTY) as served:
        call = await wishing(served, soc_pct=140.0)
        with pytest.raises(grpc.aio.AioRpcError) as wrong:
            await call.read()
        opening = wire.GuideOpen(recommendation_id="r", wish=asking("car"))
        both = served.client.Guide()
        await both.write(wire.GuideRequest(open=opening))
        with pytest.raises(grpc.aio.AioRpcError) as twofold:
            await both.read()

    assert wrong.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "open.wish.soc_pct" in str(wrong.value.details())
    assert "open.wish" in str(twofold.value.details())


async def test_detected_car_on_its_way_is_levelled() -> None:
    """S1 makes a car a user to be charged: it hears how urgently, and why; S3 hears nothing."""
    async with serve_brain(PLENTY) as served:
        request = wire.DetectIntentionRequest(vehicle_id="car", soc_pct=14.0)
        request.vehicle.CopyFrom(asking("car").vehicle)
        request.positions.extend([at(1.0), at(2.0), at(3.0)])
        found = await served.client.DetectIntention(request)
        request.ClearField("positions")
        nothing = await served.client.DetectIntention(request)

    assert found.intention == nouns.INTENTION_ON_THE_WAY
    assert (found.level, found.level_reason) == (nouns.WARNING_LEVEL_HIGH, "LITTLE_CHARGE")
    assert nothing.level == nouns.WARNING_LEVEL_UNSPECIFIED


async def test_car_at_a_pile_skips_the_area() -> None:
    """Who stands at a full station is told the exact pile of the next at once; others the area."""
    async with serve_brain([station("A", 0.05, 1), station("B", 3.0, 20)]) as served:
        served.district.status[served.district.row["A-1*1"]] = EvseStatus.OUTOFORDER
        here = await served.client.Recommend(asking("here"))
        request = asking("there")
        request.position.CopyFrom(at(-0.02))
        there = await served.client.Recommend(request)

    assert here.promise.choice.evse.station_id == there.promise.choice.evse.station_id == "B"
    assert here.promise.stage == wire.STAGE_PILE
    assert there.promise.stage == wire.STAGE_AREA
