"""Which agents may speak: those whose certificate names them and this district, and not shut out.

Which piles they speak for is in `inventory.py`; how a certificate is read is in `rpc/peer.py`, and
how an agent comes to one in `enrolling.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from coordinator.auth_errors import (
    AgentRevoked,
    CertificateSuperseded,
    ForeignDistrict,
    IdentityMismatch,
    NotEnrolled,
)
from coordinator.core.identity import AgentIdentity
from coordinator.errors import NotFound
from coordinator.usecases.agent_store import (
    AgentStore,
    BootstrapToken,
    EnrolledAgent,
    IssuedCertificate,
    KnownAgents,
)
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.links import AgentLinks

log: Final = structlog.get_logger()

REVOKED: Final = "REVOKED"
SUPERSEDED: Final = "SUPERSEDED"
# An agent that was shut out may ask again after so long: somebody may have let it in again.
RESUME_REVOKED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Around:
    """What the register tells of what happens, and whose streams it closes."""

    links: AgentLinks
    events: Events
    counters: Counters
    system_s: Callable[[], float]


class AgentRegister:
    """Judges who calls, from memory; what changes is durable first.

    Where no certificates are asked for, an agent is who it says.
    """

    def __init__(
        self,
        district_id: str,
        store: AgentStore,
        known: KnownAgents,
        around: Around,
        *,
        required: bool,
    ) -> None:
        self._district_id = district_id
        self._store = store
        self._around = around
        self._required = required
        self._agents = {agent.agent_id: agent for agent in known.agents}
        self._certificates = {one.serial: one for one in known.certificates}
        self.tokens = {token.token_sha256: token for token in known.tokens}
        # Held from the look at what is known until the change of it is kept.
        self.changing = asyncio.Lock()

    def agents(self) -> set[str]:
        """Agents that were enrolled or shut out."""
        return set(self._agents)

    @property
    def revoked_count(self) -> int:
        """How many agents are shut out."""
        return sum(agent.revoked_at_s is not None for agent in self._agents.values())

    def agent(self, agent_id: str) -> EnrolledAgent | None:
        """What is known of an agent; None if it was never enrolled nor shut out."""
        return self._agents.get(agent_id)

    def certificate_of(self, agent_id: str) -> IssuedCertificate | None:
        """The newest certificate that the agent was given; None if none is in force."""
        own = [one for one in self._certificates.values() if one.agent_id == agent_id]
        return max(own, key=lambda one: (one.enrolment, one.valid_until_s), default=None)

    def tokens_of(self, agent_id: str) -> list[BootstrapToken]:
        """Tokens that are out for an agent, used ones too."""
        return [token for token in self.tokens.values() if token.agent_id == agent_id]

    def admit(self, identity: AgentIdentity | None, agent_id: str, peer: str) -> None:
        """Returns where the caller may speak as this agent; every refusal is an alarm.

        Raises `NotEnrolled`, `ForeignDistrict`, `IdentityMismatch`, `AgentRevoked` or
        `CertificateSuperseded`.
        """
        if identity is None:
            if self._required:
                self.alarm("unproved", agent_id, peer)
                raise NotEnrolled(agent_id)
        elif identity.district_id != self._district_id:
            self.alarm("foreign_district", identity.agent_id, peer)
            raise ForeignDistrict(identity.agent_id, identity.district_id, self._district_id)
        elif agent_id != identity.agent_id:
            self.alarm("mismatch", identity.agent_id, peer)
            raise IdentityMismatch(agent_id, identity.agent_id)
        known = self._agents.get(agent_id)
        if known is None:
            return
        if known.revoked_at_s is not None:
            self.alarm("revoked", agent_id, peer)
            raise AgentRevoked(agent_id)
        shown = None if identity is None else self._certificates.get(f"{identity.serial:x}")
        if shown is not None and shown.enrolment < known.enrolment:
            self.alarm("superseded", agent_id, peer)
            raise CertificateSuperseded(agent_id)

    async def revoke(self, agent_id: str, why: str) -> None:
        """Shuts an agent out, at once and on its open stream; its unused tokens are void."""
        async with self.changing:
            now_s = self._around.system_s()
            agent = self._agents.get(agent_id) or EnrolledAgent(agent_id)
            void = [replace(token, valid_until_s=0.0) for token in self.tokens_of(agent_id)]
            await self.keep(replace(agent, revoked_at_s=now_s, revoked_why=why), tokens=void)
        self._say(agent_id, f"was shut out: {why or 'no reason given'}", "revoked")
        self.hang_up(agent_id, REVOKED, RESUME_REVOKED_S)

    async def readmit(self, agent_id: str) -> None:
        """Lets an agent in again with the certificate it has; raises `NotFound`."""
        async with self.changing:
            agent = self._agents.get(agent_id)
            if agent is None or agent.revoked_at_s is None:
                raise NotFound("revoked agent", agent_id)
            await self.keep(replace(agent, revoked_at_s=None, revoked_why=""))
        self._say(agent_id, "was let in again", "readmitted")

    def hang_up(self, agent_id: str, why: str, resume_after_s: float) -> None:
        """Ends the agent's open stream, whether or not it still listens."""
        link = self._around.links.open.get(agent_id)
        if link is not None:
            link.resume_after_s = resume_after_s
            link.cut(why)

    async def keep(
        self,
        agent: EnrolledAgent | None = None,
        certificate: IssuedCertificate | None = None,
        tokens: Sequence[BootstrapToken] = (),
    ) -> None:
        """Stores what changed, whole, and knows it afterwards; what ended is forgotten."""
        agents = [agent] if agent else []
        given = [certificate] if certificate else []
        now_s = self._around.system_s()
        await self._store.put_agents(agents, given, tokens, forget_before_s=now_s)
        self._agents |= {one.agent_id: one for one in agents}
        self._certificates |= {one.serial: one for one in given}
        self.tokens |= {one.token_sha256: one for one in tokens}
        for serial in [s for s, one in self._certificates.items() if one.valid_until_s < now_s]:
            del self._certificates[serial]
        for digest in [d for d, one in self.tokens.items() if one.valid_until_s < now_s]:
            del self.tokens[digest]

    def alarm(self, what: str, agent_id: str, peer: str) -> None:
        """Counts a refusal and tells who watches."""
        self._around.counters.add("agents_refused")
        self._around.counters.add(f"agents_refused_{what}")
        log.warning("agent refused", agent_id=agent_id, why=what, peer=peer)
        text = f"agent {agent_id} was refused at {peer}: {what}"
        facts = {"what": f"refused_{what}", "agent_id": agent_id, "refused": peer}
        self._around.events.add("SECURITY", text, facts=facts)

    def _say(self, agent_id: str, text: str, what: str) -> None:
        log.info(f"agent {what}", agent_id=agent_id)
        facts = {"what": what, "agent_id": agent_id}
        self._around.events.add("AGENT", f"agent {agent_id} {text}", facts=facts)
