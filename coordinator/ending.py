"""How a coordinator ends: nobody new, those under way answered, everything told; in time.

One grace for all that is served, so that SIGTERM never takes the sum of several.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from coordinator.metrics import Metrics
from coordinator.parts import Parts
from coordinator.rpc.server import RpcServer

if TYPE_CHECKING:
    from coordinator.web_parts import Web

log = structlog.get_logger()


async def end(parts: Parts, server: RpcServer, web: Web | None, metrics: Metrics) -> None:
    """Returns when nothing is served any more; what was taken in is flushed by the caller."""
    grace_s = parts.config.coordinator.grace_s
    log.info("stopping", grace_s=grace_s)
    await server.say_ending()
    for tell in parts.on_stop:
        tell()
    parts.links.close_all("SHUTDOWN")
    async with asyncio.TaskGroup() as group:
        group.create_task(server.stop(grace_s), name="coordinator:end-calls")
        if web is not None:
            group.create_task(web.stop(), name="coordinator:end-pages")
    await asyncio.to_thread(metrics.stop)
