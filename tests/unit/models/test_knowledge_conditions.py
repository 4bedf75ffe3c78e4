"""When the map is updated, where, from which prior, and what outlives it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station
from coordinator.core.reliability.baselines import Prior, same_type_rate, use_and_faults_rate
from coordinator.core.reliability.map_settings import MapSettings, MapState
from coordinator.core.reliability.similarity import Measure
from coordinator.core.rows import Changes
from coordinator.jobs.knowledge import Condition, Knowledge, Updating

NOW_S = 365.25 * 86_400.0


class SameForAll:
    def rates(self, vectors: np.ndarray) -> np.ndarray:
        return np.full(len(vectors), 0.02, dtype=np.float32)


def a_district(plugs: int = 6, makers: tuple[str, ...] = ("ABB",)) -> District:
    piles = tuple(
        Pile(
            f"a-{n}",
            "a",
            (Evse(f"a-{n}*1", (Connector("1", 33, PowerType.DC, 50.0),)),),
            maker=makers[n % len(makers)],
            model="Terra 54",
            commissioned_at_s=0.0,
        )
        for n in range(plugs)
    )
    district = District([Station("a", "a", 0.0, 0.0, piles)])
    district.exposure_days[:] = 100.0
    district.charging_s[:] = 3.6e6
    return district


def a_keeper(district: District, *conditions: Condition, **settings: object) -> Knowledge:
    return Knowledge(
        district,
        SameForAll(),
        lambda: NOW_S,
        settings=MapSettings(**settings),  # type: ignore[arg-type]
        updating=Updating(frozenset(conditions)),
    )


def breaks(district: District, row: int, times: int = 5) -> Changes:
    district.fault_count[row] += times
    return Changes(
        np.array([row]),
        np.array([EvseStatus.AVAILABLE], dtype=np.int8),
        np.array([EvseStatus.OUTOFORDER], dtype=np.int8),
    )


async def test_fault_waits_for_the_regular_update_if_nothing_else_is_wanted() -> None:
    """Without the specific condition a fault changes no rate until the whole map is made."""
    district = a_district()
    knowledge = a_keeper(district, Condition.REGULAR)
    await knowledge.refresh()
    before = district.failure_rate.copy()

    knowledge.observe(breaks(district, 0))
    at_once = district.failure_rate.copy()
    await knowledge.refresh()

    assert np.array_equal(at_once, before)
    assert district.failure_rate[0] > before[0]


async def test_real_time_updates_follow_every_report() -> None:
    """Quiet days that a report adds lower the rate at once; a report that adds none costs none."""
    district = a_district()
    knowledge = a_keeper(district, Condition.REAL_TIME)
    await knowledge.refresh()
    before, iterations = district.failure_rate.copy(), knowledge.iterations

    knowledge.hear(np.array([0, 1]))
    unchanged = knowledge.iterations
    district.exposure_days[0] += 50.0
    knowledge.hear(np.array([0, 1]))

    assert unchanged == iterations
    assert district.failure_rate[0] < before[0]
    assert knowledge.last is not None
    assert knowledge.last.condition is Condition.REAL_TIME


async def test_reports_are_not_heard_unless_updates_are_real_time() -> None:
    """By default a report that is no fault waits for the regular update."""
    district = a_district()
    knowledge = a_keeper(district, Condition.REGULAR, Condition.SPECIFIC)
    await knowledge.refresh()
    before = district.failure_rate.copy()

    district.exposure_days[0] += 50.0
    knowledge.hear(np.array([0]))

    assert np.array_equal(district.failure_rate, before)


async def test_no_regular_update_comes_if_none_is_configured() -> None:
    """Without the regular condition the loop sleeps until something asks for an update."""
    district, slept = a_district(), asyncio.Event()

    async def sleep(_: float) -> None:
        slept.set()

    knowledge = Knowledge(
        district,
        SameForAll(),
        lambda: NOW_S,
        updating=Updating(frozenset({Condition.SPECIFIC})),
        sleep=sleep,
    )
    task = asyncio.create_task(knowledge.run(), name="test:knowledge")
    async with asyncio.timeout(60):
        while knowledge.iterations < 1:
            await asyncio.sleep(0.01)
        knowledge.want()
        while knowledge.iterations < 2:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert not slept.is_set()
    assert knowledge.last is not None
    assert knowledge.last.condition is Condition.SPECIFIC


async def test_iterations_and_changed_settings_outlive_the_map() -> None:
    """What is kept after an update gives the next process the count and the operator's settings."""
    kept: list[MapState] = []

    async def keep(state: MapState) -> None:
        kept.append(state)

    district = a_district()
    knowledge = Knowledge(district, SameForAll(), lambda: NOW_S, keep=keep)
    await knowledge.refresh()
    knowledge.observe(breaks(district, 0))
    await knowledge.configure(MapSettings(threshold=0.9))
    again = Knowledge(district, SameForAll(), lambda: NOW_S, settings=MapSettings(), state=kept[-1])
    await again.refresh()

    assert kept[0] == MapState(1, None)
    assert kept[-1] == MapState(3, MapSettings(threshold=0.9))
    assert again.iterations == 4
    assert again.settings.threshold == 0.9


