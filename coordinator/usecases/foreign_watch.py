"""Readings of piles that are not the teller's own: counted, and told as an alarm, not one by one.

That such a row is refused is decided in `core/report.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from coordinator.core.report import FOREIGN, Refusal
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events

log: Final = structlog.get_logger()

# One alarm for each agent within so long, link time.
SAY_AGAIN_S: Final = 60.0


class ForeignWatch:
    """Hears of every refusal; an agent that tells of others' piles is an alarm."""

    def __init__(self, events: Events, counters: Counters, link_s: Callable[[], float]) -> None:
        self._events = events
        self._counters = counters
        self._link_s = link_s
        self._said_s: dict[str, float] = {}

    def see(self, agent_id: str, refusals: Sequence[Refusal]) -> None:
        """Takes what was refused of one batch."""
        foreign = [refusal for refusal in refusals if refusal.code == FOREIGN]
        if not foreign:
            return
        self._counters.add("records_foreign", len(foreign))
        now_s = self._link_s()
        if now_s - self._said_s.get(agent_id, float("-inf")) < SAY_AGAIN_S:
            return
        self._said_s[agent_id] = now_s
        log.warning("agent reports a pile that is not its own", agent_id=agent_id)
        self._events.add(
            "SECURITY",
            f"agent {agent_id} reports a pile that is not its own: {foreign[0].message}",
            facts={"what": "foreign_records", "agent_id": agent_id},
        )
