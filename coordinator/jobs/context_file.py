"""Watches a file of surroundings: read at start, and again whenever it was written.

What is in order is taken; each bad row is told by its line, and the rest of the file counts.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from coordinator.clock import Clock
from coordinator.errors import CoordinatorError, ImportInvalid
from coordinator.importers.context import read_context
from coordinator.usecases.events import Events
from coordinator.usecases.surroundings import SurroundingsKeeper

log = structlog.get_logger()

LOOK_S = 2.0  # link time
TOLD = 20  # bad rows of one reading that are told


class ContextFile:
    """One watched file; `run` looks after it until cancelled."""

    def __init__(
        self, path: Path, keeper: SurroundingsKeeper, clock: Clock, events: Events
    ) -> None:
        self._path = path
        self._keeper = keeper
        self._clock = clock
        self._events = events
        self._seen: tuple[int, int] | None = None  # time of writing, size

    async def run(self) -> None:
        """Reads the file whenever it has changed."""
        while True:
            try:
                await self.look()
            except CoordinatorError as error:
                log.warning("context not taken", file=str(self._path), why=str(error))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Reads the file if it has changed; gives how many values were taken."""
        stamp = await asyncio.to_thread(self._stamp)
        if stamp is None or stamp == self._seen:
            return 0
        self._seen = stamp
        try:
            values, problems = await asyncio.to_thread(
                read_context, self._path, self._clock.now_s()
            )
        except ImportInvalid as error:
            values, problems = [], list(error.problems)
        for problem in problems[:TOLD]:
            log.warning("context refused", where=problem.where, why=problem.message)
        if values:
            await self._keeper.put(values)
        text = f"{self._path.name}: {len(values)} values taken, {len(problems)} refused"
        facts = {"taken": str(len(values)), "refused": str(len(problems))}
        self._events.add("CONTEXT", text, facts=facts)
        return len(values)

    def _stamp(self) -> tuple[int, int] | None:
        """Time of writing and size; None while there is no file."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
