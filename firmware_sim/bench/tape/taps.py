"""Listens in on Modbus and OCPP by standing between the two sides, and on MQTT by subscribing.

Every byte is passed on as it came; credentials of a handshake are passed on and never written.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlsplit

import aiomqtt
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from firmware_sim.bench.tape.modbus_cut import FrameCutter
from firmware_sim.bench.tape.tape import Way
from firmware_sim.errors import BindError

_log = structlog.get_logger(__name__)
_TIMEOUT_S = 10.0
_RETRY_S = 1.0
_CHUNK = 4096
_links = itertools.count(1)


class Listener(Protocol):
    """Who is told what was heard: a tape, or somebody who watches."""

    def note(
        self, proto: str, pile: str, way: Way, data: str, *, link: int = 0, topic: str = ""
    ) -> None:
        """Takes one frame, message or event."""


class ModbusTap:
    """A TCP port in front of a device; `framing` rtu passes converters' frames."""

    def __init__(
        self, tape: Listener, pile: str, listen: str, target: str, framing: str = "tcp"
    ) -> None:
        self._tape = tape
        self._pile = pile
        self._listen = listen
        self._target = target
        self._framing = framing
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listens; gives host:port as bound. Raises BindError."""
        host, _, port = self._listen.rpartition(":")
        try:
            self._server = await asyncio.start_server(self._serve, host, int(port))
        except OSError as error:
            raise BindError("a tap", self._listen, error.strerror or str(error)) from error
        bound = self._server.sockets[0].getsockname()
        return f"{bound[0]}:{bound[1]}"

    async def close(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = next(_links)
        host, _, port = self._target.rpartition(":")
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                device_in, device_out = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError) as error:
            _log.warning("device not reached", target=self._target, reason=str(error))
            writer.close()
            self._tasks.discard(task)
            return
        self._tape.note("modbus", self._pile, "event", f"open {self._framing}", link=link)
        try:
            await self._pass_both_ways(link, (reader, writer), (device_in, device_out))
        finally:
            self._tape.note("modbus", self._pile, "event", "close", link=link)
            for end in (writer, device_out):
                end.close()
            self._tasks.discard(task)

    async def _pass_both_ways(
        self,
        link: int,
        master: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        device: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Until either side ends."""
        ways = [
            asyncio.create_task(self._pass(master[0], device[1], "to_pile", link)),
            asyncio.create_task(self._pass(device[0], master[1], "from_pile", link)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, link: int
    ) -> None:
        cutter = FrameCutter(whole=self._framing == "rtu")
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                for frame in cutter.cut(data):
                    self._tape.note("modbus", self._pile, way, frame.hex(), link=link)
                writer.write(data)
                await writer.drain()


class OcppTap:
    """A websocket server in front of a central system; piles dial it under their own paths."""

    def __init__(self, tape: Listener, listen: str, target: str) -> None:
        self._tape = tape
        self._listen = listen
        self._target = target.rstrip("/")
        self._server: Server | None = None
        self._upstream: dict[ServerConnection, ClientConnection] = {}

    async def start(self) -> str:
        """Listens; gives host:port as bound. Raises BindError."""
        host, _, port = self._listen.rpartition(":")
        try:
            self._server = await serve(
                self._serve,
                host,
                int(port),
                process_request=self._dial,
                select_subprotocol=self._agreed,
                compression=None,
                max_size=None,
                ping_interval=None,
            )
        except OSError as error:
            raise BindError("a tap", self._listen, error.strerror or str(error)) from error
        bound = next(iter(self._server.sockets)).getsockname()
        return f"{bound[0]}:{bound[1]}"

    async def close(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _dial(self, pile: ServerConnection, request: Request) -> Response | None:
        """Opens the other side first, so that the pile hears what the central system says."""
        offered = [
            Subprotocol(word.strip())
            for line in request.headers.get_all("Sec-WebSocket-Protocol")
            for word in line.split(",")
        ]
        kept = (
            {"Authorization": request.headers["Authorization"]}
            if ("Authorization" in request.headers)
            else {}
        )
        try:
            self._upstream[pile] = await connect(
                self._target + request.path,
                subprotocols=offered or None,
                additional_headers=kept,
                open_timeout=_TIMEOUT_S,
                compression=None,
                max_size=None,
                ping_interval=None,
                proxy=None,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            return pile.respond(status, f"the central system said {status}\n")
        except (OSError, TimeoutError, InvalidHandshake) as error:
            _log.warning("central system not reached", target=self._target, reason=str(error))
            return pile.respond(502, "the central system was not reached\n")
        return None

    def _agreed(self, pile: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return self._upstream[pile].subprotocol

    async def _serve(self, pile: ServerConnection) -> None:
        central = self._upstream.pop(pile)
        path = pile.request.path if pile.request is not None else "/"
        identity = path.strip("/")
        link = next(_links)
        opened = f"open {pile.subprotocol or '-'} {path}"
        self._tape.note("ocpp", identity, "event", opened, link=link)
        ways = [
            asyncio.create_task(self._pass(pile, central, identity, "from_pile", link)),
            asyncio.create_task(self._pass(central, pile, identity, "to_pile", link)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._tape.note("ocpp", identity, "event", "close", link=link)
            await central.close()
            await pile.close()

    async def _pass(
        self,
        source: ServerConnection | ClientConnection,
        sink: ServerConnection | ClientConnection,
        identity: str,
        way: Way,
        link: int,
    ) -> None:
        with suppress(ConnectionClosed):
            async for frame in source:
                text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                self._tape.note("ocpp", identity, way, text, link=link)
                await sink.send(frame)


class MqttTap:
    """A subscriber; what is published under its topics goes onto the tape."""

    def __init__(self, tape: Listener, url: str, topics: Sequence[str]) -> None:
        self._tape = tape
        self._url = url
        self._topics = tuple(topics)

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Listens until cancelled; a lost broker is tried again."""
        parts = urlsplit(self._url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 1883
        while True:
            try:
                async with aiomqtt.Client(host, port, timeout=_TIMEOUT_S) as client:
                    for topic in self._topics:
                        await client.subscribe(topic, qos=1)
                    ready()
                    async for message in client.messages:
                        self._note(message)
            except (aiomqtt.MqttError, OSError) as error:
                _log.warning("broker lost", url=self._url, reason=str(error))
                await asyncio.sleep(_RETRY_S)

    def _note(self, message: aiomqtt.Message) -> None:
        payload = message.payload
        data = payload if isinstance(payload, bytes | bytearray) else str(payload).encode()
        text = bytes(data).decode("utf-8", "replace")
        self._tape.note("mqtt", "", "from_pile", text, topic=str(message.topic))
