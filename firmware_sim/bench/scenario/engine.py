"""Plays a scenario step by step in virtual time and says what held, when, and what was seen.

What steps do is in `actions.py`; whence values come is in `looking.py`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from firmware_sim.bench.scenario import tables as say
from firmware_sim.bench.scenario.actions import Actions
from firmware_sim.bench.scenario.condition import Condition, Value
from firmware_sim.bench.scenario.looking import look
from firmware_sim.bench.scenario.reading import Line, Scenario
from firmware_sim.bench.scenario.report import Check, Report, seeds_of
from firmware_sim.bench.scenario.trace import Trace
from firmware_sim.bench.scenario.virtual_loop import VirtualLoop, run_virtual
from firmware_sim.bench.scenario.world import World
from firmware_sim.errors import BenchError

_EPSILON_S = 1e-9


@dataclass(frozen=True, slots=True)
class _Guard:
    """A condition that is watched beside the steps: it must hold, or must not, until `until_s`."""

    line: Line
    condition: Condition
    wanted: bool
    since_s: float
    until_s: float


class _Failed(Exception):
    """A demand was not met; carries its check."""

    def __init__(self, check: Check) -> None:
        self.check = check
        super().__init__(check.text)


def run(scenario: Scenario, seed: int = 0) -> Report:
    """How the scenario ends; the same scenario and seed always end the same."""
    return run_virtual(partial(_play, scenario, seed))


async def _play(scenario: Scenario, seed: int, loop: VirtualLoop) -> Report:
    world = World(scenario, seed, loop)
    trace = Trace(world)
    play = Play(scenario, world)
    async with world.running():
        await play.all_steps()
    return reported(scenario, seed, world, play, trace)


def reported(scenario: Scenario, seed: int, world: World, play: Play, trace: Trace) -> Report:
    """What a finished play found."""
    return Report(
        name=scenario.name,
        title=scenario.head.title,
        requirement=scenario.head.requirement,
        seed=seed,
        pile_seeds=seeds_of(seed, scenario.piles),
        simulated_s=round(world.now_s, 6),
        checks=tuple(play.checks),
        steps_left=play.steps_left,
        trace_hash=trace.digest(),
    )


class Play:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, world: World) -> None:
        self._scenario = scenario
        self._world = world
        self._guards: list[_Guard] = []
        self._marks: dict[tuple[str, str], Value] = {}
        self.checks: list[Check] = []
        self.steps_left = len(scenario.lines)

    async def all_steps(self) -> None:
        """Plays until the end or until the first demand that is not met."""
        async with asyncio.TaskGroup() as group:
            actions = Actions(self._world, group, self._scenario.head.tick_s)
            try:
                for line in self._scenario.lines:
                    await self._step(line, actions)
                    self.steps_left -= 1
                for guard in self._guards:
                    await self._pass(max(guard.until_s - self._world.now_s, 0.0), bounded=True)
                self._guards_held()
            except _Failed as failed:
                self.checks.append(failed.check)
            finally:
                actions.stop_all()

    async def _step(self, line: Line, actions: Actions) -> None:
        step, condition = line.step, line.condition
        if isinstance(step, say.Do):
            try:
                await actions.do(line)
            except BenchError as error:
                raise _Failed(self._check(line, passed=False, seen=str(error))) from error
            await self._world.settle()
            self._watch()
        elif isinstance(step, say.WaitFor):
            await self._pass(step.wait_s)
        elif isinstance(step, say.Remember):
            self._remember(step.remember)
        elif isinstance(step, say.Never | say.Always) and condition is not None:
            until_s = self._world.now_s + step.for_s if step.for_s else math.inf
            wanted = isinstance(step, say.Always)
            guard = _Guard(line, condition, wanted, self._world.now_s, until_s)
            self._guards.append(guard)
            self._watch()
        elif isinstance(step, say.Expect | say.WaitUntil) and condition is not None:
            await self._await(line, condition, step)

    async def _await(
        self, line: Line, condition: Condition, step: say.Expect | say.WaitUntil
    ) -> None:
        begun_s = self._world.now_s
        within_s = step.within_s + self._world.slack_s
        await self._pass(within_s, until=lambda: self._holds(line, condition))
        took_s = self._world.now_s - begun_s
        if not self._holds(line, condition):
            raise _Failed(self._check(line, passed=False, took_s=took_s))
        if isinstance(step, say.Expect):
            held_from_s = self._world.now_s
            await self._pass(step.holds_for_s, until=lambda: not self._holds(line, condition))
            if not self._holds(line, condition):
                held_s = self._world.now_s - held_from_s
                seen = f"{self._seen(line)} after holding for {held_s:g} s"
                raise _Failed(self._check(line, passed=False, took_s=took_s, seen=seen))
            self.checks.append(self._check(line, passed=True, took_s=took_s))

    async def _pass(
        self,
        duration_s: float,
        *,
        until: Callable[[], bool] = lambda: False,
        bounded: bool = False,
    ) -> None:
        """Lets time pass, tick by tick, until something holds or the time is over."""
        if bounded and math.isinf(duration_s):
            return
        end_s = self._world.now_s + duration_s
        while not until():
            left_s = end_s - self._world.now_s
            if left_s <= _EPSILON_S:
                return
            await self._world.pass_time(min(self._scenario.head.tick_s, left_s))
            self._watch()

    def _watch(self) -> None:
        for guard in self._guards:
            over = self._world.now_s > guard.until_s + _EPSILON_S
            if not over and self._holds(guard.line, guard.condition) is not guard.wanted:
                took_s = self._world.now_s - guard.since_s
                raise _Failed(self._check(guard.line, passed=False, took_s=took_s))

    def _guards_held(self) -> None:
        for guard in self._guards:
            took_s = min(self._world.now_s, guard.until_s) - guard.since_s
            self.checks.append(self._check(guard.line, passed=True, took_s=took_s))

    def _remember(self, name: str) -> None:
        for line in self._scenario.lines:
            for mark, subject in line.condition.marks if line.condition else ():
                if mark == name:
                    self._marks[(name, f"{line.evse_id}/{subject}")] = self._look(line, subject)

    def _holds(self, line: Line, condition: Condition) -> bool:
        marks = {
            (name, subject): self._marks.get((name, f"{line.evse_id}/{subject}"))
            for name, subject in condition.marks
        }
        return condition.holds(partial(self._look, line), marks)

    def _look(self, line: Line, subject: str) -> Value:
        return look(self._world, line.evse_id, subject)

    def _seen(self, line: Line) -> str:
        return line.condition.seen(partial(self._look, line)) if line.condition else ""

    def _check(
        self, line: Line, *, passed: bool, took_s: float = 0.0, seen: str | None = None
    ) -> Check:
        return Check(
            line=line.number,
            verb=line.verb,
            text=line.text,
            evse_id=line.evse_id,
            passed=passed,
            at_s=round(self._world.now_s, 6),
            took_s=round(took_s, 6),
            seen=self._seen(line) if seen is None else seen,
        )
