"""Keeps a charge point's websocket open: dials, proves who it is, tries again.

What is said over it is in the faces of each OCPP version.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.core.wire import WireFault
from firmware_sim.errors import LinkLostError
from firmware_sim.faces.backoff import FullJitter
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_identity import Identity
from firmware_sim.faces.ocpp_wire import Link
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
_OPEN_TIMEOUT_S = 10.0
_PING_S, _PONG_S = 20.0, 20.0
_DOUBLE_RETRY_S = 1.0
_LOST = (OSError, TimeoutError, WebSocketException, LinkLostError)


class KeptLine:
    """One charge point's way to its central system; a lost one is tried again with full jitter.

    `ping_s` gives the seconds between pings, 0 for none; `identity` says where it dials and what
    it shows; `failures` counts connections that were lost or never came, `last_failure` says why.
    """

    def __init__(
        self,
        fleet: Fleet,
        config: PileConfig,
        table: OcppTable,
        subprotocol: str,
        seed: int,
    ) -> None:
        self._fleet = fleet
        self._pile_id = config.spec.pile_id
        self._subprotocol = subprotocol
        self.identity = Identity(config)
        self.ping_s: Callable[[], float] = lambda: _PING_S
        self._habits = Habits(fleet, self._pile_id)
        self._changed = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._deaf = False
        self._held = False
        self.failures, self.last_failure = 0, ""
        rng = random.Random(f"{seed}/{self._pile_id}/link")
        self._backoff = FullJitter(table.reconnect_base_s, table.reconnect_cap_s, rng)

    async def run(self, serve: Callable[[Link], Awaitable[None]]) -> None:
        """Dials for ever; `serve` talks over each connection until it is lost."""
        forget = self._fleet.on_wire_change(self._wire_changed)
        try:
            async with asyncio.TaskGroup() as group:
                name = f"firmware_sim:ocpp {self._pile_id}"
                group.create_task(self._double(), name=f"{name} double")
                await self._keep(serve)
        finally:
            forget()

    def held(self) -> None:
        """The present connection is a good one: the next loss is tried again soon."""
        self._backoff.reset()
        self._held = True
        self.identity.held()
        _log.info("central system reached", pile=self._pile_id, url=self.identity.now.url)

    def drop(self) -> None:
        """Loses the connection. Aborted and not closed: a pulled cable sends no farewell."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _keep(self, serve: Callable[[Link], Awaitable[None]]) -> None:
        while True:
            reason = "closed"
            self._held = False
            await self._until(self._may_dial)
            try:
                await self._one_connection(serve)
            except* _LOST as lost:
                reason = _first_reason(lost)
                self.failures, self.last_failure = self.failures + 1, reason
            if not self._held:
                self.identity.failed(reason)
            delay_s = self._backoff.next_s()
            _log.warning(
                "central system lost", pile=self._pile_id, reason=reason, retry_s=round(delay_s, 1)
            )
            await asyncio.sleep(delay_s)

    async def _one_connection(self, serve: Callable[[Link], Awaitable[None]]) -> None:
        silent = "no_subprotocol" in self._habits
        wanted = self._habits.value("subprotocol") or self._subprotocol
        async with self._dial(None if silent else [Subprotocol(wanted)]) as socket:
            if socket.subprotocol != wanted and not silent:
                raise LinkLostError(self.identity.now.url, f"did not agree on {wanted}")
            self._socket, self._deaf = socket, False
            self._listen()
            pings = asyncio.create_task(
                self._ping(socket), name=f"firmware_sim:ocpp {self._pile_id} pings"
            )
            try:
                await serve(Link(socket, self._wire, self._habits))
            finally:
                self._socket = None
                pings.cancel()

    def _dial(self, offered: list[Subprotocol] | None) -> AbstractAsyncContextManager[Any]:
        """A connection to the central system, not yet open."""
        return connect(
            self.identity.now.url,
            subprotocols=offered,
            additional_headers=self.identity.now.headers(),
            ssl=self.identity.tls(),
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=1.0,
            # Pings are sent by `_ping`, which knows whether this pile does.
            ping_interval=None,
            compression=None,
            proxy=None,
        )

    async def _ping(self, socket: ClientConnection) -> None:
        """Finds a dead link; a pile that does not ping never does."""
        while True:
            await asyncio.sleep(self.ping_s() or 1.0)
            if not self.ping_s() or "no_ping" in self._habits or "half_open" in self._habits:
                continue
            try:
                async with asyncio.timeout(_PONG_S):
                    await (await socket.ping())
            except (TimeoutError, WebSocketException):
                socket.transport.abort()
                return

    async def _double(self) -> None:
        """Comes a second time under the same identity, as long as the pile has that habit."""
        while True:
            await self._until(lambda: "duplicate_identity" in self._habits)
            try:
                async with self._dial([Subprotocol(self._subprotocol)]) as socket:
                    await self._stay_double(socket)
            except _LOST as lost:
                _log.info("second connection lost", pile=self._pile_id, reason=str(lost))
            await asyncio.sleep(_DOUBLE_RETRY_S)

    async def _stay_double(self, socket: ClientConnection) -> None:
        await socket.send('[2,"double","Heartbeat",{}]')
        name = f"firmware_sim:ocpp {self._pile_id} double end"
        closed = asyncio.create_task(socket.wait_closed(), name=name)
        try:
            await self._until(
                lambda: closed.done() or "duplicate_identity" not in self._habits, closed
            )
        finally:
            closed.cancel()

    def _wire(self) -> WireFault | None:
        return self._fleet.pile(self._pile_id).wire

    def _may_dial(self) -> bool:
        fault = self._wire()
        cut = fault is not None and fault.kind == "disconnect"
        if self._fleet.pile(self._pile_id).is_dark:
            return False
        return not cut and "power_cut" not in self._habits

    def power_changed(self) -> None:
        """Loses the connection of a pile that went dark; one that is up again dials."""
        self._changed.set()
        if not self._may_dial():
            self.drop()

    def _wire_changed(self, pile_id: str, _: WireFault | None) -> None:
        if pile_id != self._pile_id:
            return
        self._changed.set()
        if not self._may_dial():
            self.drop()
        self._listen()

    def _listen(self) -> None:
        """Stops reading the socket while half-open: then pings stay unanswered, too."""
        deaf = "half_open" in self._habits
        if self._socket is None or deaf == self._deaf:
            return
        self._deaf = deaf
        if deaf:
            self._socket.transport.pause_reading()
        else:
            self._socket.transport.resume_reading()

    async def _until(
        self, holds: Callable[[], bool], also: asyncio.Task[None] | None = None
    ) -> None:
        """Returns when it holds; looks again after each change of the wire, and after `also`."""
        while not holds():
            self._changed.clear()
            change = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait(
                    [change] if also is None else [change, also],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                change.cancel()


# How a face gets its line; a bench without sockets brings its own.
LineMaker = Callable[[Fleet, PileConfig, OcppTable, str, int], KeptLine]


def _first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
