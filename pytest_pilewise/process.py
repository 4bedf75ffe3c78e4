"""Starts a room (simulator, agent, coordinator) as a process and ends it by its own id.

Unlike `pilewise.rooms` it needs no event loop, because most tests of a bench have none. A run that
is killed takes its rooms along.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from pytest_pilewise.errors import RoomFailed
from pytest_pilewise.leash import leashed

READY_S = 60.0
STOP_S = 25.0
_LOOK_S = 0.02
_TAIL = 4000


class Room:
    """`python -m room -c FILE`; `ready` is what it said once it listened."""

    def __init__(self, room: str, name: str, folder: Path) -> None:
        self.room = room
        self.name = name
        self.ready: dict[str, Any] = {}
        self._config = folder / f"{name}.toml"
        self._out = folder / f"{name}.out"
        self.log_path = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id; raises RoomFailed where it was not started."""
        if self._process is None:
            raise RoomFailed(self.name, "was not started", "")
        return self._process.pid

    def start(self, config: str) -> dict[str, Any]:
        """Starts it on this TOML text; gives its ready line. Raises RoomFailed."""
        self._config.write_text(config, encoding="utf-8")
        with self._out.open("wb") as out, self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                leashed(self.room, "-c", str(self._config)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                # Ctrl-C is for pytest: it ends rooms in order.
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        end_s = time.monotonic() + READY_S
        while time.monotonic() < end_s:
            if (said := self._said()) is not None:
                self.ready = said
                return said
            if not self.running:
                raise RoomFailed(self.name, f"exited with {self._process.returncode}", self.log())
            time.sleep(_LOOK_S)
        self.kill()
        raise RoomFailed(self.name, f"was not ready within {READY_S:g} s", self.log())

    def ask_to_end(self) -> None:
        """Sends SIGTERM and does not wait; `stop` does."""
        if self._process is not None and self.running:
            self._process.terminate()

    def stop(self) -> int | None:
        """The exit code after SIGTERM, insisting after 25 s; None if it never ran."""
        if self._process is None:
            return None
        if self.running:
            self.ask_to_end()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait(STOP_S)

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait(STOP_S)

    def log(self, most: int = _TAIL) -> str:
        """The end of what it logged; all of it for -1."""
        if not self.log_path.exists():
            return ""
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        return text if most < 0 else text[-most:]

    def _said(self) -> dict[str, Any] | None:
        for line in self._out.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("event") == "ready":
                return said
        return None


def toml(value: object) -> str:
    """A value as TOML writes it; JSON's escapes are TOML's."""
    return json.dumps(str(value) if isinstance(value, Path) else value)