async def test_same_type_rate_moves_all_of_the_kind() -> None:
    """With the rate of the kind as prior, one fault raises the prior of every pile of that kind."""
    district = a_district(8, makers=("ABB", "Alfen"))
    knowledge = a_keeper(
        district, Condition.SPECIFIC, prior=Prior.SAME_TYPE, attributes=("maker",), threshold=0.5
    )
    await knowledge.refresh()
    before = district.prior_rate.copy()

    knowledge.observe(breaks(district, 0))

    assert (district.prior_rate[::2] > before[::2]).all()
    assert np.array_equal(district.prior_rate[1::2], before[1::2])


async def test_use_and_faults_prior_is_that_baseline() -> None:
    """With use time and faults as prior, the prior is what they say and nothing else."""
    district = a_district()
    district.fault_count[:] = [0, 1, 2, 3, 4, 5]
    knowledge = a_keeper(district, Condition.SPECIFIC, prior=Prior.USE_AND_FAULTS)

    await knowledge.refresh()
    knowledge.observe(breaks(district, 0))

    expected = use_and_faults_rate(
        district.charging_s / 3600.0, district.fault_count.astype(float), district.exposure_days
    )
    assert district.prior_rate[0] == pytest.approx(expected[0], rel=1e-5)
    assert (np.diff(district.prior_rate[1:]) > 0).all()


@pytest.mark.parametrize("measure", list(Measure))
async def test_every_measure_serves_in_the_loop(measure: Measure) -> None:
    """Whichever distance is chosen, equal piles of a district are neighbours and share rates."""
    district = a_district()
    knowledge = a_keeper(district, Condition.SPECIFIC, measure=measure)
    await knowledge.refresh()
    before = district.failure_rate.copy()

    knowledge.observe(breaks(district, 0))

    assert (district.failure_rate > before).all()


def test_same_type_rate_of_a_rare_kind_is_near_the_fleet() -> None:
    """A kind with a day of observation says little beside the fleet; one with years, a lot."""
    kinds = np.array([0, 1, 2])
    faults, days = np.array([0.0, 50.0, 1.0]), np.array([3_000.0, 1_000.0, 1.0])

    rates = same_type_rate(kinds, faults, days)

    assert rates[0] < 0.001
    assert rates[1] == pytest.approx(0.049, abs=0.002)
    assert rates[2] < 0.05


def test_use_and_faults_rate_of_a_fleet_never_used_is_pooled() -> None:
    """Nothing used and nothing observed gives the default rate of the fleet, never NaN."""
    rates = use_and_faults_rate(np.array([np.nan, 0.0]), np.zeros(2), np.zeros(2))

    assert rates == pytest.approx([0.02, 0.02])
