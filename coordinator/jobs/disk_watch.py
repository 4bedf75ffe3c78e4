"""Tells when the disk is full and when it has room again, and lays the ballast anew.

What is given up on a full disk stands in `store/full_disk.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from coordinator.store.full_disk import FullDisk
from coordinator.store.salvage import Salvaged
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events

log = structlog.get_logger()

EVERY_S = 5.0


def tell_damage(damaged: Sequence[Salvaged], lost: Sequence[str], events: Events) -> None:
    """Says which files were damaged, or without their journal, when this process started."""
    for one in damaged:
        events.add("STORE", str(one), facts={"what": "store_damaged"})
    for name in lost:
        text = f"{name} lost its journal, and what was stored in it last"
        events.add("STORE", text, facts={"what": "journal_lost"})


class DiskWatch:
    """Looks every few seconds; off the event loop, as the ballast is written whole."""

    def __init__(self, disk: FullDisk, events: Events, counters: Counters) -> None:
        self._disk = disk
        self._events = events
        self._counters = counters
        self._full = False
        self._thinned = 0
        counters.gauge("disk_full", lambda: float(self._full))

    async def run(self, every_s: float = EVERY_S) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()

    async def look(self) -> None:
        """Tells what changed since the last look."""
        full = self._disk.full
        if thinned := self._disk.thinned_batches - self._thinned:
            self._thinned += thinned
            self._counters.add("batches_thinned", thinned)
        if full and not self._full:
            text = "the disk is full: the oldest readings are given up, places may be refused"
            self._events.add("STORE", text, facts={"what": "disk_full"})
        if full or not self._full:
            laid = await asyncio.to_thread(self._disk.lay)
            full = full and not laid
        if self._full and not full:
            log.info("disk has room again")
            self._events.add("STORE", "the disk has room again", facts={"what": "disk_room"})
        self._full = full
