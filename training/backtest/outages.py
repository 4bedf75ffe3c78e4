"""States of connectors over time: outages and their onsets, time spent, the state at an instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.reliability.evidence import DEBOUNCE_S
from training.sources import OUT_OF_SERVICE, Intervals

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

LOOK_BACK_S = 86_400.0  # an outage that began before a span may go on into it


@dataclass(frozen=True, slots=True)
class Timeline:
    """The states of one connector: `starts`, `ends` in seconds, `states` numbered as in sources."""

    starts: Floats
    ends: Floats
    states: Index

    def outages(
        self, from_s: float, to_s: float, debounce_s: float = DEBOUNCE_S
    ) -> list[tuple[float, float]]:
        """Outages within a span, cut to it; those closer than `debounce_s` are one."""
        found: list[tuple[float, float]] = []
        out = (self.states == OUT_OF_SERVICE) & (self.ends > from_s) & (self.starts < to_s)
        for row in np.flatnonzero(out).tolist():
            start, end = max(self.starts[row], from_s), min(self.ends[row], to_s)
            if found and start - found[-1][1] < debounce_s:
                found[-1] = (found[-1][0], float(end))
            else:
                found.append((float(start), float(end)))
        return found

    def onsets(self, from_s: float, to_s: float, debounce_s: float = DEBOUNCE_S) -> list[float]:
        """When outages began after `from_s`; one that went on or came back at once is none."""
        outages = self.outages(from_s - LOOK_BACK_S, to_s, debounce_s)
        return [start for start, _ in outages if start > from_s]

    def spent_s(self, from_s: float, to_s: float, state: int) -> float:
        """Seconds in a state."""
        inside = np.minimum(self.ends, to_s) - np.maximum(self.starts, from_s)
        return float(np.maximum(inside, 0.0)[self.states == state].sum())

    def episodes(self, from_s: float, to_s: float, state: int) -> int:
        """How often a state began."""
        began = (self.starts >= from_s) & (self.starts < to_s)
        return int((began & (self.states == state)).sum())

    def state(self, at_s: Floats) -> Index:
        """The state at each instant, -1 where nothing is known."""
        row = np.searchsorted(self.starts, at_s, side="right") - 1
        inside = (row >= 0) & (at_s < self.ends[np.maximum(row, 0)] if len(self.ends) else False)
        known = self.states[np.maximum(row, 0)] if len(self.states) else np.zeros(len(at_s), int)
        return np.where(inside, known, -1)

    def age_s(self, at_s: Floats) -> Floats:
        """For how long the state has lasted at each instant, 0 where nothing is known."""
        if not len(self.starts):
            return np.zeros(len(at_s))
        row = np.searchsorted(self.starts, at_s, side="right") - 1
        return np.where(row >= 0, at_s - self.starts[np.maximum(row, 0)], 0.0)


def timelines(intervals: Intervals) -> list[Timeline]:
    """One for every connector."""
    return [Timeline(*rows) for rows in intervals.rows]
