"""Which sessions there are: measured by rows, named by claims and by tokens."""

from __future__ import annotations

import math

import pytest

from coordinator.core.district import District
from coordinator.core.history import Session
from coordinator.core.pile import Evse, Pile, Station, Tariff, TariffElement
from coordinator.core.sessions import ChargeSession
from coordinator.store.memory import MemoryTelemetry
from coordinator.usecases.sessions import KEPT_S, SessionBook

T0 = 1_790_000_000.0
EVSE = "P1*1"


def district() -> District:
    pile = Pile("P1", "S1", (Evse(EVSE, ()),))
    place = District([Station("S1", "One", 22.5, 114.0, (pile,), tariff_id="T")])
    place.put_tariffs([Tariff("T", "CNY", (TariffElement("ENERGY", 1.5),))])
    return place


def begun(at_s: float = T0) -> Session:
    return Session(EVSE, at_s, 100.0, 20.0)


def ended(at_s: float = T0, energy_kwh: float = 20.0) -> Session:
    return Session(EVSE, at_s, 100.0, 20.0, at_s + 1_800.0, energy_kwh, 80.0)


async def test_a_session_is_named_while_it_lasts_and_priced_at_its_end() -> None:
    """Whose it is stays with it to its end, where energy x tariff is its price."""
    book = SessionBook(district(), MemoryTelemetry())

    book.see(begun())
    await book.name(EVSE, "v1", "u1", "rec-1", queue_length=2, wait_s=90.0)
    book.see(ended())

    (session,) = book.of_user("u1", T0)
    assert (session.vehicle_id, session.station_id, session.recommendation_id) == (
        "v1", "S1", "rec-1",
    )  # fmt: skip
    assert (session.queue_length, session.wait_s) == (2, 90.0)
    assert (session.price, session.currency) == (pytest.approx(30.0), "CNY")
    assert session.duration_s == 1_800.0
    assert book.at(EVSE) is None


async def test_the_queue_of_a_walk_in_is_what_its_counter_said() -> None:
    """Nobody knows the car, but the counter saw two in the queue; no counter means unknown."""
    place = district()
    book = SessionBook(place)
    assert book.see(begun()).queue_length is None

    place.queue_length[0] = 2

    assert book.see(begun(T0 + 10_000)).queue_length == 2


async def test_everybody_who_listens_hears_begin_name_and_end() -> None:
    """Listeners get the whole session each time; its key stays."""
    book = SessionBook(district(), MemoryTelemetry())
    heard: list[ChargeSession] = []
    book.on_session.append(heard.append)

    book.see(begun())
    await book.name(EVSE, "v1", "u1")
    book.see(ended())

    assert [(s.user_id, s.ended_at_s is not None) for s in heard] == [
        ("", False), ("u1", False), ("u1", True),
    ]  # fmt: skip
    assert len({s.key for s in heard}) == 1


async def test_a_token_shown_before_names_the_driver() -> None:
    """A card that came with a claim once is known when its holder walks in."""
    book = SessionBook(district(), MemoryTelemetry())
    book.see(begun())
    book.presented(EVSE, "hash-1")
    await book.name(EVSE, "v1", "u1")
    book.see(ended())

    book.see(begun(T0 + 86_400))
    book.presented(EVSE, "hash-1")
    book.see(ended(T0 + 86_400))

    assert [s.vehicle_id for s in book.of_user("u1", T0)] == ["v1", "v1"]
    assert book.visits == {"u1": {"S1": 2}}


async def test_an_unknown_token_names_nobody() -> None:
    """A card that no claim came with stays nobody's."""
    book = SessionBook(district(), MemoryTelemetry())
    book.see(begun())

    book.presented(EVSE, "hash-9")

    session = book.at(EVSE)
    assert session is not None
    assert (session.user_id, session.id_token_hash) == ("", "hash-9")
    assert book.visits == {}


async def test_rows_replayed_after_a_crash_count_no_visit_again() -> None:
    """A named session that is seen again keeps its name and counts once."""
    store = MemoryTelemetry()
    book = SessionBook(district(), store)
    book.see(begun())
    await book.name(EVSE, "v1", "u1")
    known = store.load()

    again = SessionBook(district(), store, known.sessions, known.visits)
    again.see(begun())
    again.see(ended())

    assert again.visits == {"u1": {"S1": 1}}
    assert [s.end_at_ms for s in again.of_vehicle("v1", 0.0)] == [int(T0 + 1_800) * 1000]


@pytest.mark.parametrize(("age_s", "kept"), [(KEPT_S - 7_200, 2), (KEPT_S + 7_200, 1)])
async def test_sessions_of_thirty_days_are_at_hand(age_s: float, kept: int) -> None:
    """An hour or two below 30 days a session is found in memory, above it is in the table only."""
    store = MemoryTelemetry()
    book = SessionBook(district(), store)
    old = ChargeSession(EVSE, T0 - age_s, T0 - age_s + 60, "S1", user_id="u1")
    new = ChargeSession(EVSE, T0, T0 + 60, "S1", user_id="u1")

    await book.put([old])
    await book.put([new])

    assert len(book.of_user("u1", 0.0)) == kept
    assert len(await store.list_sessions(0.0, user_id="u1")) == 2
    assert book.visits == {"u1": {"S1": 2}}


async def test_a_meter_that_ran_backwards_leaves_the_energy_unknown() -> None:
    """A register that was exchanged mid-session gives no energy and no price."""
    book = SessionBook(district())
    book.see(begun())

    session = book.see(ended(energy_kwh=-100.0))

    assert math.isnan(session.energy_kwh)
    assert math.isnan(session.price)
