"""Which models answer now. They change between passes, all at once, by one assignment.

A pass takes them once and goes on with what it took: an old session finishes what it began.
"""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.core.recommend.context import Models


@dataclass(slots=True)
class ModelsNow:
    """The models of this moment; `now` is used by the event loop only.

    `apart` are the same with budgets of their own, for a thread.
    """

    now: Models
    apart: Models | None = None

    @property
    def for_plans(self) -> Models:
        """The models with which the joint plan is made."""
        return self.apart or self.now
