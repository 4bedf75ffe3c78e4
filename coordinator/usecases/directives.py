"""What the coordinator may ask of a pile, and how it ended; `links.py` carries it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import uuid_utils


class Outcome(IntEnum):
    """How a directive ended, numbered as on the wire."""

    UNSPECIFIED = 0
    DONE = 1
    DONE_SOFTLY = 2
    REFUSED = 3
    FENCED = 4
    TIMED_OUT = 5
    UNSUPPORTED = 6


@dataclass(frozen=True, slots=True)
class PollNow:
    """Read the pile at once."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Keep an EVSE for a driver, for so many seconds from receipt; no token means softly."""

    claim_id: str
    duration_s: float
    id_token: str = ""


@dataclass(frozen=True, slots=True)
class Extend:
    """Keep it for so many seconds from receipt."""

    claim_id: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop keeping it."""

    claim_id: str


@dataclass(frozen=True, slots=True)
class SetAvailability:
    """Take an EVSE in or out of service."""

    operative: bool


@dataclass(frozen=True, slots=True)
class SetPeriod:
    """Change the reading period."""

    period_s: float


@dataclass(frozen=True, slots=True)
class Configure:
    """Change the agent's configuration, whole or not at all."""

    toml: str


@dataclass(frozen=True, slots=True)
class CaptureFrames:
    """Send raw protocol frames of a pile, for so many seconds."""

    duration_s: float


Action = (
    PollNow | Reserve | Extend | Cancel | SetAvailability | SetPeriod | Configure | CaptureFrames
)


@dataclass(frozen=True, slots=True)
class Directive:
    """Something to do at an EVSE; `fence` orders reserve, extend and cancel."""

    evse_id: str
    action: Action
    fence: int = 0
    directive_id: str = field(default_factory=lambda: str(uuid_utils.uuid7()))
    trace_id: str = ""  # of the promise that asks for it


@dataclass(frozen=True, slots=True)
class DirectiveResult:
    """What became of a directive."""

    directive_id: str
    outcome: Outcome
    message: str = ""
    frames: tuple[bytes, ...] = ()
    more: bool = False  # further frames follow in another result


class Agents(Protocol):
    """Where directives go."""

    async def send(self, evse_id: str, directive: Directive, timeout_s: float) -> DirectiveResult:
        """What became of it; raises `AgentOffline` and other `CoordinatorError`s."""
        ...

    def agent_for(self, evse_id: str) -> str:
        """The agent that speaks for an EVSE; empty if nobody does."""
        ...
