"""Which agents may speak: those whose certificate names them, and this district.

Which piles they speak for is in `inventory.py`; how a certificate is read is in `rpc/peer.py`.
"""

from __future__ import annotations

from coordinator.auth_errors import ForeignDistrict, IdentityMismatch, NotEnrolled
from coordinator.core.identity import AgentIdentity
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events


class AgentRegister:
    """Judges who calls. Where no certificates are asked for, an agent is who it says."""

    def __init__(
        self, district_id: str, events: Events, counters: Counters, *, required: bool
    ) -> None:
        self._district_id = district_id
        self._events = events
        self._counters = counters
        self._required = required

    def admit(self, identity: AgentIdentity | None, agent_id: str, peer: str) -> None:
        """Returns where the caller may speak as this agent.

        Raises `NotEnrolled`, `ForeignDistrict` or `IdentityMismatch`; each is an alarm.
        """
        if identity is None:
            if self._required:
                self._alarm("unproved", agent_id, peer)
                raise NotEnrolled(agent_id)
            return
        if identity.district_id != self._district_id:
            self._alarm("foreign_district", identity.agent_id, peer)
            raise ForeignDistrict(identity.agent_id, identity.district_id, self._district_id)
        if agent_id != identity.agent_id:
            self._alarm("mismatch", identity.agent_id, peer)
            raise IdentityMismatch(agent_id, identity.agent_id)

    def _alarm(self, what: str, agent_id: str, peer: str) -> None:
        """Counts it and tells who watches."""
        self._counters.add("agents_refused")
        text = f"agent {agent_id} was refused at {peer}: {what}"
        facts = {"what": f"refused_{what}", "agent_id": agent_id, "refused": peer}
        self._events.add("SECURITY", text, facts=facts)
