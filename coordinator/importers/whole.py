"""A whole import: every file read and checked first, then everything stored, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from coordinator.core.district import District
from coordinator.core.pile import Pile, PlannedOutage, Station, Tariff, User
from coordinator.core.sessions import ChargeSession
from coordinator.core.surroundings import ContextValue
from coordinator.errors import FieldFault, FieldInvalid, ImportInvalid, Problem
from coordinator.importers.context import load_context
from coordinator.importers.export import export
from coordinator.importers.ocpi_out import UNTOLD, Party
from coordinator.importers.piles import load_piles
from coordinator.importers.records import (
    load_requests,
    load_sessions,
    requests_csv,
    sessions_csv,
)
from coordinator.importers.shapes import Shapes
from coordinator.importers.stations import load_stations
from coordinator.importers.tables import load_outages, load_owners, load_roads, load_users
from coordinator.importers.tariffs import load_tariffs
from coordinator.store.database import DirectoryLock
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.events import Events
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.pile_keeper import PileKeeper
from coordinator.usecases.requests import StoredRequest
from coordinator.usecases.telemetry import Road

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Files:
    """Files to import, by what they hold."""

    stations: tuple[Path, ...] = ()
    tariffs: tuple[Path, ...] = ()
    users: tuple[Path, ...] = ()
    roads: tuple[Path, ...] = ()
    owners: tuple[Path, ...] = ()
    outages: tuple[Path, ...] = ()
    sessions: tuple[Path, ...] = ()
    requests: tuple[Path, ...] = ()
    context: tuple[Path, ...] = ()
    piles: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What the files hold; outages replace those planned, unless no file of them was given."""

    stations: list[Station] = field(default_factory=list)
    tariffs: list[Tariff] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    roads: list[Road] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    outages: list[PlannedOutage] | None = None
    sessions: list[ChargeSession] = field(default_factory=list)
    requests: list[StoredRequest] = field(default_factory=list)
    context: list[ContextValue] = field(default_factory=list)
    piles: list[Pile] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many of each."""
        evses = sum(len(p.evses) for station in self.stations for p in station.piles)
        return {
            "stations": len(self.stations),
            "evses": evses,
            "tariffs": len(self.tariffs),
            "users": len(self.users),
            "roads": len(self.roads),
            "owners": len(self.owners),
            "outages": len(self.outages or ()),
            "sessions": len(self.sessions),
            "requests": len(self.requests),
            "context": len(self.context),
            "piles": len(self.piles),
        }


def read_files(
    files: Files, near: tuple[float, float] | None = None, limit: int | None = None
) -> Imported:
    """Everything in the files; raises one `ImportInvalid` for all problems of all files."""
    problems: list[Problem] = []

    def read(paths: tuple[Path, ...], load: Callable[[Path], list[T]]) -> list[T]:
        found: list[T] = []
        for path in paths:
            try:
                found += load(path)
            except ImportInvalid as error:
                problems.extend(error.problems)
        return found

    imported = Imported(
        stations=read(files.stations, lambda path: load_stations(path, near, limit)),
        tariffs=read(files.tariffs, load_tariffs),
        users=read(files.users, load_users),
        roads=read(files.roads, load_roads),
        owners=dict(read(files.owners, lambda path: list(load_owners(path).items()))),
        outages=read(files.outages, load_outages) if files.outages else None,
        sessions=read(files.sessions, load_sessions),
        requests=read(files.requests, load_requests),
        context=read(files.context, load_context),
        piles=read(files.piles, load_piles),
    )
    if problems:
        raise ImportInvalid(problems)
    return imported


async def import_into_store(data_dir: Path, imported: Imported) -> dict[str, int]:
    """How many of each were stored, where no coordinator runs.

    Raises `DirectoryBusy` where one does: then `OperatorService` takes the import. Raises
    `FieldInvalid`, and nothing is stored, for a session or outage of what is not known.
    """
    lock = DirectoryLock(data_dir)
    try:
        store = SqliteTelemetry(data_dir)
        try:
            if faults := list(_unknown_places(imported, store.load().stations)):
                raise FieldInvalid(*faults[:20])
            await store.put_stations(imported.stations)
            await store.put_tariffs(imported.tariffs)
            await store.put_users(imported.users)
            if imported.roads:
                await store.put_roads(imported.roads, replace=True)
            await _inventory(store).assign(imported.owners)
            if imported.outages is not None:
                await store.put_outages(imported.outages)
            await store.put_sessions(_placed(imported.sessions, store.load().stations))
            await store.put_requests(imported.requests)
            await store.put_context(imported.context, time.time())
            if imported.piles:
                await _put_piles(_keeper(store), imported.piles)
        finally:
            await store.close()
    finally:
        lock.release()
    return imported.counts()


def _unknown_places(imported: Imported, stored: Iterable[Station]) -> Iterator[FieldFault]:
    """Sessions without a station and outages of EVSEs or stations that nobody would know."""
    stations = {station.station_id: station for station in (*stored, *imported.stations)}
    piles = [pile for station in stations.values() for pile in station.piles]
    evses = {evse.evse_id for pile in piles for evse in pile.evses}
    for number, session in enumerate(imported.sessions):
        if not session.station_id and session.evse_id not in evses:
            where = f"sessions[{number}].station_id"
            yield FieldFault(where, f"is missing, and {session.evse_id} is not known")
    evses |= {evse.evse_id for pile in imported.piles for evse in pile.evses}
    for number, outage in enumerate(imported.outages or ()):
        if outage.evse_id and outage.evse_id not in evses:
            yield FieldFault(f"outages[{number}].evse_id", f"{outage.evse_id} is not known")
        if outage.station_id and outage.station_id not in stations:
            yield FieldFault(f"outages[{number}].station_id", f"{outage.station_id} is not known")


async def retire_in_store(data_dir: Path, pile_id: str, reason: str) -> None:
    """Takes a pile out for good, where no coordinator runs; raises `NotFound`.

    Raises `DirectoryBusy` where one does: then `OperatorService.RetirePile` does it.
    """
    lock = DirectoryLock(data_dir)
    try:
        store = SqliteTelemetry(data_dir)
        try:
            await _keeper(store).retire(pile_id, reason)
        finally:
            await store.close()
    finally:
        lock.release()


def _keeper(store: SqliteTelemetry) -> PileKeeper:
    """What keeps piles, over what the store knows now."""
    return PileKeeper(_inventory(store), store, Events(time.time, time.time), time.time)


def _inventory(store: SqliteTelemetry) -> Inventory:
    """The lists and owners that the store knows now."""
    known = store.load()
    return Inventory(
        District(known.stations), store, Events(time.time, time.time), time.time,
        agent_open=False, owners=known.owners, retired=known.retired,
    )  # fmt: skip


async def _put_piles(keeper: PileKeeper, piles: Sequence[Pile]) -> None:
    """Enters piles; raises `FieldInvalid` if one has no place."""
    told = [keeper.completed(pile, bool(pile.evses)) for pile in piles]
    if faults := [f for n, pile in enumerate(told) for f in keeper.faults_of(pile, f"piles[{n}]")]:
        raise FieldInvalid(*faults[:20])
    await keeper.put(told)


def _placed(sessions: Sequence[ChargeSession], stations: Iterable[Station]) -> list[ChargeSession]:
    """The sessions with the stations at which their EVSEs stand, where they do not say."""
    home = {
        evse.evse_id: station.station_id
        for station in stations
        for pile in station.piles
        for evse in pile.evses
    }
    return [s if s.station_id else replace(s, station_id=home.get(s.evse_id, "")) for s in sessions]


async def export_from_store(
    data_dir: Path, form: str, party: Party = UNTOLD, district: str = ""
) -> str:
    """Stations, tariffs, sessions or requests of a store as a file, where no coordinator runs.

    Nothing live is known then.

    Raises `DirectoryBusy` where one does: then `OperatorService.Export` gives it.
    """
    lock = DirectoryLock(data_dir)
    try:
        store = SqliteTelemetry(data_dir)
        try:
            if form == "sessions":
                return sessions_csv(await store.list_sessions(float("-inf")))
            if form == "requests":
                return requests_csv(await store.list_requests(float("-inf")))
            known = store.load()
            tariffs = {tariff.tariff_id: tariff for tariff in known.tariffs}
            shapes = Shapes(district)
            return export(known.stations, form, {}, time.time(), tariffs, party, shapes)
        finally:
            await store.close()
    finally:
        lock.release()
