"""Portraits, and what users alike make of stations where this one never was."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.district import District
from coordinator.core.pile import (
    Connector,
    Evse,
    EvseStatus,
    Pile,
    PowerType,
    Station,
    User,
)
from coordinator.core.recommend.collaborative import (
    NEIGHBOURS,
    SHRINK,
    Stations,
    Tastes,
    learn_tastes,
    nearest,
)
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.pipeline import rank_each
from coordinator.core.recommend.portrait import StatisticsEncoder, second_basic, statistics
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.jobs.tastes import TasteKeeper
from coordinator.usecases.mirror import Mirror
from coordinator.usecases.world import World

NOW_S = 1_795_000_000.0


def stations(count: int = 6) -> Stations:
    """Every other one direct current; all in one place."""
    fast = np.arange(count) % 2 == 0
    here = np.zeros(count)
    names = [f"S{number}" for number in range(count)]
    return Stations(names, fast.astype(float), np.where(fast, 112.0, 7.0), here, here)


def tastes(visits: dict[str, dict[str, int]], **users: User) -> Tastes:
    return learn_tastes(visits, users, stations(), StatisticsEncoder())


def a_district(count: int = 4) -> District:
    """Stations S0, S1, ... one km apart to the north."""
    made = []
    for number in range(count):
        name = f"S{number}"
        plug = Connector("1", 27, PowerType.DC, 120.0)
        piles = (Pile(f"{name}-1", name, (Evse(f"{name}-1*1", (plug,)),)),)
        made.append(Station(name, name, 22.54 + (number + 1) / 111.2, 114.05, piles))
    district = District(made)
    district.status[:] = EvseStatus.AVAILABLE
    district.observed_at_s[:] = NOW_S
    return district


def a_request() -> ChargingRequest:
    return ChargingRequest(
        request_id="r",
        vehicle_id="car",
        vehicle=Vehicle(battery_kwh=60.0),
        soc_pct=50.0,
        latitude_deg=22.54,
        longitude_deg=114.05,
    )


def liked(district: District, learnt: Tastes | None, *contexts: Context) -> np.ndarray:
    """Preference of each request for S0, S1, ..."""
    ranked = rank_each(district, [a_request() for _ in contexts], list(contexts), Models(), NOW_S)
    rows = []
    for one in ranked:
        assert one.columns is not None
        by_evse = np.argsort(one.columns.candidates.evse)
        rows.append(one.columns.preference[by_evse])
    return np.array(rows)


def test_portrait_of_nobody_is_nothing() -> None:
    """Without a visit, a model or a habit the portrait has no number other than 0."""
    facts = [np.ones(3) for _ in range(4)]

    rows = statistics(sparse.csr_matrix((2, 3)), *facts)

    assert not rows.any()
    assert not second_basic([None, User("u")]).any()


def test_second_basic_information_is_the_same_for_the_same_words() -> None:
    """Model and habits give equal rows for equal words, whatever their case."""
    rows = second_basic(
        [
            User("a", vehicle_model="BYD Han", habits={"when": "night"}),
            User("b", vehicle_model="byd han", habits={"when": "night"}),
            User("c", vehicle_model="BYD Han"),
        ]
    )

    assert np.array_equal(rows[0], rows[1])
    assert rows[0].sum() == 2
    assert rows[2].sum() == 1


def test_users_alike_lend_their_visits() -> None:
    """Where a user never was counts what those like them did, shrunk to the mean of the station."""
    fast = {f"fast{n}": {"S0": 5, "S2": 5} for n in range(30)}
    slow = {f"slow{n}": {"S1": 5, "S3": 5} for n in range(30)}
    learnt = tastes({**fast, **slow, "me": {"S0": 4, "S4": 5}})

    (expected,) = learnt.expected(np.array([learnt.row["me"]]), np.array([[2, 3, 5]]))

    mean = 150 / 61
    assert expected[0] == pytest.approx((NEIGHBOURS * 5 + SHRINK * mean) / (NEIGHBOURS + SHRINK))
    assert expected[1] == pytest.approx(SHRINK * mean / (NEIGHBOURS + SHRINK))
    assert expected[2] == 0.0


def test_user_without_history_is_judged_by_model_and_habits() -> None:
    """Who never charged is near those with the same car and habits; who is unknown has no row."""
    habits = {"pace": "fast"}
    known = {
        f"u{n}": User(f"u{n}", vehicle_model="Han" if n < 25 else "Seal", habits=habits)
        for n in range(50)
    }
    visits = {f"u{n}": {"S0" if n < 25 else "S1": 6} for n in range(50)}
    learnt = tastes(
        visits, **known, new=User("new", vehicle_model="Seal"), blank=User("blank", vip=True)
    )

    (expected,) = learnt.expected(np.array([learnt.row["new"]]), np.array([[0, 1]]))

    assert expected[1] > 2 * expected[0]
    assert "blank" not in learnt.row


def test_many_requests_at_once_are_answered_as_each_alone() -> None:
    """The columns of a pass are those of its requests one by one, repeated stations included."""
    rng = np.random.default_rng(3)
    visits = {
        f"u{n}": {f"S{s}": int(rng.integers(1, 9)) for s in rng.choice(6, 3, replace=False)}
        for n in range(70)
    }
    learnt = tastes(visits)
    users, where = rng.integers(0, 70, 16), rng.integers(0, 6, (16, 5))

    together = learnt.expected(users, where)

    alone = [learnt.expected(users[[n]], where[[n]])[0] for n in range(16)]
    assert np.allclose(together, alone)


@given(
    counts=st.lists(
        st.dictionaries(st.sampled_from([f"S{n}" for n in range(6)]), st.integers(1, 500)),
        max_size=30,
    )
)
def test_expected_visits_are_bounded_by_what_was_seen(counts: list[dict[str, int]]) -> None:
    """For any histories the expectation is finite, and no more than anybody's count."""
    learnt = tastes({f"u{n}": seen for n, seen in enumerate(counts)})
    if not learnt.row:
        return
    users = np.arange(len(learnt.row))

    expected = learnt.expected(users, np.tile(np.arange(6), (users.size, 1)))

    most = np.array([max((seen.get(f"S{s}", 0) for seen in counts), default=0) for s in range(6)])
    assert np.isfinite(expected).all()
    assert (expected >= 0).all()
    assert (expected <= most + 1e-9).all()


