"""The knowledge loop on a live district: rates written, faults learned at once, nobody blocked."""

import asyncio

import numpy as np
import pytest

from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station
from coordinator.core.ports import ModelUnavailable
from coordinator.core.rows import Changes
from coordinator.jobs.knowledge import Condition, Knowledge
from coordinator.models.serving import open_models

YEAR_S = 365.25 * 86_400.0


class SameForAll:
    def __init__(self, rate: float = 0.02) -> None:
        self.rate = rate

    def rates(self, vectors: np.ndarray) -> np.ndarray:
        return np.full(len(vectors), self.rate, dtype=np.float32)


class Broken:
    def rates(self, vectors: np.ndarray) -> np.ndarray:
        raise ModelUnavailable("failure", "it gave a value that is not finite")


def a_station(name: str, plugs: int, power_type: PowerType = PowerType.DC) -> Station:
    piles = tuple(
        Pile(
            f"{name}-{n}",
            name,
            (Evse(f"{name}-{n}*1", (Connector("1", 33, power_type, 50.0),)),),
            maker="ABB",
            model="Terra 54",
            commissioned_at_s=0.0,
        )
        for n in range(plugs)
    )
    return Station(name, name, 0.0, 0.0, piles)


def a_district(*stations: Station) -> District:
    district = District(stations or (a_station("a", 6),))
    district.exposure_days[:] = 100.0
    return district


def breaks(district: District, row: int, counted: bool = True) -> Changes:
    """An outage as ingest tells it: evidence first, then the change."""
    district.fault_count[row] += counted
    before = district.status[row]
    district.status[row] = EvseStatus.OUTOFORDER
    return Changes(
        np.array([row]),
        np.array([before], dtype=np.int8),
        np.array([EvseStatus.OUTOFORDER], dtype=np.int8),
    )


async def test_refresh_writes_prior_and_settled_rates() -> None:
    """After an update a pile with outages has a higher prior, and its like lean towards it."""
    district = a_district()
    district.fault_count[0] = 30

    await Knowledge(district, SameForAll(), lambda: YEAR_S).refresh()

    assert district.prior_rate[0] > 4 * district.prior_rate[1]
    assert district.failure_rate[0] < district.prior_rate[0]
    assert district.failure_rate[1] > district.prior_rate[1]


async def test_refresh_takes_the_level_from_the_fleet() -> None:
    """A model that knows another fleet keeps its order, but the level is what happened here."""
    district = a_district(a_station("a", 40))
    district.exposure_days[:] = 1000.0
    district.fault_count[:] = 100

    await Knowledge(district, SameForAll(0.002), lambda: YEAR_S).refresh()

    assert district.failure_rate.mean() == pytest.approx(1 - np.exp(-0.1), rel=0.05)


@pytest.mark.parametrize("failure", [None, Broken()])
async def test_refresh_without_a_model_uses_the_fleet_and_says_so(failure: Broken | None) -> None:
    """With no model, or one that fails, the rates come from counts alone, marked degraded."""
    district = a_district()
    district.fault_count[:] = 10

    made = await Knowledge(district, failure, lambda: YEAR_S).refresh()

    assert made.degraded
    assert 0.05 < district.failure_rate[0] < 0.15


async def test_fault_moves_those_alike_at_once_and_no_other_type() -> None:
    """An outage raises the pile and its like of the same type without a new map."""
    district = a_district(a_station("a", 5), a_station("b", 5, PowerType.AC_3_PHASE))
    knowledge = Knowledge(district, SameForAll(), lambda: YEAR_S)
    await knowledge.refresh()
    before = district.failure_rate.copy()

    for _ in range(5):
        district.fault_count[0] += 1
    knowledge.observe(breaks(district, 0))

    assert district.failure_rate[0] > 1.5 * before[0]
    assert (district.failure_rate[1:5] > before[1:5]).all()
    assert np.array_equal(district.failure_rate[5:], before[5:])
    assert knowledge.iterations == 2


async def test_outage_merged_by_debounce_teaches_nothing() -> None:
    """A change to out of order that was not counted as a new outage leaves all rates alone."""
    district = a_district()
    knowledge = Knowledge(district, SameForAll(), lambda: YEAR_S)
    await knowledge.refresh()
    before = district.failure_rate.copy()

    knowledge.observe(breaks(district, 0, counted=False))

    assert np.array_equal(district.failure_rate, before)


