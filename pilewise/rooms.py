"""Starts a room as a process and waits until it says that it is ready.

A room prints one line of JSON to stdout once it listens; that line names the ports that it got, so
that nobody ever picks a port for somebody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_S = 60.0
STOP_S = 25.0


class RoomFailed(Exception):
    """A room ended before it should, or was never ready; carries the end of its log."""

    def __init__(self, room: str, code: int | None, log: str) -> None:
        ending = f"exited with {code}" if code is not None else f"was not ready in {READY_S:.0f} s"
        super().__init__(f"{room} {ending}\n{log}")
        self.room = room
        self.code = code


@dataclass(slots=True)
class RoomProcess:
    """A running room; `ready` is what its ready line said.

    Settings of the environment (`PILEWISE_AGENT__...`) are for files of the user's; a room whose
    file was written for it does not hear of them.
    """

    room: str
    args: tuple[str, ...]
    log: Path
    configured_by_user: bool = False
    ready: dict[str, Any] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _drain: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises where the room does not run."""
        if self._process is None:
            raise RuntimeError(f"{self.room} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> Self:
        """Starts the process and returns once it is ready; raises `RoomFailed`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environ = os.environ if self.configured_by_user else without_settings(os.environ)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self.room,
                *self.args,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # Ctrl-C is for whoever started the room: it ends rooms in order.
                start_new_session=True,
                env={**environ, "PYTHONUNBUFFERED": "1"},
            )
        try:
            self.ready = await asyncio.wait_for(self._read_ready(), READY_S)
        except TimeoutError:
            self.kill()
            raise RoomFailed(self.room, None, self._tail()) from None
        self._drain = asyncio.create_task(self._discard(), name=f"rooms:drain-{self.room}")
        return self

    async def stop(self) -> int:
        """Asks the room to end (SIGTERM), insists after 25 s; the exit code."""
        return await self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the room at once (SIGKILL), as a power cut would."""
        if self.running and self._process is not None:
            self._process.kill()

    async def wait(self) -> int:
        """The exit code, once it ended."""
        if self._process is None:
            raise RuntimeError(f"{self.room} was not started")
        code = await self._process.wait()
        if self._drain is not None:
            await asyncio.wait([self._drain], timeout=1.0)
        return code

    async def failure(self) -> RoomFailed:
        """Waits until the room ends; the error that tells how, with the end of its log."""
        return RoomFailed(self.room, await self.wait(), self._tail())

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.running:
            await self.stop()

    async def _end(self, how: signal.Signals) -> int:
        if self.running and self._process is not None:
            self._process.send_signal(how)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S)
            except TimeoutError:
                self._process.kill()
        return await self.wait()

    async def _read_ready(self) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdout is None:
            raise RuntimeError(f"{self.room} was not started")
        while line := await process.stdout.readline():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("event") == "ready":
                return said
        raise RoomFailed(self.room, await process.wait(), self._tail())

    async def _discard(self) -> None:
        process = self._process
        if process is not None and process.stdout is not None:
            while await process.stdout.read(65536):
                pass

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the keys that it sets in a room's configuration.

    >>> without_settings({"PILEWISE_AGENT__AGENT__ID": "G1", "PATH": "/bin"})
    {'PATH': '/bin'}
    """
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("PILEWISE_AGENT__", "PILEWISE_COORDINATOR__", "PILEWISE_SIM__"))
    }
