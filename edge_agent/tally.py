"""How each pile fares: readings, failures by reason, and when it was heard last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class PileTally:
    """Counts of one pile since the start; `heard_s` is link time, None before the first word."""

    readings: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    heard_s: float | None = None

    def age_s(self, now_s: float) -> float | None:
        """Seconds since the pile was heard; None before the first word."""
        return None if self.heard_s is None else now_s - self.heard_s


class Tally:
    """The counts of all piles, found by pile or by one of its EVSEs."""

    def __init__(self, evse_ids: dict[str, tuple[str, ...]]) -> None:
        self.piles = {pile_id: PileTally() for pile_id in evse_ids}
        self._of = {evse: self.piles[pile] for pile, evses in evse_ids.items() for evse in evses}

    def heard(self, evse_id: str, now_s: float) -> None:
        """Counts a reading."""
        pile = self._of[evse_id]
        pile.readings += 1
        pile.heard_s = now_s

    def failed(self, evse_id: str, reason: str) -> None:
        """Counts a read that brought nothing."""
        self._of[evse_id].failures[reason] += 1
