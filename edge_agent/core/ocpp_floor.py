"""How often a charge point may be asked to send a message by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

# Stations were seen to drop the link when triggered every few seconds; a minute is too short.
LEAST_FLOOR_S: Final = 61.0


@dataclass(slots=True)
class TriggerFloor:
    """When a station may be asked again to send a message: triggered too often, some hang up.

    `floor_s` counts per kind of message and connector (0: the whole station), real seconds.
    """

    floor_s: float
    _asked_s: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.floor_s = max(self.floor_s, LEAST_FLOOR_S)

    def left_s(self, kind: str, connector: int, now_s: float) -> float:
        """Seconds until this may be asked; 0 or less means now."""
        keys = ((kind, connector), (kind, 0))
        asked_s = max(self._asked_s.get(key, float("-inf")) for key in keys)
        return asked_s + self.floor_s - now_s

    def asked(self, kind: str, connector: int, now_s: float) -> None:
        """Notes that it was asked."""
        self._asked_s[(kind, connector)] = now_s
