"""`OperatorService`: what is known of a person, and none of it any more."""

from __future__ import annotations

import msgspec

from coordinator.rpc.noun_codec import check_id, invalid
from coordinator.rpc.server import Context
from coordinator.usecases.privacy import Privacy
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc


class OperatorPeople(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that knows people; set `privacy`."""

    privacy: Privacy

    async def ExportUser(  # noqa: N802 - the contract
        self, request: op.ExportUserRequest, context: Context
    ) -> op.ExportUserResponse:
        """Everything that is known, as JSON."""
        invalid(check_id(request.user_id, "user_id"))
        known = await self.privacy.export(request.user_id)
        return op.ExportUserResponse(json=msgspec.json.encode(known))

    async def EraseUser(  # noqa: N802 - the contract
        self, request: op.OperatorServiceEraseUserRequest, context: Context
    ) -> op.OperatorServiceEraseUserResponse:
        """How many rows were erased or blanked."""
        invalid(check_id(request.user_id, "user_id"))
        count = await self.privacy.erase(request.user_id)
        return op.OperatorServiceEraseUserResponse(erased_count=count)
