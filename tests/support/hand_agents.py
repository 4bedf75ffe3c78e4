"""Agents that do as they are told beforehand: reserve, refuse, are silent or away; no sockets."""

from __future__ import annotations

from dataclasses import dataclass, field

from coordinator.clock import Clock
from coordinator.errors import AgentOffline
from coordinator.usecases.directives import (
    Cancel,
    Directive,
    DirectiveResult,
    Extend,
    Outcome,
    Reserve,
)

AWAY = "AWAY"


@dataclass
class HandAgents:
    """One agent for all EVSEs. `moods` says how it takes the next reservation at an EVSE.

    It acts on no fence below one that it has seen, as agents do, and remembers what it keeps.
    """

    clock: Clock
    moods: dict[str, Outcome | str] = field(default_factory=dict)
    fences: dict[str, list[int]] = field(default_factory=dict)
    keeps: dict[str, tuple[str, float]] = field(default_factory=dict)  # claim, until, link time
    tokens: dict[str, str] = field(default_factory=dict)  # by claim
    on_open: list[object] = field(default_factory=list)

    async def send(self, evse_id: str, directive: Directive, timeout_s: float) -> DirectiveResult:
        """What becomes of it."""
        mood, action = self.moods.get(evse_id, Outcome.DONE), directive.action
        if mood == AWAY:
            raise AgentOffline(evse_id, "hand")
        seen = self.fences.setdefault(evse_id, [])
        if seen and directive.fence < seen[-1]:
            return DirectiveResult(directive.directive_id, Outcome.FENCED)
        seen.append(directive.fence)
        outcome = self._act(evse_id, action, mood)
        return DirectiveResult(directive.directive_id, outcome)

    def _act(self, evse_id: str, action: object, mood: Outcome | str) -> Outcome:
        link_s = self.clock.link_s()
        claim_id, until_s = self.keeps.get(evse_id, ("", link_s))
        live = until_s > link_s
        match action:
            case Reserve(claim_id=wanted, duration_s=duration_s, id_token=token):
                if mood is Outcome.REFUSED or (live and claim_id not in ("", wanted)):
                    return Outcome.REFUSED
                self.keeps[evse_id] = wanted, link_s + duration_s
                self.tokens[wanted] = token
                if mood is Outcome.TIMED_OUT:
                    return Outcome.TIMED_OUT  # done, and the answer is lost
                return Outcome.DONE if token and mood is Outcome.DONE else Outcome.DONE_SOFTLY
            case Extend(claim_id=wanted, duration_s=duration_s):
                if not live or claim_id != wanted:
                    return Outcome.REFUSED
                self.keeps[evse_id] = wanted, link_s + duration_s
                return Outcome.DONE if self.tokens.get(wanted) else Outcome.DONE_SOFTLY
            case Cancel(claim_id=wanted):
                if claim_id != wanted:
                    return Outcome.REFUSED
                del self.keeps[evse_id]
                return Outcome.DONE
        return Outcome.UNSUPPORTED

    def agent_for(self, evse_id: str) -> str:
        """The one agent."""
        return "hand"
