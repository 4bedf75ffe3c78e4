"""`OperatorService`: sessions and requests in and out; what is in order is taken."""

from __future__ import annotations

from collections.abc import AsyncIterator

from coordinator.errors import FieldFault, FieldInvalid
from coordinator.importers.export import FORMATS, RECORDS
from coordinator.importers.outgoing import Outgoing
from coordinator.rpc import operator_codec as codec
from coordinator.rpc import record_codec as records
from coordinator.rpc.noun_codec import seconds
from coordinator.rpc.server import Context
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.telemetry import TelemetryStore
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc

CHUNK = 64 * 1024


class OperatorRecords(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that keeps history; set `book` and `outgoing`."""

    _inventory: Inventory
    _store: TelemetryStore
    book: SessionBook
    outgoing: Outgoing

    async def PutSessions(  # noqa: N802 - the contract
        self, request: op.PutSessionsRequest, context: Context
    ) -> op.PutSessionsResponse:
        """Adds sessions that somebody else kept; the same one again replaces itself."""
        district = self._inventory.district
        good, errors = codec.sort_entries(
            request.sessions,
            lambda record, field: records.session_faults(record, field, district),
            "sessions",
        )
        if good:
            await self.book.put([records.to_session(record, district) for record in good])
        return op.PutSessionsResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )

    async def PutRequests(  # noqa: N802 - the contract
        self, request: op.PutRequestsRequest, context: Context
    ) -> op.PutRequestsResponse:
        """Adds requests that somebody else kept."""
        good, errors = codec.sort_entries(request.requests, records.request_faults, "requests")
        if good:
            await self._store.put_requests([records.to_request(record) for record in good])
        return op.PutRequestsResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )

    async def Export(  # noqa: N802 - the contract
        self, request: op.ExportRequest, context: Context
    ) -> AsyncIterator[op.ExportResponse]:
        """Stations, tariffs, sessions or requests as a file, in pieces."""
        if request.format not in (*FORMATS, *RECORDS):
            message = f"must be one of {', '.join((*FORMATS, *RECORDS))}"
            raise FieldInvalid(FieldFault("format", message))
        since_s = seconds(request.since) if request.HasField("since") else float("-inf")
        data = (await self.outgoing.file(request.format, since_s)).encode()
        for start in range(0, len(data), CHUNK):
            yield op.ExportResponse(chunk=data[start : start + CHUNK])
