"""Something to do at many EVSEs: each is asked at the same time, each answers for itself.

Configuration concerns a whole agent, frames a whole pile: asked once, answered for all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from coordinator.errors import CoordinatorError
from coordinator.usecases.directives import (
    Action,
    CaptureFrames,
    Configure,
    Directive,
    DirectiveResult,
    Outcome,
)
from coordinator.usecases.events import Events
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.links import AgentLinks

# Seconds that an agent may take; it gives up on a pile after 15 itself.
PATIENCE_S = 20.0
# An agent that does not come up with a new configuration takes it back after 120 s.
RESTART_S = 180.0
AT_ONCE = 32

Told = DirectiveResult | CoordinatorError


class Commander:
    """Sends directives to where they belong and gathers what became of them."""

    def __init__(self, inventory: Inventory, links: AgentLinks, events: Events) -> None:
        self._inventory = inventory
        self._links = links
        self._events = events

    async def carry_out(
        self, evse_ids: Sequence[str], action: Action, longest_s: float
    ) -> list[Told]:
        """For each EVSE the result, or why it could not be asked; at most `longest_s` long."""
        limit_s = max(0.1, min(longest_s, patience_s(action)))
        turns = asyncio.Semaphore(AT_ONCE)
        asked: dict[tuple[str, str], asyncio.Task[Told]] = {}
        # Decided before anybody is asked: a pile may be retired while its agent listens.
        places = [self._place(evse_id, action) for evse_id in evse_ids]
        async with asyncio.TaskGroup() as group:
            for evse_id, place in zip(evse_ids, places, strict=True):
                if place not in asked:
                    work = self._ask(*place, evse_id, action, limit_s, turns)
                    asked[place] = group.create_task(work, name=f"coordinator:command {evse_id}")
        return [asked[place].result() for place in places]

    def _place(self, evse_id: str, action: Action) -> tuple[str, str]:
        """The agent to ask, and the EVSE to name to it."""
        agent_id = self._links.agent_for(evse_id)
        if isinstance(action, Configure):
            return agent_id, ""
        if isinstance(action, CaptureFrames):
            district = self._inventory.district
            pile = district.piles[district.pile[district.row[evse_id]]]
            return agent_id, pile.evses[0].evse_id
        return agent_id, evse_id

    async def _ask(
        self,
        agent_id: str,
        named: str,
        evse_id: str,
        action: Action,
        limit_s: float,
        turns: asyncio.Semaphore,
    ) -> Told:
        try:
            async with turns:
                directive = Directive(named, action)
                result = await self._links.ask(agent_id, evse_id, directive, limit_s)
        except CoordinatorError as error:
            return error
        if result.outcome is Outcome.FENCED:
            tell_fenced(self._events, evse_id, agent_id, result)
        return result


def tell_fenced(events: Events, evse_id: str, agent_id: str, result: DirectiveResult) -> None:
    """Says that an agent knows a newer fence than we draw, and what an operator can do."""
    text = f"{evse_id}: agent {agent_id} refused: {result.message}; advance the fence"
    events.add("AGENT", text, evse_id=evse_id, facts={"what": "fenced", "agent_id": agent_id})


def patience_s(action: Action) -> float:
    """Seconds that the answer to an action may take."""
    if isinstance(action, Configure):
        return RESTART_S
    if isinstance(action, CaptureFrames):
        return PATIENCE_S + action.duration_s
    return PATIENCE_S
