"""An agent's spool and uplink in a process: `python feeding_agent.py FOLDER HOST:PORT HISTORY`.

Writes down so many old measurements, then a new status every second. Says `connected` and
`disconnected` on stdout. Made to run in a network of its own.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from linked_agent import EVSE, FACTS, NoHands, free_now, meters

from edge_agent.core.clock import DomainClock
from edge_agent.uplink.channel import LinkSettings
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool

EVERY_S = 1.0
LOOK_S = 0.05


async def feed(folder: Path, coordinator: str, history: int) -> None:
    """Keeps writing until it is killed."""
    spool = Spool(folder, iter(f"spool-{n}" for n in range(1, 100)).__next__)
    await spool.start()
    for start in range(0, history, 500):
        at_ms = _now_ms() - 3_600_000 + start
        await spool.commit(meters(min(500, history - start), at_ms))
    desk = DirectiveDesk(spool, NoHands(), _now_ms, EVSE.__eq__)
    settings = LinkSettings("G1", coordinator, DomainClock(0, 0.0))
    reporter = Reporter(settings, spool, desk, lambda: [FACTS], _now_ms)
    uplink = asyncio.create_task(reporter.run(), name="test:uplink")
    up, next_s = False, time.monotonic()
    while not uplink.done():
        if reporter.connected != up:
            up = reporter.connected
            print("connected" if up else "disconnected", flush=True)
        if time.monotonic() >= next_s:
            next_s += EVERY_S
            await spool.commit([free_now()])
        await asyncio.sleep(LOOK_S)
    await uplink


def _now_ms() -> int:
    return int(time.time() * 1000)


if __name__ == "__main__":
    asyncio.run(feed(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
