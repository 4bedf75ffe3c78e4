"""`OperatorService`: the claims, for people who run a district.

Who may claim is decided elsewhere; here live claims are shown, and ended by hand.
"""

from __future__ import annotations

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState
from coordinator.errors import NotFound
from coordinator.rpc.noun_codec import check_id, invalid, timestamp
from coordinator.rpc.operator import page
from coordinator.rpc.server import Context
from coordinator.usecases.guide import Guidance
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import district_service_pb2 as district
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc


class OperatorClaims(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that knows of promises; set `claims`, `guidance` and `clock`."""

    claims: ClaimTable
    guidance: Guidance
    clock: Clock

    async def ListClaims(  # noqa: N802 - the contract
        self, request: op.ListClaimsRequest, context: Context
    ) -> op.ListClaimsResponse:
        """One page of the claims in the states asked for; live ones by default."""
        states = frozenset(request.states)
        chosen = self.claims.live() if not states else self.claims.remembered()
        found = {
            claim.claim_id: claim for claim in chosen if not states or int(claim.state) in states
        }
        picked, token = page(found, request.page)
        return op.ListClaimsResponse(
            claims=[self.record(found[claim_id]) for claim_id in picked], next_page_token=token
        )

    async def ReleaseClaim(  # noqa: N802 - the contract
        self, request: op.ReleaseClaimRequest, context: Context
    ) -> op.ReleaseClaimResponse:
        """Ends a claim; the car that held it is told that it was released."""
        invalid(check_id(request.claim_id, "claim_id"))
        claim = self.claims.get(request.claim_id)
        if claim is None:
            raise NotFound("claim", request.claim_id)
        if not claim.live or not claim.recommendation_id:
            return op.ReleaseClaimResponse(released=False)
        released = await self.guidance.release(claim.recommendation_id)
        return op.ReleaseClaimResponse(released=released)

    def newest(self, evse_id: str) -> district.ClaimRecord | None:
        """The live claim whose window begins first on an EVSE, or None."""
        live = self.claims.of_evse(evse_id)
        return self.record(live[0]) if live else None

    def record(self, claim: Claim) -> district.ClaimRecord:
        """The claim as the contract says it; every instant in domain time."""
        lease_s = claim.lease_until_s
        if claim.state is ClaimState.OFFERED:
            # An offer's lease runs in link time.
            lease_s = self.clock.now_s() + (lease_s - self.clock.link_s()) * self.clock.speed
        return district.ClaimRecord(
            claim_id=claim.claim_id,
            evse_id=claim.evse_id,
            vehicle_id=claim.vehicle_id,
            window=charging.TimeWindow(
                from_at=timestamp(claim.from_s), to_at=timestamp(claim.to_s)
            ),
            level=int(claim.level),  # type: ignore[arg-type]
            state=int(claim.state),  # type: ignore[arg-type]
            revision=claim.revision,
            lease_until=timestamp(lease_s),
            recommendation_id=claim.recommendation_id,
        )
