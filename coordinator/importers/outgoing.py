"""What a running coordinator gives out as files: what it believes now, and what it keeps.

The forms are those of `export.py` and `records.py`. Who may have them is decided by who serves
them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from coordinator.clock import Clock
from coordinator.core.pile import Station, Tariff
from coordinator.importers.aggregate import Live, live_of
from coordinator.importers.export import export
from coordinator.importers.ocpi_out import Party
from coordinator.importers.records import requests_csv, sessions_csv
from coordinator.importers.shapes import Shapes, areas_of
from coordinator.usecases.district_view import DistrictView
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.promises import Promises
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.telemetry import TelemetryStore


@dataclass(frozen=True, slots=True)
class Picture:
    """The district at one moment, safe off the event loop."""

    stations: list[Station]
    tariffs: dict[str, Tariff]
    live: Live
    shapes: Shapes
    now_s: float


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Writes every form, off the event loop."""

    inventory: Inventory
    view: DistrictView
    store: TelemetryStore
    book: SessionBook
    clock: Clock
    party: Party
    name: str  # of the district
    promises: Promises

    def picture(self) -> Picture:
        """What is believed now."""
        district, now_s = self.inventory.district, self.clock.now_s()
        live = live_of(district, self.view.statuses(), now_s)
        shapes = Shapes(self.name, areas_of(self.promises.open()))
        return Picture(list(district.stations), dict(district.tariffs), live, shapes, now_s)

    async def file(self, form: str, since_s: float = float("-inf")) -> str:
        """One of `FORMATS`, or of `RECORDS` since then; raises KeyError for another."""
        if form == "sessions":
            return await asyncio.to_thread(sessions_csv, await self.book.listed(since_s))
        if form == "requests":
            return await asyncio.to_thread(requests_csv, await self.store.list_requests(since_s))
        now = self.picture()
        return await asyncio.to_thread(
            export, now.stations, form, now.live, now.now_s, now.tariffs, self.party, now.shapes
        )
