"""What the coordinator may ask of a pile, and how it ended. Durations count from receipt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class PollNow:
    """Read the pile at once."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Keep an EVSE for a driver; an empty token asks for a soft hold."""

    claim_id: str
    duration_s: float
    id_token: str = ""


@dataclass(frozen=True, slots=True)
class Extend:
    """Keep an EVSE longer."""

    claim_id: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop keeping an EVSE."""

    claim_id: str


@dataclass(frozen=True, slots=True)
class SetAvailability:
    """Take an EVSE in or out of service."""

    operative: bool


@dataclass(frozen=True, slots=True)
class SetPeriod:
    """Read this often, in seconds."""

    period_s: float


@dataclass(frozen=True, slots=True)
class Configure:
    """Run with another configuration, whole or not at all."""

    toml: str


@dataclass(frozen=True, slots=True)
class CaptureFrames:
    """Send the raw frames of a pile, for so many seconds."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something this agent does not know how to do."""

    name: str


Action = (
    PollNow
    | Reserve
    | Extend
    | Cancel
    | SetAvailability
    | SetPeriod
    | Configure
    | CaptureFrames
    | Unknown
)
PERIOD_LIMITS_S = (0.2, 3600.0)
CAPTURE_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Directive:
    """Something to do; `evse_id` is empty where it concerns the whole agent."""

    directive_id: str
    evse_id: str
    fence: int
    action: Action
    trace_id: str = ""  # for the log


class Outcome(IntEnum):
    """How a directive ended; the numbers are those of the contract."""

    DONE = 1
    DONE_SOFTLY = 2
    REFUSED = 3
    FENCED = 4
    TIMED_OUT = 5
    UNSUPPORTED = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """How an action ended, the pile's own words or what to do, and frames that were asked for."""

    outcome: Outcome
    message: str = ""
    frames: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """An answer to a directive, on its way up."""

    directive_id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Hold:
    """An EVSE kept for a claim until a domain instant; `firm` where the pile itself keeps it."""

    claim_id: str
    until_ms: int
    id_token: str = ""
    firm: bool = False


def reservation_number(claim_id: str) -> int:
    """A positive 31-bit number that is always the same for a claim, as OCPP wants one.

    >>> reservation_number("a") == reservation_number("a") > 0
    True
    """
    number = 0
    for byte in claim_id.encode():
        number = (number * 1_000_003 ^ byte) & 0x7FFF_FFFF
    return number or 1
