"""How a charge point waits for the answer to its call."""

from __future__ import annotations

import asyncio
from typing import Any


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
