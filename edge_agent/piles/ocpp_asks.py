"""What can be asked of a charge point, whichever version it speaks; each returns how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edge_agent.core.directive import Answer


class StationAsks(Protocol):
    """Calls over one connection; EVSE 0 is the whole station. None of them raises."""

    @property
    def settings_keys(self) -> Mapping[str, str]:
        """Our wish -> the station's own name for it."""
        ...

    @property
    def token_chars(self) -> int:
        """Longest token it takes."""
        ...

    async def trigger(self, message: str, number: int) -> Answer:
        """Asks for a message of the station's own."""
        ...

    async def reserve(self, number: int, token: str, until_ms: int, reservation: int) -> Answer:
        """Asks to keep an EVSE for a token."""
        ...

    async def cancel(self, reservation: int) -> Answer:
        """Asks to give a reservation up."""
        ...

    async def availability(self, number: int, operative: bool) -> Answer:
        """Asks to go in or out of service."""
        ...

    async def read_settings(self, keys: list[str]) -> dict[str, str]:
        """Those of the settings that the station told; empty where it told none."""
        ...

    async def write_setting(self, key: str, value: str) -> Answer:
        """Asks to change one setting."""
        ...

    async def start(self, number: int, token: str, remote_id: int) -> Answer:
        """Asks to begin a transaction for a token."""
        ...

    async def stop(self, transaction_id: str) -> Answer:
        """Asks to end a transaction."""
        ...

    async def unlock(self, number: int) -> Answer:
        """Asks to let a cable go."""
        ...

    async def reset(self, hard: bool) -> Answer:
        """Asks to boot again; a hard one does not wait for transactions."""
        ...
