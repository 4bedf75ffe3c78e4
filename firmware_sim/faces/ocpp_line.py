"""Keeps a charge point's websocket open: dials, proves who it is, tries again.

What is said over it is in the faces of each OCPP version.
"""

from __future__ import annotations

import asyncio
import base64
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.core.wire import WireFault
from firmware_sim.errors import LinkLostError
from firmware_sim.faces.backoff import FullJitter
from firmware_sim.faces.ocpp_wire import Link
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
_OPEN_TIMEOUT_S = 10.0
_PING_S = 20.0
_LOST = (OSError, TimeoutError, WebSocketException, LinkLostError)


class KeptLine:
    """One charge point's way to its central system; a lost one is tried again with full jitter.

    Security profiles of OCPP: 1 is ws with a password, 2 wss with a password, 3 wss with a client
    certificate; which one follows from the pile's table.
    """

    def __init__(
        self, fleet: Fleet, config: PileConfig, table: OcppTable, subprotocol: str, seed: int
    ) -> None:
        self._fleet = fleet
        self._pile_id = config.spec.pile_id
        self._config = config
        self._subprotocol = Subprotocol(subprotocol)
        self._mended = asyncio.Event()
        self._socket: ClientConnection | None = None
        rng = random.Random(f"{seed}/{self._pile_id}/link")
        self._backoff = FullJitter(table.reconnect_base_s, table.reconnect_cap_s, rng)

    async def run(self, serve: Callable[[Link], Awaitable[None]]) -> None:
        """Dials for ever; `serve` talks over each connection until it is lost."""
        forget = self._fleet.on_wire_change(self._wire_changed)
        try:
            while True:
                reason = "closed"
                await self._wait_for_wire()
                try:
                    await self._one_connection(serve)
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
            forget()

    def held(self) -> None:
        """The present connection is a good one: the next loss is tried again soon."""
        self._backoff.reset()
        _log.info("central system reached", pile=self._pile_id, url=self._config.table.url)

    def drop(self) -> None:
        """Loses the connection. Aborted and not closed: a pulled cable sends no farewell."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _one_connection(self, serve: Callable[[Link], Awaitable[None]]) -> None:
        silent = "no_subprotocol" in self._config.table.quirks
        async with self._dial(None if silent else [self._subprotocol]) as socket:
            if socket.subprotocol != self._subprotocol and not silent:
                raise LinkLostError(self._config.table.url, f"did not agree on {self._subprotocol}")
            self._socket = socket
            try:
                await serve(Link(socket, self._wire))
            finally:
                self._socket = None

    def _dial(self, offered: list[Subprotocol] | None) -> AbstractAsyncContextManager[Any]:
        """A connection to the central system, not yet open."""
        return connect(
            self._config.table.url,
            subprotocols=offered,
            additional_headers=self._headers(),
            ssl=tls_of(self._config),
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=1.0,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            compression=None,
            proxy=None,
        )

    def _headers(self) -> dict[str, str]:
        if self._config.password is None:
            return {}
        identity = unquote(urlsplit(self._config.table.url).path.strip("/").rpartition("/")[2])
        credentials = base64.b64encode(f"{identity}:{self._config.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}

    def _wire(self) -> WireFault | None:
        return self._fleet.pile(self._pile_id).wire

    def _wire_changed(self, pile_id: str, fault: WireFault | None) -> None:
        if pile_id != self._pile_id:
            return
        if fault is not None and fault.kind == "disconnect":
            self._mended.clear()
            self.drop()
        else:
            self._mended.set()

    async def _wait_for_wire(self) -> None:
        fault = self._wire()
        if fault is not None and fault.kind == "disconnect":
            await self._mended.wait()


# How a face gets its line; a bench without sockets brings its own.
LineMaker = Callable[[Fleet, PileConfig, OcppTable, str, int], KeptLine]


def tls_of(config: PileConfig) -> ssl.SSLContext | None:
    """How a wss address is trusted and what is shown to it; None for ws."""
    if urlsplit(config.table.url).scheme != "wss":
        return None
    context = ssl.create_default_context(cafile=config.ca_file)
    if config.cert_file is not None:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context


def _first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
