"""How a stream to the coordinator ended, as an exception and as one line of the log."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc
import structlog

from edge_agent.errors import CertificateUnusable, LinkError

log: Final = structlog.get_logger("edge_agent.uplink")


# An id that is used twice, no certificate that is good, an agent that was shut out.
ONLY_HUMANS_HELP: Final = (
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
)
SHUT_OUT: Final = {
    "REVOKED": "the operator shut this agent out; it needs a new token, or to be let in again",
    "SUPERSEDED": "another gateway was enrolled under this agent id: one name a gateway",
}


class Goodbye(Exception):
    """The coordinator wants the stream closed for a while; the text is its reason."""

    def __init__(self, resume_after_s: float, reason: str) -> None:
        self.resume_after_s = resume_after_s
        super().__init__(reason)


def needs_human(failure: Exception | None) -> bool:
    """Whether trying again soon is in vain, because somebody has to change something first."""
    if isinstance(failure, grpc.aio.AioRpcError):
        return failure.code() in ONLY_HUMANS_HELP
    return isinstance(failure, CertificateUnusable)


async def raise_end(call: Any) -> NoReturn:
    """Raises what a call that is over ended with: LinkError, or AioRpcError with its status."""
    code, details = await call.code(), await call.details()
    if code is grpc.StatusCode.OK:
        raise LinkError("the coordinator closed the stream")
    raise grpc.aio.AioRpcError(
        code, await call.initial_metadata(), await call.trailing_metadata(), details
    )


def tell_goodbye(reason: str, next_try_s: float) -> None:
    """Logs that the coordinator ended the stream; a warning where a human has to do something."""
    if hint := SHUT_OUT.get(reason):
        log.warning("shut out", reason=reason, next_try_s=round(next_try_s, 1), hint=hint)
        return
    log.info("coordinator says go away", reason=reason, next_try_s=round(next_try_s, 1))


def tell_end(failure: Exception, was_connected: bool, target: str, next_try_s: float) -> None:
    """Logs one warning of a stream that failed: where, why, and the seconds until the next try."""
    event = "stream broke" if was_connected else "stream refused"
    if isinstance(failure, grpc.aio.AioRpcError):
        code, details = failure.code().name, failure.details() or ""
        if failure.code() is grpc.StatusCode.UNAVAILABLE:
            event = "coordinator not reachable"
    elif isinstance(failure, TimeoutError):
        code, details = "DEADLINE_EXCEEDED", "no answer in time"
        if not was_connected:
            event = "coordinator not reachable"
    else:
        code, details = type(failure).__name__, str(failure)
        event = "stream ended"
    log.warning(event, target=target, code=code, details=details, next_try_s=round(next_try_s, 1))
