"""What an operator says of piles: whose word counts, and what is scrapped stays scrapped."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from coordinator.core.district import District
from coordinator.core.fact_order import AGENT, ORDER, overruled, wins, with_facts
from coordinator.core.pile import Evse, EvseStatus, Pile, RetiredPile, Station
from coordinator.core.rows import Changes
from coordinator.errors import FieldInvalid, NotFound
from coordinator.store.memory import MemoryTelemetry
from coordinator.usecases.events import Events
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.pile_keeper import PileKeeper
from coordinator.usecases.telemetry import TelemetryStore

Opener = Callable[[], TelemetryStore]


def pile(pile_id: str, station_id: str = "S1", **facts: object) -> Pile:
    return Pile(pile_id, station_id, (Evse(f"{pile_id}*1", ()),), **facts)  # type: ignore[arg-type]


class Kept:
    """A keeper over two stations, S1 with P1 and P2, S2 empty."""

    def __init__(self, store: TelemetryStore | None = None) -> None:
        self.store = store or MemoryTelemetry()
        stations = [
            Station("S1", "One", 22.5, 114.0, (pile("P1"), pile("P2"))),
            Station("S2", "Two", 22.6, 114.0),
        ]
        self.district = District(stations)
        self.events = Events(time.time, time.time)
        self.inventory = Inventory(
            self.district, self.store, self.events, time.time, agent_open=True, owners=[]
        )
        self.keeper = PileKeeper(self.inventory, self.store, self.events, time.time)

    def known(self, pile_id: str) -> Pile:
        return self.district.piles[self.district.pile_row[pile_id]]


def test_each_source_wins_over_all_after_it() -> None:
    """Config first, then the operator, BootNotification, registers, GNSS, and the rest."""
    for rank, source in enumerate(ORDER):
        assert all(wins(source, later) for later in ORDER[rank:])
        assert not any(wins(source, earlier) for earlier in ORDER[:rank])


def test_a_fact_of_a_better_source_stays() -> None:
    """What the agent's configuration says is kept; what only BootNotification said is not."""
    known = pile("P1", maker="ABB", model="T54", sources={"maker": "config", "model": "registers"})

    said = pile(
        "P1", maker="Siemens", model="T94", serial="7", sources={"model": "boot_notification"}
    )
    made = with_facts(known, said, AGENT)

    assert (made.maker, made.model, made.serial) == ("ABB", "T94", "7")
    assert made.sources == {"maker": "config", "model": "boot_notification", "serial": "agent"}
    assert overruled(known, said, AGENT) == ["maker"]


async def test_an_operators_word_outlives_the_agents_next_greeting() -> None:
    """PutPiles beats what the pile says of itself, and config beats PutPiles."""
    kept = Kept()
    agent = pile("P1", maker="A", model="A", sources={"maker": "config", "model": "registers"})
    await kept.inventory.introduce("agent-1", [agent])

    await kept.keeper.put([pile("P1", maker="B", model="B", bay_count=2)])
    await kept.inventory.introduce("agent-1", [agent])

    known = kept.known("P1")
    assert (known.maker, known.model, known.bay_count) == ("A", "B", 2)
    assert known.sources["model"] == "operator"
    spans = {(s.field, s.value): s.source for s in await kept.store.list_facts("P1")}
    assert spans["model", "B"] == "operator"


async def test_a_fact_that_is_not_said_stays_as_it_is_known() -> None:
    """Putting a label changes the label."""
    kept = Kept()
    await kept.keeper.put([pile("P1", maker="ABB")])

    await kept.keeper.put([kept.keeper.completed(Pile("P1", "", (), label="Gate 3"), False)])

    known = kept.known("P1")
    assert (known.maker, known.label, known.station_id) == ("ABB", "Gate 3", "S1")
    assert [evse.evse_id for evse in known.evses] == ["P1*1"]


async def test_a_pile_moves_to_the_station_that_it_is_put_at() -> None:
    """It leaves the old station and is known once."""
    kept = Kept()

    await kept.keeper.put([pile("P1", "S2")])

    assert [[p.pile_id for p in s.piles] for s in kept.district.stations] == [["P2"], ["P1"]]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (Pile("P9", "", (Evse("P9*1", ()),)), "piles[0].station_id"),
        (Pile("P9", "S9", (Evse("P9*1", ()),)), "piles[0].station_id"),
        (Pile("P9", "S1", (Evse("P1*1", ()),)), "piles[0].evses[0].evse_id"),
    ],
)
def test_a_pile_without_a_place_of_its_own_is_named(said: Pile, field: str) -> None:
    """No station, an unknown one, or another pile's EVSE."""
    assert [fault.field for fault in Kept().keeper.faults_of(said, "piles[0]")] == [field]


async def test_a_scrapped_pile_is_gone_until_it_is_put_again() -> None:
    """Neither its agent nor an import brings it back; those who listen heard REMOVED."""
    kept = Kept()
    heard: list[tuple[str, int]] = []

    def hear(changes: Changes) -> None:
        ids = kept.district.evse_ids
        heard.extend((ids[e], int(a)) for e, a in zip(changes.evse, changes.after, strict=True))

    kept.keeper.on_changes.append(hear)
    await kept.keeper.retire("P1", "burnt")
    await kept.inventory.introduce("agent-1", [pile("P1")])
    await kept.inventory.put_stations([Station("S1", "One", 22.5, 114.0, (pile("P1"),))])

    assert heard == [("P1*1", EvseStatus.REMOVED)]
    assert "P1*1" not in kept.district.row
    ended = await kept.store.list_facts("P1")
    assert all(span.valid_to_s is not None for span in ended)

    await kept.keeper.put([pile("P1")])

    assert "P1*1" in kept.district.row
    assert kept.inventory.retired == {}


async def test_scrapping_twice_is_scrapping_once_and_the_unknown_is_told() -> None:
    """The first instant and reason stand; a pile that nobody knows cannot be scrapped."""
    kept = Kept()
    await kept.keeper.retire("P1", "burnt")
    first = kept.inventory.retired["P1"]

    await kept.keeper.retire("P1", "again")

    assert kept.inventory.retired["P1"] == first
    with pytest.raises(NotFound):
        await kept.keeper.retire("P9", "")


async def test_scrapped_piles_survive_a_restart(open_store: Opener) -> None:
    """The list is replaced whole."""
    store = open_store()
    await store.put_retired([RetiredPile("P1", 1.0, "burnt"), RetiredPile("P2", 2.0)])
    await store.put_retired([RetiredPile("P2", 2.0)])
    await store.close()

    assert open_store().load().retired == [RetiredPile("P2", 2.0)]


async def test_a_pile_that_is_retired_meanwhile_is_refused_by_name() -> None:
    """It named no station because it was known; nothing of that call is entered."""
    kept = Kept()
    said = Pile("P1", "", ())
    assert not kept.keeper.faults_of(said, "piles[0]")
    await kept.keeper.retire("P1", "scrapped")

    with pytest.raises(FieldInvalid) as caught:
        await kept.keeper.put([said, pile("P2", maker="ABB")])

    assert [fault.field for fault in caught.value.faults] == ["piles[0].station_id"]
    assert kept.known("P2").maker == ""
