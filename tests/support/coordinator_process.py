"""A real coordinator process for contract tests, in a directory of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

READY_S = 120.0
STOP_S = 25.0


class CoordinatorProcess:
    """`python -m coordinator` on a free port; the directory outlives restarts."""

    def __init__(self, folder: Path, *, more: str = "", **settings: Any) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.config = folder / "coordinator.toml"
        given = {"district": "test", "data_dir": str(self.data_dir), **settings}
        lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
        self.config.write_text("[coordinator]\n" + "\n".join(lines) + f"\n{more}")
        self.log: Path | None = None  # what it logs, info and above; None shows warnings
        self.prefix: tuple[str, ...] = ()  # a command that runs it elsewhere
        self.environment: dict[str, str] = {}  # beside ours
        self.ready: dict[str, Any] = {}
        self.kills = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(self.ready["grpc"])

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Returns when it is ready."""
        log = None if self.log is None else self.log.open("ab")
        self._process = await asyncio.create_subprocess_exec(
            *self.prefix,
            sys.executable,
            "-m",
            "coordinator",
            "-c",
            str(self.config),
            "--log-level",
            "warning" if log is None else "info",
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, **self.environment},
        )
        if log is not None:
            log.close()
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), READY_S)
        self.ready = json.loads(line)

    def signal(self, number: signal.Signals) -> None:
        """Sends the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself; negative for the signal that killed it."""
        assert self._process is not None
        return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL, at once."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self.kills += 1

    async def stop(self) -> int:
        """The exit code after SIGTERM; 0 if it did not run."""
        if self._process is None or self._process.returncode is not None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), STOP_S)
