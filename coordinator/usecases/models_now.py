"""Which models answer now. They change between passes, all at once, by one assignment.

A pass takes them once and goes on with what it took: an old session finishes what it began.
"""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.core.recommend.context import Models


@dataclass(slots=True)
class ModelsNow:
    """The models of this moment; used by the event loop only."""

    now: Models
