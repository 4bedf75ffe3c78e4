"""Shoots slices of inputs through a door, looks after each, and narrows down what it finds."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from bench.fuzz.input import Finding, Input, Outcome, Tally

SLICE = 400
SAID_EVERY = 10 * SLICE
PATIENCE_S = (2.0, 10.0, 30.0)  # for a machine that others keep busy
MOST_FINDINGS = 25  # of one door; more are only counted


class Door(Protocol):
    """Something that takes inputs; `lanes` says how many at a time."""

    name: str
    lanes: int

    async def open(self) -> None:
        """Makes ready to send."""

    async def close(self) -> None:
        """Lets go."""

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """So many inputs, the same ones for the same state of `rng`."""

    async def send(self, item: Input) -> Outcome:
        """What became of an input; raises nothing that the other side causes."""


@dataclass(slots=True)
class Watched:
    """What else is looked at: logs of the rooms, and whether good clients are served."""

    complaints: Callable[[], list[str]]
    alive: Callable[[], Awaitable[str]]
    # Makes ready for a slice; says what it found when a room was to start anew, and whether it was.
    again: Callable[[], Awaitable[tuple[bool, str]]]
    gone: Callable[[], list[str]]
    revive: Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Gunner:
    """Runs doors one after the other; findings go into the folder."""

    folder: Path
    tallies: dict[str, Tally] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    async def shoot(self, door: Door, watched: Watched, rng: random.Random, count: int) -> None:
        """All inputs of one door."""
        begun_s = time.monotonic()
        tally = self.tallies.setdefault(door.name, Tally())
        await door.open()
        try:
            supply = door.inputs(rng, count)
            while slice_ := list(islice(supply, SLICE)):
                await self._begin(door, watched, slice_, tally)
                await self._fly(door, slice_, tally)
                await self._look(door, watched, slice_, tally)
                if tally.inputs % SAID_EVERY == 0:
                    print(f"{door.name}: {tally.inputs} of {count}", file=sys.stderr, flush=True)
        finally:
            await door.close()
            spent_s = time.monotonic() - begun_s
            self.seconds[door.name] = self.seconds.get(door.name, 0.0) + spent_s

    async def repeat(self, door: Door, watched: Watched, item: Input) -> None:
        """One input that was kept, looked after as a slice of one."""
        tally = self.tallies.setdefault(door.name, Tally())
        await door.open()
        try:
            await self._begin(door, watched, [item], tally)
            await self._fly(door, [item], tally)
            await self._look(door, watched, [item], tally)
        finally:
            await door.close()

    async def _begin(self, door: Door, watched: Watched, items: list[Input], tally: Tally) -> None:
        """Has the rooms made ready; what earlier inputs left on a disk may keep one from it."""
        anew, why = await watched.again()
        if why:
            tally.uncaught += 1
            self._keep(Finding(items[0], Outcome("did not start again", "uncaught", why)))
        if anew:
            await door.close()
            await door.open()

    async def _fly(self, door: Door, items: list[Input], tally: Tally) -> None:
        """Sends all; what got no answer is sent once more by itself, because machines stall too."""
        supply = iter(items)
        silent: list[Input] = []

        async def lane() -> None:
            for item in supply:
                outcome = await door.send(item)
                if outcome.bad == "hang":
                    silent.append(item)
                else:
                    self._count(item, outcome, tally)

        async with asyncio.TaskGroup() as lanes:
            for number in range(door.lanes):
                lanes.create_task(lane(), name=f"fuzz:{door.name} {number}")
        for item in silent:
            outcome = await door.send(item)
            tally.late += outcome.bad != "hang"
            self._count(item, outcome, tally)

    def _count(self, item: Input, outcome: Outcome, tally: Tally) -> None:
        tally.count(item, outcome)
        if outcome.bad:
            self._keep(Finding(item, outcome))

    async def _look(self, door: Door, watched: Watched, items: list[Input], tally: Tally) -> None:
        """Whether the slice left anything behind in a log, or a room that does not answer."""
        said = watched.complaints()
        silent = await _served(watched) if not watched.gone() else ""
        said += watched.complaints()
        for name in watched.gone():
            tally.uncaught += 1
            self._keep(Finding(items[-1], Outcome("the process has ended", "uncaught", name)))
            await watched.revive(name)
            await door.close()
            await door.open()
        if silent:
            tally.hangs += 1
            self._keep(Finding(items[-1], Outcome("not alive after a slice", "hang", silent)))
        if said:
            tally.uncaught += len(said)
            for finding in await self._narrow(door, watched, items, said):
                self._keep(finding)

    async def _narrow(
        self, door: Door, watched: Watched, items: list[Input], said: list[str]
    ) -> list[Finding]:
        """The inputs that make a room complain again, sent one by one; else the whole slice."""
        found = []
        for item in items:
            await door.send(item)
            await asyncio.sleep(0)
            for text in watched.complaints():
                found.append(Finding(item, Outcome("logged", "uncaught", text)))
            if len(found) >= len(said) or watched.gone():
                return found
        if not found:
            found = [Finding(items[-1], Outcome("logged by a slice", "uncaught", s)) for s in said]
        return found

    def _keep(self, finding: Finding) -> None:
        self.findings.append(finding)
        kept = sum(one.item.surface == finding.item.surface for one in self.findings)
        if kept <= MOST_FINDINGS:
            path = finding.write(self.folder, kept)
            self.files.append(path)
            outcome = finding.outcome
            head = outcome.note.strip()[-300:]
            print(f"finding: {finding.item.surface} {finding.item.target}: {outcome.word} "
                  f"({outcome.bad}): {head}\n  repeat: python -m bench.fuzz --replay {path}",
                  file=sys.stderr, flush=True)  # fmt: skip


async def _served(watched: Watched) -> str:
    """Empty once a good client is served; what it met, if that takes several tries."""
    why = ""
    for pause_s in (0.0, *PATIENCE_S):
        await asyncio.sleep(pause_s)
        why = await watched.alive()
        if not why:
            break
    return why
