"""How a relay fares, for metrics, status and the doctor; light, so that all may import it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ROOM, REFUSED = "room", "refused"


@dataclass(frozen=True, slots=True)
class RelayFigures:
    """One pile's way to the operator's system; `why` is what keeps it away, "" where nothing does.

    `given_up` counts messages since the start, by kind and reason: no `room`, or `refused` there.
    """

    pile_id: str
    connected: bool
    why: str
    messages: int
    size_bytes: int
    oldest_age_s: float
    given_up: Mapping[tuple[str, str], int]

    def told(self) -> dict[str, Any]:
        """The same for a command of this machine."""
        lost = {f"{kind} {reason}": count for (kind, reason), count in self.given_up.items()}
        return {**asdict(self), "given_up": lost}
