"""Whether the event loop turns, and whether file descriptors are left; told while it stands still.

A loop that stands still can say nothing, so a thread looks at it: it logs where the loop is, and
once the loop turns again the server's health says NOT_SERVING for a while, so that callers go
elsewhere. What the figures are called is in `figures.py`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events

log = structlog.get_logger()

TICK_S = 0.25
BLOCKED_S = 2.0
DEGRADED_S = 5.0  # that health stays down after the loop turns again
OWN = Path("/proc/self/fd")
FD_EVERY_S = 1.0
FD_FEW = 0.9  # of the limit
FD_ENOUGH = 0.8
FD_LEAST = 1_024  # a lower limit is told at the start

Degrade = Callable[[bool], Awaitable[None]]


class LoopWatch:
    """Run `run` on the loop that is watched."""

    def __init__(self, counters: Counters, events: Events, degrade: Degrade) -> None:
        self._counters = counters
        self._events = events
        self._degrade = degrade
        self._ticked_s = time.monotonic()
        self._loop_thread = threading.get_ident()
        self._stop = threading.Event()
        self._descriptors = 0
        self._few = False
        self.degraded = False
        self.longest_s = 0.0  # that the loop stood still since the start
        counters.gauge("loop_blocked_longest_s", lambda: self.longest_s)
        counters.gauge("loop_degraded", lambda: self.degraded)
        counters.gauge("loop_tasks", lambda: len(asyncio.all_tasks()))
        counters.gauge("open_descriptors", lambda: self._descriptors)

    async def run(self) -> None:
        """Ticks until cancelled."""
        thread = threading.Thread(target=self._look, name="coordinator:loop-watch", daemon=True)
        self._ticked_s = well_since_s = time.monotonic()
        thread.start()
        try:
            while True:
                await asyncio.sleep(TICK_S)
                now_s = time.monotonic()
                late_s = now_s - self._ticked_s - TICK_S
                self._ticked_s = now_s
                self.longest_s = max(self.longest_s, late_s)
                if late_s >= BLOCKED_S:
                    well_since_s = now_s
                    await self._tell_blocked(late_s)
                elif self.degraded and now_s - well_since_s >= DEGRADED_S:
                    self.degraded = False
                    await self._degrade(False)
                    log.info("event loop turns again")
        finally:
            self._stop.set()

    async def _tell_blocked(self, late_s: float) -> None:
        self._counters.add("loop_blocked")
        self.degraded = True
        text = f"the event loop stood still for {late_s:.1f} s"
        self._events.add("HEALTH", text, facts={"what": "loop_blocked", "s": f"{late_s:.1f}"})
        await self._degrade(True)

    def _look(self) -> None:
        """The thread: says where a loop stands still, and counts descriptors."""
        told_s, counted_s = 0.0, 0.0
        while not self._stop.wait(TICK_S):
            ticked_s = self._ticked_s
            still_s = time.monotonic() - ticked_s
            if still_s >= BLOCKED_S and told_s != ticked_s:
                told_s = ticked_s
                log.error("event loop stands still", s=round(still_s, 1), at=self._where())
            if time.monotonic() - counted_s >= FD_EVERY_S:
                counted_s = time.monotonic()
                self._count_descriptors()

    def _where(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)
        if frame is None:
            return "?"
        code = frame.f_code
        return f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}"

    def _count_descriptors(self) -> None:
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            self._descriptors = sum(1 for _ in os.scandir(OWN))
        except OSError:  # none is left to look with, or no such place
            self._descriptors = most if OWN.is_dir() else 0
        if not self._few and self._descriptors >= FD_FEW * most:
            self._few = True
            self._counters.add("descriptors_short")
            log.error(
                "file descriptors run out: new connections wait",
                used=self._descriptors,
                limit=most,
                hint="raise LimitNOFILE of the service, or ulimit -n",
            )
        elif self._few and self._descriptors < FD_ENOUGH * most:
            self._few = False
            log.info("file descriptors are free again", used=self._descriptors, limit=most)


def raise_descriptor_limit() -> None:
    """Takes as many file descriptors as the system allows; says where that is few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > soft:
        wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, 65_536)), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FD_LEAST:
        hint = "raise LimitNOFILE of the service, or ulimit -n"
        log.warning("few file descriptors", limit=soft, wanted=FD_LEAST, hint=hint)
