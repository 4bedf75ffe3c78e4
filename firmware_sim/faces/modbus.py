"""Shows one pile as a Modbus device: its registers, its clock, its watchdog on the master.

The map is in `registers/`, the port or line that it is shown on in `modbus_server.py`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog

from firmware_sim.core.controller import set_fallback
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import Pile
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.modbus_server import RegisterPort
from firmware_sim.faces.registers.halves import HalfWrites
from firmware_sim.faces.registers.history import History, Row
from firmware_sim.faces.registers.map import Device, Field, RegisterMap
from firmware_sim.faces.registers.models import REGISTER_MAPS
from firmware_sim.faces.registers.variant import Variant
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
_WATCHDOG_PERIOD_S = 1.0
DEFAULT_COMM_TIMEOUT_S = 60
# What the register view calls whoever writes through BenchService.
BENCH = "bench"


def _real_s() -> float:
    return time.monotonic()


class ModbusFace:
    """One pile as a device with a unit id.

    `now_ms` is the pile's own clock (domain time); the watchdog counts `monotonic_s`. With
    `unit_id` None the model's own number counts. `variant` says what this device does otherwise
    than its model.
    """

    def __init__(
        self,
        fleet: Fleet,
        pile_id: str,
        now_ms: Callable[[], int],
        unit_id: int | None = None,
        variant: Variant | None = None,
        *,
        monotonic_s: Callable[[], float] = _real_s,
    ) -> None:
        self._fleet = fleet
        self._pile_id = pile_id
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._variant = variant or Variant()
        self._map: RegisterMap = self._variant.of(
            REGISTER_MAPS[self.pile.spec.model](self.pile.spec), unit_id
        )
        self._settings = Device(self.pile, comm_timeout_s=DEFAULT_COMM_TIMEOUT_S)
        self._halves = HalfWrites(self._map)
        self._history = History(self._map)
        # When the watchdog of each socket was fed last.
        self._fed_at_s: dict[int, float] = {}
        self._asked_at_s = -math.inf
        self._flaps_since_s = self._monotonic_s()
        self._boots_until_ms = now_ms() + round(self._variant.boot_s * 1000)
        self._server: RegisterPort | None = None
        self.unit_id = self._map.unit_id
        self.functions = self._map.functions
        self.clients = self._map.clients
        self._forget = (
            fleet.on_wire_change(self._wire_changed),
            fleet.on_evse_change(self._evse_changed, pile_id=pile_id),
            fleet.on_reset(self._was_reset),
        )

    @property
    def pile(self) -> Pile:
        """The pile as it stands now."""
        return self._fleet.pile(self._pile_id)

    @property
    def registers(self) -> RegisterMap:
        """The device's registers."""
        return self._map

    @property
    def fields(self) -> Sequence[Field]:
        """The register map, field by field."""
        return self._map.fields

    def answers_to(self, unit: int) -> bool:
        """Whether a request to this unit id is for it."""
        return self._map.unit_id is None or unit in self._map.sockets

    def rows(self) -> list[Row]:
        """The register view: every register with who wrote it, its age and when it changed."""
        return list(self._history.rows(self.device(), self._now_ms()))

    def shown_on(self, port: RegisterPort) -> None:
        """Takes the port or line that the pile is shown on."""
        self._server = port

    def forget(self) -> None:
        """Stops following the pile."""
        for stop in self._forget:
            stop()

    def device(self) -> Device:
        """What the registers are made of at this moment."""
        kept, now_s = self._settings, self._monotonic_s()
        silent_s = {socket: now_s - fed_s for socket, fed_s in self._fed_at_s.items()}
        return Device(
            self.pile,
            self._now_ms() // 1000,
            kept.comm_timeout_s,
            kept.kept,
            silent_s,
            self._is_starting,
        )

    def wire_fault(self, address: int = 0, count: int = 0) -> WireFault | None:
        """The wire fault that a request meets; where any request feeds the watchdog, it did."""
        if self.pile.is_dark:
            return WireFault("silent")
        if self._map.watchdog is None or not self._map.watchdog.fed_by:
            self._fed_at_s[0] = self._monotonic_s()
        if self._is_starting and self._variant.boot_fault is not None:
            return self._variant.boot_fault
        if self._came_too_soon():
            return WireFault("silent")
        fault = self.pile.wire
        if fault is not None and fault.concerns(address, count):
            if fault.times is not None:
                self._fleet.set_wire(self._pile_id, fault.after_one())
            if fault.kind != "flapping" or self._flap_left_s(fault)[0]:
                return fault
        if self._map.hangs_up_on(address, count):
            return WireFault("disconnect")
        return None

    def lasts_s(self) -> float | None:
        """How long a connection made now lasts, s: 0 is closed at once, None is not closed."""
        fault = self.pile.wire
        if fault is None or fault.registers is not None:
            return None
        if fault.kind == "flapping":
            down, left_s = self._flap_left_s(fault)
            return 0.0 if down else left_s
        return 0.0 if fault.kind == "hangup" else None

    def is_half_open(self) -> bool:
        """Whether connections are never answered and never closed."""
        return self.pile.wire is not None and self.pile.wire.kind == "half_open"

    def read(self, function: int, address: int, count: int, unit: int | None = None) -> list[int]:
        """The words asked for; without a unit, those of the first."""
        return self._map.read(self.device(), function, address, count, self._socket(unit))

    def write(
        self,
        function: int,
        address: int,
        words: Sequence[int],
        client: str = BENCH,
        unit: int | None = None,
    ) -> None:
        """Takes the words as the device does, and notes which client they came from."""
        socket = self._socket(unit)
        self._map.check_function(function)
        whole = self._halves.take(self.device(), function, address, words, socket)
        if whole is None:
            return
        address, words = whole
        device = self._map.write(self.device(), function, address, words, socket)
        self._settings = device
        self._feed(address, len(words), socket)
        self._note(function, address, words, socket, client)
        self._fleet.put(device.pile)
        self._history.settled(self.device(), self._now_ms())

    def watch_master(self) -> None:
        """Falls back when a master that once spoke is silent too long; recovers when it speaks."""
        watchdog = self._map.watchdog
        if watchdog is None or not self._fed_at_s:
            return
        device = self.device()
        timeout_s = watchdog.timeout_s(device)
        for index, evse in enumerate(self.pile.evses):
            socket = index if watchdog.by_socket else 0
            silent_s = device.silent_s.get(socket, 0.0)
            silent = 0 < timeout_s < silent_s
            fallback_kw = watchdog.fallback_kw(device) if silent else None
            if evse.fallback_kw != fallback_kw:
                _log.info("fallback", pile=self._pile_id, power_kw=fallback_kw)
                change = partial(set_fallback, fallback_kw=fallback_kw)
                self._fleet.change(evse.spec.evse_id, change)

    def reboot(self) -> None:
        """Forgets what masters wrote, and boots as slowly as this device does."""
        self._forget_settings()
        self._boots_until_ms = self._now_ms() + round(self._variant.boot_s * 1000)

    def _was_reset(self, pile_id: str) -> None:
        """Back to the factory state: settings and the view's memory are gone, nothing boots."""
        if pile_id == self._pile_id:
            self._forget_settings()
            self._history = History(self._map)

    def _forget_settings(self) -> None:
        self._settings = Device(self.pile, comm_timeout_s=DEFAULT_COMM_TIMEOUT_S)
        self._halves = HalfWrites(self._map)
        self._fed_at_s.clear()

    @property
    def _is_starting(self) -> bool:
        return self._now_ms() < self._boots_until_ms

    def _came_too_soon(self) -> bool:
        """Whether a request came before the pause that the model wants between two."""
        asked_s, self._asked_at_s = self._asked_at_s, self._monotonic_s()
        return self._asked_at_s - asked_s < self._map.request_gap_s

    def _socket(self, unit: int | None) -> int:
        return 0 if unit is None else self._map.sockets.get(unit, 0)

    def _feed(self, address: int, count: int, socket: int) -> None:
        watchdog = self._map.watchdog
        if watchdog is not None and watchdog.fed_by & set(range(address, address + count)):
            self._fed_at_s[socket if watchdog.by_socket else 0] = self._monotonic_s()

    def _note(
        self, function: int, address: int, words: Sequence[int], socket: int, client: str
    ) -> None:
        for field, part in self._map.parts(function, address, words, socket):
            self._history.written(field, part, client, self._now_ms())

    def _flap_left_s(self, fault: WireFault) -> tuple[bool, float]:
        """Whether a flapping wire is down now, and how long it stays as it is, s."""
        passed_s = self._monotonic_s() - self._flaps_since_s
        turn, into_s = divmod(passed_s, fault.delay_s)
        return turn % 2 == 0, fault.delay_s - into_s

    def _evse_changed(self, old: Evse, new: Evse) -> None:
        if old.is_dark != new.is_dark:
            self.reboot()
        if self._history.is_watched:
            self._history.looked_at(self.device(), self._now_ms())

    def _wire_changed(self, pile_id: str, fault: WireFault | None) -> None:
        if pile_id != self._pile_id or self._server is None:
            return
        if fault is None or fault.kind != "half_open":
            self._server.let_go()
        if fault is not None and fault.cuts_at_once:
            self._flaps_since_s = self._monotonic_s()
            self._server.drop_connections()


async def watch_masters(faces: Iterable[ModbusFace]) -> None:
    """Runs the watchdogs of all faces until cancelled."""
    faces = tuple(faces)
    while True:
        await asyncio.sleep(_WATCHDOG_PERIOD_S)
        for face in faces:
            face.watch_master()
