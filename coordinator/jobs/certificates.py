"""Warns before the coordinator's own certificates end, 14, 7 and 1 days before, and when they have.

What agents have is theirs to renew; how files are replaced is in `trust/server_files.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from coordinator.usecases.events import Events

log: Final = structlog.get_logger()

LOOK_S: Final = 3600.0  # link time
DAY_S: Final = 86_400.0
ALARM_DAYS: Final = (14, 7, 1, 0)
_HINT: Final = "pilewise coordinator ca issue-server, or put new files in place"


class CertificateWatch:
    """Looks at the first certificate of each file now and then; `days_left` is what it saw.

    `files` are paths by what they are of.
    """

    def __init__(
        self, files: Mapping[str, Path], events: Events, system_s: Callable[[], float]
    ) -> None:
        self._files = dict(files)
        self._events = events
        self._system_s = system_s
        self._told: dict[str, int | None] = {}
        self.days_left: dict[str, float] = {}

    async def run(self) -> None:
        """Looks every hour."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Looks once; each alarm is told once, and again for a new certificate."""
        for name, path in self._files.items():
            try:
                ends_s = await asyncio.to_thread(_ends_s, path)
            except (OSError, ValueError) as error:
                log.warning("certificate cannot be read", file=str(path), why=str(error))
                self.days_left.pop(name, None)
                continue
            left = self.days_left[name] = (ends_s - self._system_s()) / DAY_S
            due = min((day for day in ALARM_DAYS if left <= day), default=None)
            if due is not None and due != self._told.get(name):
                self._alarm(name, path, left)
            self._told[name] = due

    def _alarm(self, name: str, path: Path, left: float) -> None:
        text = "has ended" if left <= 0 else f"ends in {left:.1f} days"
        log.warning(f"certificate of the {name} {text}", file=str(path), hint=_HINT)
        facts = {"what": "certificate_ends", "of": name}
        self._events.add("SECURITY", f"the certificate of the {name} {text}", facts=facts)


def _ends_s(path: Path) -> float:
    # Only secured districts pay for this.
    from cryptography import x509

    return float(x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp())
