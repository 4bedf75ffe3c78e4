"""Who is erased leaves the sessions of others readable, also where they shared a car."""

from __future__ import annotations

from coordinator.core.district import District
from coordinator.core.pile import Evse, Pile, Station
from coordinator.core.sessions import ChargeSession
from coordinator.usecases.person import Person
from coordinator.usecases.sessions import PRUNE_S, SessionBook

T0 = 1_790_000_000.0


def book_of(*driven: tuple[str, str]) -> SessionBook:
    """A book with an ended session for each user and car, an hour apart."""
    pile = Pile("P1", "S1", (Evse("P1*1", ()),))
    sessions = [
        ChargeSession("P1*1", T0 + 3_600.0 * n, T0 + 3_600.0 * n + 60.0, "S1", car, user)
        for n, (user, car) in enumerate(driven)
    ]
    return SessionBook(District([Station("S1", "One", 22.5, 114.0, (pile,))]), None, sessions)


def test_a_shared_car_is_told_without_who_was_erased() -> None:
    """The car's history keeps what the other driver charged, and can be read."""
    book = book_of(("ann", "van"), ("bob", "van"))

    book.forget(Person("ann"))

    assert [session.user_id for session in book.of_vehicle("van", T0)] == ["bob"]
    assert book.of_user("ann", T0) == []


def test_a_driver_of_an_erased_car_is_told_without_it() -> None:
    """Bob borrowed Ann's car once; his own sessions stay."""
    book = book_of(("bob", "ann's"), ("bob", "bob's"))

    book.forget(Person("ann", frozenset({"ann's"})))

    assert [session.vehicle_id for session in book.of_user("bob", T0)] == ["bob's"]
    assert book.of_vehicle("ann's", T0) == []


async def test_a_session_that_gets_another_driver_leaves_the_first_in_peace() -> None:
    """The first had no other session: what is old is still forgotten in its time."""
    book = book_of()
    await book.put([ChargeSession("P1*1", T0, T0 + 60.0, "S1", "van", "ann")])
    await book.put([ChargeSession("P1*1", T0, T0 + 60.0, "S1", "van", "bob")])

    await book.put([ChargeSession("P1*1", T0 + 2 * PRUNE_S, None, "S1", "van", "bob")])

    assert book.of_user("ann", T0) == []
    assert len(book.of_user("bob", T0)) == 2
