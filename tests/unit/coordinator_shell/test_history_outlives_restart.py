"""Intention history is made of stored sessions, so that it outlives the process."""

from __future__ import annotations

from collections.abc import Callable

from coordinator.brain import assemble_brain
from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import Evse, Pile, Station
from coordinator.core.recommend.context import Models
from coordinator.core.sessions import ChargeSession
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.telemetry import TelemetryStore

DAY_S = 86_400.0
LONGITUDE_DEG = 114.0  # eight hours east


async def test_history_of_a_driver_outlives_a_restart(
    open_store: Callable[[], TelemetryStore],
) -> None:
    """A promise an hour before plug-in, a week ago, is S1 at that hour of the day."""
    clock = Clock()
    store = open_store()
    plugged_at_s = clock.now_s() - 7 * DAY_S
    session = ChargeSession(
        "P1*1", plugged_at_s, plugged_at_s + 600.0, user_id="u1",
        promised_at_s=plugged_at_s - 3_600.0,
    )  # fmt: skip
    await store.put_sessions([session])
    await store.close()

    known = open_store().load()
    pile = Pile("P1", "S1", (Evse("P1*1", ()),))
    district = District([Station("S1", "One", 22.5, LONGITUDE_DEG, (pile,))])
    brain = assemble_brain(
        district, Models(), clock, Events(clock.now_s, clock.system_s), Counters(),
        MemoryClaims(), book=SessionBook(district, None, known.sessions, known.visits),
    )  # fmt: skip

    assert known.sessions[0].promised_at_s == plugged_at_s - 3_600.0
    history = brain.intentions.history
    assert history.utc_offset_h == 8.0
    an_hour_before = history.days("u1", plugged_at_s + 7 * DAY_S - 3_600.0)
    two_hours_before = history.days("u1", plugged_at_s + 7 * DAY_S - 7_200.0)
    assert an_hour_before is not None
    assert an_hour_before[0] == 1
    assert two_hours_before is not None
    assert two_hours_before[0] == 0
    await brain.close()
