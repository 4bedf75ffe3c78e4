"""DetectIntention over the wire: history of sessions, and fresh positions that override it."""

from __future__ import annotations

import asyncio
import math
import time

from served_brain import HERE, KM_LAT, ServedBrain, asking, serve_brain, station

from coordinator.core.history import Session
from coordinator.core.pile import EvseStatus
from coordinator.core.sessions import ChargeSession
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

DAY_S = 86_400.0


def at(north_km: float) -> nouns.Position:
    """A position so far north of `HERE`."""
    return nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])


async def charged_daily(
    served: ServedBrain, user_id: str, vehicle_id: str = "", evse_id: str = "A-1*1"
) -> None:
    """Sessions of an hour around this time of the day, on each of the last 30 days."""
    now_s = time.time()
    sessions = [
        ChargeSession(
            evse_id, now_s - day * DAY_S - 1_800.0, now_s - day * DAY_S + 1_800.0,
            station_id="A", user_id=user_id, vehicle_id=vehicle_id,
        )
        for day in range(30, 0, -1)
    ]  # fmt: skip
    await served.brain.book.put(sessions)


async def detect(
    served: ServedBrain, user: str = "", car: str = "car", **fields: object
) -> wire.DetectIntentionResponse:
    """What is detected of a car."""
    request = wire.DetectIntentionRequest(user_id=user, vehicle_id=car)
    for name, value in fields.items():
        if name == "positions":
            request.positions.extend(value)  # type: ignore[arg-type]
        else:
            setattr(request, name, value)
    return await served.client.DetectIntention(request)


async def test_intention_of_who_charges_daily_at_this_hour_is_at_a_pile() -> None:
    """Thirty sessions around this time of day make S2 the most probable, by history."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        await charged_daily(served, "regular")

        found = await detect(served, "regular")

    assert found.intention == nouns.INTENTION_AT_PILE
    assert found.source == "HISTORY"
    assert found.p_at_pile > 0.5
    assert found.day_count in range(8, 23)
    assert math.isclose(found.p_on_the_way + found.p_at_pile + found.p_none, 1.0, abs_tol=1e-6)


async def test_intention_by_the_history_of_the_car_where_the_driver_is_unknown() -> None:
    """Sessions of an unnamed driver count for the car."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        await charged_daily(served, "", "taxi")

        found = await detect(served, "somebody", "taxi")

    assert found.intention == nouns.INTENTION_AT_PILE
    assert found.day_count > 0


async def told_a_newcomer(regulars: int) -> wire.DetectIntentionResponse:
    """What is detected of a driver without history where so many charge daily at this hour."""
    async with serve_brain([station("A", 5.0, 5)]) as served:
        for number in range(1, regulars + 1):
            await charged_daily(served, f"regular-{number}", evse_id=f"A-{number}*1")
        return await detect(served, "newcomer")


async def test_intention_of_a_new_driver_is_the_districts_own() -> None:
    """Who has no history is taken for one of the district: here everybody charges at this hour.

    Four drivers are not the district yet.
    """
    alone, few, among = [await told_a_newcomer(regulars) for regulars in (0, 4, 5)]

    assert alone.intention == few.intention == nouns.INTENTION_NONE
    assert (alone.day_count, among.day_count) == (0, 0)
    assert few.p_at_pile == alone.p_at_pile
    assert among.p_at_pile > alone.p_at_pile
    assert among.intention == nouns.INTENTION_AT_PILE


async def test_intention_of_a_standing_car_is_at_a_pile() -> None:
    """Within 60 m of a pile a car has arrived; 70 m away its history decides."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        near = await detect(served, positions=[at(4.945)])
        far = await detect(served, positions=[at(4.93)])

    assert (near.intention, near.source) == (nouns.INTENTION_AT_PILE, "POSITION")
    assert (far.intention, far.source) == (nouns.INTENTION_NONE, "HISTORY")


async def test_intention_of_a_nearing_car_with_half_a_charge_depends_on_its_charge() -> None:
    """Three fixes nearing a station are S1 below half a charge, and say nothing at half of it."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        way = [at(1.0), at(2.0), at(3.0)]
        low = await detect(served, positions=way, soc_pct=49.0)
        half = await detect(served, positions=way, soc_pct=50.0)
        short = await detect(served, positions=way[1:], soc_pct=49.0)

    assert (low.intention, low.source) == (nouns.INTENTION_ON_THE_WAY, "POSITION")
    assert half.source == short.source == "HISTORY"


def timed(
    north_km: float, ago_s: float | None = None, speed_kmh: float | None = None
) -> nouns.Position:
    """A position measured so long ago, at a speed."""
    fix = at(north_km)
    if ago_s is not None:
        fix.observed_at.FromNanoseconds(int((time.time() - ago_s) * 1e9))
    if speed_kmh is not None:
        fix.speed_kmh = speed_kmh
    return fix


