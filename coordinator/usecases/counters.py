"""What a coordinator counts since its start, by name; read by GetIndexes and the metrics page."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Final

# Upper bounds of the buckets in which durations are counted, seconds.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Timing:
    """How often something took how long."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, took_s: float) -> None:
        """Counts one that took so long."""
        self.counts[bisect_left(BUCKETS_S, took_s)] += 1
        self.sum_s += took_s


class Counters:
    """Rising counts, and gauges that are computed when asked for.

    Names are those of GetIndexes: recommendations, conflicts_resolved, reroutes, records_stored, …
    """

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self.timings: dict[str, Timing] = {}

    def add(self, name: str, by: float = 1) -> None:
        """Counts something."""
        self._counts[name] = self._counts.get(name, 0) + by

    def timing(self, name: str) -> Timing:
        """The durations of this name, made when first asked for."""
        return self.timings.setdefault(name, Timing())

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Names a value that `read` gives when somebody asks."""
        self._gauges[name] = read

    def values(self) -> Mapping[str, float]:
        """All counts and gauges now."""
        return {**self._counts, **{name: float(read()) for name, read in self._gauges.items()}}
