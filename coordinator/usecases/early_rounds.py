"""Says when the joint plan should not wait for its turn: what one car's repair cannot put right.

What is looked after at once, car by car, is in `watchman.py`; the rounds are in `jobs/replan.py`.
"""

from __future__ import annotations

from collections import Counter

from coordinator.core.rows import Changes
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.lost import LOSSES, back
from coordinator.usecases.promises import Promise

SEVERAL = 2  # cars that lose their places at one station: who goes where is one question
WAITS_S = 300.0  # a wait up to this is no reason to hurry


class EarlyRounds:
    """Remembers what happened since the last round that calls for the next one.

    `reason` is empty while nothing does: SEVERAL_LOST, HIGHER_LEVEL, PILE_BACK.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._lost: Counter[str] = Counter()

    def begin(self) -> str:
        """A round begins and takes everything so far into account; gives what called for it."""
        reason, self.reason = self.reason, ""
        self._lost.clear()
        return reason

    def lost(self, promise: Promise, station_id: str, code: str) -> None:
        """A car has lost its place there, for this reason, and was looked after.

        Places that the plan itself changes call for no other plan.
        """
        if code not in LOSSES:
            return
        self._lost[station_id] += 1
        if self._lost[station_id] >= SEVERAL:
            self._ask("SEVERAL_LOST")
        self.promised(promise)

    def promised(self, promise: Promise) -> None:
        """A car has a place from now on, or none, or is judged anew: in need it should not wait."""
        answer = promise.answer
        in_need = promise.confirmed and answer.level < WarningLevel.LOW
        waits = not answer.hold.claim_id or answer.choice.figures.wait_s > WAITS_S
        if in_need and waits:
            self._ask("HIGHER_LEVEL")

    def on_changes(self, changes: Changes) -> None:
        """Takes changes of status: a pile that is there again, or for the first time."""
        if back(changes).any():
            self._ask("PILE_BACK")

    def _ask(self, reason: str) -> None:
        self.reason = self.reason or reason