async def test_fault_during_an_update_is_not_lost() -> None:
    """A fault that comes while the map is made in its thread is in the rates that it writes."""
    district = a_district()
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(SameForAll):
        def rates(self, vectors: np.ndarray) -> np.ndarray:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
            return super().rates(vectors)

    knowledge = Knowledge(district, Slow(), lambda: YEAR_S)
    update = asyncio.create_task(knowledge.refresh())
    await asyncio.sleep(0)
    district.fault_count[2] += 9
    knowledge.observe(breaks(district, 2))
    release.set()
    await update

    assert district.failure_rate[2] > 2 * district.failure_rate[3]


async def test_scrapped_pile_leaves_at_the_next_update() -> None:
    """A removed pile asks for an update, after which its faults no longer weigh on the others."""
    district = a_district()
    district.fault_count[0] = 50
    knowledge = Knowledge(district, SameForAll(), lambda: YEAR_S)
    await knowledge.refresh()
    spoiled = float(district.failure_rate[1])
    rounds = asyncio.Queue[float]()

    async def forever(_: float) -> None:
        rounds.put_nowait(float(district.failure_rate[1]))
        await asyncio.Event().wait()

    knowledge._sleep = forever
    task = asyncio.create_task(knowledge.run(), name="test:knowledge")
    await asyncio.wait_for(rounds.get(), 60)
    district.status[0] = EvseStatus.REMOVED
    knowledge.observe(
        Changes(
            np.array([0]),
            np.array([EvseStatus.AVAILABLE], dtype=np.int8),
            np.array([EvseStatus.REMOVED], dtype=np.int8),
        )
    )
    after = await asyncio.wait_for(rounds.get(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert after < spoiled
    assert task.cancelled()


async def test_stations_changed_while_the_map_was_made() -> None:
    """Rates are written to the EVSEs they belong to, and another update is asked for."""
    district = a_district(a_station("b", 2))
    district.fault_count[0] = 50
    loop = asyncio.get_running_loop()

    class Changing(SameForAll):
        def rates(self, vectors: np.ndarray) -> np.ndarray:
            async def change() -> None:
                if len(district) == 2:
                    district.put_stations([a_station("z", 3)])

            asyncio.run_coroutine_threadsafe(change(), loop).result(10)
            return super().rates(vectors)

    knowledge = Knowledge(district, Changing(), lambda: YEAR_S)
    await knowledge.refresh()

    worst = district.row["b-0*1"]
    assert district.prior_rate[worst] == district.prior_rate.max()
    assert knowledge._wanted.is_set()
    assert knowledge.learn(np.array([worst]), Condition.SPECIFIC).size == 0


async def test_loop_goes_on_after_a_failed_update() -> None:
    """A defect in one update is logged; the next one serves."""
    district = a_district()
    tries = asyncio.Queue[int]()

    class Once(SameForAll):
        calls = 0

        def rates(self, vectors: np.ndarray) -> np.ndarray:
            Once.calls += 1
            if Once.calls == 1:
                raise RuntimeError("boom")
            return super().rates(vectors)

    async def at_once(_: float) -> None:
        tries.put_nowait(Once.calls)
        if Once.calls > 1:
            await asyncio.Event().wait()

    knowledge = Knowledge(district, Once(), lambda: YEAR_S, sleep=at_once)
    task = asyncio.create_task(knowledge.run(), name="test:knowledge")
    await asyncio.wait_for(tries.get(), 60)
    await asyncio.wait_for(tries.get(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert knowledge.iterations == 1


@pytest.mark.slow
async def test_ten_thousand_evses_with_the_bundled_model() -> None:
    """The shipped model and the map serve ten thousand EVSEs with rates between 0 and 1."""
    district = a_district(*(a_station(f"s{n}", 10) for n in range(1000)))
    rng = np.random.default_rng(0)
    district.fault_count[:] = rng.poisson(0.3, len(district))

    made = await Knowledge(district, open_models().failure, lambda: 3 * YEAR_S).refresh()

    assert not made.degraded
    assert 0.0 < district.failure_rate.min() < district.failure_rate.max() < 1.0
