"""Our errors as gRPC statuses with google.rpc details: one table."""

from __future__ import annotations

import math

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from coordinator import auth_errors, denials, errors
from coordinator.errors import CoordinatorError
from coordinator.rpc.relayed import Relayed
from coordinator.usecases import refusals

DOMAIN = "pilewise"

# The first base class that matches wins.
TABLE: tuple[tuple[type[CoordinatorError], int], ...] = (
    (errors.StoreUnavailable, code_pb2.UNAVAILABLE),
    (errors.StoreClosed, code_pb2.UNAVAILABLE),
    (errors.Overloaded, code_pb2.RESOURCE_EXHAUSTED),
    (refusals.DeadlinePassed, code_pb2.DEADLINE_EXCEEDED),
    (refusals.ReaderTooSlow, code_pb2.RESOURCE_EXHAUSTED),
    (refusals.MessageTooLarge, code_pb2.RESOURCE_EXHAUSTED),
    (denials.TooOften, code_pb2.RESOURCE_EXHAUSTED),
    (errors.AgentOffline, code_pb2.UNAVAILABLE),
    (errors.DirectiveUnanswered, code_pb2.DEADLINE_EXCEEDED),
    (errors.Retryable, code_pb2.UNAVAILABLE),
    (denials.Unauthenticated, code_pb2.UNAUTHENTICATED),
    (denials.Forbidden, code_pb2.PERMISSION_DENIED),
    (denials.HeardBefore, code_pb2.ALREADY_EXISTS),
    (errors.FieldInvalid, code_pb2.INVALID_ARGUMENT),
    (errors.BatchRagged, code_pb2.INVALID_ARGUMENT),
    (errors.ImportInvalid, code_pb2.INVALID_ARGUMENT),
    (errors.ClockMismatch, code_pb2.FAILED_PRECONDITION),
    (errors.AgentDoubled, code_pb2.ALREADY_EXISTS),
    (errors.ProtocolBroken, code_pb2.FAILED_PRECONDITION),
    (errors.NotFound, code_pb2.NOT_FOUND),
    (auth_errors.NotEnrolled, code_pb2.UNAUTHENTICATED),
    (auth_errors.TokenRefused, code_pb2.UNAUTHENTICATED),
    (auth_errors.AgentBarred, code_pb2.PERMISSION_DENIED),
    (errors.Permanent, code_pb2.FAILED_PRECONDITION),
    (CoordinatorError, code_pb2.INTERNAL),
)


def to_status(error: CoordinatorError) -> grpc.Status:
    """The status that `context.abort` sends in its three parts."""
    if isinstance(error, Relayed):
        return error.status
    code = next(code for kind, code in TABLE if isinstance(error, kind))
    details = [_packed(error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN))]
    if isinstance(error, errors.FieldInvalid):
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=f.field, description=f.message)
            for f in error.faults
        ]
        details.append(_packed(error_details_pb2.BadRequest(field_violations=violations)))
    if isinstance(error, errors.Retryable):
        whole = math.floor(error.retry_after_s)
        delay = duration_pb2.Duration(seconds=whole, nanos=int((error.retry_after_s - whole) * 1e9))
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    message = f"{error}; {error.hint}" if error.hint else str(error)
    status: grpc.Status = rpc_status.to_status(
        status_pb2.Status(code=code, message=message, details=details)
    )
    return status


def _packed(
    detail: error_details_pb2.ErrorInfo
    | error_details_pb2.BadRequest
    | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
