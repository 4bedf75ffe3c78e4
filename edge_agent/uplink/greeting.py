"""The beginning of a stream: what the hello says, and what a welcome must be to go on."""

from __future__ import annotations

import time
from typing import Final, Protocol

import structlog

from edge_agent.core.clock import DomainClock, same_time
from edge_agent.core.directive import Answer, Result
from edge_agent.errors import ClockMismatch, LinkError
from edge_agent.uplink import codec
from edge_agent.uplink.stream_end import Goodbye
from pilewise.v1 import edge_service_pb2 as edge

log: Final = structlog.get_logger("edge_agent.uplink")
SKEW_WARNING_S: Final = 5.0


class Renewing(Protocol):
    """Somebody who must know when the agent has reached its coordinator."""

    async def configure(self, directive_id: str, toml: str) -> Answer | None:
        """Takes a configuration; None where the agent starts anew with it."""
        ...

    async def watch(self) -> None:
        """Runs beside the streams."""
        ...

    async def welcomed(self) -> Result | None:
        """A result to tell on this stream."""
        ...

    async def told(self) -> None:
        """It was told."""
        ...


def checked_welcome(message: edge.ConnectResponse, ours: DomainClock) -> edge.Welcome:
    """The welcome in the first message; raises `Goodbye`, `LinkError` or `ClockMismatch`."""
    kind = message.WhichOneof("message")
    if kind == "go_away":
        raise Goodbye(message.go_away.resume_after_s, message.go_away.reason)
    if kind != "welcome":
        raise LinkError(f"the first message was {kind}, not welcome")
    welcome = message.welcome
    theirs = codec.from_clock(welcome.clock)
    at_s = time.monotonic()
    if welcome.HasField("clock") and not same_time(ours, theirs, at_s):
        raise ClockMismatch(ours.at_ms(at_s, 0), theirs.at_ms(at_s, 0), ours.speed, theirs.speed)
    return welcome


def skew_of(welcome: edge.Welcome) -> float:
    """The coordinator's system time minus ours, seconds; a large one is logged."""
    skew_s = (welcome.server_time.ToMilliseconds() - utc_ms()) / 1000.0
    if abs(skew_s) > SKEW_WARNING_S:
        log.warning("system clocks differ", skew_s=round(skew_s, 1))
    return skew_s


def utc_ms() -> int:
    """System UTC, milliseconds since 1970."""
    return time.time_ns() // 1_000_000
