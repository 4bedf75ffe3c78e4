"""Keeps one charge point connected to its central system and tells it what happens.

What is told is gathered in `journal.py`; what is answered is in `station.py`.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable
from functools import partial
from urllib.parse import unquote, urlsplit

import ocpp.messages
import structlog
from ocpp.v16.enums import MessageTrigger, ReadingContext
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.core.controller import authorise
from firmware_sim.core.evse import Evse
from firmware_sim.core.wire import WireFault
from firmware_sim.errors import LinkLostError
from firmware_sim.faces.backoff import FullJitter
from firmware_sim.faces.ocpp16.journal import Journal
from firmware_sim.faces.ocpp16.link import Link
from firmware_sim.faces.ocpp16.outbox import Outbox
from firmware_sim.faces.ocpp16.sender import Sender
from firmware_sim.faces.ocpp16.settings import Settings
from firmware_sim.faces.ocpp16.station import Desk, Station
from firmware_sim.fleet import Fleet

# Schemas are checked in line: a thread hop per message costs more than the check.
ocpp.messages.ASYNC_VALIDATION = False

_log = structlog.get_logger(__name__)
_SUBPROTOCOL = Subprotocol("ocpp1.6")
_OPEN_TIMEOUT_S = 10.0
_PING_S = 20.0
_LOST = (OSError, TimeoutError, WebSocketException, LinkLostError)


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
    ) -> None:
        pile_id = config.spec.pile_id
        self._fleet = fleet
        self._pile_id = pile_id
        self._config = config
        self._table = table
        self._online = False
        self._booted = False
        self._mended = asyncio.Event()
        self._socket: ClientConnection | None = None
        rng = random.Random(f"{seed}/{pile_id}/link")
        self._backoff = FullJitter(table.reconnect_base_s, table.reconnect_cap_s, rng)
        settings = Settings(sample_s=table.sample_s, connectors=config.spec.evse_count)
        self._journal = Journal(Outbox(), now_ms, table.free_token)
        self._desk = Desk(
            fleet=fleet,
            pile_id=pile_id,
            now_ms=now_ms,
            settings=settings,
            outbox=self._journal.outbox,
            on_trigger=self._trigger,
            on_reset=self._reboot,
        )
        self._sender = Sender(self._desk, self._journal, config.spec, table)

    async def run(self) -> None:
        """Stays connected until cancelled; a lost link is tried again with full jitter."""
        forget_evse = self._fleet.on_evse_change(self._note, pile_id=self._pile_id)
        forget_wire = self._fleet.on_wire_change(self._wire_changed)
        try:
            while True:
                reason = "closed"
                await self._wait_for_wire()
                try:
                    await self._one_connection()
                except* _LOST as lost:
                    reason = _first_reason(lost)
                delay_s = self._backoff.next_s()
                _log.warning(
                    "central system lost",
                    pile=self._pile_id,
                    reason=reason,
                    retry_s=round(delay_s, 1),
                )
                await asyncio.sleep(delay_s)
        finally:
            forget_evse()
            forget_wire()

    async def _one_connection(self) -> None:
        async with connect(
            self._config.table.url,
            subprotocols=[_SUBPROTOCOL],
            additional_headers=self._headers(),
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=1.0,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            compression=None,
            proxy=None,
        ) as socket:
            if socket.subprotocol != _SUBPROTOCOL:
                raise LinkLostError(self._config.table.url, "did not agree on ocpp1.6")
            link = Link(socket, self._wire)
            station = Station(self._desk, link, self._table.call_timeout_s)
            self._socket = socket
            try:
                await self._serve(station)
            finally:
                self._socket, self._online = None, False

    async def _serve(self, station: Station) -> None:
        name = f"firmware_sim:ocpp16 {self._pile_id}"
        async with asyncio.TaskGroup() as group:
            group.create_task(station.start(), name=f"{name} reader")
            if not self._booted:
                await self._sender.boot(station)
                self._booted = True
            # A pile that comes back after a lost link does not boot again; it tells its statuses.
            self._backoff.reset()
            self._online = True
            _log.info("central system reached", pile=self._pile_id, url=self._config.table.url)
            self._sender.tell_everything()
            group.create_task(self._sender.deliver(station), name=f"{name} sender")
            group.create_task(self._sender.heartbeat(station), name=f"{name} heartbeat")
            group.create_task(self._sender.sample(), name=f"{name} sampler")

    def _headers(self) -> dict[str, str]:
        if self._config.password is None:
            return {}
        identity = unquote(urlsplit(self._config.table.url).path.strip("/").rpartition("/")[2])
        credentials = base64.b64encode(f"{identity}:{self._config.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}

    def _note(self, old: Evse, new: Evse) -> None:
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

    def _reboot(self) -> None:
        self._booted = False
        self._close_socket()

    def _wire(self) -> WireFault | None:
        return self._desk.pile.wire

    def _wire_changed(self, pile_id: str, fault: WireFault | None) -> None:
        if pile_id != self._pile_id:
            return
        if fault is not None and fault.kind == "disconnect":
            self._mended.clear()
            self._close_socket()
        else:
            self._mended.set()

    async def _wait_for_wire(self) -> None:
        fault = self._wire()
        if fault is not None and fault.kind == "disconnect":
            await self._mended.wait()

    def _close_socket(self) -> None:
        if self._socket is not None:
            # Aborted and not closed: a pulled cable sends no farewell.
            self._socket.transport.abort()


def _first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
