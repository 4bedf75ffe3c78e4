"""Shows one pile as a Modbus device: its registers, its clock, its watchdog on the master.

The map is in `registers/`, the port or line that it is shown on in `modbus_server.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from firmware_sim.core.controller import set_fallback
from firmware_sim.core.pile import Pile
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.modbus_server import RegisterPort
from firmware_sim.faces.registers.map import Device, Field, RegisterMap
from firmware_sim.faces.registers.models import REGISTER_MAPS
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
_WATCHDOG_PERIOD_S = 1.0
DEFAULT_COMM_TIMEOUT_S = 60


def _real_s() -> float:
    return time.monotonic()


class ModbusFace:
    """One pile as a device with a unit id.

    `now_ms` is the pile's own clock (domain time); the watchdog counts `monotonic_s`. With
    `unit_id` None the model's own number counts.
    """

    def __init__(
        self,
        fleet: Fleet,
        pile_id: str,
        now_ms: Callable[[], int],
        unit_id: int | None = None,
        *,
        monotonic_s: Callable[[], float] = _real_s,
    ) -> None:
        self._fleet = fleet
        self._pile_id = pile_id
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._map: RegisterMap = REGISTER_MAPS[self.pile.spec.model](self.pile.spec)
        self._comm_timeout_s = DEFAULT_COMM_TIMEOUT_S
        self._heard_at_s: float | None = None
        self.unit_id = self._map.unit_id if unit_id is None else unit_id
        self.functions = self._map.functions
        self._server: RegisterPort | None = None
        self._forget = fleet.on_wire_change(self._wire_changed)

    @property
    def pile(self) -> Pile:
        """The pile as it stands now."""
        return self._fleet.pile(self._pile_id)

    @property
    def registers(self) -> RegisterMap:
        """The model's registers."""
        return self._map

    @property
    def fields(self) -> Sequence[Field]:
        """The register map, field by field."""
        return self._map.fields

    def shown_on(self, port: RegisterPort) -> None:
        """Takes the port or line that the pile is shown on."""
        self._server = port

    def forget(self) -> None:
        """Stops following the pile's wire."""
        self._forget()

    def device(self) -> Device:
        """What the registers are made of at this moment."""
        return Device(self.pile, self._now_ms() // 1000, self._comm_timeout_s)

    def wire_fault(self, address: int = 0, count: int = 0) -> WireFault | None:
        """The wire fault that a request meets; it was heard, so the watchdog starts anew."""
        self._heard_at_s = self._monotonic_s()
        fault = self.pile.wire
        if fault is not None and fault.concerns(address, count):
            if fault.times is not None:
                self._fleet.set_wire(self._pile_id, fault.after_one())
            return fault
        if self._map.hangs_up_on(address, count):
            return WireFault("disconnect")
        return None

    def hangs_up(self) -> bool:
        """Whether new connections are closed at once."""
        fault = self.pile.wire
        return fault is not None and fault.kind == "hangup"

    def read(self, function: int, address: int, count: int) -> list[int]:
        """The words asked for."""
        return self._map.read(self.device(), function, address, count)

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        """Takes the words as the device does."""
        device = self._map.write(self.device(), function, address, words)
        self._comm_timeout_s = device.comm_timeout_s
        self._fleet.put(device.pile)

    def watch_master(self) -> None:
        """Falls back when a master that once spoke is silent too long; recovers when it speaks."""
        if self._map.fallback_kw is None or self._heard_at_s is None or not self._comm_timeout_s:
            return
        silent = self._monotonic_s() - self._heard_at_s > self._comm_timeout_s
        fallback_kw = self._map.fallback_kw if silent else None
        for evse in self.pile.evses:
            if evse.fallback_kw != fallback_kw:
                _log.info("fallback", pile=self._pile_id, power_kw=fallback_kw)
                self._fleet.change(evse.spec.evse_id, lambda now: set_fallback(now, fallback_kw))

    def _wire_changed(self, pile_id: str, fault: WireFault | None) -> None:
        if pile_id == self._pile_id and fault is not None and fault.cuts_at_once and self._server:
            self._server.drop_connections()


async def watch_masters(faces: Iterable[ModbusFace]) -> None:
    """Runs the watchdogs of all faces until cancelled."""
    faces = tuple(faces)
    while True:
        await asyncio.sleep(_WATCHDOG_PERIOD_S)
        for face in faces:
            face.watch_master()
