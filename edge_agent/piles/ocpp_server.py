"""The local central system: websocket ports that piles dial, one live session per pile.

Whether a handshake may go on is judged at the gate (`ocpp_gate.py`); what a charge point says
belongs to the piles.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from edge_agent.core.frames import NO_TAP, FrameTap
from edge_agent.core.ocpp_admission import Door, Refusal, identity_in, url_for
from edge_agent.piles.ocpp_gate import Gate, Network, peer_of
from edge_agent.piles.ocpp_keys import watch_keys
from edge_agent.piles.ocpp_socket import StationSocket
from edge_agent.piles.port import Station
from edge_agent.piles.relay_figures import RelayFigures

log: Final = structlog.get_logger("edge_agent.ocpp")

MAX_FRAME_BYTES: Final = 1_000_000
PING_S: Final = 20.0
DUPLICATE_PING_S: Final = 2.0
EVICT_S: Final = 1.0
OPEN_TIMEOUT_S: Final = 10.0
# Two boxes that share identity and key displace each other for ever: one alarm a minute is enough.
ALARM_FLOOR_S: Final = 60.0
DUPLICATE: Final = "DUPLICATE_IDENTITY"
PASSWORD_CHANGED: Final = "PASSWORD_CHANGED"

Alarm = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the local central system listens; None where it does not."""

    plain: tuple[str, int] | None = None
    tls: tuple[str, int] | None = None
    context: ssl.SSLContext | None = None


