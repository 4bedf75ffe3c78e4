"""Moves between districts, with what may come between: other words, a release, a lost place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hand_districts import HandCar, HandCity, follow, promise, until

from coordinator.core.vehicle import WarningLevel
from coordinator.rpc.city import claiming
from coordinator.rpc.city.claiming import Wish
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district


@pytest.fixture
async def city() -> AsyncIterator[HandCity]:
    """Two districts by hand; a car of the south has driven north, where a place is much better."""
    opened = HandCity("south", "north")
    opened.directory.crossed = lambda owner, place: owner == "south"  # type: ignore[method-assign]
    opened.finder.places = [("B-1*1", "north", 100.0), ("A-1*1", "south", 900.0)]
    opened.districts["south"].answers[".Release"] = wire.ReleaseResponse(released=True)
    north = opened.districts["north"]
    north.answers["Claim"] = lambda asked: district.ClaimResponse(
        granted=True, promise=there(asked.claim.revision)
    )
    north.answers[".Confirm"] = lambda asked: wire.ConfirmResponse(promise=there(1))
    north.answers[".Release"] = wire.ReleaseResponse(released=True)
    yield opened
    await opened.close()


def there(revision: int) -> wire.Promise:
    """The place in the north, as its district tells it."""
    return promise("one", "claim-there", "B-1*1", revision)


def here() -> wire.Progress:
    """Where the car is."""
    place = wire.Progress(soc_pct=40.0)
    place.position.latitude_deg, place.position.longitude_deg = 22.6, 114.05
    return place


async def asked(car: HandCar) -> wire.Promise:
    """What the car is offered."""
    await until("an offer", lambda: any(p.HasField("accept_before") for p in car.promises))
    return next(p for p in car.promises if p.HasField("accept_before"))


async def test_a_word_of_the_old_district_does_not_hide_the_offer(city: HandCity) -> None:
    """What it says under the offer's number is kept back, what is newer is told; the move comes
    under a number above both."""
    trip = city.trip("one", "south")
    car = follow(city, "one")
    south = await city.districts["south"].stream()
    south.says.put_nowait(wire.GuideResponse(promise=promise("one", "claim-one")))
    await until("the car is told its promise", lambda: len(car.promises) == 1)
    car.say(progress=here())
    offer = await asked(car)
    south.says.put_nowait(wire.GuideResponse(promise=promise("one", "claim-one", revision=2)))
    south.says.put_nowait(wire.GuideResponse(promise=promise("one", "claim-one", revision=3)))
    await until("the newer word is told", lambda: car.promises[-1].revision == 3)
    car.say(decision=wire.GuideDecision(revision=offer.revision, accepted=True))

    await until("moved", lambda: car.promises[-1].district_id == "north")
    await car.hang_up()

    assert offer.revision == 2
    assert [one.revision for one in car.promises] == [1, 2, 3, 4]
    assert trip.claim_id == "claim-there"
    await until("the old place is freed", lambda: city.freed("south") == ["claim-one"])


async def test_release_during_a_move_frees_the_new_place(city: HandCity) -> None:
    """It waits until the move is over, and then goes to whoever keeps the promise."""
    trip = city.trip("one", "south")
    trip.elsewhere["B-1*1"] = "north"
    confirming, go = asyncio.Event(), asyncio.Event()

    async def slow(request: Any) -> wire.ConfirmResponse:
        confirming.set()
        await go.wait()
        return wire.ConfirmResponse(promise=there(2))

    north = city.districts["north"]
    north.answers[".Confirm"] = slow
    confirm = wire.ConfirmRequest(recommendation_id="one", evse_id="B-1*1")
    moving = asyncio.create_task(city.charging.Confirm(confirm, None))
    await confirming.wait()
    release = wire.ReleaseRequest(recommendation_id="one")
    releasing = asyncio.create_task(city.charging.Release(release, None))
    for _ in range(10):
        await asyncio.sleep(0)
    early = list(north.calls[".Release"]), list(city.districts["south"].calls[".Release"])
    go.set()
    await moving
    answer = await releasing

    assert early == ([], [])
    assert answer.released
    assert [one.recommendation_id for one in north.calls[".Release"]] == ["one"]
    assert (trip.district, trip.closed) == ("north", "RELEASED")
    await until("the old place is freed", lambda: city.freed("south") == ["claim-one"])


async def test_a_yes_after_the_release_takes_nothing(city: HandCity) -> None:
    """The place that was held for the answer is freed; the promise does not come back."""
    trip = city.trip("one", "south")
    car = follow(city, "one")
    await city.districts["south"].stream()
    car.say(progress=here())
    offer = await asked(car)
    await city.charging.Release(wire.ReleaseRequest(recommendation_id="one"), None)
    car.say(decision=wire.GuideDecision(revision=offer.revision, accepted=True))

    await until("the offer is freed", lambda: city.freed("north") == ["claim-there"])
    await car.hang_up()

    assert (trip.district, trip.closed) == ("south", "RELEASED")
    assert not city.districts["north"].calls[".Confirm"]


async def test_a_car_that_lost_its_place_is_sent_across_unasked(city: HandCity) -> None:
    """Its own district has no other: the best of the others is taken, with its reason."""
    city.finder.places = [("B-1*1", "north", 100.0)]
    trip = city.trip("one", "south")
    car = follow(city, "one")
    south = await city.districts["south"].stream()
    car.say(progress=here())
    await until("the south hears where it is", lambda: len(south.heard) > 1)
    await until("it has looked", lambda: trip.looked_s > 0.0 and trip.looking is None)
    assert not city.districts["north"].calls["Claim"]
    trip.looked_s = float("-inf")
    lost = promise("one", "", revision=2)
    lost.change.code = "PILE_FAILED"
    south.says.put_nowait(wire.GuideResponse(promise=lost))

    await until("moved", lambda: trip.district == "north")
    await until("the car is told", lambda: car.promises[-1].district_id == "north")
    await car.hang_up()

    assert car.promises[-1].change.code == "PILE_FAILED"
    assert not any(one.HasField("accept_before") for one in car.promises)
    assert car.promises[-1].revision == 3


async def test_progress_without_a_stream_carries_offer_and_decision(city: HandCity) -> None:
    """The offer is what is newest; a decision on it moves, and the car's number is its own."""
    trip = city.trip("one", "south")
    south, north = city.districts["south"], city.districts["north"]
    south.answers[".UpdateProgress"] = wire.UpdateProgressResponse(beat=wire.GuideBeat())
    north.answers[".UpdateProgress"] = wire.UpdateProgressResponse(beat=wire.GuideBeat())
    told = wire.UpdateProgressRequest(recommendation_id="one", known_revision=1, progress=here())
    await city.charging.UpdateProgress(told, None)
    await until("an offer", lambda: trip.offer is not None)
    quiet = wire.UpdateProgressRequest(recommendation_id="one", known_revision=1)
    offered = await city.charging.UpdateProgress(quiet, None)
    yes = wire.UpdateProgressRequest(recommendation_id="one", known_revision=2)
    yes.decision.revision, yes.decision.accepted = 2, True
    moved = await city.charging.UpdateProgress(yes, None)
    later = wire.UpdateProgressRequest(recommendation_id="one", known_revision=2)
    later.decision.revision = 2
    await city.charging.UpdateProgress(later, None)

    assert offered.promise.revision == 2
    assert offered.promise.HasField("accept_before")
    assert (trip.district, trip.promise.revision) == ("north", 2)
    assert not moved.HasField("promise")  # the car knows this number
    # The north tells it as its first; so a word on it goes down under that number.
    (first, second) = north.calls[".UpdateProgress"]
    assert not first.HasField("decision")
    assert (second.decision.revision, second.known_revision) == (1, 1)


