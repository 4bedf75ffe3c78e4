"""The loop of the joint plan over a clock set by hand, with what happens meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from hand_brain import HandBrain

from coordinator.jobs.replan import ReplanLoop
from coordinator.usecases.replan import InlineSolver, Solver

Happening = Callable[[], Awaitable[object]]


class Over(Exception):
    """The time that was to be played is over."""


class PlayedLoop:
    """Runs the loop for so many seconds; `rounds` are the instants at which plans were made."""

    def __init__(
        self, hand: HandBrain, period_s: float = 3_600.0, solver: Solver | None = None
    ) -> None:
        self.hand = hand
        self.rounds: list[float] = []
        self.solver = _Noting(self, solver or InlineSolver())
        self._period_s = period_s
        self._began_s = hand.clock.link_s()

    @property
    def at_s(self) -> float:
        """Link time since this was made."""
        return self.hand.clock.link_s() - self._began_s

    async def play(self, seconds: float, happens: Mapping[float, Happening] | None = None) -> None:
        """Lets so many seconds pass; what happens is done when its instant has come."""
        end_s, left = self.at_s + seconds, dict(happens or {})

        async def sleep(for_s: float) -> None:
            if self.at_s >= end_s:
                raise Over
            self.hand.clock.move(for_s)
            for due_s in sorted(left):
                if due_s <= self.at_s:
                    await left.pop(due_s)()

        loop = ReplanLoop(
            self.hand.brain.replanner, self.hand.clock, self._period_s, self.solver, sleep=sleep
        )
        try:
            await loop.run()
        except Over:
            return


class _Noting:
    """A solver that notes when it was asked."""

    def __init__(self, played: PlayedLoop, solver: Solver) -> None:
        self._played, self._solver = played, solver
        self.closed = False

    async def plan(self, problem: object) -> object:
        self._played.rounds.append(self._played.at_s)
        return await self._solver.plan(problem)  # type: ignore[arg-type]

    async def close(self) -> None:
        self.closed = True
        await self._solver.close()
