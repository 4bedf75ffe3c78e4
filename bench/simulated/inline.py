"""The spool's and the stores' threads, done on the loop: the same code, one job at a time.

Each piece of work takes some virtual time before it is done, and again before it is told, so that
whoever is killed in between has done what nobody was told.
"""

from __future__ import annotations

import asyncio
import fcntl
import queue
from collections.abc import Callable
from typing import Any

from coordinator.store.writer import Outcome, Writer
from edge_agent.uplink.spool import RETRY_S, Spool, _Append, _Call
from edge_agent.uplink.spool_disk import SpoolDisk

COMMIT_S = 0.004
TELL_S = 0.002


class _Jobs(queue.SimpleQueue[_Append | _Call | None]):
    """The spool's queue; whatever is put in is looked after soon, and nobody waits for more."""

    _wake: Callable[[float], None]

    def put(
        self, item: _Append | _Call | None, block: bool = True, timeout: float | None = None
    ) -> None:
        super().put(item)
        self._wake(COMMIT_S)

    def get(self, block: bool = True, timeout: float | None = None) -> _Append | _Call | None:
        return super().get_nowait()


class InlineSpool(Spool):
    """The agent's spool without its thread."""

    _held: list[_Append]
    dead = False

    async def start(self) -> None:
        """Opens the spool, here and now."""
        self._loop = asyncio.get_running_loop()
        self._held, self._turn_due = [], False
        self._jobs = _Jobs()
        self._jobs._wake = self._wake
        self._folder.mkdir(parents=True, exist_ok=True)
        self._guard = (self._folder / "agent.lock").open("w")
        fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._disk = SpoolDisk(self._folder, self._new_id, self._max_bytes)
        self.failing = self._disk.trouble

    def kill(self) -> None:
        """The process is gone: nothing is done any more, and nothing told."""
        self.dead = True
        if self._timer is not None:
            self._timer.cancel()
        if self._guard is not None:
            self._guard.close()
        if self._disk is not None:
            self._disk.file.connection.close()

    def _wake(self, after_s: float) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_later(after_s, self._turn)

    def _turn(self) -> None:
        """What the thread does each time it wakes."""
        self._turn_due = False
        disk = self._disk
        if self.dead or disk is None:
            return
        jobs = self._drain(0.0)
        if disk.come_back():
            self._tell_committed(disk, 0, urgent=True)
        appends = self._held + [job for job in jobs if isinstance(job, _Append)]
        self._held = self._append(disk, appends) if appends else self._held
        for job in jobs:
            if isinstance(job, _Call):
                self._answer(job, disk)
        if self._jobs.qsize():
            self._wake(COMMIT_S)
        elif self._held or disk.file.volatile:
            self._wake(RETRY_S)


class InlineWriter(Writer):
    """A store's writer without its thread."""

    dead = False
    _due = False

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def _enqueue(self, *given: Any) -> asyncio.Future[Any]:
        future = super()._enqueue(*given)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(COMMIT_S, self._turn)
        return future

    def _turn(self) -> None:
        self._due = False
        if self.dead:
            return
        units = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        group = [unit for unit in units if unit is not None]
        if group:
            assert self._loop is not None
            self._loop.call_later(TELL_S, self._told, self._commit(group))

    def _told(self, outcomes: list[Outcome]) -> None:
        if not self.dead:
            self._settle(outcomes)

    def kill(self) -> None:
        """The process is gone."""
        self.dead = True
        self._closed = True
        self._own.close()
