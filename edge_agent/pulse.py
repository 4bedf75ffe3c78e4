"""The pulse of the process: how late the event loop runs, and whether the spool's thread moves.

systemd's watchdog is fed from here and only while both really advance.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NoReturn

import structlog

from edge_agent.errors import SpoolError
from edge_agent.host_notify import ServiceNotify
from edge_agent.uplink.spool import Spool

log: Final = structlog.get_logger("edge_agent.pulse")
BEAT_S: Final = 1.0
# The greatest delay of so many beats is shown.
REMEMBERED_BEATS: Final = 60
LATE_S: Final = 2.0


class Pulse:
    """Measures the loop's delay each second; `status` gives the line that systemd shows."""

    def __init__(self, notify: ServiceNotify, spool: Spool, status: Callable[[], str]) -> None:
        self._notify = notify
        self._spool = spool
        self._status = status
        self._late_s: deque[float] = deque([0.0], maxlen=REMEMBERED_BEATS)

    @property
    def lag_s(self) -> float:
        """The greatest delay of the event loop within the last minute."""
        return max(self._late_s)

    async def run(self) -> NoReturn:
        """Beats until cancelled."""
        loop = asyncio.get_running_loop()
        every_s = self._notify.feed_every_s
        beat_s = BEAT_S if every_s is None else min(BEAT_S, every_s)
        feed_at_s = loop.time()
        while True:
            before_s = loop.time()
            if every_s is not None and before_s >= feed_at_s:
                feed_at_s = before_s + every_s
                await self._feed()
                before_s = loop.time()
            await asyncio.sleep(beat_s)
            late_s = loop.time() - before_s - beat_s
            self._late_s.append(late_s)
            if late_s > LATE_S:
                log.warning("event loop was late", late_s=round(late_s, 1))

    async def _feed(self) -> None:
        """Feeds the watchdog after the spool's thread has answered; while it hangs, it starves."""
        try:
            await self._spool.call(lambda file: None)
        except SpoolError as error:
            # A disk in trouble is no hang: restarting would not mend it.
            log.debug("spool answered with an error", error=str(error))
        self._notify.alive(self._status())
