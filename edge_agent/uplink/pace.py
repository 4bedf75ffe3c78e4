"""When the next stream is tried: back-off, the coordinator's wish, and quarrels over an id."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from typing import Final

import structlog

from edge_agent.core.backoff import full_jitter_s
from edge_agent.uplink.channel import LinkSettings

log: Final = structlog.get_logger("edge_agent.uplink")

# A stream that lived so long was sound: the next failure starts with a short wait again.
STEADY_S: Final = 5.0
# The reason that a coordinator gives when another stream came with the same agent id.
DISPLACED: Final = "DISPLACED"
# So many displacements within the window are no reconnect of our own.
QUARREL_COUNT: Final = 3
QUARREL_WINDOW_S: Final = 60.0
# Both sides of a quarrel back off, so a stream may well live for minutes before it goes on.
PEACE_S: Final = 600.0


class Pace:
    """Gives the wait before each try; `contested` while another gateway uses this agent id.

    All times are real seconds; `at_s` and `lived_s` are the end and the length of the stream that
    has just ended (0 for one that was never welcomed).
    """

    def __init__(self, settings: LinkSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._attempt = 0
        self._displaced_at_s: deque[float] = deque(maxlen=QUARREL_COUNT)
        self._hurried = asyncio.Event()
        self.contested = False

    def hurry(self) -> None:
        """Ends a rest that is a mere back-off: somebody stands at the gateway and waits."""
        self._hurried.set()

    async def rest(self, wait_s: float, *, asked: bool) -> None:
        """Returns after the wait; `asked` where the coordinator named it: nobody shortens that."""
        self._hurried.clear()
        if asked or self.contested:
            await asyncio.sleep(wait_s)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._hurried.wait()

    def after_failure_s(self, lived_s: float, *, slowly: bool = False) -> float:
        """Seconds until the next try after a failure: full jitter, longer each time.

        `slowly` where only a human can help: never less than half the longest wait.
        """
        if slowly:
            cap_s = self._settings.backoff_cap_s
            return self._rng.uniform(cap_s / 2, cap_s)
        if lived_s > STEADY_S:
            self._attempt = 0
        wait_s = full_jitter_s(
            self._attempt, self._rng, self._settings.backoff_base_s, self._settings.backoff_cap_s
        )
        self._attempt += 1
        return wait_s

    def after_goodbye_s(
        self, reason: str, resume_after_s: float, at_s: float, lived_s: float
    ) -> float:
        """Seconds until the next try after a GoAway: what it asks for, more in a quarrel."""
        if lived_s > STEADY_S:
            self._attempt = 0
        if reason == DISPLACED:
            self._displaced(at_s, lived_s)
            if self.contested:
                resume_after_s = max(resume_after_s, self._settings.backoff_cap_s)
        return resume_after_s + self._rng.uniform(0.0, resume_after_s + 1.0)

    def _displaced(self, at_s: float, lived_s: float) -> None:
        if lived_s > PEACE_S:
            self._displaced_at_s.clear()
            self.contested = False
        self._displaced_at_s.append(at_s)
        often = len(self._displaced_at_s) == QUARREL_COUNT
        if self.contested or not often or at_s - self._displaced_at_s[0] > QUARREL_WINDOW_S:
            return
        self.contested = True
        log.warning(
            "another gateway uses this agent id",
            agent_id=self._settings.agent_id,
            displaced=QUARREL_COUNT,
            within_s=round(at_s - self._displaced_at_s[0], 1),
            hint="give each gateway an agent.id of its own",
        )
