"""What the coordinator may ask of a pile, and how it ended; `links.py` carries it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


class FenceKeeper(Protocol):
    """What remembers fences beyond the process: the store of claims."""

    @property
    def fences(self) -> Mapping[str, int]:
        """The newest fence kept for each EVSE."""
        ...

    async def keep_fence(self, evse_id: str, fence: int) -> None:
        """Returns once the fence is durable."""
        ...


class Fences:
    """The newest fence of each EVSE: drawn anew for each reserve, extend and cancel.

    A fence is never below the system time in milliseconds. With a `keeper`, `issue` makes it
    durable before it is used: no restart draws a lower one, whatever the clock says then.
    """

    def __init__(self, keeper: FenceKeeper | None = None) -> None:
        self._keeper = keeper
        self._floors: dict[str, int] = {} if keeper is None else dict(keeper.fences)

    async def issue(self, evse_id: str, system_s: float) -> int:
        """A fence for a directive that is about to be sent; raises `StoreUnavailable`."""
        fence = self.draw(evse_id, system_s)
        if self._keeper is not None:
            await self._keeper.keep_fence(evse_id, fence)
        return fence

    def draw(self, evse_id: str, system_s: float) -> int:
        """A fence above all that were drawn or heard of for this EVSE."""
        fence = max(self._floors.get(evse_id, 0) + 1, int(system_s * 1000))
        self._floors[evse_id] = fence
        return fence

    def hear(self, evse_id: str, fence: int) -> None:
        """Takes a floor that an agent remembers; the higher wins."""
        self._floors[evse_id] = max(self._floors.get(evse_id, 0), fence)

    def advance(self, evse_ids: Iterable[str], by: int, system_s: float) -> int:
        """Lifts the floors of these EVSEs, past what agents know; says how many were lifted."""
        lifted = 0
        for evse_id in evse_ids:
            self._floors[evse_id] = max(self.floor(evse_id), int(system_s * 1000)) + by
            lifted += 1
        return lifted

    def floor(self, evse_id: str) -> int:
        """The newest fence; 0 means none."""
        return self._floors.get(evse_id, 0)
