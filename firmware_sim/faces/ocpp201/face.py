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
from firmware_sim.core.driver_list import DriverList
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import lose_pile_power, restore_pile_power
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.journal import Journal
from firmware_sim.faces.ocpp201.messages import word
from firmware_sim.faces.ocpp201.sender import Sender201, security_event
from firmware_sim.faces.ocpp201.station import Station
from firmware_sim.faces.ocpp201.station_model import take_variable
from firmware_sim.faces.ocpp201.story import Seal
from firmware_sim.faces.ocpp201.variables import DeviceModel, variables_201
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_line import KeptLine, LineMaker
from firmware_sim.faces.ocpp_power import ProfileShelf
from firmware_sim.faces.ocpp_pulse import Pulse
from firmware_sim.faces.ocpp_stamps import stamp_writer
from firmware_sim.faces.ocpp_upkeep import Job
from firmware_sim.faces.ocpp_wire import Link
from firmware_sim.fleet import Fleet

# Schemas are checked in line: a thread hop per message costs more than the check.
ocpp.messages.ASYNC_VALIDATION = False
_REPORTED_AT_ONCE = 20


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
        self._has_mains = True
        self._reset_waits = ""
        self._line = line(fleet, config, table, "ocpp2.0.1", seed)
        settings = variables_201(config.spec, sample_s=table.sample_s, own=config.ocpp)
        self._line.ping_s = lambda: settings.seconds("OCPPCommCtrlr.WebSocketPingInterval")
        stamp = stamp_writer(habits, now_ms)
        self._journal = Journal(stamp, table.free_token, settings, habits, _seal_of(config))
        self._desk = Desk(
            fleet=fleet,
            pile_id=self._pile_id,
            now_ms=now_ms,
            stamp=stamp,
            habits=habits,
            settings=settings,
            variables=DeviceModel(settings),
            journal=self._journal,
            drivers=DriverList(),
            shelf=ProfileShelf(fleet, self._pile_id, now_ms, self._transaction_of),
            identity=self._line.identity,
            firmware=Job(config.ocpp.job_step_s),
            upload=Job(config.ocpp.job_step_s),
            promise=lambda request: self._sender.promise(request),
            on_trigger=self._trigger,
            on_reset=self._reboot,
            on_report=self._report,
            redial=self._line.drop,
        )
        self._desk.variables.on_write = partial(take_variable, self._desk)
        self._sender = Sender201(self._desk, self._journal, config.spec, table)
        self._line.identity.on_event = lambda kind, info: self._sender.promise(
            security_event(kind, stamp(), info)
        )

    async def run(self) -> None:
        """Stays connected until cancelled; a lost link is tried again with full jitter."""
        forget_evse = self._fleet.on_evse_change(self._note, pile_id=self._pile_id)
        forget_wire = self._fleet.on_wire_change(self._mains_changed)
        desk, sender = self._desk, self._sender
        pulse = Pulse(
            desk.now_ms,
            lambda: desk.settings.seconds("AlignedDataCtrlr.Interval"),
            sender.align,
            desk.shelf.hold,
        )
        try:
            async with asyncio.TaskGroup() as group:
                name = f"firmware_sim:ocpp201 {self._pile_id} pulse"
                group.create_task(pulse.run(), name=name)
                await self._line.run(self._serve)
        finally:
            forget_evse()
            forget_wire()
            desk.firmware.end()
            desk.upload.end()

    async def _serve(self, link: Link) -> None:
        station = Station(self._desk, link, self._table.call_timeout_s)
        name = f"firmware_sim:ocpp201 {self._pile_id}"
        self._sender.connected()
        if not self._boot_reason and "boots_again" in self._habits:
            self._boot_reason = "Unknown"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(station.start(), name=f"{name} reader")
                if self._boot_reason:
                    await self._sender.boot(station, self._boot_reason)
                    self._boot_reason = ""
                self._come_online()
                group.create_task(self._sender.deliver(station), name=f"{name} sender")
                group.create_task(self._sender.heartbeat(station), name=f"{name} heartbeat")
                group.create_task(self._sender.storm(station), name=f"{name} boots")
                group.create_task(self._sender.sample(), name=f"{name} sampler")
        finally:
            self._journal.online = False

    def _come_online(self) -> None:
        if "queue_reversed" in self._habits:
            self._journal.outbox.reverse()
        self._journal.online = True
        self._line.held()
        profile = str(self._desk.identity.now.profile)
        self._desk.settings.put("SecurityCtrlr.SecurityProfile", profile)
        self._sender.tell_everything()

    def _note(self, old: Evse, new: Evse) -> None:
        if old.is_dark != new.is_dark:
            self._power_changed()
        if new.is_dark:
            # Without power nothing is noted; what was kept is compared when it is up again.
            return
        self._journal.note(old, new)
        loop = asyncio.get_running_loop()
        if self._journal.drivers and not self._journal.online:
            # Not from here: other listeners have not heard of this change yet.
            loop.call_soon(self._trust_drivers)
        if self._reset_waits:
            loop.call_soon(self._reboot, self._reset_waits)

    def _trust_drivers(self) -> None:
        """Offline, the pile decides by what it knows itself."""
        drivers, self._journal.drivers = self._journal.drivers, {}
        for key, token in drivers.items():
            self._sender.trust_known_driver(key, token, offline=True)

    def _transaction_of(self, evse: Evse) -> str:
        running = self._journal.running.get(evse.spec.evse_id)
        return running.transaction_id if running else ""

    def _trigger(self, message: str, number: int | None) -> None:
        desk = self._desk
        match message:
            case "BootNotification":
                self._sender.promise(self._sender.boot_request("Triggered"))
            case "Heartbeat":
                self._sender.promise(call.Heartbeat())
            case "FirmwareStatusNotification":
                self._sender.promise(call.FirmwareStatusNotification(word(desk.firmware.status)))
            case "LogStatusNotification":
                self._sender.promise(call.LogStatusNotification(word(desk.upload.status)))
            case "SignChargingStationCertificate":
                use = word("ChargingStationCertificate")
                self._sender.promise(call.SignCertificate(desk.identity.keyring.request(), use))
            case _:
                for count, evse in enumerate(desk.pile.evses, 1):
                    if number in (None, count):
                        self._trigger_evse(message, count, evse)

    def _trigger_evse(self, message: str, number: int, evse: Evse) -> None:
        if message == "TransactionEvent":
            self._journal.sample(evse, "Trigger", "Trigger")
        elif message == "StatusNotification":
            self._journal.statuses[evse.spec.evse_id] = None
            self._journal.woken.set()
        else:
            self._sender.promise_meter(number, evse, "Trigger")

    def _report(self, request_id: int, entries: list[Any]) -> None:
        starts = range(0, len(entries), _REPORTED_AT_ONCE)
        for seq_no, start in enumerate(starts):
            part = entries[start : start + _REPORTED_AT_ONCE]
            more = start + _REPORTED_AT_ONCE < len(entries)
            self._sender.promise(
                call.NotifyReport(request_id, self._desk.stamp(), seq_no, part, tbc=more)
            )

    def _reboot(self, reason: str) -> None:
        """Boots again; one that was asked for OnIdle waits for the last transaction."""
        waits = reason == "ScheduledReset" and bool(self._journal.running)
        self._reset_waits = reason if waits else ""
        if not waits:
            self._boot_reason = reason
            self._line.drop()

    def _power_changed(self) -> None:
        """A pile that comes back from the dark introduces itself; some have lost what waited."""
        if self._desk.pile.is_dark:
            self._boot_reason = "" if "no_boot" in self._habits else "PowerUp"
            if "queue_lost" in self._habits:
                self._journal.outbox.clear()
        self._line.power_changed()

    def _mains_changed(self, pile_id: str, _: WireFault | None) -> None:
        has_mains = "power_cut" not in self._habits
        if pile_id != self._pile_id or has_mains == self._has_mains:
            return
        self._has_mains = has_mains
        switch = restore_pile_power if has_mains else lose_pile_power
        self._fleet.put(switch(self._desk.pile))


def _seal_of(config: PileConfig) -> Seal | None:
    """What signs the readings of a pile that is set up so."""
    if not config.ocpp.signed_meter:
        return None
    from firmware_sim.faces.ocpp_signed import METHOD, MeterSeal

    seal = MeterSeal(config.spec.serial)

    def signed(energy_wh: float, at: str, context: str) -> dict[str, str]:
        return {
            "signed_meter_data": seal.signed(energy_wh, at, context),
            "signing_method": METHOD,
            "encoding_method": "OCMF",
            "public_key": seal.public_key,
        }

    return signed
