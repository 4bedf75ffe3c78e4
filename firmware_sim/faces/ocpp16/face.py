"""One charge point over OCPP 1.6: boots, tells what happens, answers what it is asked.

What is told is gathered in `journal.py`; what is answered is in `station.py`; how it stays
connected is in `faces/ocpp_line.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import ocpp.messages
from ocpp.v16 import call
from ocpp.v16.enums import ReadingContext

from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.core.driver_list import DriverList
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import lose_pile_power, restore_pile_power
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.ocpp16.desk import Desk
from firmware_sim.faces.ocpp16.journal import Journal, Seal
from firmware_sim.faces.ocpp16.outbox import Outbox, TransactionKey
from firmware_sim.faces.ocpp16.sender import Sender16, security_event
from firmware_sim.faces.ocpp16.settings import settings_16
from firmware_sim.faces.ocpp16.station import Station
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
        self._habits = habits = Habits(fleet, self._pile_id)
        self._booted = "no_boot" in habits
        self._has_mains = True
        self._reboots = False
        self._line = line(fleet, config, table, "ocpp1.6", seed)
        settings = settings_16(
            sample_s=table.sample_s, connectors=config.spec.evse_count, own=config.ocpp
        )
        self._line.ping_s = lambda: settings.seconds("WebSocketPingInterval")
        stamp = stamp_writer(habits, now_ms)
        self._journal = Journal(
            Outbox(habits), stamp, table.free_token, settings, habits, _seal_of(config)
        )
        self._desk = Desk(
            fleet=fleet,
            pile_id=self._pile_id,
            now_ms=now_ms,
            stamp=stamp,
            habits=habits,
            settings=settings,
            outbox=self._journal.outbox,
            drivers=DriverList(),
            shelf=ProfileShelf(fleet, self._pile_id, now_ms, self._transaction_of),
            identity=self._line.identity,
            firmware=Job(config.ocpp.job_step_s),
            upload=Job(config.ocpp.job_step_s),
            promise=lambda request: self._sender.promise(request),
            on_trigger=self._trigger,
            on_reset=self._reboot,
            redial=self._line.drop,
            ask_about=self._ask_about,
        )
        self._sender = Sender16(self._desk, self._journal, config.spec, table)
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
            lambda: desk.settings.seconds("ClockAlignedDataInterval"),
            sender.align,
            desk.shelf.hold,
        )
        try:
            async with asyncio.TaskGroup() as group:
                name = f"firmware_sim:ocpp16 {self._pile_id} pulse"
                group.create_task(pulse.run(), name=name)
                await self._line.run(self._serve)
        finally:
            forget_evse()
            forget_wire()
            desk.firmware.end()
            desk.upload.end()

    async def _serve(self, link: Link) -> None:
        station = Station(self._desk, link, self._table.call_timeout_s)
        name = f"firmware_sim:ocpp16 {self._pile_id}"
        self._sender.connected()
        if self._reboots or "boots_again" in self._habits:
            self._booted = self._reboots = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(station.start(), name=f"{name} reader")
                if not self._booted:
                    await self._sender.boot(station, "")
                    self._booted = True
                # A pile that comes back after a lost link does not boot again; it tells its
                # statuses.
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
        self._desk.settings.put("SecurityProfile", str(self._desk.identity.now.profile))
        self._sender.tell_everything()

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

    def _ask_about(self, key: TransactionKey, token: str) -> None:
        self._journal.drivers[key] = token
        self._journal.woken.set()

    def _trust_drivers(self) -> None:
        """Offline, the pile decides by what it knows itself."""
        drivers, self._journal.drivers = self._journal.drivers, {}
        for key, token in drivers.items():
            self._sender.trust_known_driver(key, token, offline=True)

    def _transaction_of(self, evse: Evse) -> str:
        number = self._desk.transaction_id(evse)
        return "" if number is None else str(number)

    def _trigger(self, message: str, connector_id: int | None) -> None:
        desk = self._desk
        match message:
            case "MeterValues":
                for number, evse in enumerate(desk.pile.evses, 1):
                    if connector_id in (None, 0, number):
                        self._trigger_meter(number, evse)
            case "BootNotification":
                self._sender.promise(self._sender.boot_request(""))
            case "Heartbeat":
                self._sender.promise(call.Heartbeat())
            case "DiagnosticsStatusNotification":
                self._sender.promise(call.DiagnosticsStatusNotification(_word(desk.upload.status)))
            case "FirmwareStatusNotification":
                self._sender.promise(call.FirmwareStatusNotification(_word(desk.firmware.status)))
            case "LogStatusNotification":
                self._sender.promise(call.LogStatusNotification(_word(desk.upload.status), 0))
            case "SignChargePointCertificate":
                self._sender.promise(call.SignCertificate(csr=desk.identity.keyring.request()))
            case "StatusNotification":
                self._trigger_status(connector_id)

    def _trigger_meter(self, number: int, evse: Evse) -> None:
        if evse.is_running:
            self._journal.sample(evse, number, ReadingContext.trigger)
        else:
            value = self._journal.value(evse, ReadingContext.trigger)
            self._sender.promise(call.MeterValues(connector_id=number, meter_value=[value]))

    def _trigger_status(self, connector_id: int | None) -> None:
        if connector_id == 0:
            self._sender.promise(self._sender.station_request())
            return
        for number, evse in enumerate(self._desk.pile.evses, 1):
            if connector_id in (None, number):
                self._journal.statuses[evse.spec.evse_id] = None
        self._journal.woken.set()

    def _reboot(self, hard: bool) -> None:
        """Boots again: at once, or after what waits has been told."""
        self._reboots = True
        if hard:
            self._line.drop()
        else:
            name = f"firmware_sim:ocpp16 {self._pile_id} soft reset"
            self._soft = asyncio.create_task(self._drop_when_told(), name=name)

    async def _drop_when_told(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._table.call_timeout_s):
                await self._sender.told()
        self._line.drop()

    def _power_changed(self) -> None:
        """A pile that comes back from the dark introduces itself; some have lost what waited."""
        if self._desk.pile.is_dark:
            self._booted = "no_boot" in self._habits
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
    from firmware_sim.faces.ocpp_signed import MeterSeal

    return MeterSeal(config.spec.serial).signed


def _word(word: str) -> Any:
    """A word of the standard; the package asks for its enum and takes the text as well."""
    return word
