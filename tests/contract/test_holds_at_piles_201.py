"""What is promised is kept by an OCPP 2.0.1 pile itself: coordinator, agent and pile, each a
process."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from reserving_site import AVAILABLE, RESERVED, ReservingSite, reserving_site
from small_district import eventually

from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
FIRM, SOFT = wire.HOLD_KIND_FIRM, wire.HOLD_KIND_SOFT
SHOWS_RESERVED, SHOWS_AVAILABLE = nouns.OCPP_STATUS_RESERVED, nouns.OCPP_STATUS_AVAILABLE


def site_of(
    folder: Path, piles: dict[str, list[str]]
) -> AbstractAsyncContextManager[ReservingSite]:
    """Piles that speak 2.0.1."""
    return reserving_site(folder, piles, "ocpp201")


def is_firm(promise: wire.Promise) -> bool:
    return promise.choice.hold.kind == FIRM


async def test_a_201_pile_reserves_for_the_token_and_knows_it_when_it_is_shown(
    tmp_path: Path,
) -> None:
    """ReserveNow is accepted, the car is told, and its idToken ends the guidance at the plug."""
    async with site_of(tmp_path, {"A-01": [], "A-02": []}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1")).open()
        told = await car.until(is_firm)
        await site.see("A-01*1", RESERVED)
        await site.shows("A-01*1", SHOWS_RESERVED)

        plug = bench.PlugInRequest(evse_id="A-01*1", soc_pct=50, id_token="TAG-1")
        await site.bench.PlugIn(plug, timeout=10)

        assert told.change.code == "HOLD_FIRM"
        assert told.choice.evse.evse_id == "A-01*1"
        assert await car.closed() == "ARRIVED"
        assert await site.count("holds_firm") == 1
        assert await site.count("reroutes") == 0


async def test_a_201_pile_that_refuses_sends_the_car_elsewhere(tmp_path: Path) -> None:
    """Occupied: the place is given up with the reason, the next one is reserved."""
    async with site_of(tmp_path, {"A-01": ["reserve_occupied"], "A-02": []}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1")).open()
        told = await car.until(is_firm)

        moved = next(p for p in car.promises if p.change.code == "RESERVATION_REFUSED")
        assert moved.change.from_evse_id == "A-01*1"
        assert told.choice.evse.evse_id == "A-02*1"
        assert await site.count("reservations_refused") == 1
        await site.shows("A-02*1", SHOWS_RESERVED)


async def test_a_201_pile_that_cannot_reserve_is_kept_softly(tmp_path: Path) -> None:
    """NotImplemented is no refusal: the place stays, softly, and the car is told why."""
    async with site_of(tmp_path, {"A-01": ["reserve_not_implemented"]}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1")).open()

        told = await car.until(lambda p: p.change.code == "HOLD_SOFT")

        assert told.choice.hold.kind == SOFT
        assert told.choice.hold.reason_code == "PILE_CANNOT_RESERVE"


async def test_a_car_without_a_token_is_kept_softly_and_told_why(tmp_path: Path) -> None:
    """The pile can reserve, and has nobody to reserve for: no news, but a reason on the hold."""
    async with site_of(tmp_path, {"A-01": []}) as site:
        offer = await site.recommend("car-1")
        await site.guide(offer).open()
        ask = wire.GetRecommendationRequest(recommendation_id=offer.recommendation_id)

        async def said() -> bool:
            promise = (await site.cars.GetRecommendation(ask, timeout=10)).promise
            return promise.choice.hold.reason_code == "NO_TOKEN"

        await eventually("the hold says NO_TOKEN", said)
        promise = (await site.cars.GetRecommendation(ask, timeout=10)).promise
        assert promise.choice.hold.kind == SOFT
        assert promise.revision == offer.revision


async def test_a_released_place_is_cancelled_at_a_201_pile(tmp_path: Path) -> None:
    """CancelReservation follows the promise, and the next car's reservation is taken."""
    async with site_of(tmp_path, {"A-01": []}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1")).open()
        told = await car.until(is_firm)

        await site.cars.Release(
            wire.ReleaseRequest(recommendation_id=told.recommendation_id), timeout=10
        )
        await site.shows("A-01*1", SHOWS_AVAILABLE)
        await site.see("A-01*1", AVAILABLE)
        other = await site.guide(await site.recommend("car-2", "TAG-2")).open()

        assert (await other.until(is_firm)).choice.evse.evse_id == "A-01*1"
        await site.shows("A-01*1", SHOWS_RESERVED)


async def test_a_choice_of_another_place_moves_the_reservation_of_201_piles(
    tmp_path: Path,
) -> None:
    """The pile that the driver left is free again, the one that was chosen is reserved."""
    async with site_of(tmp_path, {"A-01": [], "A-02": []}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1")).open()
        told = await car.until(is_firm)

        name = told.recommendation_id
        await site.cars.Confirm(
            wire.ConfirmRequest(recommendation_id=name, evse_id="A-02*1"), timeout=10
        )
        await car.until(lambda p: p.choice.evse.evse_id == "A-02*1" and is_firm(p))

        await site.shows("A-01*1", SHOWS_AVAILABLE)
        await site.shows("A-02*1", SHOWS_RESERVED)
