"""Portrait encoders in the pipeline: a model's space decides who is alike, or the statistics do."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from structlog.testing import capture_logs

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station, User
from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.collaborative import Stations, learn_tastes
from coordinator.core.recommend.portrait import (
    COLUMNS,
    STATISTICS,
    StatisticsEncoder,
    portraits_or_statistics,
)
from coordinator.jobs.tastes import TasteKeeper
from coordinator.usecases.mirror import Mirror
from coordinator.usecases.world import World


class OnlyHabits:
    """An encoder to which nothing but models and habits counts."""

    def portraits(self, statistics: np.ndarray) -> np.ndarray:
        return statistics[:, len(STATISTICS) :]


class Contrary:
    """An encoder that puts who is new opposite to those of the same habits."""

    def portraits(self, statistics: np.ndarray) -> np.ndarray:
        told: np.ndarray = statistics[:, len(STATISTICS) :]
        return told * (2.0 * statistics[:, :1] - 1.0)


class Broken:
    """An encoder that is out of order as often as told, then sees habits only."""

    def __init__(self, times: int) -> None:
        self.times = times

    def portraits(self, statistics: np.ndarray) -> np.ndarray:
        if self.times:
            self.times -= 1
            raise ModelUnavailable("portrait", "it was too slow")
        return OnlyHabits().portraits(statistics)


class Fixed:
    """An encoder that gives these vectors whatever is asked."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def portraits(self, statistics: np.ndarray) -> np.ndarray:
        return self.vectors


def some_rows(count: int = 3) -> np.ndarray:
    return np.random.default_rng(2).random((count, len(COLUMNS))).astype(np.float32)


def a_district() -> District:
    piles = [
        Pile(f"{name}-1", name, (Evse(f"{name}-1*1", (Connector("1", 27, PowerType.DC, 60.0),)),))
        for name in ("A", "B")
    ]
    return District([Station(pile.station_id, "", 22.5, 114.0, (pile,)) for pile in piles])


def a_crowd(district: District) -> dict[str, Counter[str]]:
    """Night drivers go to B, the others to A, and often; the newcomer charges by night."""
    visits = {}
    for number in range(60):
        night, name = number < 30, f"u{number}"
        habits = {"when": "night" if night else "day"}
        district.users[name] = User(name, habits=habits)
        visits[name] = Counter({"B": 1} if night else {"A": 40})
    district.users["new"] = User("new", habits={"when": "night"})
    return visits


def a_keeper(encoder: object) -> tuple[TasteKeeper, World]:
    district = a_district()
    visits = a_crowd(district)
    world = World(district, Mirror(district, ClaimTable()), clock=None, visits=visits)  # type: ignore[arg-type]
    return TasteKeeper(district, visits, world, encoder=encoder), world  # type: ignore[arg-type]


def test_encoder_that_is_unavailable_leaves_the_statistics() -> None:
    """Its reason is kept beside the portraits that stand in for it."""
    rows = some_rows()

    vectors, why = portraits_or_statistics(Broken(1), rows)

    assert vectors is rows
    assert "too slow" in why
    assert portraits_or_statistics(StatisticsEncoder(), rows) == (rows, "")


@pytest.mark.parametrize(
    "vectors",
    [
        np.full((3, 2), np.nan, dtype=np.float32),
        np.full((3, 2), np.inf, dtype=np.float32),
        np.zeros((2, 2), dtype=np.float32),
        np.zeros(3, dtype=np.float32),
    ],
)
def test_vectors_that_cannot_be_compared_are_not_used(vectors: np.ndarray) -> None:
    """Values that are not finite, or not one row a user, leave the statistics."""
    rows = some_rows()

    seen, why = portraits_or_statistics(Fixed(vectors), rows)

    assert seen is rows
    assert "shape" in why


def test_neighbours_are_those_of_the_encoders_space() -> None:
    """Whom an encoder puts in one place lend each other their visits."""
    here = np.zeros(2)
    stations = Stations(["A", "B"], here, here + 7.0, here, here)
    visits = {f"u{n}": {"A" if n < 30 else "B": 4} for n in range(60)}
    users = {"new": User("new", vehicle_model="Han")}
    # The newcomer stands where those who charge at B are.
    space = np.array([[0.0]] * 30 + [[9.0]] * 31, dtype=np.float32)

    tastes = learn_tastes(visits, users, stations, Fixed(space))

    (expected,) = tastes.expected(np.array([tastes.row["new"]]), np.array([[0, 1]]))
    assert tastes.fallback == ""
    assert expected[1] > 4 * expected[0]


async def test_keeper_takes_another_encoder_with_the_next_snapshot() -> None:
    """A model that comes to serve changes who is alike, though nobody charged meanwhile."""
    keeper, _ = a_keeper(None)
    first = await keeper.refresh()

    keeper.use(Contrary())
    second = await keeper.refresh()
    idle = await keeper.refresh()

    assert first is not None
    assert second is not None
    assert idle is None
    night = {second.row[f"u{n}"] for n in range(30)}
    assert set(first.neighbours[first.row["new"]]) <= night
    assert not set(second.neighbours[second.row["new"]]) & night


async def test_keeper_tells_once_why_statistics_stand_in_and_asks_again() -> None:
    """A model that fails costs no answer: its reason is logged, and it is tried at each period."""
    keeper, world = a_keeper(Broken(2))

    with capture_logs() as logs:
        for _ in range(4):
            await keeper.refresh()

    assert [entry["event"] for entry in logs] == [
        "portraits are statistics",
        "portraits are encoded again",
    ]
    assert "too slow" in logs[0]["why"]
    assert world.tastes is not None
    assert world.tastes.fallback == ""
