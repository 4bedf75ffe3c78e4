"""What a replay found otherwise than on the tape: counted whole, the first ones told in words.

Who finds differences is in `replay_modbus.py` and `replay_ocpp.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_TOLD = 50
# These are of the moment and of the other side's counting, not of what was said.
_OF_THE_MOMENT = frozenset({"currentTime", "transactionId", "expiryDate", "interval"})


@dataclass(slots=True)
class Differences:
    """All differences of one replay."""

    count: int = 0
    told: list[str] = field(default_factory=list)
    by_kind: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, text: str) -> None:
        """Notes one."""
        self.count += 1
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        if len(self.told) < _MOST_TOLD:
            self.told.append(f"{kind}: {text}")


def compared(recorded: Any, seen: Any, at: str = "") -> Iterator[str]:
    """Where two answers differ, as `path: recorded, seen`; what is of the moment is passed over.

    >>> list(compared({"status": "Accepted", "interval": 60}, {"status": "Rejected"}))
    ["status: recorded 'Accepted', now 'Rejected'"]
    """
    if isinstance(recorded, Mapping) and isinstance(seen, Mapping):
        for key in sorted(recorded.keys() | seen.keys()):
            if key not in _OF_THE_MOMENT:
                path = f"{at}.{key}" if at else str(key)
                yield from compared(recorded.get(key), seen.get(key), path)
    elif recorded != seen:
        yield f"{at or 'answer'}: recorded {recorded!r}, now {seen!r}"
