"""One thing that the doctor looked at: how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How a finding is; a note is about something that is needed for special uses only."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is the stable name of what was looked at, `hint` what to do; "" where nothing."""

    check: str
    level: Level
    text: str
    hint: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<8} {self.check:<12} {self.text}"
        return f"{line}\n  hint: {self.hint}" if self.hint else line


def ok(check: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Level.OK, text)


def note(check: str, text: str, hint: str = "") -> Finding:
    """Absent, and only some uses need it."""
    return Finding(check, Level.NOTE, text, hint)


def warning(check: str, text: str, hint: str = "") -> Finding:
    """Works now, but somebody should look."""
    return Finding(check, Level.WARNING, text, hint)


def error(check: str, text: str, hint: str = "") -> Finding:
    """Does not work."""
    return Finding(check, Level.ERROR, text, hint)


def report(findings: Iterable[Finding]) -> dict[str, Any]:
    """All findings as one JSON object."""
    found = list(findings)
    counts = {level: sum(f.level is level for f in found) for level in Level}
    return {
        "ok": not counts[Level.ERROR],
        "errors": counts[Level.ERROR],
        "warnings": counts[Level.WARNING],
        "findings": [asdict(finding) for finding in found],
    }