@dataclass(slots=True)
class _Session:
    socket: ServerConnection
    dead: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class OcppServer:
    """Listens for the charge points behind `doors`; `stations` maps identity to pile.

    `alarm` takes identity, reason and text of what an operator should know. `url` and `tls_url`
    stand in front of an identity, "" where nothing listens so.
    """

    def __init__(
        self,
        ports: Ports,
        doors: Iterable[Door],
        stations: Mapping[str, Station],
        *,
        accept_without_subprotocol: bool = False,
        networks: Sequence[Network] = (),
        alarm: Alarm = lambda identity, reason, text: None,
        ping_s: float = PING_S,
        key_files: Mapping[str, Path] | None = None,
        beside: Callable[[], Coroutine[Any, Any, NoReturn]] | None = None,
    ) -> None:
        self._ports = ports
        by_identity = {door.identity: door for door in doors}
        self.gate = Gate(
            by_identity, self.url_of, lenient=accept_without_subprotocol, networks=networks
        )
        self._stations = dict(stations)
        self._alarm = alarm
        self._alarmed_s: dict[str, float] = {}
        self._ping_s = ping_s
        self._key_files = dict(key_files or {})
        self._beside = beside
        self._sessions: dict[str, _Session] = {}
        self._servers: list[Server] = []
        self.url = ""
        self.tls_url = ""
        # How the relays behind it fare, where there are any.
        self.relays: Callable[[], Awaitable[Sequence[RelayFigures]]] | None = None
        # Who wants to see the frames of an identity.
        self.tap_of: Callable[[str], FrameTap] = lambda identity: NO_TAP

    @property
    def refused(self) -> int:
        """Handshakes that were turned away."""
        return self.gate.refused

    @property
    def connected(self) -> int:
        """Charge points that are connected now."""
        return len(self._sessions)

    async def start(self) -> str:
        """Starts listening; gives back the URL in front of an identity. Raises OSError."""
        if self._ports.plain is not None:
            self.url = await self._listen(self._ports.plain, None)
        if self._ports.tls is not None:
            self.tls_url = await self._listen(self._ports.tls, self._ports.context)
        for identity in self.gate.doors:
            log.info("waiting for charge point", url=self.url_of(identity))
        return self.url or self.tls_url

    async def run(self) -> NoReturn:
        """Takes new passwords from their files, and does what `beside` does, until cancelled."""
        known = {name: door.keys for name, door in self.gate.doors.items()}
        async with asyncio.TaskGroup() as group:
            keys = watch_keys(self._key_files, known, self.change_keys)
            group.create_task(keys, name="edge_agent:ocpp-keys")
            if self._beside is not None:
                group.create_task(self._beside(), name="edge_agent:ocpp-relays")
        raise AssertionError("unreachable")

    def url_of(self, identity: str) -> str:
        """The URL that a charge point of that identity has to dial."""
        door = self.gate.doors.get(identity)
        secure = door.security_profile >= 2 if door is not None else not self.url
        return url_for(self.tls_url if secure else self.url, identity)

    async def close(self) -> None:
        """Closes every connection (going away) and stops listening."""
        for server in self._servers:
            server.close()
        for server in self._servers:
            await server.wait_closed()

    async def change_keys(self, identity: str, keys: tuple[bytes, ...]) -> None:
        """Takes a new password; whoever came in with the old one has to come again."""
        self.gate.set_keys(identity, keys)
        self._alarm(identity, PASSWORD_CHANGED, "the password was changed, the session dropped")
        session = self._sessions.get(identity)
        if session is not None:
            await self._hang_up(session, "the password was changed")

    async def _listen(self, address: tuple[str, int], context: ssl.SSLContext | None) -> str:
        host, port = address
        server = await serve(
            self._handle,
            host,
            port,
            ssl=context,
            process_request=self._judge,
            select_subprotocol=self._pick_subprotocol,  # type: ignore[arg-type]
            max_size=MAX_FRAME_BYTES,
            ping_interval=self._ping_s,
            ping_timeout=self._ping_s,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=2.0,
            compression=None,
        )
        self._servers.append(server)
        bound = next(iter(server.sockets)).getsockname()
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        return f"{'wss' if context else 'ws'}://{shown}:{bound[1]}/"

    async def _handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None  # the handshake is over
        identity = identity_in(socket.request.path)
        self.gate.admitted(socket, identity)
        subprotocol = socket.subprotocol or self.gate.doors[identity].subprotocols[-1]
        previous = self._sessions.get(identity)
        if previous is not None and not await self._may_displace(identity, previous):
            # Two came at the same moment, and nothing tells which of them is the real one.
            await socket.close(1008, "this charge point is connected already")
            return
        session = _Session(socket)
        self._sessions[identity] = session
        try:
            if previous is not None:
                log.warning("charge point displaced", identity=identity, by=peer_of(socket))
                text = f"an earlier connection was displaced by one from {peer_of(socket)}"
                self._tell_duplicate(identity, text)
                await self._hang_up(previous, "displaced by a newer connection")
                # A pile never has two sessions at a time.
                await previous.ended.wait()
            station = StationSocket(identity, socket, subprotocol, self.tap_of(identity))
            await self._stations[identity].serve(station)
        finally:
            session.ended.set()
            if self._sessions.get(identity) is session:
                del self._sessions[identity]

    async def _hang_up(self, session: _Session, why: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVICT_S):
                await session.socket.close(1008, why)
        # A dead peer would hold the close handshake up.
        session.socket.transport.abort()

    async def _judge(self, socket: ServerConnection, request: Request) -> Response | None:
        """None for a handshake that may go on, else the refusal."""
        door = self.gate.judge(socket, request)
        if isinstance(door, Response):
            return door
        present = self._sessions.get(door.identity)
        if present is None or await self._may_displace(door.identity, present):
            return None
        text = f"a second connection from {peer_of(socket)} was refused"
        self._tell_duplicate(door.identity, text)
        why = "this charge point is connected already"
        return self.gate.refuse(socket, request, Refusal(HTTPStatus.CONFLICT, why))

    async def _may_displace(self, identity: str, present: _Session) -> bool:
        """True for whoever proved the key, and for everybody where the present one is dead."""
        if not self.gate.doors[identity].proven and not present.dead:
            present.dead = not await _alive(present.socket)
        return self.gate.doors[identity].proven or present.dead

    def _tell_duplicate(self, identity: str, text: str) -> None:
        now_s = time.monotonic()
        if now_s - self._alarmed_s.get(identity, -ALARM_FLOOR_S) >= ALARM_FLOOR_S:
            self._alarmed_s[identity] = now_s
            self._alarm(identity, DUPLICATE, text)

    def _pick_subprotocol(self, socket: ServerConnection, offered: list[str]) -> str | None:
        assert socket.request is not None  # it is being answered
        door = self.gate.doors[identity_in(socket.request.path)]
        return next((word for word in door.subprotocols if word in offered), None)


async def _alive(socket: ServerConnection) -> bool:
    try:
        async with asyncio.timeout(DUPLICATE_PING_S):
            await (await socket.ping())
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it does not answer
        return False
    return True
