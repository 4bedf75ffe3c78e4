"""The states of one connector over time, and what they were without one car.

What a coordinator is told of them is in `telling.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

STATES = ("available_or_unlisted", "part", "occ", "ooc", "oos")
AVAILABLE, PART, OCCUPIED, OUT_OF_CONTACT, OUT_OF_SERVICE = range(5)
NOBODY_KNOWS = -1
FREE = (AVAILABLE, PART)  # a post of which a part is taken has a plug that is free


@dataclass(frozen=True, slots=True)
class Timeline:
    """States, ascending in time: `states[i]` held in `[starts[i], ends[i])`, seconds."""

    starts: Floats
    ends: Floats
    states: Index

    def row(self, at_s: float) -> int:
        """Which interval an instant lies in; -1 for none."""
        row = int(self.starts.searchsorted(at_s, side="right")) - 1
        return row if row >= 0 and at_s < self.ends[row] else -1

    def state(self, at_s: float) -> int:
        """The state at an instant, `NOBODY_KNOWS` outside of all intervals.

        >>> line = Timeline(np.array([0.0, 60.0]), np.array([60.0, 90.0]), np.array([0, 2]))
        >>> [line.state(at) for at in (-1.0, 0.0, 59.0, 60.0, 90.0)]
        [-1, 0, 0, 2, -1]
        """
        row = self.row(at_s)
        return int(self.states[row]) if row >= 0 else NOBODY_KNOWS

    def state_without(self, at_s: float, came_s: float) -> int:
        """The same, if the car that took the connector at `came_s` had not come there.

        While that car stays the connector is free; what was before and after it stands.

        >>> line = Timeline(np.array([0.0, 60.0]), np.array([60.0, 90.0]), np.array([0, 2]))
        >>> line.state_without(60.0, came_s=60.0), line.state_without(60.0, came_s=5.0)
        (0, 2)
        """
        row = self.row(at_s)
        if row >= 0 and self.starts[row] == came_s and self.states[row] == OCCUPIED:
            return AVAILABLE
        return int(self.states[row]) if row >= 0 else NOBODY_KNOWS

    def taken_at(self) -> Floats:
        """When a car took it: it was available, and in the next instant occupied."""
        follows = (self.states[1:] == OCCUPIED) & (self.states[:-1] == AVAILABLE)
        follows &= self.starts[1:] == self.ends[:-1]
        taken: Floats = self.starts[1:][follows]
        return taken

    def between(self, from_s: float, to_s: float) -> Timeline:
        """The part within a span; intervals that reach over its ends are cut."""
        inside = (self.ends > from_s) & (self.starts < to_s)
        return Timeline(
            np.maximum(self.starts[inside], from_s),
            np.minimum(self.ends[inside], to_s),
            self.states[inside],
        )
