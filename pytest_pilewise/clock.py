"""The clock of a bench: simulated seconds, moved by hand or running at a multiple of real time.

Every deadline of a test (`within_s`) is counted on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOK_S = 0.02
STEPPED = "stepped"
LIVE = "live"


class BenchClock:
    """Domain time of the piles on a bench.

    `mode` is `stepped` (moves only by `advance`, so that a test takes no real time and always sees
    the same) or `live` (runs at `speed` times real time, as agents and coordinators need it).
    """

    def __init__(self, mode: str, speed: float = 1.0) -> None:
        self.mode = mode
        self.speed = speed
        self.epoch_at_ms = time.time_ns() // 1_000_000
        self.anchor_s = time.monotonic()
        self._stepped_ms = self.epoch_at_ms
        self._movers: dict[str, Callable[[float], int]] = {}

    @property
    def stepped(self) -> bool:
        """Whether it moves by hand only."""
        return self.mode == STEPPED

    @property
    def word(self) -> str:
        """How it runs, in a word: `stepped clock`, `live clock x60`."""
        return "stepped clock" if self.stepped else f"live clock x{self.speed:g}"

    @property
    def now_ms(self) -> int:
        """Domain time, milliseconds since 1970 UTC."""
        if self.stepped:
            return self._stepped_ms
        return self.epoch_at_ms + int((time.monotonic() - self.anchor_s) * self.speed * 1000)

    def advance(self, duration_s: float) -> None:
        """Lets `duration_s` simulated seconds pass: at once when stepped, else by waiting."""
        if not duration_s >= 0:
            raise ValueError(f"a clock moves forward: duration_s is {duration_s}")
        if self.stepped:
            # However short, it is a step: whoever waits for a moment gets there.
            self._stepped_ms += max(round(duration_s * 1000), 1) if duration_s else 0
            for name in tuple(self._movers):
                self._catch_up(name)
        else:
            time.sleep(duration_s / self.speed)

    def reached(self, now_ms: int) -> None:
        """Takes everything to where one that was moved by itself stands already."""
        self._stepped_ms = max(self._stepped_ms, now_ms)
        for name in tuple(self._movers):
            self._catch_up(name)

    def glance(self, step_s: float) -> None:
        """Lets a little time pass between two looks: `step_s` when stepped, else 20 real ms."""
        if self.stepped:
            self.advance(step_s)
        else:
            time.sleep(_LOOK_S)

    def drive(self, name: str, move: Callable[[float], int]) -> None:
        """Takes along something with a clock of its own: `move(s)` moves it, gives its now_ms."""
        if self.stepped:
            self._movers[name] = move
            self._catch_up(name)

    def release(self, name: str) -> None:
        """Takes it along no longer."""
        self._movers.pop(name, None)

    def _catch_up(self, name: str) -> None:
        now_ms = self._movers[name](0.0)
        if now_ms < self._stepped_ms:
            self._movers[name]((self._stepped_ms - now_ms) / 1000)
        elif now_ms > self._stepped_ms:
            self._stepped_ms = now_ms
            for other in tuple(self._movers):
                if other != name:
                    self._catch_up(other)


def clock_of(text: str) -> BenchClock:
    """The clock that a word asks for: `stepped`, `live` or `x60`; raises ValueError.

    >>> clock_of("x60").speed
    60.0
    """
    if text in (STEPPED, LIVE):
        return BenchClock(text)
    try:
        speed = float(text.removeprefix("x"))
    except ValueError:
        speed = 0.0
    if not text.startswith("x") or not 0 < speed < 1e6:
        raise ValueError(f'unknown clock {text!r}: write "stepped", "live" or "x60"')
    return BenchClock(LIVE, speed)