async def test_a_claim_of_unknown_outcome_is_released_once_it_can_be(
    city: HandCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the district stays silent before."""
    monkeypatch.setattr(claiming, "AGAIN_S", 0.01)
    north = city.districts["north"]
    north.answers["Claim"] = DistrictAway("north", "by hand")
    good = north.answers["Release"]
    north.answers["Release"] = DistrictAway("north", "by hand")
    request = wire.RecommendRequest(vehicle_id="car-1")
    wish = Wish(request, False, "one", WarningLevel.LOW)
    with pytest.raises(DistrictAway):
        await city.claiming.claim("north", "B-1*1", wish)
    await until("asked twice", lambda: len(north.calls["Release"]) >= 2)
    before = city.claiming.unsettled["north"]
    north.answers["Release"] = good

    await until("settled", lambda: city.claiming.unsettled["north"] == 0)

    (claimed,) = north.calls["Claim"]
    assert before == 1
    assert set(city.freed("north")) == {claimed.claim.claim_id}


async def test_a_promise_is_told_as_last_known_while_its_district_is_away(city: HandCity) -> None:
    """And that it is; once the district answers, it is told as it is."""
    city.trip("one", "south")
    asking = wire.GetRecommendationRequest(recommendation_id="one")
    away = (await city.charging.GetRecommendation(asking, None)).promise
    newer = promise("one", "claim-one", revision=5)
    south = city.districts["south"]
    south.answers[".GetRecommendation"] = wire.GetRecommendationResponse(promise=newer)
    back = (await city.charging.GetRecommendation(asking, None)).promise

    assert (away.revision, away.degraded) == (1, True)
    assert list(away.degraded_reasons) == ["DISTRICT_UNANSWERED"]
    assert (back.revision, back.degraded) == (5, False)


async def test_a_window_ahead_is_kept_by_the_nearest_that_is_there(city: HandCity) -> None:
    """Who is away is named; that the window becomes firm ends no other promise of the car."""
    other = city.trip("other", "south")
    city.districts["north"].up = False
    south = city.districts["south"]
    window = promise("later", "claim-later")
    south.answers[".Recommend"] = wire.RecommendResponse(promise=window)
    south.answers[".Confirm"] = wire.ConfirmResponse(promise=window)
    request = wire.RecommendRequest()
    request.CopyFrom(other.request)
    request.request_id = "request-later"
    request.arrival_window.from_at.FromSeconds(4_000_000_000)
    request.arrival_window.to_at.FromSeconds(4_000_003_600)

    # North sorts first by name but is away, so it is passed over.
    city.directory.nearest = lambda place: [  # type: ignore[method-assign]
        city.districts["north"],
        south,
    ]
    answer = await city.charging.Recommend(request, None)
    await city.charging.Confirm(wire.ConfirmRequest(recommendation_id="later"), None)
    again = await city.charging.Recommend(request, None)

    assert answer.promise.district_id == "south"
    assert list(answer.unanswered_district_ids) == ["north"]
    assert again.promise.recommendation_id == "later"
    assert other.closed == ""
    assert not city.districts["north"].calls[".Recommend"]
