"""What a gRPC status means to whoever fuzzes: handled, nobody meant it, or nothing came at all."""

from __future__ import annotations

import grpc

from bench.fuzz.input import Outcome

_UNMEANT = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)
DETAILS = "grpc-status-details-bin"


def judged(error: grpc.aio.AioRpcError) -> Outcome:
    """What a call came to that did not end with OK.

    A time-out and a lost connection are ours only when the coordinator says so itself, by its code
    in the details.
    """
    code = error.code()
    explained = any(key == DETAILS for key, _ in error.trailing_metadata() or ())
    note = str(error.details())[:400]
    if code in _UNMEANT:
        return Outcome(code.name, "uncaught", note)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and not explained:
        return Outcome(code.name, "hang", note)
    if code is grpc.StatusCode.UNAVAILABLE and not explained:
        return Outcome("UNAVAILABLE, not explained", "uncaught", note)
    return Outcome(code.name, "", note)
