"""Finished runs kept in a file, so that a comparison that was stopped goes on where it was.

One JSON object a line, found by a hash of the run's parameters, the version and the station list.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from city_sim.runs import Run
from pilewise.version import __version__


class ResultsUnreadable(Exception):
    """A line of the file is no result of a run."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(
            f"{path.name}:{line} is no result of a run ({why}): "
            "remove the line, or name another file"
        )


class ResultsFile:
    """The results of a file, which need not exist; each new one is on the disk when `put` returns.

    A last line that was torn when the process ended is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, dict[str, Any]] = {}
        self._torn = False
        if path.exists():
            self._read(path.read_text(encoding="utf-8"))

    def get(self, run: Run) -> dict[str, Any] | None:
        """What a run came to; None if it is not in the file."""
        return self._rows.get(key_of(run))

    def put(self, run: Run, row: dict[str, Any]) -> None:
        """Adds a result."""
        line = json.dumps({"key": key_of(run), "run": _told(run), "result": row})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as out:
            out.write(("\n" if self._torn else "") + line + "\n")
            out.flush()
            os.fsync(out.fileno())
        self._torn = False
        self._rows[key_of(run)] = row

    def _read(self, text: str) -> None:
        lines = text.split("\n")
        self._torn = bool(lines[-1])
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
                self._rows[found["key"]] = found["result"]
            except (ValueError, KeyError, TypeError) as error:
                # A torn line is the last that was written, or was ended when the run went on.
                if number >= len(lines) - 1 or _is_torn(line):
                    continue
                raise ResultsUnreadable(self._path, number, str(error)) from None


def _is_torn(line: str) -> bool:
    """Whether this is the beginning of a result."""
    return line.startswith('{"key": "') or '{"key": "'.startswith(line)


def key_of(run: Run) -> str:
    """Equal for the same parameters, version and list of stations."""
    parts = {**asdict(run), "version": __version__, "list": _digest(run.stations)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _told(run: Run) -> dict[str, Any]:
    """The parameters for people; folders of the machine are left out."""
    return {**asdict(run), "stations": Path(run.stations).name}


@cache
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
