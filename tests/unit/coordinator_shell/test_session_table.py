"""The table of sessions, the same for both engines: read by driver, by car, or all."""

from __future__ import annotations

import math
from collections.abc import Callable

from coordinator.core.sessions import ChargeSession
from coordinator.usecases.telemetry import TelemetryStore

Opener = Callable[[], TelemetryStore]
DAY_S = 86_400.0
T0 = 1_790_000_000.0


def session(number: int, user_id: str = "", **more: object) -> ChargeSession:
    """An ended session at P1*1, an hour after the one before."""
    start_s = T0 + 3_600.0 * number
    return ChargeSession(
        "P1*1",
        start_s,
        start_s + 1_800.0,
        "S1",
        user_id=user_id,
        **more,  # type: ignore[arg-type]
    )


async def test_sessions_of_a_user_since_an_instant_survive_a_restart(open_store: Opener) -> None:
    """Begin and end in ms, EVSE, user and car come back, oldest first; others' do not."""
    store = open_store()
    await store.put_sessions(
        [session(3, "u1", vehicle_id="v1"), session(2, "u1"), session(1, "u1")]
    )
    await store.put_sessions([session(4, "u2")])
    await store.close()

    found = await open_store().list_sessions(T0 + 7_200.0, user_id="u1")

    assert [(s.evse_id, s.user_id, s.vehicle_id) for s in found] == [
        ("P1*1", "u1", ""),
        ("P1*1", "u1", "v1"),
    ]
    assert [s.start_at_ms for s in found] == [int(T0 + 7_200) * 1000, int(T0 + 10_800) * 1000]
    assert found[0].end_at_ms == int(T0 + 9_000) * 1000


async def test_sessions_are_found_by_car_and_without_a_name(open_store: Opener) -> None:
    """A car is asked for by its id; nobody named means all, walk-ins as well."""
    store = open_store()
    await store.put_sessions([session(1), session(2, vehicle_id="v1"), session(3, "u1")])

    assert [s.vehicle_id for s in await store.list_sessions(0.0, vehicle_id="v1")] == ["v1"]
    assert len(await store.list_sessions(0.0)) == 3


async def test_unknown_values_of_a_session_stay_unknown(open_store: Opener) -> None:
    """What was not measured reads as NaN or None, never as 0."""
    store = open_store()
    known = session(1, "u1", energy_kwh=12.5, price=15.0, currency="CNY", queue_length=2)
    await store.put_sessions([known, ChargeSession("P2*1", T0)])
    await store.close()

    first, second = sorted(await open_store().list_sessions(0.0), key=lambda s: s.evse_id)

    assert (first.energy_kwh, first.price, first.currency, first.queue_length) == (
        12.5, 15.0, "CNY", 2,
    )  # fmt: skip
    assert math.isnan(first.wait_s)
    assert second.ended_at_s is None
    assert second.queue_length is None
    assert math.isnan(second.energy_kwh)
    assert math.isnan(second.price)


async def test_a_start_takes_up_visits_of_all_time_and_sessions_under_way(
    open_store: Opener,
) -> None:
    """Counts by user and station are of the whole table; walk-ins that ended are left in it."""
    store = open_store()
    await store.put_sessions([session(1, "u1"), session(2, "u1"), session(3), session(4, "u2")])
    await store.put_sessions([ChargeSession("P2*1", T0, station_id="S2")])
    await store.close()

    known = open_store().load()

    assert known.visits == {"u1": {"S1": 2}, "u2": {"S1": 1}}
    assert sorted(s.evse_id for s in known.sessions) == ["P1*1", "P1*1", "P1*1", "P2*1"]
    assert [s.evse_id for s in known.sessions if s.ended_at_s is None] == ["P2*1"]


async def test_putting_a_session_again_replaces_it(open_store: Opener) -> None:
    """EVSE and begin name a session: the same one is kept once, as it was put last."""
    store = open_store()
    await store.put_sessions([session(1)])
    await store.put_sessions([session(1, "u1", ended_by_fault=True)])

    found = await store.list_sessions(0.0)

    assert [(s.user_id, s.ended_by_fault) for s in found] == [("u1", True)]
