"""What an operator says of single piles: their facts, and that one is scrapped for good.

What agents and imports say is in `inventory.py`, where the lists are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from coordinator.core.district import District
from coordinator.core.fact_order import OPERATOR, overruled, with_facts
from coordinator.core.pile import Evse, EvseStatus, Pile, RetiredPile, Station
from coordinator.core.rows import Changes
from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.usecases.events import Events
from coordinator.usecases.inventory import Inventory, all_facts
from coordinator.usecases.telemetry import TelemetryStore


class PileKeeper:
    """Takes an operator's word on piles; what changes is durable before it shows."""

    def __init__(
        self,
        inventory: Inventory,
        store: TelemetryStore,
        events: Events,
        now_s: Callable[[], float],
    ) -> None:
        # Told of the EVSEs of a scrapped pile while their rows are still there.
        self.on_changes: list[Callable[[Changes], None]] = []
        self._inventory = inventory
        self._district: District = inventory.district
        self._store = store
        self._events = events
        self._now_s = now_s

    def completed(self, pile: Pile, names_evses: bool) -> Pile:
        """The pile as its teller means it: EVSEs that were not named are those that are known.

        A new pile has one. Sources are the operator's, whatever was written.
        """
        known = self._known(pile.pile_id) is not None
        evses = pile.evses if names_evses or not known else ()
        if not evses and not known:
            evses = (Evse(f"{pile.pile_id}*1", ()),)
        return replace(pile, evses=evses, sources={})

    def faults_of(self, pile: Pile, field: str) -> list[FieldFault]:
        """What is wrong with a pile's place here: no station, or EVSEs of another pile."""
        district = self._district
        faults = []
        station_id = self._home_of(pile)
        if not station_id:
            faults.append(FieldFault(f"{field}.station_id", "is missing, and the pile is new"))
        elif station_id not in district.station_row:
            faults.append(FieldFault(f"{field}.station_id", f"{station_id} is not known"))
        for number, evse in enumerate(pile.evses):
            row = district.row.get(evse.evse_id)
            if row is None:
                continue
            owner = district.piles[int(district.pile[row])].pile_id
            if owner != pile.pile_id:
                where = f"{field}.evses[{number}].evse_id"
                faults.append(FieldFault(where, f"{evse.evse_id} belongs to pile {owner}"))
        return faults

    async def put(self, piles: Sequence[Pile]) -> None:
        """Enters facts of piles, and new piles; a scrapped one is there again.

        A field that is not said stays as it is known; the agent's configuration keeps its word.
        Raises `FieldInvalid`, and enters none, where a place is gone since it was looked at.
        """
        async with self._inventory.changing:
            judged = (self.faults_of(pile, f"piles[{n}]") for n, pile in enumerate(piles))
            if faults := [fault for some in judged for fault in some]:
                raise FieldInvalid(*faults)
            touched: dict[str, Station] = {}
            for pile in piles:
                self._place(pile, touched)
            back = {pile.pile_id for pile in piles} & self._inventory.retired.keys()
            stations = list(touched.values())
            if back:
                kept = [r for r in self._inventory.retired.values() if r.pile_id not in back]
                await self._store.put_retired(kept)
                for pile_id in back:
                    del self._inventory.retired[pile_id]
            await self._store.put_stations(stations)
            facts = {p.pile_id: all_facts(stations)[p.pile_id] for p in piles}
            await self._store.put_facts(facts, self._now_s())
            self._district.put_stations(stations)
            self._inventory.version += 1

    def _place(self, pile: Pile, touched: dict[str, Station]) -> None:
        """Puts the pile into its station, among those touched, and out of the one it leaves."""
        known = self._known(pile.pile_id)
        home = self._home_of(pile)
        if known is None:
            sources = {"station": OPERATOR} | dict.fromkeys(("evses",), OPERATOR)
            made = with_facts(replace(pile, sources=sources), pile, OPERATOR)
        else:
            made = with_facts(known, pile, OPERATOR)
            if lost := overruled(known, pile, OPERATOR):
                self._say(pile.pile_id, f"config keeps its word on {', '.join(lost)}", "overruled")
            if known.station_id != home:
                station = touched.get(known.station_id) or self._station(known.station_id)
                touched[known.station_id] = without(station, pile.pile_id)
        made = replace(made, station_id=home)
        station = touched.get(home) or self._station(home)
        piles = {p.pile_id: p for p in station.piles} | {made.pile_id: made}
        touched[home] = replace(station, piles=tuple(piles.values()))

    async def retire(self, pile_id: str, reason: str) -> None:
        """Takes a pile out for good: never a candidate, its holds are re-planned at once.

        It leaves the knowledge map as scrapped (US 12,393,974 B2, claim 3), and only `put` brings
        it back. Raises `NotFound`.
        """
        async with self._inventory.changing:
            if pile_id in self._inventory.retired:
                return
            known = self._known(pile_id)
            if known is None:
                raise NotFound("pile", pile_id)
            retired = RetiredPile(pile_id, self._now_s(), reason)
            everything = {**self._inventory.retired, pile_id: retired}
            await self._store.put_retired(list(everything.values()))
            station = without(self._station(known.station_id), pile_id)
            await self._store.put_stations([station])
            await self._store.put_facts({pile_id: {}}, retired.at_s)
            self._inventory.retired[pile_id] = retired
            self._remove(known)
            self._district.put_stations([station])
            self._inventory.version += 1
        self._say(pile_id, f"retired: {reason or 'no reason given'}", "retired")

    def _remove(self, pile: Pile) -> None:
        """Says that the EVSEs are gone, while who listens can still look them up."""
        rows = np.array([self._district.row[e.evse_id] for e in pile.evses], dtype=np.intp)
        before = self._district.status[rows].copy()
        after = np.full(rows.size, EvseStatus.REMOVED, dtype=np.int8)
        self._district.status[rows] = after
        for tell in self.on_changes:
            tell(Changes(rows, before, after))

    def _known(self, pile_id: str) -> Pile | None:
        row = self._district.pile_row.get(pile_id)
        return None if row is None else self._district.piles[row]

    def _home_of(self, pile: Pile) -> str:
        """The station that the pile names, or at which it is known."""
        known = self._known(pile.pile_id)
        return pile.station_id or ("" if known is None else known.station_id)

    def _station(self, station_id: str) -> Station:
        return self._district.stations[self._district.station_row[station_id]]

    def _say(self, pile_id: str, text: str, what: str) -> None:
        facts = {"what": what, "pile_id": pile_id}
        self._events.add("PILE", f"pile {pile_id} {text}", facts=facts)


def without(station: Station, pile_id: str) -> Station:
    """The station without a pile."""
    return replace(station, piles=tuple(p for p in station.piles if p.pile_id != pile_id))
