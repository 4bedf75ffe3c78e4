"""What a charge point does by its own clock: samples at full intervals, keeps to its profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_PULSE_S = 0.25


class Pulse:
    """Four times a real second: `hold` always, `align` each `aligned_s` of the pile's own clock.

    Intervals count from 1970 and so from each midnight UTC, where they divide the day.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        aligned_s: Callable[[], float],
        align: Callable[[], None],
        hold: Callable[[], None],
    ) -> None:
        self._now_ms = now_ms
        self._aligned_s = aligned_s
        self._align = align
        self._hold = hold

    async def run(self) -> None:
        """Beats until cancelled."""
        interval_s, turn = 0.0, 0
        while True:
            await asyncio.sleep(_PULSE_S)
            self._hold()
            if not self._aligned_s():
                interval_s = 0.0
                continue
            now = int(self._now_ms() / 1000 // self._aligned_s())
            if interval_s == self._aligned_s() and now > turn:
                self._align()
            interval_s, turn = self._aligned_s(), now
