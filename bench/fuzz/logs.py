"""Reads what rooms log and picks out what nobody meant to happen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# What Python, asyncio and the rooms' own last nets say of an exception that nobody expected.
_UNMEANT = re.compile(
    r"Traceback \(most recent call last\)|was never retrieved|Unhandled exception"
    r"|exception was ignored|Exception ignored in|call failed|page failed|never awaited"
    r"|Fatal Python error|Exception in callback|Unexpected exception",
    re.IGNORECASE,
)


@dataclass(slots=True)
class LogWatch:
    """One log file, read on from where the last look ended."""

    path: Path
    _at: int = 0

    def complaints(self) -> list[str]:
        """Passages since the last look that tell of an unexpected exception."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as log:
            log.seek(self._at)
            fresh = log.read()
        # A line that is still being written is read at the next look.
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._at += len(whole)
        return unmeant(whole.decode("utf-8", "replace"))


def unmeant(text: str) -> list[str]:
    """Each passage that begins with such a line, up to 40 lines of it.

    >>> unmeant("all is well\\nTask exception was never retrieved\\nmore")
    ['Task exception was never retrieved\\nmore']
    >>> unmeant("call refused")
    []
    """
    lines = text.splitlines()
    found: list[str] = []
    skip_to = 0
    for number, line in enumerate(lines):
        if number >= skip_to and _UNMEANT.search(line):
            skip_to = number + 40
            found.append("\n".join(lines[number:skip_to])[:6_000])
    return found