def test_nobody_is_a_neighbour_of_themselves() -> None:
    """In a crowd of equals each has twenty others."""
    found = nearest(np.zeros((40, 3), dtype=np.float32), np.arange(40))

    assert found.shape == (40, NEIGHBOURS)
    assert not (found == np.arange(40)[:, None]).any()
    assert (nearest(np.zeros((3, 2), dtype=np.float32), np.arange(3))[:, 2:] == -1).all()


async def keeper(district: District, visits: dict[str, Counter[str]]) -> tuple[TasteKeeper, World]:
    world = World(district, Mirror(district, ClaimTable()), clock=None, visits=visits)  # type: ignore[arg-type]
    made = TasteKeeper(district, visits, world)
    await made.refresh()
    return made, world


async def test_keeper_makes_a_snapshot_only_when_something_changed() -> None:
    """A session, or another list of stations, gives a new snapshot; nothing new gives none."""
    district, visits = a_district(), {"me": Counter({"S0": 3})}
    kept, world = await keeper(district, visits)
    first = world.tastes

    idle = await kept.refresh()
    visits["you"] = Counter({"S1": 1})
    kept.on_session(None)
    again = await kept.refresh()
    district.put_stations([Station("T", "T", 22.6, 114.0, ())])

    assert first is not None
    assert idle is None
    assert again is not None
    assert "you" in again.row
    assert world.tastes_layout is not layout_of(district)


async def test_pipeline_prefers_where_users_alike_charge() -> None:
    """Own visits count as they are; elsewhere those alike count; the unknown likes all alike."""
    district = a_district()
    visits = {f"u{n}": Counter({"S0": 4, "S2": 8}) for n in range(20)}
    visits["me"] = Counter({"S0": 4})
    _, world = await keeper(district, visits)
    learnt = world.tastes
    assert learnt is not None
    row = learnt.row["me"]

    mine, alone, unknown = liked(
        district,
        learnt,
        Context(visits={0: 4}, tastes=learnt, taste=row),
        Context(visits={0: 4}, tastes=learnt),
        Context(tastes=learnt),
    )

    assert mine[0] == pytest.approx(alone[0])  # own count, not that of others
    assert mine[2] > mine[1] == pytest.approx(0.0)
    assert (alone[1:] == 0).all()
    assert (unknown == 0).all()
