"""Which stations and piles there are, and which agent speaks for each.

Imports say where stations are; agents add the facts of their piles, and stations nobody imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace

from coordinator.core.district import District
from coordinator.core.fact_order import AGENT, with_facts
from coordinator.core.ownership import ALWAYS_S, Ownership, OwnerSpan, unlimited, windows_ms
from coordinator.core.pile import Pile, RetiredPile, Station
from coordinator.core.pile_facts import Fact, facts_of
from coordinator.core.report import FOREIGN_EVSE, UNKNOWN_EVSE, Windows
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.usecases.events import Events
from coordinator.usecases.telemetry import TelemetryStore


class EvseTable(dict[str, int]):
    """From an EVSE id to its row; `FOREIGN_EVSE` and `UNKNOWN_EVSE` say why there is none."""

    def __init__(
        self, own: dict[str, int], known: Container[str], windows: Mapping[str, Windows]
    ) -> None:
        super().__init__(own)
        self._known = known
        # Of EVSEs that the agent speaks for at some times only.
        self.windows = windows

    def __missing__(self, evse_id: str) -> int:
        return FOREIGN_EVSE if evse_id in self._known else UNKNOWN_EVSE


class Inventory:
    """The district's lists and owners; what changes them is durable before it shows.

    `changing` is held while the layout of the district's columns must not move.
    """

    def __init__(
        self,
        district: District,
        store: TelemetryStore,
        events: Events,
        now_s: Callable[[], float],
        *,
        agent_open: bool,
        owners: Iterable[OwnerSpan],
        retired: Iterable[RetiredPile] = (),
    ) -> None:
        self.district = district
        self.changing = asyncio.Lock()
        self.version = 0  # rises with every change of layout or owners
        self.retired = {pile.pile_id: pile for pile in retired}
        self._store = store
        self._events = events
        self._now_s = now_s
        self._agent_open = agent_open
        self.ownership = Ownership(owners)

    def owner_of(self, pile_id: str) -> str:
        """The agent that speaks for a pile now; empty if nobody does."""
        return self.ownership.owner_at(pile_id, self._now_s())

    def speaker_of(self, evse_id: str) -> str:
        """The agent that speaks for an EVSE now; empty if nobody does."""
        row = self.district.row.get(evse_id)
        if row is None:
            return ""
        return self.owner_of(self.district.piles[self.district.pile[row]].pile_id)

    def piles_of(self, agent_id: str) -> list[str]:
        """Piles that an agent speaks for now."""
        return self.ownership.piles_of(agent_id, self._now_s())

    def agents(self) -> set[str]:
        """Agents that speak for a pile now."""
        return self.ownership.agents_at(self._now_s())

    def table_for(self, agent_id: str) -> EvseTable:
        """EVSEs to their rows, or why this agent may not report them.

        EVSEs of piles that were, or will be, another's are there with the agent's own times.
        """
        district, own, windows = self.district, {}, {}
        for pile_id, spans in self.ownership.spans_with(agent_id).items():
            place = district.pile_row.get(pile_id)
            for evse in () if place is None else district.piles[place].evses:
                own[evse.evse_id] = district.row[evse.evse_id]
                if not unlimited(spans):
                    windows[evse.evse_id] = windows_ms(spans)
        return EvseTable(own, district.row, windows)

    async def put_stations(self, stations: Sequence[Station]) -> None:
        """Adds or replaces stations; facts that agents gave of piles kept in them stay.

        Scrapped piles are left out.
        """
        async with self.changing:
            stations = [in_service(station, self.retired) for station in stations]
            self._check_unique(stations)
            merged = [self._with_known_piles(station) for station in stations]
            await self._store.put_stations(merged)
            await self._store.put_facts(all_facts(merged), self._now_s())
            self.district.put_stations(merged)
            self.version += 1

    def _check_unique(self, stations: Sequence[Station]) -> None:
        """Raises `FieldInvalid` if a pile or an EVSE would belong to two places."""
        replaced = {station.station_id for station in stations}
        kept = [s for s in self.district.stations if s.station_id not in replaced]
        homes: dict[str, str] = {}
        faults: list[FieldFault] = []
        for station in (*kept, *stations):
            for pile in station.piles:
                home = f"station {station.station_id}"
                faults += _second_home(homes, f"pile {pile.pile_id}", home)
                for evse in pile.evses:
                    home = f"pile {pile.pile_id} of station {station.station_id}"
                    faults += _second_home(homes, f"EVSE {evse.evse_id}", home)
        if faults:
            raise FieldInvalid(*faults[:20])

    def _with_known_piles(self, station: Station) -> Station:
        """The station with the piles that an agent added to it and the import does not know."""
        row = self.district.station_row.get(station.station_id)
        if row is None:
            return station
        named = {pile.pile_id for pile in station.piles}
        kept = [p for p in self.district.stations[row].piles if p.pile_id not in named]
        added = tuple(pile for pile in kept if pile.sources.get("station") == "agent")
        return replace(station, piles=station.piles + added) if added else station

    async def assign(self, owners: Mapping[str, str], from_s: float | None = None) -> None:
        """Says which agent speaks for each of these piles from then on, else from now on.

        A pile that nobody had before is its agent's from the beginning, unless `from_s` is given;
        an empty agent leaves a pile to nobody.
        """
        async with self.changing:
            await self._give(owners, from_s)
            self.version += 1

    async def _give(self, owners: Mapping[str, str], from_s: float | None = None) -> None:
        """Gives piles away, durably, as `assign` says."""
        begins: dict[float, dict[str, str]] = {}
        for pile_id, agent_id in owners.items():
            since_s = self._now_s() if self.ownership.had_owner(pile_id) else ALWAYS_S
            begins.setdefault(since_s if from_s is None else from_s, {})[pile_id] = agent_id
        for at_s, given in begins.items():
            await self._store.put_owners(given, at_s)
            for pile_id, agent_id in given.items():
                self.ownership.give(pile_id, agent_id, at_s)

    async def introduce(self, agent_id: str, piles: Iterable[Pile]) -> None:
        """Takes in what an agent says of its piles; piles of others are left alone.

        A pile without an owner is taken if the district is open to agents. A pile that no import
        knows gets the station it names, or one of its own at its position; without either it
        cannot be placed, which is said.
        """
        async with self.changing:
            taken: dict[str, str] = {}
            touched: dict[str, Station] = {}
            for pile in piles:
                if pile.pile_id in self.retired:
                    self._say_retired(agent_id, pile.pile_id)
                    continue
                owner = taken.get(pile.pile_id) or self.owner_of(pile.pile_id)
                if not self.ownership.had_owner(pile.pile_id) and self._agent_open:
                    owner = taken[pile.pile_id] = agent_id
                if owner != agent_id or self._names_others(pile):
                    self._events.add(
                        "AGENT",
                        f"agent {agent_id} brings pile {pile.pile_id}, which is not its own",
                        facts={
                            "what": "foreign_pile",
                            "agent_id": agent_id,
                            "pile_id": pile.pile_id,
                        },
                    )
                    continue
                self._place(agent_id, pile, touched)
            if taken:
                await self._give(taken)
            if touched:
                await self._store.put_stations(list(touched.values()))
                await self._store.put_facts(all_facts(touched.values()), self._now_s())
                self.district.put_stations(touched.values())
            if taken or touched:
                self.version += 1

    def _say_retired(self, agent_id: str, pile_id: str) -> None:
        self._events.add(
            "AGENT",
            f"agent {agent_id} brings pile {pile_id}, which was retired",
            facts={"what": "retired_pile", "agent_id": agent_id, "pile_id": pile_id},
        )

    def _names_others(self, pile: Pile) -> bool:
        """Whether an EVSE that the pile names is known as another pile's."""
        rows, district = self.district.row, self.district
        return any(
            district.piles[district.pile[rows[evse.evse_id]]].pile_id != pile.pile_id
            for evse in pile.evses
            if evse.evse_id in rows
        )

    def _place(self, agent_id: str, pile: Pile, touched: dict[str, Station]) -> None:
        """Puts the pile into its station, among those touched, if that changes anything."""
        known = self.district.pile_row.get(pile.pile_id)
        if known is not None:
            pile = with_facts(self.district.piles[known], pile, AGENT)
        station_id = pile.station_id or f"{agent_id}-{pile.pile_id}"[:64]
        station = touched.get(station_id) or self._station(station_id)
        if station is None:
            if pile.latitude_deg is None or pile.longitude_deg is None:
                self._events.add(
                    "AGENT",
                    f"pile {pile.pile_id} has neither a known station nor a position",
                    facts={"what": "unplaced", "agent_id": agent_id, "pile_id": pile.pile_id},
                )
                return
            name = pile.label or station_id
            station = Station(station_id, name, pile.latitude_deg, pile.longitude_deg)
        if known is None:
            pile = replace(
                pile, station_id=station_id, sources={**pile.sources, "station": "agent"}
            )
        others = tuple(p for p in station.piles if p.pile_id != pile.pile_id)
        if len(others) < len(station.piles) and pile in station.piles:
            return
        order = {p.pile_id: i for i, p in enumerate(station.piles)}
        piles = sorted((*others, pile), key=lambda p: order.get(p.pile_id, len(order)))
        touched[station_id] = replace(station, piles=tuple(piles))

    def _station(self, station_id: str) -> Station | None:
        row = self.district.station_row.get(station_id)
        return None if row is None else self.district.stations[row]


def _second_home(homes: dict[str, str], what: str, home: str) -> list[FieldFault]:
    """A fault if the thing has a home already; else it has this one from now on."""
    first = homes.setdefault(what, home)
    return [] if first is home else [FieldFault("stations", f"{what} is in {first} and {home}")]


def all_facts(stations: Iterable[Station]) -> dict[str, dict[str, Fact]]:
    """The facts of all piles of the stations, by pile."""
    return {pile.pile_id: facts_of(pile) for station in stations for pile in station.piles}


def in_service(station: Station, retired: Container[str]) -> Station:
    """The station without its scrapped piles."""
    piles = tuple(pile for pile in station.piles if pile.pile_id not in retired)
    return station if len(piles) == len(station.piles) else replace(station, piles=piles)
