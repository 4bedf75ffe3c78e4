"""The HTTP server of the pages, in the coordinator's own loop and without signals of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from coordinator.addresses import split_address
from coordinator.errors import AddressRefused
from coordinator.web.patience import HEADER_BYTES, PatientProtocol

CONNECTIONS = 256  # at once; more are told to come back
KEEP_ALIVE_S = 30


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured: the composition root hears of signals."""
        yield


class WebServer:
    """Call `start`, then run `serve` as a task until `stop`."""

    def __init__(self, app: ASGIApp, grace_s: float) -> None:
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            h11_max_incomplete_event_size=HEADER_BYTES,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(grace_s)),
        )
        self._server = _Quiet(config)
        self._socket: socket.socket | None = None
        self._ended = asyncio.Event()
        self._ended.set()

    def start(self, address: str) -> str:
        """Listens; gives the URL. Raises `AddressRefused`."""
        host, port = split_address(address)
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise AddressRefused(address, error.strerror or str(error)) from error
        self._socket.setblocking(False)
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{self._socket.getsockname()[1]}/"

    async def serve(self) -> None:
        """Answers until `stop`."""
        assert self._socket is not None
        self._ended.clear()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()
            self._ended.set()

    async def stop(self) -> None:
        """Takes nothing new and returns when what is under way has ended, or its time is up."""
        self._server.should_exit = True
        await self._ended.wait()
