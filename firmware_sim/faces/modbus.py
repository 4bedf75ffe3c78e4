"""Shows one pile as a Modbus device: its registers, its clock, its watchdog on the master.

The map is in `registers/`, the socket in `modbus_server.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from firmware_sim.core.controller import set_fallback
from firmware_sim.core.pile import Pile
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.modbus_server import RegisterServer
from firmware_sim.faces.registers.map import Device, Field, RegisterMap
from firmware_sim.faces.registers.models import REGISTER_MAPS
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
_WATCHDOG_PERIOD_S = 1.0
DEFAULT_COMM_TIMEOUT_S = 60


class ModbusFace:
    """One pile behind one port.

    `now_ms` is the pile's own clock (domain time); the watchdog counts real seconds.
    """

    def __init__(self, fleet: Fleet, pile_id: str, listen: str, now_ms: Callable[[], int]) -> None:
        self._fleet = fleet
        self._pile_id = pile_id
        self._now_ms = now_ms
        self._map: RegisterMap = REGISTER_MAPS[self.pile.spec.model](self.pile.spec)
        self._comm_timeout_s = DEFAULT_COMM_TIMEOUT_S
        self._heard_at_s: float | None = None
        self.unit_id = self._map.unit_id
        self.functions = self._map.functions
        self.span = self._map.span
        host, _, port = listen.rpartition(":")
        self._server = RegisterServer(self, host, int(port))
        self._forget = fleet.on_wire_change(self._wire_changed)

    @property
    def pile(self) -> Pile:
        """The pile as it stands now."""
        return self._fleet.pile(self._pile_id)

    @property
    def fields(self) -> Sequence[Field]:
        """The register map, field by field."""
        return self._map.fields

    async def start(self) -> str:
        """Listens; gives host:port as bound. Raises BindError."""
        return await self._server.start()

    async def close(self) -> None:
        """Closes the port and every connection."""
        self._forget()
        await self._server.shutdown()  # type: ignore[no-untyped-call]

    def device(self) -> Device:
        """What the registers are made of at this moment."""
        return Device(self.pile, self._now_ms() // 1000, self._comm_timeout_s)

    def wire_fault(self) -> WireFault | None:
        """The wire fault that is present; a request was heard, so the watchdog starts anew."""
        self._heard_at_s = time.monotonic()
        return self.pile.wire

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
        silent = time.monotonic() - self._heard_at_s > self._comm_timeout_s
        fallback_kw = self._map.fallback_kw if silent else None
        for evse in self.pile.evses:
            if evse.fallback_kw != fallback_kw:
                _log.info("fallback", pile=self._pile_id, power_kw=fallback_kw)
                self._fleet.change(evse.spec.evse_id, lambda now: set_fallback(now, fallback_kw))

    def _wire_changed(self, pile_id: str, fault: WireFault | None) -> None:
        if pile_id == self._pile_id and fault is not None and fault.kind == "disconnect":
            self._server.drop_connections()


async def watch_masters(faces: Iterable[ModbusFace]) -> None:
    """Runs the watchdogs of all faces until cancelled."""
    faces = tuple(faces)
    while True:
        await asyncio.sleep(_WATCHDOG_PERIOD_S)
        for face in faces:
            face.watch_master()
