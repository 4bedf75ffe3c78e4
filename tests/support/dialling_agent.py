"""A process with an agent's uplink alone: `python dialling_agent.py FOLDER HOST:PORT`.

Says `connected` on stdout for each stream that stands. Made to run in a namespace of its own.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from linked_agent import EVSE, FACTS, NoHands

from edge_agent.core.clock import DomainClock
from edge_agent.uplink.channel import LinkSettings
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool


async def dial(folder: Path, coordinator: str) -> None:
    """Keeps the uplink going until it is killed."""
    spool = Spool(folder, iter(f"spool-{n}" for n in range(1, 100)).__next__)
    await spool.start()

    def now_ms() -> int:
        return int(time.time() * 1000)

    settings = LinkSettings("G1", coordinator, DomainClock(0, 0.0))
    desk = DirectiveDesk(spool, NoHands(), now_ms, EVSE.__eq__)
    reporter = Reporter(settings, spool, desk, lambda: [FACTS], now_ms)
    asyncio.get_running_loop().create_task(reporter.run(), name="test:uplink")
    told = 0
    while True:
        if reporter.connections > told:
            told = reporter.connections
            print("connected", flush=True)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(dial(Path(sys.argv[1]), sys.argv[2]))
