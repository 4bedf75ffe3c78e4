"""The local central system: a websocket server that piles dial; who may in, and why not.

What a charge point says belongs to `ocpp16.py`.
"""

from __future__ import annotations

import asyncio
import binascii
import hmac
import http
import time
from base64 import b64decode
from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import quote, unquote

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

log: Final = structlog.get_logger("edge_agent.ocpp")

SUBPROTOCOL: Final = "ocpp1.6"
MAX_FRAME_BYTES: Final = 256 * 1024
PING_S: Final = 20.0
DUPLICATE_PING_S: Final = 2.0
OPEN_TIMEOUT_S: Final = 10.0
# Failed passwords from one address in a minute, before it is told to wait.
MAX_FAILURES: Final = 10
FAILURE_WINDOW_S: Final = 60.0


class Station(Protocol):
    """A charge point that may dial in; `password` is "" where none is asked for."""

    password: str
    connection: ServerConnection | None

    async def serve(self, connection: ServerConnection) -> None:
        """Talks until the connection ends."""
        ...


class OcppServer:
    """Listens for the stations of `identities` (identity to station).

    The identity is the whole path, url-decoded. `refused` counts handshakes that were turned away.
    """

    def __init__(
        self,
        address: tuple[str, int],
        stations: Mapping[str, Station],
        *,
        accept_without_subprotocol: bool = False,
    ) -> None:
        self._address = address
        self._stations = dict(stations)
        self._lenient = accept_without_subprotocol
        self._failures: dict[str, deque[float]] = {}
        self._server: Server | None = None
        self.url = ""
        self.refused = 0

    async def start(self) -> str:
        """Starts listening; gives back the URL in front of the identity. Raises OSError."""
        host, port = self._address
        self._server = await serve(
            self._handle,
            host,
            port,
            process_request=self._judge,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
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
        for identity in self._stations:
            log.info("waiting for charge point", url=self._url_of(identity))
        return self.url

    async def close(self) -> None:
        """Closes every connection (going away) and stops listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None  # the handshake is over
        station = self._stations[_identity(connection.request.path)]
        previous = station.connection
        station.connection = connection
        if previous is not None:
            await previous.close(1008, "displaced by a newer connection of the same charge point")
        try:
            await station.serve(connection)
        finally:
            if station.connection is connection:
                station.connection = None

    async def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """None for a handshake that may go on, else the refusal."""
        identity = _identity(request.path)
        station = self._stations.get(identity)
        if station is None:
            return self._refuse(
                connection, request, http.HTTPStatus.NOT_FOUND, "unknown charge point identity"
            )
        peer = str(connection.remote_address[0]) if connection.remote_address else ""
        if station.password:
            if self._too_many_failures(peer):
                return self._refuse(
                    connection, request, http.HTTPStatus.TOO_MANY_REQUESTS, "too many bad passwords"
                )
            if not _proves(request, identity, station.password):
                self._failures.setdefault(peer, deque(maxlen=MAX_FAILURES)).append(time.monotonic())
                refusal = self._refuse(
                    connection, request, http.HTTPStatus.UNAUTHORIZED, "wrong or missing password"
                )
                refusal.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
                return refusal
        offered = _offered(request)
        if SUBPROTOCOL not in offered and (offered or not self._lenient):
            said = f"subprotocol {', '.join(offered)}" if offered else "no subprotocol"
            return self._refuse(
                connection,
                request,
                http.HTTPStatus.BAD_REQUEST,
                f'{said} was offered, "{SUBPROTOCOL}" is needed',
            )
        return await self._judge_duplicate(connection, request, station)

    async def _judge_duplicate(
        self, connection: ServerConnection, request: Request, station: Station
    ) -> Response | None:
        """A second connection displaces the first if it proved the key, or if the first is dead."""
        present = station.connection
        if present is None or station.password:
            return None
        try:
            async with asyncio.timeout(DUPLICATE_PING_S):
                await (await present.ping())
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it does not answer
            return None
        return self._refuse(
            connection, request, http.HTTPStatus.CONFLICT, "this charge point is connected already"
        )

    def _refuse(
        self, connection: ServerConnection, request: Request, status: http.HTTPStatus, why: str
    ) -> Response:
        self.refused += 1
        identity = _identity(request.path)
        near = identity if identity in self._stations else next(iter(self._stations), "")
        log.warning(
            "handshake refused",
            why=why,
            path=request.path[:256],
            peer=connection.remote_address,
            url_that_would_work=self._url_of(near),
            subprotocol=SUBPROTOCOL,
        )
        return connection.respond(status, f"{why}\n")

    def _url_of(self, identity: str) -> str:
        return self.url + quote(identity, safe="/*:")

    def _pick_subprotocol(self, connection: ServerConnection, offered: list[str]) -> str | None:
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    def _too_many_failures(self, peer: str) -> bool:
        failures = self._failures.get(peer)
        if failures is None or len(failures) < MAX_FAILURES:
            return False
        return time.monotonic() - failures[0] < FAILURE_WINDOW_S


def _identity(path: str) -> str:
    return unquote(path.split("?", 1)[0].lstrip("/"))


def _offered(request: Request) -> list[str]:
    values = request.headers.get_all("Sec-WebSocket-Protocol")
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _proves(request: Request, identity: str, password: str) -> bool:
    """True for Basic credentials of this very identity; compared in constant time."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, f"{identity}:{password}".encode())
