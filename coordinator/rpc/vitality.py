"""The health service of gRPC, whose watches end with the server instead of holding it up.

When it says what is decided elsewhere: by the start, the end, and the watch of the event loop.
"""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1 import health, health_pb2

from coordinator.rpc.guard import Context

LAST_WORD_S = 0.2  # that a watch has to tell NOT_SERVING before it ends


class Vitality(health.aio.HealthServicer):  # type: ignore[misc]  # the package has no types
    """`grpc.health.v1.Health`."""

    def __init__(self) -> None:
        super().__init__()
        self._ending = asyncio.Event()

    async def say(self, names: list[str], serving: bool) -> None:
        """Sets these services, and the whole server."""
        kinds = health_pb2.HealthCheckResponse
        for name in ("", *names):
            await self.set(name, kinds.SERVING if serving else kinds.NOT_SERVING)

    async def end(self) -> None:
        """Says NOT_SERVING for good, and ends every watch."""
        await self.enter_graceful_shutdown()
        self._ending.set()

    async def Watch(  # noqa: N802 - the contract
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """The state whenever it changes, until the server ends."""
        told: Any = super().Watch(request, context)
        watch = asyncio.create_task(told, name="coordinator:health-watch")
        ending = asyncio.create_task(self._ending.wait(), name="coordinator:health-end")
        try:
            await asyncio.wait({watch, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not watch.done():
                await asyncio.wait({watch}, timeout=LAST_WORD_S)
        finally:
            for task in (watch, ending):
                task.cancel()
            await asyncio.gather(watch, ending, return_exceptions=True)
