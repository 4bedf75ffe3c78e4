"""A guidance that a city passes on: what makes a promise firm, and what is said to whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hand_districts import HandCity, follow, promise, refused, until

from coordinator.rpc.city.relay import SAID_MOST
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district

FIRM = district.DistrictServiceConfirmResponse(
    claim=district.ClaimRecord(state=district.CLAIM_STATE_CONFIRMED)
)


@pytest.fixture
async def city() -> AsyncIterator[HandCity]:
    """Two districts by hand."""
    opened = HandCity("south", "north")
    yield opened
    await opened.close()


def offered_beside_a_firm_one(city: HandCity) -> Any:
    """A car has a firm place in the south, and was offered another in the north."""
    old = city.trip("old", "south")
    city.trip("new", "north", "B-1*1", confirmed=False, others=[("south", "claim-old")])
    return old


def closed(code: str) -> wire.GuideResponse:
    """A district's last word."""
    return wire.GuideResponse(closed=wire.GuideClosed(code=code))


async def test_a_lapsed_promise_frees_no_other_place(city: HandCity) -> None:
    """Its district still tells it, and then its end; the good place of the other stands."""
    old = offered_beside_a_firm_one(city)
    north = city.districts["north"]
    north.answers["Confirm"] = refused()
    car = follow(city, "new")
    stream = await north.stream()
    stream.says.put_nowait(wire.GuideResponse(promise=promise("new", "claim-new")))
    stream.says.put_nowait(closed("EXPIRED"))

    code = await car.ended()

    assert code == "EXPIRED"
    assert [one.recommendation_id for one in car.promises] == ["new"]
    assert [one.claim_id for one in north.calls["Confirm"]] == ["claim-new"]
    assert city.claiming.unsettled["south"] == 0
    assert city.freed("south") == []
    assert old.closed == ""


async def test_a_promise_that_its_district_calls_firm_ends_the_other(city: HandCity) -> None:
    """New first, then old; the old guidance hears that it was replaced."""
    old = offered_beside_a_firm_one(city)
    city.districts["north"].answers["Confirm"] = FIRM
    car = follow(city, "new")
    stream = await city.districts["north"].stream()
    stream.says.put_nowait(wire.GuideResponse(promise=promise("new", "claim-new")))

    await until("the old place is freed", lambda: city.freed("south") == ["claim-old"])
    await car.hang_up()

    assert old.closed == "REPLACED"


async def test_a_district_that_cannot_say_is_asked_at_its_next_word(city: HandCity) -> None:
    """Until then nothing is freed."""
    old = offered_beside_a_firm_one(city)
    north = city.districts["north"]
    north.answers["Confirm"] = DistrictAway("north", "by hand")
    car = follow(city, "new")
    stream = await north.stream()
    stream.says.put_nowait(wire.GuideResponse(promise=promise("new", "claim-new")))
    await until("it was asked", lambda: len(north.calls["Confirm"]) == 1)
    before = old.closed, city.freed("south")
    north.answers["Confirm"] = FIRM
    stream.says.put_nowait(wire.GuideResponse(beat=wire.GuideBeat()))

    await until("the old place is freed", lambda: city.freed("south") == ["claim-old"])
    await car.hang_up()

    assert before == ("", [])


async def test_a_car_that_has_arrived_needs_no_other_place(city: HandCity) -> None:
    """Then nothing is to be confirmed any more, and what it held elsewhere ends."""
    offered_beside_a_firm_one(city)
    car = follow(city, "new")
    (await city.districts["north"].stream()).says.put_nowait(closed("ARRIVED"))

    code = await car.ended()
    await until("the old place is freed", lambda: city.freed("south") == ["claim-old"])

    assert code == "ARRIVED"


async def test_words_for_a_district_that_is_away_are_bounded(city: HandCity) -> None:
    """The newest are kept, in their order, and said once it takes them."""
    city.trip("one", "south")
    car = follow(city, "one")
    stream = await city.districts["south"].stream()
    stream.taking.clear()
    count = 3 * SAID_MOST
    for revision in range(1, count + 1):
        car.say(decision=wire.GuideDecision(revision=revision))
    await until("all were taken from the car", car.says.empty)
    car.say(decision=wire.GuideDecision(revision=count + 1))
    await until("the last was taken", car.says.empty)
    stream.taking.set()

    def said() -> list[int]:
        return [one.decision.revision for one in stream.heard if one.HasField("decision")]

    await until("the last was said", lambda: count in said())
    await car.hang_up()

    # One may have been on its way when the others pushed it out.
    assert SAID_MOST <= len(said()) <= SAID_MOST + 2
    assert said() == sorted(said())


async def test_words_said_before_a_move_are_not_told_to_the_new_district(city: HandCity) -> None:
    """Neither a decision on a revision of the old one, nor an arrival at its pile."""
    trip = city.trip("one", "south")
    south, north = city.districts["south"], city.districts["north"]
    south.answers[".Release"] = wire.ReleaseResponse(released=True)
    north.answers["Claim"] = district.ClaimResponse(
        granted=True, promise=promise("one", "claim-there", "B-1*1", 2)
    )
    firm = promise("one", "claim-there", "B-1*1", 2)
    north.answers[".Confirm"] = wire.ConfirmResponse(promise=firm)
    car = follow(city, "one")
    stream = await south.stream()
    stream.taking.clear()
    car.say(decision=wire.GuideDecision(revision=1, accepted=False))
    car.say(arrived=wire.GuideArrived(evse_id="A-1*1"))
    await until("both were taken from the car", car.says.empty)
    await asyncio.sleep(0)

    trip.elsewhere["B-1*1"] = "north"
    confirm = wire.ConfirmRequest(recommendation_id="one", evse_id="B-1*1")
    await city.charging.Confirm(confirm, None)
    there = await north.stream()
    car.say(decision=wire.GuideDecision(revision=2, accepted=True))
    await until("the new word is said", lambda: len(there.heard) > 1)
    await car.hang_up()

    assert there.heard[0].open.recommendation_id == "one"
    assert [one.decision.revision for one in there.heard[1:]] == [2]
