"""`OperatorService`: agents, and which piles they speak for."""

from __future__ import annotations

from typing import Final

from coordinator.auth_errors import NoAuthority
from coordinator.clock import Clock
from coordinator.errors import FieldFault
from coordinator.rpc import operator_codec as codec
from coordinator.rpc.noun_codec import check_id, check_text, invalid, seconds, timestamp
from coordinator.rpc.operator import page
from coordinator.rpc.server import Context
from coordinator.usecases.agent_register import AgentRegister
from coordinator.usecases.enrolling import Enroller
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.links import AgentLinks
from coordinator.usecases.telemetry import TelemetryStore
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc

LATEST_S: Final = 7_258_118_400.0  # the year 2200


class OperatorAgents(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that lists agents and gives them piles."""

    _inventory: Inventory
    _links: AgentLinks
    _store: TelemetryStore
    _clock: Clock
    register: AgentRegister
    enroller: Enroller | None = None

    async def ListAgents(  # noqa: N802 - the contract
        self, request: op.ListAgentsRequest, context: Context
    ) -> op.ListAgentsResponse:
        """Agents, with what the store holds of each, counted now."""
        known = self._inventory.agents() | self._links.open.keys() | self.register.agents()
        picked, token = page(known, request.page)
        agents = [await self._agent(agent_id) for agent_id in picked]
        return op.ListAgentsResponse(agents=agents, next_page_token=token)

    async def _agent(self, agent_id: str) -> op.AgentInfo:
        spools = [codec.from_spool(s) for s in await self._store.count_spools(agent_id)]
        info = op.AgentInfo(
            agent_id=agent_id, pile_ids=self._inventory.piles_of(agent_id), spools=spools
        )
        self._add_standing(info)
        link = self._links.open.get(agent_id)
        if link is not None:
            ago_s = (self._clock.link_s() - link.last_heard_link_s) * self._clock.speed
            info.connected = not link.closing
            seen_at = timestamp(self._clock.now_s() - ago_s)
            if seen_at is not None:
                info.last_seen_at.CopyFrom(seen_at)
            info.software_version = link.software_version
            info.spool_depth = link.spool_depth
            info.clock_skew_s = link.clock_skew_s
        return info

    async def AssignPile(  # noqa: N802 - the contract
        self, request: op.AssignPileRequest, context: Context
    ) -> op.AssignPileResponse:
        """Gives a pile to an agent, or to nobody, from now on or from the instant that is named."""
        faults = list(check_id(request.pile_id, "pile_id"))
        if request.agent_id:
            faults += check_id(request.agent_id, "agent_id")
        from_s = seconds(request.valid_from) if request.HasField("valid_from") else None
        if from_s is not None and not 0 <= from_s < LATEST_S:
            faults.append(FieldFault("valid_from", "is no instant of our time"))
        invalid(faults)
        await self._inventory.assign({request.pile_id: request.agent_id}, from_s)
        return op.AssignPileResponse()

    def _add_standing(self, info: op.AgentInfo) -> None:
        """Says whether the agent is enrolled, until when, and whether it was shut out."""
        agent = self.register.agent(info.agent_id)
        if agent is not None:
            info.revoked = agent.revoked_at_s is not None
            info.revoked_reason = agent.revoked_why
            if agent.enrolment and (enrolled_at := timestamp(agent.enrolled_at_s)):
                info.enrolled_at.CopyFrom(enrolled_at)
        given = self.register.certificate_of(info.agent_id)
        if given is not None and (until := timestamp(given.valid_until_s)):
            info.certificate_valid_until.CopyFrom(until)
            info.certificate_issuer = given.issuer

    async def IssueToken(  # noqa: N802 - the contract
        self, request: op.IssueTokenRequest, context: Context
    ) -> op.IssueTokenResponse:
        """A one-time token for an agent; it is shown here and never again."""
        invalid(list(check_id(request.agent_id, "agent_id")))
        if self.enroller is None:
            raise NoAuthority
        token, until_s = await self.enroller.issue_token(request.agent_id)
        return op.IssueTokenResponse(bootstrap_token=token, valid_until=timestamp(until_s))

    async def RevokeAgent(  # noqa: N802 - the contract
        self, request: op.RevokeAgentRequest, context: Context
    ) -> op.RevokeAgentResponse:
        """Shuts an agent out within a second, or lets it in again."""
        invalid([*check_id(request.agent_id, "agent_id"), *check_text(request.reason, "reason")])
        if request.readmit:
            await self.register.readmit(request.agent_id)
        else:
            await self.register.revoke(request.agent_id, request.reason)
        return op.RevokeAgentResponse()
