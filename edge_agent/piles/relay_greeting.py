"""How a relay introduces a pile to the operator's system on a fresh connection.

First the boot, then the last status of each connector; what must arrive belongs to
`relay_queue.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import structlog

from edge_agent.core.ocpp_frame import CALL_RESULT
from edge_agent.core.ocpp_relay import BOOT, STATUS, boot_again, status_key
from edge_agent.piles.relay_session import RelaySession
from edge_agent.piles.relay_store import RelayStore
from edge_agent.piles.relay_upstream import Upstream

log: Final = structlog.get_logger("edge_agent.relay")
# A pile that has something to say first (a boot) says it within this.
GREET_S: Final = 2.0
MOST_BOOT_WAIT_S: Final = 300.0


class Greeting:
    """What is said first; `passed` marks that the pile's own boot went up on this connection."""

    def __init__(
        self, identity: str, store: RelayStore, upstream: Upstream, new_id: Callable[[], str]
    ) -> None:
        self.passed = False
        self._identity = identity
        self._store = store
        self._upstream = upstream
        self._new_id = new_id
        self._statuses: dict[tuple[int, int], dict[str, Any]] = {}
        self._accepted = asyncio.Event()

    def begin(self) -> None:
        """Takes that there is a fresh connection upstream."""
        self.passed = False
        self._accepted.clear()

    def keep_status(self, payload: dict[str, Any]) -> None:
        """Remembers the last status of a connector."""
        self._statuses[status_key(payload)] = payload

    async def accept(self) -> None:
        """Takes that the operator's system accepted the pile."""
        await self._store.boot_told(self._identity)
        self._accepted.set()

    async def say(self, session: RelaySession | None) -> None:
        """Says who the pile is, if it does not say so itself, and what its connectors do."""
        if session is not None and not session.introduced.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GREET_S):
                    await session.introduced.wait()
            # The frame that came is judged in its lane before this goes on.
            await asyncio.sleep(0.05)
        kept = await self._store.boot(self._identity)
        if self.passed:
            await self._accepted.wait()
        elif kept is not None:
            boot, told = kept
            await self._boot_until_accepted(boot_again(boot) if told else boot)
        said: dict[tuple[int, int], dict[str, Any]] = {}
        # Until nothing is new: what the pile says meanwhile is answered here and told there.
        while fresh := [(k, p) for k, p in self._statuses.items() if said.get(k) is not p]:
            for connector, payload in fresh:
                said[connector] = payload
                await self._upstream.call(self._new_id(), STATUS, payload)

    async def _boot_until_accepted(self, boot: dict[str, Any]) -> None:
        while True:
            answer = await self._upstream.call(self._new_id(), BOOT, boot)
            told = answer[2] if answer[0] == CALL_RESULT else {}
            if told.get("status") == "Accepted":
                await self.accept()
            if self._accepted.is_set():
                return
            wait_s = min(max(float(told.get("interval") or 10.0), 1.0), MOST_BOOT_WAIT_S)
            log.warning(
                "operator's system does not accept the pile",
                identity=self._identity,
                status=told.get("status", "CALLERROR"),
                again_s=wait_s,
            )
            await asyncio.sleep(wait_s)
