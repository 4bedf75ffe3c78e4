"""The contract of the telemetry store, the same for both engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coordinator.core.pile import (
    Connector,
    Evse,
    Pile,
    PlannedOutage,
    PowerType,
    Station,
    Tariff,
    TariffElement,
    User,
)
from coordinator.core.ranges import Ranges
from coordinator.core.reliability.map_settings import MapSettings, MapState
from coordinator.core.reliability.similarity import Measure
from coordinator.core.report import LostRun, Refusal
from coordinator.core.sessions import ChargeSession
from coordinator.errors import StoreClosed
from coordinator.usecases.telemetry import (
    STATE_COLUMNS,
    Checkpoint,
    IngestGroup,
    Road,
    Spool,
    StateRow,
    StoredBatch,
    TelemetryStore,
)

Opener = Callable[[], TelemetryStore]

EVSE = Evse("P1*1", (Connector("1", 19, PowerType.DC, 60.0),))
STATION = Station("S1", "One", 22.5, 114.0, (Pile("P1", "S1", (EVSE,)),))


def group(number: int, first: int, last: int, settled: Ranges) -> IngestGroup:
    """A group with one batch."""
    return IngestGroup(
        received_at_ms=number,
        batches=[StoredBatch("spool-1", first, last, number, f"payload {number}".encode())],
        spools={"spool-1": Spool("spool-1", "agent-1", settled)},
    )


def state(evse_id: str, status: int) -> StateRow:
    """A state row; what has no value here is 0."""
    given = {"evse_id": evse_id, "status": status, "fault_code": ""}
    return tuple(given.get(name, kind()) for name, kind in STATE_COLUMNS)


async def reopen(open_store: Opener, store: TelemetryStore) -> TelemetryStore:
    await store.close()
    return open_store()


async def test_lists_come_back_as_they_were_put(open_store: Opener) -> None:
    """Stations, tariffs, users, roads and owners survive a restart; a second put replaces."""
    store = open_store()
    tariff = Tariff("T1", "CNY", (TariffElement("ENERGY", 1.5),))
    user = User("U1", vip=True, vip_until_s=2e9, vehicle_ids=("V1",))
    road = Road("a", "b", (22.5, 114.0), (22.6, 114.1), 3.0, 60.0, (1.0,) * 24)
    await store.put_stations([Station("S1", "Old", 0.0, 0.0)])
    await store.put_stations([STATION])
    await store.put_tariffs([tariff])
    await store.put_users([user])
    await store.put_roads([road], replace=False)
    await store.put_outages([PlannedOutage(1.0, 2.0, "P9*1")])
    await store.put_outages([PlannedOutage(3.0, 4.0, station_id="S1", reason="paint")])
    await store.put_owners({"P1": "agent-1"}, 1.0)
    await store.put_owners({"P1": "agent-2"}, 2.0)

    known = (await reopen(open_store, store)).load()

    assert known.stations == [STATION]
    assert known.tariffs == [tariff]
    assert known.users == [user]
    assert known.roads == [road]
    assert known.outages == [PlannedOutage(3.0, 4.0, station_id="S1", reason="paint")]
    assert known.owners == [("P1", "agent-1", 1.0, 2.0), ("P1", "agent-2", 2.0, None)]


async def test_what_outlives_the_knowledge_map_comes_back(open_store: Opener) -> None:
    """Updates so far and an operator's settings survive a restart; at first there is nothing."""
    store = open_store()
    first = store.load().knowledge
    changed = MapSettings(threshold=0.7, measure=Measure.HAMMING, share=0.4, attributes=("age",))
    await store.put_knowledge(MapState(1, None))
    await store.put_knowledge(MapState(7, changed))

    known = (await reopen(open_store, store)).load()

    assert first == MapState()
    assert known.knowledge == MapState(7, changed)


async def test_replacing_roads_forgets_the_old_ones(open_store: Opener) -> None:
    """With `replace`, only the new edges are left."""
    store = open_store()
    old = Road("a", "b", (0.0, 0.0), (0.0, 1.0), 1.0, 50.0)
    new = Road("c", "d", (0.0, 0.0), (0.0, 1.0), 1.0, 50.0)
    await store.put_roads([old], replace=False)
    await store.put_roads([new], replace=True)

    assert (await reopen(open_store, store)).load().roads == [new]


async def test_groups_since_the_checkpoint_are_the_tail(open_store: Opener) -> None:
    """A start gets the states of the last checkpoint and exactly the batches after it."""
    store = open_store()
    session = ChargeSession("P1*1", 5.0, start_energy_kwh=100.0, start_soc_pct=20.0)
    await store.commit(group(1, 1, 10, Ranges([(1, 10)])))
    await store.checkpoint(Checkpoint(lambda: [state("P1*1", 1)], [session]))
    await store.checkpoint(Checkpoint(lambda: [state("P1*1", 3), state("P2*1", 1)], []))
    await store.commit(group(2, 11, 20, Ranges([(1, 20)])))
    await store.commit(group(3, 31, 40, Ranges([(1, 20), (31, 40)])))

    known = (await reopen(open_store, store)).load()

    assert [(b.first_seq, b.last_seq, b.payload) for b in known.tail] == [
        (11, 20, b"payload 2"),
        (31, 40, b"payload 3"),
    ]
    assert [b.received_at_ms for b in known.tail] == [2, 3]
    assert {row[0]: row[1] for row in known.states} == {"P1*1": 3, "P2*1": 1}
    assert known.spools["spool-1"].settled == Ranges([(1, 20), (31, 40)])
    assert [s.key for s in known.sessions] == [("P1*1", 5.0)]


async def test_counts_are_of_what_is_stored(open_store: Opener) -> None:
    """Records, gaps and refusals of an agent's spools are counted apart, other agents' not."""
    store = open_store()
    mine = group(1, 1, 7, Ranges([(1, 12)]))
    mine.gaps.append(("spool-1", LostRun(8, 10, "THINNED")))
    mine.refusals += [("spool-1", Refusal(n, "DATA-004", "soc_pct", "is 300")) for n in (11, 12)]
    mine.spools["spool-2"] = Spool("spool-2", "agent-2", Ranges([(1, 1)]))
    await store.commit(mine)

    (count,) = await store.count_spools("agent-1")

    assert (count.spool_id, count.settled) == ("spool-1", Ranges([(1, 12)]))
    assert (count.record_count, count.gap_count, count.rejected_count) == (7, 3, 2)
    assert await store.count_spools("nobody") == []


async def test_a_closed_store_takes_nothing(open_store: Opener) -> None:
    """After `close`, a commit is refused as retryable."""
    store = open_store()
    await store.close()

    with pytest.raises(StoreClosed):
        await store.commit(group(1, 1, 1, Ranges([(1, 1)])))
