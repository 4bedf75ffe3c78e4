"""What lies in a spool, seen from outside: read only, no lock, while the agent runs or not.

Writing belongs to the one connection of `spool_file.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.uplink.spool_schema import DATABASE
from edge_agent.uplink.spool_view import kinds, view_spool


@dataclass(frozen=True, slots=True)
class Glance:
    """What waits for the coordinator; instants are milliseconds since 1970, 0 where none is."""

    records: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    oldest_at_ms: int = 0
    newest_at_ms: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0


def glance(folder: Path) -> Glance:
    """What lies in the spool of a folder; empty where there is none. Raises `SpoolBroken`."""
    if not (folder / DATABASE).exists():
        return Glance()
    seen = view_spool(folder)
    counted = kinds(folder)
    gaps: dict[str, int] = {}
    for gap in seen.gaps:
        gaps[gap.reason] = gaps.get(gap.reason, 0) + 1
    return Glance(
        records=sum(counted.values()),
        kinds=counted,
        oldest_at_ms=seen.oldest_at_ms,
        newest_at_ms=seen.newest_at_ms,
        gaps=gaps,
        size_bytes=seen.size_bytes,
    )
