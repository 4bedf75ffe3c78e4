"""Emptying the spool towards the coordinator: at the end, and when somebody asks for it.

Nothing is ever deleted here: what the coordinator has not stored stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from edge_agent.errors import SpoolError
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool

DRAIN_S: Final = 1.0
LOOK_S: Final = 0.05
HURRY_S: Final = 2.0
LONGEST_FLUSH_S: Final = 600.0


async def drain(spool: Spool, reporter: Reporter) -> None:
    """Gives the last records a moment to reach the coordinator; what does not stays spooled."""
    await _until_empty(spool, reporter, DRAIN_S, patient=False)


async def flush(spool: Spool, reporter: Reporter, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to the command `flush`: waits up to `wait_s` until everything is stored.

    A coordinator that is backed off from is tried at once, and every 2 s while somebody waits.
    What was made before the command counts; records that are made meanwhile do not delay it.
    """
    wait_s = request.get("wait_s", 60.0)
    if not isinstance(wait_s, int | float) or not 0 < wait_s <= LONGEST_FLUSH_S:
        return {"ok": False, "why": f"wait_s is a number of seconds up to {LONGEST_FLUSH_S:.0f}"}
    try:
        begun = await _depth(spool)
        left = await _until_empty(spool, reporter, wait_s, patient=True, begun=begun)
    except SpoolError as error:
        return {"ok": False, "left": None, "why": f"the spool cannot be read: {error}"}
    if left == 0:
        return {"ok": True, "sent": begun, "left": 0}
    why = (
        f"the coordinator had not stored all within {wait_s:g} s; sending goes on"
        if reporter.connected
        else "the coordinator is not connected; records stay in the spool and are sent later"
    )
    return {"ok": False, "sent": max(0, begun - left), "left": left, "why": why}


async def _until_empty(
    spool: Spool, reporter: Reporter, wait_s: float, *, patient: bool, begun: int = 0
) -> int:
    """Records of those that waited at the beginning which are still not stored."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    target = reporter.acked + begun
    hurry_s = loop.time()
    while True:
        if patient and not reporter.connected and loop.time() >= hurry_s:
            reporter.hurry()
            hurry_s = loop.time() + HURRY_S
        left = await _depth(spool)
        if begun:
            left = min(left, max(0, target - reporter.acked))
        late = loop.time() >= until_s or not (reporter.connected or patient)
        if left == 0 or late:
            return left
        await asyncio.sleep(LOOK_S)


async def _depth(spool: Spool) -> int:
    return await spool.call(lambda file: file.numbers.depth())
