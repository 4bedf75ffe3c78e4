"""The demo's cars: what they take for a promise, and how the screen tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from city_sim.clock import SimClock
from city_sim.drivers import Driver, Trip
from city_sim.screen import Screen
from pilewise.v1 import charging_service_pb2 as pb


def revision(number: int, evse_id: str, from_evse_id: str = "", *, offer: bool = False) -> Any:
    """An event that tells this place; with `from_evse_id`, that it is another one."""
    promise = pb.Promise(revision=number)
    promise.choice.evse.evse_id = evse_id
    if from_evse_id:
        change = pb.Change(from_evse_id=from_evse_id, to_evse_id=evse_id, text="because")
        promise.change.CopyFrom(change)
    if offer:
        promise.accept_before.GetCurrentTime()
    return pb.GuideResponse(promise=promise)


class Told:
    """A guidance that tells these events."""

    def __init__(self, *events: pb.GuideResponse) -> None:
        self.events, self.accepted = events, list[int]()

    async def __aiter__(self) -> AsyncIterator[pb.GuideResponse]:
        for event in self.events:
            yield event

    def decide(self, number: int, accepted: bool) -> None:
        assert accepted
        self.accepted.append(number)


async def listened(*events: pb.GuideResponse) -> tuple[Driver, Told]:
    """A car on its way to A-01*1 that has heard these; what it says is shown."""
    clock = SimClock.starting_at(0.0, 60.0)
    trip = Trip("EV-24", 0.0, 22.5, 114.0, 30.0, pb.VehicleProfile(battery_kwh=60))
    said = Screen(clock).car
    driver = Driver(trip, cast(Any, SimpleNamespace()), {}, clock, 20.0, 1.3, said)
    driver.log.evse_id = driver.on_the_way_to = "A-01*1"
    told = Told(*events)
    await driver._listen(cast(Any, told))
    return driver, told


async def test_a_car_that_was_offered_a_place_turns_once_it_has_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An offer, what stands meanwhile, and the promise: one turn, not there and back and there."""
    driver, told = await listened(
        revision(2, "B-01*1", "A-01*1", offer=True),
        revision(3, "A-01*1"),
        revision(4, "B-01*1", "A-01*1"),
    )

    assert told.accepted == [2]
    assert (driver.log.reroutes, driver.on_the_way_to) == (1, "B-01*1")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("EV-24  re-routed A-01*1 -> B-01*1: because")


async def test_a_car_that_was_too_late_goes_on_as_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The place went to somebody else: nothing has changed, and nothing is shown."""
    driver, _ = await listened(
        revision(2, "B-01*1", "A-01*1", offer=True), revision(3, "A-01*1", "A-01*1")
    )

    assert (driver.log.reroutes, driver.on_the_way_to) == (0, "A-01*1")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("later", ["", "B-01*1"])
async def test_a_turn_is_told_whole_where_other_news_came_at_once(
    capsys: pytest.CaptureFixture[str], later: str
) -> None:
    """A slow reader gets the newest revision, whose change may be of something else."""
    driver, _ = await listened(revision(3, "B-01*1", later))

    assert driver.log.reroutes == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("EV-24  re-routed A-01*1 -> B-01*1")
