"""`EdgeService`: how an agent comes to a certificate, and to the next one.

The stream of readings is in `edge.py`.
"""

from __future__ import annotations

from coordinator.auth_errors import NoAuthority, NotEnrolled
from coordinator.errors import FieldFault
from coordinator.rpc.noun_codec import check_id, invalid, timestamp
from coordinator.rpc.peer import agent_identity
from coordinator.rpc.server import Context
from coordinator.usecases.agent_register import AgentRegister
from coordinator.usecases.enrolling import Enroller
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc

TOKEN_LIMIT = 256


class EdgeEnrolment(edge_service_pb2_grpc.EdgeServiceServicer):
    """The part of the service that gives certificates; where it can, `enroller` is set."""

    enroller: Enroller | None = None
    _register: AgentRegister

    async def Enroll(  # noqa: N802 - the contract
        self, request: edge.EnrollRequest, context: Context
    ) -> edge.EnrollResponse:
        """A first certificate for who has a token; no certificate is asked for."""
        if self.enroller is None:
            raise NoAuthority
        faults = list(check_id(request.agent_id, "agent_id"))
        if len(request.bootstrap_token) > TOKEN_LIMIT:
            faults.append(FieldFault("bootstrap_token", f"is longer than {TOKEN_LIMIT}"))
        invalid(faults)
        signed = await self.enroller.enrol(
            request.agent_id,
            request.bootstrap_token,
            request.certificate_request_der,
            context.peer() or "",
        )
        return edge.EnrollResponse(
            certificate_chain_pem=signed.chain_pem,
            valid_until=timestamp(signed.valid_until_s),
            trust_pem=self.enroller.trust_pem,
        )

    async def Renew(  # noqa: N802 - the contract
        self, request: edge.RenewRequest, context: Context
    ) -> edge.RenewResponse:
        """The next certificate of the agent whose present one this connection showed."""
        if self.enroller is None:
            raise NoAuthority
        identity, peer = agent_identity(context), context.peer() or ""
        if identity is None:
            self._register.alarm("unproved", "", peer)
            raise NotEnrolled("that asks for renewal")
        self._register.admit(identity, identity.agent_id, peer)
        signed = await self.enroller.renew(identity.agent_id, request.certificate_request_der)
        return edge.RenewResponse(
            certificate_chain_pem=signed.chain_pem,
            valid_until=timestamp(signed.valid_until_s),
            trust_pem=self.enroller.trust_pem,
        )
