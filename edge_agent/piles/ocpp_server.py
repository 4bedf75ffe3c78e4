"""The local central system: a websocket server that piles dial, one live session per pile.

Whether a handshake may go on is judged in `core/ocpp_admission.py`; what a charge point says
belongs to the piles.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from edge_agent.core.frames import NO_TAP, FrameTap
from edge_agent.core.ocpp_admission import (
    Door,
    Knock,
    Refusal,
    identity_in,
    judge,
    offered_in,
    url_for,
)
from edge_agent.piles.ocpp_socket import StationSocket
from edge_agent.piles.port import Station

log: Final = structlog.get_logger("edge_agent.ocpp")

MAX_FRAME_BYTES: Final = 1_000_000
PING_S: Final = 20.0
DUPLICATE_PING_S: Final = 2.0
EVICT_S: Final = 1.0
OPEN_TIMEOUT_S: Final = 10.0
# Failed passwords from one address in a minute, before it is told to wait.
MAX_FAILURES: Final = 10
FAILURE_WINDOW_S: Final = 60.0
DUPLICATE: Final = "DUPLICATE_IDENTITY"

Alarm = Callable[[str, str, str], None]


@dataclass(slots=True)
class _Session:
    socket: ServerConnection
    dead: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class OcppServer:
    """Listens for the charge points behind `doors`; `stations` maps identity to pile.

    `alarm` takes identity, reason and text of what an operator should know. `refused` counts
    handshakes that were turned away.
    """

    def __init__(
        self,
        address: tuple[str, int],
        doors: Iterable[Door],
        stations: Mapping[str, Station],
        *,
        accept_without_subprotocol: bool = False,
        alarm: Alarm = lambda identity, reason, text: None,
    ) -> None:
        self._address = address
        self._doors = {door.identity: door for door in doors}
        self._stations = dict(stations)
        self._lenient = accept_without_subprotocol
        self._alarm = alarm
        self._failures: dict[str, deque[float]] = {}
        self._sessions: dict[str, _Session] = {}
        self._server: Server | None = None
        self.url = ""
        self.refused = 0
        # Who wants to see the frames of an identity.
        self.tap_of: Callable[[str], FrameTap] = lambda identity: NO_TAP

    async def start(self) -> str:
        """Starts listening; gives back the URL in front of the identity. Raises OSError."""
        host, port = self._address
        self._server = await serve(
            self._handle,
            host,
            port,
            process_request=self._judge,
            select_subprotocol=self._pick_subprotocol,  # type: ignore[arg-type]
            max_size=MAX_FRAME_BYTES,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=2.0,
            compression=None,
        )
        bound = next(iter(self._server.sockets)).getsockname()
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        self.url = f"ws://{shown}:{bound[1]}/"
        for identity in self._doors:
            log.info("waiting for charge point", url=url_for(self.url, identity))
        return self.url

    async def close(self) -> None:
        """Closes every connection (going away) and stops listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None  # the handshake is over
        identity = identity_in(socket.request.path)
        door = self._doors[identity]
        session = _Session(socket)
        previous = self._sessions.get(identity)
        self._sessions[identity] = session
        try:
            if previous is not None:
                await self._evict(identity, previous, socket)
            subprotocol = socket.subprotocol or door.subprotocols[-1]
            station = StationSocket(identity, socket, subprotocol, self.tap_of(identity))
            await self._stations[identity].serve(station)
        finally:
            session.ended.set()
            if self._sessions.get(identity) is session:
                del self._sessions[identity]

    async def _evict(self, identity: str, old: _Session, newcomer: ServerConnection) -> None:
        """Ends the earlier session; a pile never has two at a time."""
        peer = newcomer.remote_address
        log.warning("charge point displaced", identity=identity, by=peer)
        self._alarm(identity, DUPLICATE, f"an earlier connection was displaced from {peer}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVICT_S):
                await old.socket.close(1008, "displaced by a newer connection of this charge point")
        old.socket.transport.abort()
        await old.ended.wait()

    async def _judge(self, socket: ServerConnection, request: Request) -> Response | None:
        """None for a handshake that may go on, else the refusal."""
        identity = identity_in(request.path)
        door = self._doors.get(identity)
        knock = Knock(
            request.path,
            offered_in(request.headers.get_all("Sec-WebSocket-Protocol")),
            request.headers.get("Authorization", ""),
        )
        peer = str(socket.remote_address[0]) if socket.remote_address else ""
        if self._too_many_failures(peer):
            why = "too many bad passwords"
            return self._refuse(socket, request, Refusal(http.HTTPStatus.TOO_MANY_REQUESTS, why))
        verdict = judge(door, knock, lenient=self._lenient)
        if isinstance(verdict, Refusal):
            if verdict.guessed:
                self._failures.setdefault(peer, deque(maxlen=MAX_FAILURES)).append(time.monotonic())
            return self._refuse(socket, request, verdict)
        assert door is not None
        return await self._judge_duplicate(socket, request, door)

    async def _judge_duplicate(
        self, socket: ServerConnection, request: Request, door: Door
    ) -> Response | None:
        """A second connection displaces the first if it proved the key, or if the first is dead."""
        present = self._sessions.get(door.identity)
        if present is None or door.proven:
            return None
        try:
            async with asyncio.timeout(DUPLICATE_PING_S):
                await (await present.socket.ping())
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it does not answer
            return None
        why = "this charge point is connected already"
        self._alarm(door.identity, DUPLICATE, f"a second one was refused: {socket.remote_address}")
        return self._refuse(socket, request, Refusal(http.HTTPStatus.CONFLICT, why))

    def _refuse(self, socket: ServerConnection, request: Request, refusal: Refusal) -> Response:
        self.refused += 1
        identity = identity_in(request.path)
        near = identity if identity in self._doors else next(iter(self._doors), "")
        log.warning(
            "handshake refused",
            why=refusal.why,
            path=request.path[:256],
            peer=socket.remote_address,
            url_that_would_work=url_for(self.url, near),
        )
        response = socket.respond(refusal.status, f"{refusal.why}\n")
        if refusal.status is http.HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
        return response

    def _pick_subprotocol(self, socket: ServerConnection, offered: list[str]) -> str | None:
        assert socket.request is not None  # it is being answered
        door = self._doors[identity_in(socket.request.path)]
        return next((word for word in door.subprotocols if word in offered), None)

    def _too_many_failures(self, peer: str) -> bool:
        failures = self._failures.get(peer)
        if failures is None or len(failures) < MAX_FAILURES:
            return False
        return time.monotonic() - failures[0] < FAILURE_WINDOW_S
