"""How a charge point numbers its calls and waits for their answers."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from firmware_sim.faces.ocpp_habits import Habits


class AnswerWait:
    """Beside the package's `ChargePoint`, whose own wait may lose a cancellation.

    `asyncio.wait_for` of Python 3.11 swallows one that arrives together with the answer, and the
    task that was to end goes on for ever.
    """

    _response_queue: asyncio.Queue[Any]

    async def _get_specific_response(self, unique_id: str, timeout: float) -> Any:
        async with asyncio.timeout(timeout):
            while True:
                response = await self._response_queue.get()
                if response.unique_id == unique_id:
                    return response


class CallIds:
    """The ids of one connection's calls."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._count = 0

    def next(self, own: str | None) -> str:
        """The id of the next call; `own` is that of a message that was tried before."""
        self._count += 1
        if "same_ids" in self._habits:
            return "1"
        if "counted_ids" in self._habits:
            return str(self._count)
        return own or str(uuid.uuid4())
