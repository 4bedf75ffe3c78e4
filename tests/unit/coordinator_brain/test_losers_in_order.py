"""Who is looked after first where several cars lose their places with one batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from coordinator.core.pile import EvseStatus
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.losers import needier_first
from coordinator.usecases.promises import Promise

FREE, BROKEN = EvseStatus.AVAILABLE, EvseStatus.OUTOFORDER
HIGH, LOW = WarningLevel.HIGH, WarningLevel.LOW


def car(level: WarningLevel, soc_pct: float) -> Promise:
    return cast(
        Promise,
        SimpleNamespace(
            answer=SimpleNamespace(level=int(level)), request=SimpleNamespace(soc_pct=soc_pct)
        ),
    )


CARS = {"A": [car(LOW, 9.0)], "B": [car(HIGH, 30.0)], "C": [car(HIGH, 5.0), car(LOW, 80.0)]}


def cars_to(evse_id: str) -> list[Promise]:
    return CARS.get(evse_id, [])


def test_the_higher_level_and_then_the_emptier_car_go_first() -> None:
    """Whatever the order in which the batch names their piles; what frees a place is before all."""
    batch = [("A", FREE, BROKEN), ("B", FREE, BROKEN), ("D", BROKEN, FREE), ("C", FREE, BROKEN)]

    assert [evse_id for evse_id, _, _ in needier_first(batch, cars_to)] == ["D", "C", "B", "A"]


def test_what_befell_one_pile_stays_in_its_order() -> None:
    """Broken, repaired and broken again is told so."""
    batch = [
        ("A", FREE, BROKEN), ("C", FREE, BROKEN), ("A", BROKEN, FREE), ("C", BROKEN, FREE),
        ("A", FREE, BROKEN),
    ]  # fmt: skip

    assert needier_first(batch, cars_to) == [batch[1], batch[3], batch[0], batch[2], batch[4]]


def test_a_single_loser_waits_for_nobody() -> None:
    """The batch is taken as it came."""
    batch = [("A", FREE, BROKEN), ("D", BROKEN, FREE)]

    assert needier_first(batch, cars_to) == batch
