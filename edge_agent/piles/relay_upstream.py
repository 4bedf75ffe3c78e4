"""The relay's connection to the operator's own central system: dialled again and again, one CALL
in flight. What is said over it belongs to `relay.py`.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    NegotiationError,
    WebSocketException,
)
from websockets.typing import Subprotocol

from edge_agent.core.backoff import full_jitter_s
from edge_agent.core.ocpp_admission import url_for
from edge_agent.core.ocpp_frame import CALL, BrokenFrame, answer_to, inspect
from edge_agent.core.ocpp_relay import call_text
from edge_agent.errors import LinkError
from edge_agent.piles.ocpp_tls import NO_FILES, TlsPaths, client_context
from edge_agent.piles.relay_trouble import trouble_of

log: Final = structlog.get_logger("edge_agent.relay")
CALL_TIMEOUT_S: Final = 30.0
OPEN_TIMEOUT_S: Final = 10.0
MAX_FRAME_BYTES: Final = 1_000_000

Frame = list[Any]


class UpstreamGone(LinkError):
    """The operator's system is not connected, or went away before it answered."""


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """Where the operator's system is and how it is dialled; seconds are real."""

    url: str
    password: bytes = b""
    tls: TlsPaths = NO_FILES
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 60.0
    ping_s: float = 20.0
    call_timeout_s: float = CALL_TIMEOUT_S


class Upstream:
    """One identity at the operator's system.

    `on_call` takes each CALL of theirs as a frame; it must not wait. `trouble` is why it is away,
    or "". `tried` is set after the first attempt of a `talk`, however that ended.
    """

    def __init__(
        self,
        identity: str,
        settings: UpstreamSettings,
        on_call: Callable[[Frame], None],
        rng: random.Random,
    ) -> None:
        self.identity = identity
        self.settings = settings
        self.trouble = ""
        self.tried = asyncio.Event()
        self._on_call = on_call
        self._rng = rng
        self._attempt = 0
        self._socket: ClientConnection | None = None
        self._turn = asyncio.Lock()
        self._waiting: tuple[str, asyncio.Future[Frame]] | None = None

    @property
    def connected(self) -> bool:
        """Whether frames can be sent."""
        return self._socket is not None

    async def talk(self, subprotocol: str, work: Callable[[], Awaitable[None]]) -> None:
        """Connects once and does `work` until it or the connection ends; then waits its time."""
        try:
            await self._once(subprotocol, work)
            delay_s = self._delay_s()
        except (OSError, TimeoutError, WebSocketException, UpstreamGone) as error:
            delay_s = self._lost(error)
        finally:
            self.tried.set()
        await asyncio.sleep(delay_s)

    async def call(self, unique_id: str, action: str, payload: dict[str, Any]) -> Frame:
        """Their answer; raises `UpstreamGone` where none came. One at a time, in turn."""
        async with self._turn:
            socket = self._socket
            if socket is None:
                raise UpstreamGone(f"{self.identity}: not connected")
            answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
            self._waiting = (unique_id, answer)
            try:
                async with asyncio.timeout(self.settings.call_timeout_s):
                    await socket.send(call_text(unique_id, action, payload))
                    return await answer
            except TimeoutError:
                # What does not answer is as good as gone; a new connection settles it.
                socket.transport.abort()
                raise UpstreamGone(f"{self.identity}: no answer to {action}") from None
            except ConnectionClosed as error:
                raise UpstreamGone(f"{self.identity}: {error}") from error
            finally:
                self._waiting = None

    async def send(self, text: str) -> None:
        """Sends an answer; lost without a word where nobody is there any more."""
        if self._socket is not None:
            try:
                await self._socket.send(text)
            except ConnectionClosed:
                return

    def settled(self) -> None:
        """Takes that the connection proved useful: the next wait is short again."""
        self._attempt = 0
        if self.trouble:
            log.info("operator's system is back", identity=self.identity)
        self.trouble = ""

    async def _once(self, subprotocol: str, work: Callable[[], Awaitable[None]]) -> None:
        dialling = connect(
            url_for(self.settings.url, self.identity),
            subprotocols=[Subprotocol(subprotocol)],
            additional_headers=self._headers(),
            ssl=await self._context(),
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=1.0,
            ping_interval=self.settings.ping_s,
            ping_timeout=self.settings.ping_s,
            max_size=MAX_FRAME_BYTES,
            compression=None,
            proxy=None,
        )
        try:
            socket = await dialling
        except InvalidMessage as error:
            # A TLS alert that comes after the handshake is known to the connection only.
            raise error from getattr(getattr(dialling, "connection", None), "recv_exc", None)
        async with socket:
            if socket.subprotocol != subprotocol:
                raise NegotiationError(f"{subprotocol} was offered")
            self._socket = socket
            self.tried.set()
            name = f"edge_agent:relay-{self.identity}"
            reader = asyncio.create_task(self._read(socket), name=f"{name}-reader")
            worker = asyncio.ensure_future(work())
            try:
                done, _ = await asyncio.wait({reader, worker}, return_when=asyncio.FIRST_COMPLETED)
                self._forget()
                for task in done:
                    task.result()
            finally:
                self._forget()
                for task in (reader, worker):
                    task.cancel()
                await asyncio.gather(reader, worker, return_exceptions=True)

    def _forget(self) -> None:
        self._socket = None
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(UpstreamGone(f"{self.identity}: connection lost"))

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            raw = await socket.recv(decode=False)
            frame = inspect(raw)
            if isinstance(frame, BrokenFrame):
                answer = answer_to(frame, socket.subprotocol or "")
                if answer is not None:
                    await socket.send(answer)
                continue
            message = json.loads(raw)
            if frame.kind == CALL:
                self._on_call(message)
                continue
            waiting = self._waiting
            # A second answer, or one that comes late, finds nobody waiting.
            if waiting is not None and waiting[0] == frame.unique_id and not waiting[1].done():
                waiting[1].set_result(message)

    def _headers(self) -> dict[str, str]:
        if not self.settings.password:
            return {}
        proof = b64encode(self.identity.encode() + b":" + self.settings.password).decode()
        return {"Authorization": f"Basic {proof}"}

    async def _context(self) -> ssl.SSLContext | None:
        if not self.settings.url.startswith("wss:"):
            return None
        # Read anew each time, so that renewed certificates are used.
        return await asyncio.to_thread(client_context, self.settings.tls)

    def _lost(self, error: BaseException) -> float:
        secure, certified = self.settings.url.startswith("wss:"), self.settings.tls.cert is not None
        # A certificate or password is not mended by trying often.
        why, hopeless = trouble_of(error, secure=secure, certified=certified)
        delay_s = self._delay_s()
        if hopeless:
            delay_s = self.settings.backoff_cap_s * self._rng.uniform(0.5, 1.0)
        if why != self.trouble:
            log.warning(
                "operator's system is away",
                identity=self.identity,
                why=why,
                url=url_for(self.settings.url, self.identity),
                retry_s=round(delay_s, 1),
            )
        self.trouble = why
        return delay_s

    def _delay_s(self) -> float:
        settings = self.settings
        delay_s = full_jitter_s(
            self._attempt, self._rng, settings.backoff_base_s, settings.backoff_cap_s
        )
        self._attempt += 1
        return delay_s
