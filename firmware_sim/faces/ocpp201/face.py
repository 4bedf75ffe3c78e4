"""One charging station over OCPP 2.0.1: boots, tells what happens, answers what it is asked.

What is told is gathered in `journal.py`; what is answered is in `station.py`; how it stays
connected is in `faces/ocpp_line.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import ocpp.messages
from ocpp.v201 import call

from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.core.controller import authorise
from firmware_sim.core.evse import Evse
from firmware_sim.faces.ocpp201.journal import Journal
from firmware_sim.faces.ocpp201.sender import Sender
from firmware_sim.faces.ocpp201.station import Desk, Station
from firmware_sim.faces.ocpp201.variables import Variables
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_line import KeptLine, LineMaker
from firmware_sim.faces.ocpp_stamps import stamp_writer
from firmware_sim.faces.ocpp_wire import Link
from firmware_sim.fleet import Fleet

# Schemas are checked in line: a thread hop per message costs more than the check.
ocpp.messages.ASYNC_VALIDATION = False


class Ocpp201Face:
    """One charging station; intervals are real seconds, timestamps are the piles' clock."""

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
        self._habits = habits = Habits(fleet, self._pile_id)
        self._boot_reason = "" if "no_boot" in habits else "PowerUp"
        self._line = line(fleet, config, table, "ocpp2.0.1", seed)
        stamp = stamp_writer(habits, now_ms)
        self._journal = Journal(stamp, table.free_token, habits)
        self._desk = Desk(
            fleet=fleet,
            pile_id=self._pile_id,
            now_ms=now_ms,
            stamp=stamp,
            habits=habits,
            variables=Variables(sample_s=table.sample_s),
            journal=self._journal,
            on_trigger=self._trigger,
            on_reset=self._reboot,
            on_report=self._report,
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
        name = f"firmware_sim:ocpp201 {self._pile_id}"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(station.start(), name=f"{name} reader")
                if self._boot_reason:
                    await self._sender.boot(station, self._boot_reason)
                    self._boot_reason = ""
                self._journal.online = True
                self._line.held()
                self._sender.tell_everything()
                group.create_task(self._sender.deliver(station), name=f"{name} sender")
                group.create_task(self._sender.heartbeat(station), name=f"{name} heartbeat")
                group.create_task(self._sender.sample(), name=f"{name} sampler")
                group.create_task(self._sender.align(), name=f"{name} clock sampler")
        finally:
            self._journal.online = False

    def _note(self, old: Evse, new: Evse) -> None:
        if old.is_dark != new.is_dark:
            self._power_changed()
        if new.is_dark:
            # Without power nothing is noted; what was kept is compared when it is up again.
            return
        self._journal.note(old, new)
        if self._journal.drivers and not self._journal.online:
            # Not from here: other listeners have not heard of this change yet.
            asyncio.get_running_loop().call_soon(self._trust_drivers)

    def _trust_drivers(self) -> None:
        """Offline, unknown tokens are let on (OfflineTxForUnknownIdEnabled)."""
        drivers, self._journal.drivers = self._journal.drivers, {}
        for (evse_id, _), token in drivers.items():
            self._fleet.change(evse_id, partial(authorise, token=token))

    def _trigger(self, message: str, number: int | None) -> None:
        if message == "BootNotification":
            self._sender.promise_boot()
        elif message == "Heartbeat":
            self._sender.promise(call.Heartbeat())
        for count, evse in enumerate(self._desk.pile.evses, 1):
            if number not in (None, count):
                continue
            if message == "TransactionEvent":
                self._journal.sample(evse, "Trigger")
            elif message == "StatusNotification":
                self._journal.statuses[evse.spec.evse_id] = None
                self._journal.woken.set()
            elif message == "MeterValues" and not self._journal.sample(evse, "Trigger"):
                self._sender.promise_meter(count, evse, "Trigger")

    def _report(self, request_id: int) -> None:
        entries: Any = self._desk.variables.report()
        half = len(entries) // 2
        for seq_no, part in enumerate((entries[:half], entries[half:])):
            self._sender.promise(
                call.NotifyReport(request_id, self._desk.stamp(), seq_no, part, tbc=seq_no == 0)
            )

    def _power_changed(self) -> None:
        if self._desk.pile.is_dark:
            self._boot_reason = "" if "no_boot" in self._habits else "PowerUp"
        self._line.power_changed()

    def _reboot(self) -> None:
        self._boot_reason = "RemoteReset"
        self._line.drop()
