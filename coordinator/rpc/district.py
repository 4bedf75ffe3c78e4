"""`DistrictService`: what a city asks of a district; served so far is finding candidates."""

from __future__ import annotations

from dataclasses import replace

from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc.charging_codec import ChargingCodec
from coordinator.rpc.charging_request import to_request
from coordinator.rpc.district_codec import fill_share
from coordinator.rpc.server import Context
from coordinator.usecases.finding import Finder
from pilewise.v1 import district_service_pb2 as wire
from pilewise.v1 import district_service_pb2_grpc

CANDIDATES_DEFAULT = 64
CANDIDATES_LIMIT = 256


class DistrictServicer(district_service_pb2_grpc.DistrictServiceServicer):
    """The part of the service that looks and holds nothing."""

    def __init__(self, finder: Finder, codec: ChargingCodec) -> None:
        self._finder = finder
        self._codec = codec

    async def FindCandidates(  # noqa: N802 - the contract
        self, request: wire.FindCandidatesRequest, context: Context
    ) -> wire.FindCandidatesResponse:
        """Candidates of this district, with all that the city sorts by."""
        if not request.HasField("request"):
            raise FieldInvalid(FieldFault("request", "is missing"))
        if request.limit > CANDIDATES_LIMIT:
            raise FieldInvalid(FieldFault("limit", f"must be at most {CANDIDATES_LIMIT}"))
        try:
            asked = to_request(request.request)
        except FieldInvalid as error:
            faults = [replace(fault, field=f"request.{fault.field}") for fault in error.faults]
            raise FieldInvalid(*faults) from error
        found = self._finder.find(asked, request.limit or CANDIDATES_DEFAULT)
        response = wire.FindCandidatesResponse()
        for number, judged in enumerate(found.judged, start=1):
            self._codec.fill_judged(response.candidates.add(), judged, number)
        fill_share(response, found.share, found.wanted)
        return response
