"""An agent as a process for tests, and the commands beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durable_edge_service import DurableEdgeService

ROOT = Path(__file__).parents[2]


@dataclass
class LocalAgent:
    """An agent with one OCPP pile that never dials, so that no device is needed."""

    folder: Path
    service: DurableEdgeService
    more: str = ""
    process: asyncio.subprocess.Process | None = None

    @property
    def config(self) -> Path:
        return self.folder / "agent.toml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def write(self) -> None:
        self.config.write_text(
            f'[agent]\nid = "G1"\ncoordinator = "127.0.0.1:{self.service.port}"\n'
            'data_dir = "data"\nheartbeat_s = 0.3\nmetrics = "127.0.0.1:0"\n'
            "[uplink]\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.2\n"
            '[ocpp]\nlisten = "127.0.0.1:0"\n'
            '[[pile]]\nuid = "A-01"\nprofile = "ocpp16"\n'
            '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n' + self.more
        )

    async def start_with(self, text: str) -> dict[str, Any]:
        """Starts it with this configuration instead of its own."""
        self.config.write_text(text)
        return await self._launch({})

    async def start(self, **environment: str) -> dict[str, Any]:
        """Starts it and gives back its ready line."""
        self.write()
        return await self._launch(environment)

    async def _launch(self, environment: dict[str, str]) -> dict[str, Any]:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edge_agent",
            "-c",
            str(self.config),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        told: dict[str, Any] = json.loads(line)
        return told

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 60)


async def command(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `python -m edge_agent WORDS`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edge_agent",
        *words,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