async def test_intention_is_read_from_fresh_positions_only() -> None:
    """At a pile 4 min ago counts; 6 min ago, and 2 min ahead, history decides."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        sources = [
            (await detect(served, positions=[timed(5.0, ago_s)])).source
            for ago_s in (240.0, -30.0, 360.0, -120.0)
        ]

    assert sources == ["POSITION", "POSITION", "HISTORY", "HISTORY"]


async def test_intention_of_a_nearing_car_is_read_in_the_order_of_time() -> None:
    """Sent in any order, fixes that come nearer are S1; those that go away are not."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        nearing = [timed(3.0, 10.0), timed(1.0, 90.0), timed(2.0, 50.0)]
        leaving = [timed(1.0, 10.0), timed(2.0, 50.0), timed(3.0, 90.0)]
        near = await detect(served, positions=nearing, soc_pct=30.0)
        gone = await detect(served, positions=leaving[::-1], soc_pct=30.0)
        mixed = await detect(served, positions=leaving, soc_pct=30.0)

    assert (near.intention, near.source) == (nouns.INTENTION_ON_THE_WAY, "POSITION")
    assert gone.source == mixed.source == "HISTORY"


async def test_intention_of_a_car_that_drives_by_a_pile_is_not_to_be_at_it() -> None:
    """Above 5 km/h a car does not stand; at 5 it does."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        by = await detect(served, positions=[timed(5.0, speed_kmh=5.5)])
        stands = await detect(served, positions=[timed(5.0, speed_kmh=5.0)])

    assert by.source == "HISTORY"
    assert (stands.intention, stands.source) == (nouns.INTENTION_AT_PILE, "POSITION")


async def test_intention_that_a_position_decides_is_the_most_probable() -> None:
    """The three probabilities say 0.9 for it and still sum to 1."""
    async with serve_brain([station("A", 5.0, 2)]) as served:
        history = await detect(served)
        found = await detect(served, positions=[at(5.0)])

    chances = found.p_on_the_way, found.p_at_pile, found.p_none
    assert found.p_at_pile == max(chances)
    assert math.isclose(found.p_at_pile, 0.9, abs_tol=1e-6)
    assert math.isclose(sum(chances), 1.0, abs_tol=1e-6)
    ratio = history.p_on_the_way / history.p_none
    assert math.isclose(found.p_on_the_way / found.p_none, ratio, rel_tol=1e-4)


async def test_neighbours_on_their_way_make_waits_longer() -> None:
    """Cars detected as S1 lower P(free) of the EVSEs around for who asks afterwards."""
    async with serve_brain([station("A", 2.0, 2)]) as served:
        before = (await served.client.Recommend(asking("me", 1))).promise.choice
        for number in range(8):
            way = [at(0.1), at(0.2), at(0.3)]
            await detect(served, car=f"other-{number}", positions=way, soc_pct=30.0)
        await served.brain.intentions.refresh()
        after = (await served.client.Recommend(asking("me", 2))).promise.choice

    assert after.p_free < before.p_free
    assert after.wait_s.p90 >= before.wait_s.p90


async def test_many_cars_around_raise_the_level() -> None:
    """More than 7.6 known cars on each EVSE around make a car medium that was low."""
    async with serve_brain([station("A", 1.0, 15)]) as served:
        before = (await served.client.Recommend(asking("me", 1))).promise
        for number in range(115):
            await detect(served, car=f"other-{number}", positions=[at(0.5)])
        await served.brain.intentions.refresh()
        after = (await served.client.Recommend(asking("me", 2))).promise

    assert (before.level, before.level_reason) == (nouns.WARNING_LEVEL_LOW, "NO_HURRY")
    assert (after.level, after.level_reason) == (nouns.WARNING_LEVEL_MEDIUM, "MANY_CARS")
    assert after.reminder.reason_code == "MANY_CARS"


async def test_session_of_a_guided_car_becomes_its_history() -> None:
    """From the promise on the car was on its way: the stay and its way are learnt as it ends."""
    async with serve_brain([station("A", 2.0, 2)]) as served:
        learnt: asyncio.Queue[ChargeSession] = asyncio.Queue()
        served.brain.book.on_session.append(learnt.put_nowait)
        request = asking("car", user_id="driver")
        promise = (await served.client.Recommend(request)).promise
        name, evse_id = promise.recommendation_id, promise.choice.evse.evse_id
        await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name))
        arrived = wire.GuideArrived(evse_id=evse_id)
        await served.client.UpdateProgress(
            wire.UpdateProgressRequest(recommendation_id=name, arrived=arrived)
        )
        served.brain.book.see(Session(evse_id, time.time(), 0.0, math.nan))
        served.see(evse_id, EvseStatus.CHARGING)
        async with asyncio.timeout(60):
            named = await learnt.get()
            while named.user_id != "driver":
                named = await learnt.get()

    assert named.promised_at_s == promise.made_at.ToNanoseconds() / 1e9
    assert served.brain.intentions.history.days("driver", time.time() + DAY_S) is not None
