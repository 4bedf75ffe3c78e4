"""No row says BLOCKED or UNKNOWN without saying why."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.core.occupancy import FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import (
    EvseStatus,
    IecState,
    Reading,
    Record,
    RecordKind,
    StatusSource,
    Surroundings,
    Values,
)

NOW_MS = 1_790_000_000_000
FREE = Reading("E", EvseStatus.AVAILABLE, StatusSource.MODBUS, IecState.A, plugged=False)
STATES = [
    FREE,
    replace(FREE, values=Values(temperature_c=20.0)),
    replace(FREE, values=Values(temperature_c=40.0)),
    Reading("E", EvseStatus.CHARGING, StatusSource.MODBUS, IecState.C, plugged=True),
    Reading("E", EvseStatus.UNKNOWN, StatusSource.MODBUS),
    Reading("E", EvseStatus.OUTOFORDER, StatusSource.OCPP),
]


def blocked() -> LivePicture:
    """A free pile behind which a car is parked."""
    picture = LivePicture({"E": FusionRules(3.0, 30.0, 2.0)}, heartbeat_s=20.0, new_id=lambda: "s")
    picture.start(0.0)
    picture.observe(STATES[1], 0.0, NOW_MS)
    (told,) = picture.bay("E", True, 0.5, 0.5, NOW_MS)
    assert told.status is EvseStatus.BLOCKED
    return picture


def reasons(records: list[Record]) -> list[tuple[RecordKind, EvseStatus, str]]:
    return [(r.kind, r.status, r.detail.reason if r.detail else "") for r in records]


BLOCKED_METER = (RecordKind.METER, EvseStatus.BLOCKED, "ICE_OR_UNPLUGGED_VEHICLE")


def test_measurement_of_a_blocked_pile_says_why_it_is_blocked() -> None:
    """A value that moves while a car stands in the bay is told with the reason of the status."""
    assert reasons(blocked().observe(STATES[2], 1.0, NOW_MS)) == [BLOCKED_METER]


def test_people_around_a_blocked_pile_are_told_with_the_reason() -> None:
    """A count of the camera is a row of the EVSE too."""
    seen = blocked().surroundings("E", Surroundings(people_count=3), 1.0, NOW_MS)

    assert reasons(seen) == [BLOCKED_METER]


def test_end_of_a_session_keeps_its_own_reason() -> None:
    """A car that unplugs and stays blocks the bay; its session still ended by unplugging."""
    picture = LivePicture({"E": FusionRules(3.0, 30.0, 0.0)}, heartbeat_s=20.0, new_id=lambda: "s")
    picture.start(0.0)
    picture.bay("E", True, 0.0, 0.0, NOW_MS)
    picture.observe(STATES[3], 0.0, NOW_MS)

    records = picture.observe(FREE, 1.0, NOW_MS)

    assert reasons(records) == [
        (RecordKind.STATUS, EvseStatus.BLOCKED, "ICE_OR_UNPLUGGED_VEHICLE"),
        (RecordKind.SESSION_END, EvseStatus.BLOCKED, "EVDisconnected"),
    ]


Step = tuple[str, int, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pile", "bay", "queue", "around", "miss", "lose", "tick"]),
        st.integers(0, 5),
        st.floats(0.1, 40.0),
    ),
    max_size=25,
)


def taken(picture: LivePicture, step: Step, now_s: float) -> list[Record]:
    what, number, _ = step
    if what == "pile":
        return picture.observe(STATES[number], now_s, NOW_MS)
    if what == "bay":
        return picture.bay("E", number % 2 == 0, now_s, now_s, NOW_MS)
    if what == "queue":
        return picture.queue("E", number, now_s, now_s, NOW_MS)
    if what == "around":
        return picture.surroundings("E", Surroundings(people_count=number), now_s, NOW_MS)
    if what == "miss":
        picture.miss("E", "TIMEOUT")
        return []
    if what == "lose":
        return picture.lose("E", "DISCONNECTED", now_s, NOW_MS)
    return picture.tick(now_s, NOW_MS)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_no_row_is_blocked_or_unknown_without_a_reason(steps: list[Step]) -> None:
    """Whatever piles, sensors and time do, in any order."""
    picture = LivePicture({"E": FusionRules(3.0, 30.0, 2.0)}, heartbeat_s=20.0, new_id=lambda: "s")
    picture.start(0.0)
    now_s = 0.0
    records: list[Record] = []
    for step in steps:
        now_s += step[2]
        records += taken(picture, step, now_s)

    for record in records:
        if record.status in (EvseStatus.BLOCKED, EvseStatus.UNKNOWN):
            assert record.detail is not None
            assert record.detail.reason or record.kind in (
                RecordKind.FAULT,
                RecordKind.FAULT_CLEARED,
            )
