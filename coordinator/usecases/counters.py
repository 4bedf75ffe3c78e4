"""What a coordinator counts since its start, by name; read by GetIndexes and the metrics page."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class Counters:
    """Rising counts, and gauges that are computed when asked for.

    Names are those of GetIndexes: recommendations, conflicts_resolved, reroutes, records_stored, …
    """

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._gauges: dict[str, Callable[[], float]] = {}

    def add(self, name: str, by: float = 1) -> None:
        """Counts something."""
        self._counts[name] = self._counts.get(name, 0) + by

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Names a value that `read` gives when somebody asks."""
        self._gauges[name] = read

    def values(self) -> Mapping[str, float]:
        """All counts and gauges now."""
        return {**self._counts, **{name: float(read()) for name, read in self._gauges.items()}}
