"""Streams between agents and coordinators that are late, cut, half deaf, or end unnoticed.

Each direction keeps its order, as TCP does; between two connections there is none: what was under
way on a stream that its agent gave up still arrives at the coordinator. Messages cross as bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from coordinator.errors import CoordinatorError
from coordinator.rpc.errors import to_status
from pilewise.v1 import edge_service_pb2 as edge

KEEPALIVE_S = 25.0
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@dataclass
class Weather:
    """How the link of one agent is just now; `up` and `down` say whether anything passes."""

    delay_s: float = 0.005
    jitter_s: float = 0.005
    up: bool = True
    down: bool = True
    refuses: bool = False  # nobody can connect


class Aborted(Exception):
    """The servicer ended the call with a status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


class _Way:
    """One direction of a connection: messages arrive in order, late, or wait for the weather."""

    def __init__(self, passes: Callable[[], bool], late_s: Callable[[], float]) -> None:
        self._passes, self._late_s = passes, late_s
        self._arrives_at_s = 0.0
        self._stuck: deque[Any] = deque()
        self.arrived: asyncio.Queue[Any] = asyncio.Queue()
        self.stuck_since_s: float | None = None
        self.cut = False

    def put(self, message: Any) -> None:
        loop = asyncio.get_running_loop()
        if not self._passes() or self._stuck:
            self._stuck.append(message)
            if self.stuck_since_s is None:
                self.stuck_since_s = loop.time()
            return
        self._arrives_at_s = max(self._arrives_at_s, loop.time() + self._late_s())
        loop.call_at(self._arrives_at_s, self._arrive, message)

    def _arrive(self, message: Any) -> None:
        if not self.cut:
            self.arrived.put_nowait(message)

    def cleared(self) -> None:
        """The weather is fine again: what waited goes on."""
        self.stuck_since_s = None
        waiting, self._stuck = list(self._stuck), deque()
        for message in waiting:
            self.put(message)


class Connection:
    """One stream; the agent's end is a gRPC call, the coordinator's a servicer's context."""

    def __init__(self, network: Network, agent_id: str, number: int) -> None:
        self.network, self.agent_id, self.number = network, agent_id, number
        weather, rng = network.weather[agent_id], network.rng

        def late_s() -> float:
            return weather.delay_s + rng.random() * weather.jitter_s

        self.up = _Way(lambda: weather.up, late_s)
        self.down = _Way(lambda: weather.down, late_s)
        self.ended: tuple[grpc.StatusCode, str] | None = None  # as the agent knows
        self.handler: asyncio.Task[None] | None = None

    # The agent's end.

    async def write(self, message: edge.ConnectRequest) -> None:
        """Sends; raises where the call is over."""
        await asyncio.sleep(0)
        if self.ended is not None:
            raise asyncio.InvalidStateError("the call is over")
        self.up.put(message.SerializeToString())

    async def read(self) -> Any:
        """What has arrived, or how the call ended."""
        raw = (
            await self._next(self.down) if self.ended is None or self.down.arrived.qsize() else None
        )
        if raw is None:
            code, details = self.ended or (UNAVAILABLE, "")
            if code is grpc.StatusCode.OK:
                return grpc.aio.EOF
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
        return edge.ConnectResponse.FromString(raw)

    async def _next(self, way: _Way) -> Any:
        return await way.arrived.get()

    async def code(self) -> grpc.StatusCode:
        """Its status."""
        return (self.ended or (grpc.StatusCode.OK, ""))[0]

    async def details(self) -> str:
        """Its words."""
        return (self.ended or (grpc.StatusCode.OK, ""))[1]

    async def initial_metadata(self) -> Any:
        """None."""
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> Any:
        """None."""
        return grpc.aio.Metadata()

    def cancel(self) -> None:
        """The agent gives up; the coordinator hears of it later, after what was under way."""
        if self.ended is None:
            self.end_agent(grpc.StatusCode.CANCELLED, "cancelled here")
        self._hang_up(self.network.rng.choice((0.001, 0.05, 1.0)))

    def end_agent(self, code: grpc.StatusCode, details: str) -> None:
        """The agent's end is over: nothing arrives there any more."""
        if self.ended is None:
            self.ended = code, details
            self.down.cut = True
            self.down.arrived.put_nowait(None)

    def _hang_up(self, after_s: float) -> None:
        if self.handler is not None and not self.handler.done():
            asyncio.get_running_loop().call_later(after_s, self.handler.cancel)

    def break_(self, coordinator_notices_s: float) -> None:
        """The connection is gone: the agent knows at once, the coordinator a while later."""
        self.end_agent(UNAVAILABLE, "connection reset")
        self._hang_up(coordinator_notices_s)

    def kill_coordinator_end(self) -> None:
        """The coordinator's process is gone with all that it had not sent."""
        if self.handler is not None:
            self.handler.cancel()
        self.up.cut = True
        asyncio.get_running_loop().call_later(0.01, self.end_agent, UNAVAILABLE, "reset by peer")


