"""The demo's accounts: what the coordinator stored against what the agents wrote down."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from city_sim.stage import Stage
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

SETTLE_S = 10.0


async def agents(stage: Stage) -> list[op.AgentInfo]:
    """The agents as the coordinator sees them."""
    if stage.operator is None:
        return []
    page = nouns.PageRequest(page_size=1000)
    answer = await stage.operator.ListAgents(op.ListAgentsRequest(page=page), timeout=10.0)
    return list(answer.agents)


async def indexes(stage: Stage) -> dict[str, float]:
    """The coordinator's own counts since its start."""
    if stage.operator is None:
        return {}
    answer = await stage.operator.GetIndexes(op.GetIndexesRequest(), timeout=10.0)
    return dict(answer.indexes)


async def models(stage: Stage) -> list[dict[str, str]]:
    """The models that answered, by name, version and hash."""
    ready = stage.coordinator.ready if stage.coordinator is not None else {}
    return [
        {"name": m["name"], "version": m["version"], "sha256": m["sha256"]}
        for m in ready.get("models", [])
    ]


async def settle(stage: Stage) -> tuple[int, int]:
    """Record numbers given out by all spools, and records that the store holds of them.

    The agents are stopped first, which makes them send what they have.
    """
    await asyncio.gather(*(agent.stop() for agent in stage.agents))
    spools: dict[str, int] = {}
    for path in sorted(stage.folder.glob("agent-*/spool.db")):
        spools.update(spooled(path))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_S
    stored = -1
    while stored < sum(spools.values()) and loop.time() < deadline:
        if stored >= 0:
            await asyncio.sleep(0.2)
        stored = sum(
            int(spool.record_count)
            for agent in await agents(stage)
            for spool in agent.spools
            if spool.spool_id in spools
        )
    return sum(spools.values()), stored


def spooled(path: Path) -> dict[str, int]:
    """Record numbers that a spool gave out, by spool id; read from the file itself."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute("select spool_id, next_record_seq from spool").fetchall()
    finally:
        connection.close()
    return {str(spool_id): int(following) - 1 for spool_id, following in rows}
