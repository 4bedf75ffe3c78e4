"""The gRPC server: its limits, health and reflection, and servicers behind their guard.

The guard is in `guard.py`, every figure in `limits.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from coordinator.errors import AddressRefused
from coordinator.rpc.conduct import Conduct
from coordinator.rpc.crowd import Crowd
from coordinator.rpc.door import Door
from coordinator.rpc.guard import Context, Guard
from coordinator.rpc.limits import LIMITS, Limits, server_options
from coordinator.rpc.vitality import Vitality
from coordinator.usecases.counters import Counters

__all__ = ["Context", "GuardedServer", "RpcServer"]


class GuardedServer:
    """Takes servicers and puts guards around their methods.

    It stands where the generated `add_…_to_server` functions expect a server.
    """

    def __init__(self, server: grpc.aio.Server, guard: Guard, door: Door | None = None) -> None:
        self._server = server
        self._guard = guard
        self._door = door
        self._raw: Collection[str] = ()
        self.service_names: list[str] = []

    def serve(
        self, add: Callable[[Any, Any], None], servicer: object, raw: Collection[str] = ()
    ) -> None:
        """Serves a servicer by its generated function; methods in `raw` get requests as bytes."""
        self._raw = raw
        add(servicer, self)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: the same methods come by the next function."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Called by generated code with all methods of a service."""
        if self._door is not None:
            handlers = {n: self._door.around(f"{service}/{n}", h) for n, h in handlers.items()}
        guarded = {
            name: self._guard.around(service, name, handler, raw=name in self._raw)
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, guarded),)
        )
        self.service_names.append(service)


class RpcServer:
    """A server with health and reflection; add servicers to `guarded`, `bind`, `start`."""

    def __init__(
        self,
        rng: random.Random,
        counters: Counters | None = None,
        limits: Limits = LIMITS,
        door: Door | None = None,
    ) -> None:
        counters = counters or Counters()
        self._server = grpc.aio.server(options=server_options(rng, limits))
        self.conduct = Conduct(limits)
        self._ports: set[int] = set()
        self._crowd = Crowd(limits, self._ports, counters)
        self._watch: asyncio.Task[None] | None = None
        self._guard = Guard(limits, self.conduct, counters, self._crowd)
        self.guarded = GuardedServer(self._server, self._guard, door)
        counters.gauge("open_streams", lambda: self.conduct.streams)
        self._health = Vitality()
        self.guarded.serve(health_pb2_grpc.add_HealthServicer_to_server, self._health)

    def bind(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """The port that is listened at after `start`; raises `AddressRefused`."""
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise AddressRefused(address, "the port is in use, or not ours") from error
        self._ports.add(port)
        return port

    async def start(self) -> None:
        """Takes calls at every address bound."""
        names = [*self.guarded.service_names, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        await self._server.start()
        self._watch = asyncio.create_task(self._crowd.run(), name="coordinator:crowd")
        await self._health.say(names, True)

    async def degrade(self, degraded: bool) -> None:
        """Says NOT_SERVING while something is wrong that passes, and SERVING again."""
        await self._health.say(self.guarded.service_names, not degraded)

    async def say_ending(self) -> None:
        """Says NOT_SERVING, so that nobody new comes."""
        await self._health.end()

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls, and gives those under way so long to end."""
        await self._guard.close()
        await self._server.stop(grace_s)
        if self._watch is not None:
            self._watch.cancel()
