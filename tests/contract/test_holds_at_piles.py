"""What is promised is kept by the pile itself: coordinator, agent and OCPP pile, each a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from reserving_site import AVAILABLE, RESERVED, ReservingSite, reserving_site

from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
FIRM, SOFT = wire.HOLD_KIND_FIRM, wire.HOLD_KIND_SOFT
SHOWS_RESERVED, SHOWS_AVAILABLE = nouns.OCPP_STATUS_RESERVED, nouns.OCPP_STATUS_AVAILABLE


def is_firm(promise: wire.Promise) -> bool:
    return promise.choice.hold.kind == FIRM


async def firm(site: ReservingSite, car: str, token: str) -> tuple[wire.Promise, object]:
    """A car that has been told that its pile is reserved."""
    guided = await site.guide(await site.recommend(car, token)).open()
    return await guided.until(is_firm), guided


async def test_a_token_makes_the_hold_firm_and_arrival_needs_no_word(tmp_path: Path) -> None:
    """ReserveNow is accepted, the car is told, and the token that is shown ends the guidance."""
    async with reserving_site(tmp_path, {"A-01": [], "A-02": []}) as site:
        offer = await site.recommend("car-1", "TAG-1")
        car = await site.guide(offer).open()
        told = await car.until(is_firm)
        await site.see("A-01*1", RESERVED)
        await site.shows("A-01*1", SHOWS_RESERVED)

        plug = bench.PlugInRequest(evse_id="A-01*1", soc_pct=50, id_token="TAG-1")
        await site.bench.PlugIn(plug, timeout=10)
        ended = await car.closed()

        assert offer.choice.hold.kind == SOFT
        assert told.change.code == "HOLD_FIRM"
        assert told.choice.evse.evse_id == "A-01*1"
        assert told.revision == offer.revision + 1
        assert ended == "ARRIVED"
        assert await site.count("holds_firm") == 1
        assert await site.count("reroutes") == 0


async def test_a_refused_reservation_sends_the_car_elsewhere(tmp_path: Path) -> None:
    """A pile that says Occupied is given up with the reason, and the next one is reserved."""
    piles = {"A-01": ["reserve_occupied"], "A-02": []}
    async with reserving_site(tmp_path, piles) as site:
        offer = await site.recommend("car-1", "TAG-1")
        car = await site.guide(offer).open()
        told = await car.until(is_firm)

        moved = next(p for p in car.promises if p.change.code == "RESERVATION_REFUSED")
        assert offer.choice.evse.evse_id == "A-01*1"
        assert moved.change.from_evse_id == "A-01*1"
        assert moved.choice.evse.evse_id == told.choice.evse.evse_id == "A-02*1"
        assert await site.count("reservations_refused") == 1


async def test_a_refusal_with_no_other_place_stays_a_soft_hold(tmp_path: Path) -> None:
    """Where nothing else is free the car keeps what it has, and is told how little that is."""
    async with reserving_site(tmp_path, {"A-01": ["reserve_occupied"]}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1")).open()

        told = await car.until(lambda p: p.change.code == "HOLD_SOFT")

        assert told.choice.hold.kind == SOFT
        assert told.choice.hold.reason_code == "RESERVATION_REFUSED"
        assert told.choice.evse.evse_id == "A-01*1"


async def test_a_pile_that_cannot_reserve_is_kept_softly_and_said_so(tmp_path: Path) -> None:
    """NotImplemented leaves the hold soft; the change says that the pile does not know."""
    async with reserving_site(tmp_path, {"A-01": ["reserve_not_implemented"]}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1")).open()

        told = await car.until(lambda p: p.change.code == "HOLD_SOFT")

        assert told.choice.hold.reason_code == "PILE_CANNOT_RESERVE"
        assert told.change.text == "A-01 is kept for you here; the pile itself does not know"


async def test_a_released_place_is_cancelled_and_reserved_for_the_next_car(tmp_path: Path) -> None:
    """The reservation ends with the promise, and the next car's own takes its place."""
    async with reserving_site(tmp_path, {"A-01": []}) as site:
        told, _ = await firm(site, "car-1", "TAG-1")

        await site.cars.Release(
            wire.ReleaseRequest(recommendation_id=told.recommendation_id), timeout=10
        )
        await site.shows("A-01*1", SHOWS_AVAILABLE)
        await site.see("A-01*1", AVAILABLE)
        other, _ = await firm(site, "car-2", "TAG-2")

        assert other.choice.evse.evse_id == "A-01*1"


async def test_a_car_that_chooses_another_place_moves_its_reservation(tmp_path: Path) -> None:
    """The pile that it left is free again, the one that it chose is reserved."""
    async with reserving_site(tmp_path, {"A-01": [], "A-02": []}) as site:
        told, guided = await firm(site, "car-1", "TAG-1")

        name = told.recommendation_id
        await site.cars.Confirm(
            wire.ConfirmRequest(recommendation_id=name, evse_id="A-02*1"), timeout=10
        )
        moved = await guided.until(  # type: ignore[attr-defined]
            lambda p: p.choice.evse.evse_id == "A-02*1" and is_firm(p)
        )

        await site.shows("A-01*1", SHOWS_AVAILABLE)
        await site.shows("A-02*1", SHOWS_RESERVED)
        assert moved.change.code == "HOLD_FIRM"


async def test_an_agent_that_is_away_makes_the_hold_soft_until_it_is_back(tmp_path: Path) -> None:
    """The car is told at once that the hold is soft, and later that it is firm."""
    async with reserving_site(tmp_path, {"A-01": []}) as site:
        offer = await site.recommend("car-1", "TAG-1")
        site.agent.kill()
        await site.agent.wait()
        car = await site.guide(offer).open()
        away = await car.until(lambda p: p.change.code == "HOLD_SOFT")
        await site.agent.start()
        back = await car.until(is_firm)

        assert back.revision > away.revision
        assert away.choice.hold.reason_code == "AGENT_OFFLINE"


async def test_a_restarted_coordinator_takes_back_what_it_let_go(tmp_path: Path) -> None:
    """A hold outlives SIGKILL of the coordinator and is not told again; later fences are higher."""
    async with reserving_site(tmp_path, {"A-01": [], "A-02": []}) as site:
        told, _ = await firm(site, "car-1", "TAG-1")
        await site.coordinator.kill()
        await site.coordinator.start()
        await site.see("A-01*1", RESERVED)

        car = await site.guide(told).open()
        again = await car.until(lambda p: True)
        await site.cars.Release(
            wire.ReleaseRequest(recommendation_id=told.recommendation_id), timeout=10
        )
        await site.shows("A-01*1", SHOWS_AVAILABLE)

        assert again.choice.hold.kind == FIRM
        assert again.revision == told.revision
