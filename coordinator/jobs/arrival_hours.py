"""Keeps the arrival model ready for the hours to come, off the event loop.

Its table of a half-hour takes some milliseconds to fill: what nobody waits for is done beforehand.
A half-hour that was not prepared is filled by the first pass that needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from coordinator.clock import Clock
from coordinator.core.ports import ArrivalModel, ModelUnavailable, PreparedModel

log = structlog.get_logger()

LOOK_S = 20.0  # link time
SLOT_S = 1_800.0
AT_MOST = 4  # half-hours at once, when domain time is fast


class ArrivalHours:
    """The loop that prepares; `model` gives what serves now, `offset_h` the local time."""

    def __init__(
        self, model: Callable[[], ArrivalModel | None], offset_h: Callable[[], float], clock: Clock
    ) -> None:
        self._model = model
        self._offset_h = offset_h
        self._clock = clock

    async def prepare(self) -> None:
        """Makes the model that serves ready for this half-hour and those before the next look."""
        model = self._model()
        if not isinstance(model, PreparedModel):
            return
        hour = self._clock.now_s() / 3600.0 + self._offset_h()
        ahead = 2 + min(int(2.0 * LOOK_S * self._clock.speed / SLOT_S), AT_MOST - 2)
        for step in range(ahead):
            try:
                await asyncio.to_thread(model.prepare, (hour + step / 2.0) % 24.0)
            except ModelUnavailable as error:
                log.warning("arrival model not ready, rules answer", why=error.why)
                return

    async def run(self) -> None:
        """Prepares until cancelled."""
        while True:
            await self.prepare()
            await asyncio.sleep(LOOK_S)
