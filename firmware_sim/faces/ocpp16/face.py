"""One charge point over OCPP 1.6: boots, tells what happens, answers what it is asked.

What is told is gathered in `journal.py`; what is answered is in `station.py`; how it stays
connected is in `faces/ocpp_line.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import ocpp.messages
from ocpp.v16.enums import MessageTrigger, ReadingContext

from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.core.controller import authorise
from firmware_sim.core.evse import Evse
from firmware_sim.faces.ocpp16.journal import Journal
from firmware_sim.faces.ocpp16.outbox import Outbox
from firmware_sim.faces.ocpp16.sender import Sender
from firmware_sim.faces.ocpp16.settings import Settings
from firmware_sim.faces.ocpp16.station import Desk, Station
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_line import KeptLine, LineMaker
from firmware_sim.faces.ocpp_stamps import stamp_writer
from firmware_sim.faces.ocpp_wire import Link
from firmware_sim.fleet import Fleet

# Schemas are checked in line: a thread hop per message costs more than the check.
ocpp.messages.ASYNC_VALIDATION = False


class OcppFace:
    """One charge point; intervals are real seconds, timestamps are the piles' clock."""

    def __init__(
        self,
        fleet: Fleet,
        config: PileConfig,
        table: OcppTable,
        now_ms: Callable[[], int],
        *,
        seed: int,
        line: LineMaker = KeptLine,
    ) -> None:
        self._fleet = fleet
        self._pile_id = config.spec.pile_id
        self._table = table
        self._online = False
        self._habits = Habits(fleet, self._pile_id)
        self._booted = "no_boot" in self._habits
        settings = Settings(sample_s=table.sample_s, connectors=config.spec.evse_count)
        self._line = line(fleet, config, table, "ocpp1.6", seed)
        stamp = stamp_writer(self._habits, now_ms)
        self._journal = Journal(Outbox(), stamp, table.free_token)
        self._desk = Desk(
            fleet=fleet,
            pile_id=self._pile_id,
            now_ms=now_ms,
            stamp=stamp,
            habits=self._habits,
            settings=settings,
            outbox=self._journal.outbox,
            on_trigger=self._trigger,
            on_reset=self._reboot,
        )
        self._sender = Sender(self._desk, self._journal, config.spec, table)

    async def run(self) -> None:
        """Stays connected until cancelled; a lost link is tried again with full jitter."""
        forget_evse = self._fleet.on_evse_change(self._note, pile_id=self._pile_id)
        try:
            await self._line.run(self._serve)
        finally:
            forget_evse()

    async def _serve(self, link: Link) -> None:
        station = Station(self._desk, link, self._table.call_timeout_s)
        name = f"firmware_sim:ocpp16 {self._pile_id}"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(station.start(), name=f"{name} reader")
                if not self._booted:
                    await self._sender.boot(station)
                    self._booted = True
                # A pile that comes back after a lost link does not boot again; it tells its
                # statuses.
                self._online = True
                self._line.held()
                self._sender.tell_everything()
                group.create_task(self._sender.deliver(station), name=f"{name} sender")
                group.create_task(self._sender.heartbeat(station), name=f"{name} heartbeat")
                group.create_task(self._sender.sample(), name=f"{name} sampler")
        finally:
            self._online = False

    def _note(self, old: Evse, new: Evse) -> None:
        if old.is_dark != new.is_dark:
            self._power_changed()
        if new.is_dark:
            # Without power nothing is noted; what was kept is compared when it is up again.
            return
        self._journal.note(old, new)
        if self._journal.drivers and not self._online:
            # Not from here: other listeners have not heard of this change yet.
            asyncio.get_running_loop().call_soon(self._trust_drivers)

    def _trust_drivers(self) -> None:
        """Offline, unknown tokens are let on (AllowOfflineTxForUnknownId)."""
        drivers, self._journal.drivers = self._journal.drivers, {}
        for key, token in drivers.items():
            self._fleet.change(key.evse_id, partial(authorise, token=token))

    def _trigger(self, message: MessageTrigger, connector_id: int | None) -> None:
        if message is MessageTrigger.meter_values:
            for number, evse in enumerate(self._desk.pile.evses, 1):
                if connector_id in (None, 0, number):
                    self._journal.sample(evse, number, ReadingContext.trigger)
        else:
            self._sender.promise(message, connector_id)

    def _power_changed(self) -> None:
        if self._desk.pile.is_dark:
            self._booted = "no_boot" in self._habits
        self._line.power_changed()

    def _reboot(self) -> None:
        self._booted = False
        self._line.drop()
