"""What the simulator needs of a face that dials by itself."""

from __future__ import annotations

from typing import Protocol


class Face(Protocol):
    """One pile as its central system sees it."""

    async def run(self) -> None:
        """Shows the pile until cancelled."""
        ...