@dataclass
class Context:
    """What a servicer sees of a connection."""

    connection: Connection
    on_write: Callable[[str, edge.ConnectResponse], None]

    async def read(self) -> Any:
        """The bytes of the next message."""
        raw = await self.connection.up.arrived.get()
        return grpc.aio.EOF if raw is None else raw

    async def write(self, message: edge.ConnectResponse) -> None:
        """Looks at the message, and sends it."""
        self.on_write(self.connection.agent_id, message)
        await asyncio.sleep(0)
        self.connection.down.put(message.SerializeToString())

    def peer(self) -> str:
        """The agent's address."""
        return f"sim:{self.connection.agent_id}:{self.connection.number}"

    def auth_context(self) -> dict[str, Any]:
        """No certificate."""
        return {}

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        """Ends the call with a status."""
        raise Aborted(code, details)


@dataclass
class Network:
    """All connections; `serve` runs a coordinator's end, None while there is none."""

    rng: random.Random
    agent_ids: list[str]
    weather: dict[str, Weather] = field(default_factory=dict)
    connections: dict[str, list[Connection]] = field(default_factory=dict)
    serve: Callable[[Connection], Any] | None = None
    count: int = 0

    def __post_init__(self) -> None:
        self.weather = {agent_id: Weather() for agent_id in self.agent_ids}
        self.connections = {agent_id: [] for agent_id in self.agent_ids}

    def connect(self, agent_id: str) -> Connection:
        """A fresh call of this agent, which may be over at once."""
        self.count += 1
        connection = Connection(self, agent_id, self.count)
        weather = self.weather[agent_id]
        if self.serve is None or weather.refuses or not (weather.up and weather.down):
            connection.end_agent(UNAVAILABLE, "failed to connect")
            return connection
        live = [c for c in self.connections[agent_id] if c.handler and not c.handler.done()]
        self.connections[agent_id] = [*live, connection]
        connection.handler = asyncio.ensure_future(self._handle(connection, self.serve))
        return connection

    async def _handle(self, connection: Connection, serve: Callable[[Connection], Any]) -> None:
        code, details = grpc.StatusCode.OK, ""
        try:
            await serve(connection)
        except asyncio.CancelledError:
            code, details = UNAVAILABLE, "stream reset"
        except Aborted as error:
            code, details = error.code, error.details
        except CoordinatorError as error:
            status = to_status(error)
            code, details = status.code, status.details or ""
        except TimeoutError:
            code, details = grpc.StatusCode.DEADLINE_EXCEEDED, "no hello"
        loop = asyncio.get_running_loop()
        # Behind what was sent before.
        after_s = max(0.0, connection.down._arrives_at_s - loop.time()) + 0.001
        loop.call_later(after_s, connection.end_agent, code, details)

    def open(self, agent_id: str) -> list[Connection]:
        """Connections that the agent believes in."""
        return [c for c in self.connections[agent_id] if c.ended is None]

    def clear(self, agent_id: str) -> None:
        """Fine weather; what waited arrives."""
        weather = self.weather[agent_id]
        weather.up = weather.down = True
        weather.refuses = False
        weather.delay_s = weather.jitter_s = 0.005
        for connection in self.connections[agent_id]:
            connection.up.cleared()
            connection.down.cleared()

    async def keep_alive(self) -> None:
        """Breaks connections that have not passed anything for as long as keepalive waits."""
        while True:
            await asyncio.sleep(1.0)
            for agent_id, weather in self.weather.items():
                if weather.up and weather.down:
                    continue
                for connection in self.connections[agent_id]:
                    stuck = [connection.up.stuck_since_s, connection.down.stuck_since_s]
                    now_s = asyncio.get_running_loop().time()
                    if any(s is not None and now_s - s > KEEPALIVE_S for s in stuck):
                        connection.break_(KEEPALIVE_S)


class Stub:
    """In place of `EdgeServiceStub`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def Connect(self) -> Connection:  # noqa: N802 - as generated
        """A fresh call."""
        return self._channel.network.connect(self._channel.agent_id)


@dataclass
class Channel(contextlib.AbstractAsyncContextManager["Channel"]):
    """In place of a gRPC channel."""

    network: Network
    agent_id: str

    async def __aexit__(self, *error: object) -> None:
        return None
