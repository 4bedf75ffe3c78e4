"""How much may be on its way: less where acks are slower than the link's own latency, then more.

Pure; the reporter tells it how long acks take. What goes into a batch belongs to `uplink/lanes.py`.
"""

from __future__ import annotations

from typing import Final

# So much more than the latency says that the link is full: what waits in it delays live records.
SLOW_S: Final = 2.0
QUICK_S: Final = 1.0
LEAST_RECORDS: Final = 10
START_RECORDS: Final = 25
START_WINDOW: Final = 2
MOST_WINDOW: Final = 8
# The latency is the least that was seen; it may creep up, because routes change.
CREEP: Final = 0.02
# A size that was refused is tried again after so many quick acks.
PATIENCE_ACKS: Final = 200


class Flow:
    """Records a batch and batches in flight: halved on trouble, raised step by step without.

    `records` is the present size of a batch, at most the one that was configured; `window` how
    many may fly without an ack, whatever credit the coordinator gives.
    """

    def __init__(self, records: int) -> None:
        self._configured = records
        self._most = records
        self._quick = 0
        self.records = min(records, START_RECORDS)
        self.begin()

    def begin(self) -> None:
        """A new stream: its latency is not known yet."""
        self.window = START_WINDOW
        self._latency_s: float | None = None

    def credit(self, given: int) -> int:
        """How many batches may fly, of those that the coordinator would take."""
        return min(given, self.window)

    def acked(self, took_s: float) -> None:
        """Takes how long the oldest batch waited for its ack.

        >>> flow = Flow(50)
        >>> flow.acked(5.0); flow.records, flow.window  # a far link, not a full one
        (50, 2)
        >>> flow.acked(5.1); flow.records, flow.window
        (50, 3)
        >>> flow.acked(9.0); flow.records, flow.window
        (50, 1)
        >>> flow.acked(9.0); flow.records, flow.window
        (25, 1)
        """
        known_s = took_s if self._latency_s is None else self._latency_s
        self._latency_s = min(took_s, known_s + CREEP * (took_s - known_s))
        waited_s = took_s - self._latency_s
        if waited_s > SLOW_S:
            if self.window > 1:
                self.window //= 2
            else:
                self.records = max(min(LEAST_RECORDS, self._most), self.records // 2)
        elif waited_s < QUICK_S:
            self._grow()

    def refused(self) -> None:
        """Takes that the batch was too large for the coordinator."""
        self.records = self._most = max(1, self.records // 2)
        self._quick = 0

    def _grow(self) -> None:
        self._quick += 1
        if self._quick >= PATIENCE_ACKS:
            self._quick = 0
            self._most = min(self._configured, self._most * 2)
        if self.records < self._most:
            self.records = min(self._most, self.records * 2)
        else:
            self.window = min(MOST_WINDOW, self.window + 1)
