"""Raises an alarm 14, 7 and 1 days before a certificate of the agent ends, and when it has ended.

Whether a link can stand with it is judged in `uplink/certificate.py`, what the doctor says in
`commands/check_certificates.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

import structlog

from edge_agent.config import Config
from edge_agent.core.certificate import DAY_S, CertificateFacts
from edge_agent.uplink.certificate import certificates_in

log: Final = structlog.get_logger("edge_agent.certificates")
LOOK_S: Final = 3600.0
EXPIRES: Final = "CERTIFICATE_EXPIRES"
EXPIRED: Final = "CERTIFICATE_EXPIRED"
# A reason and a sentence for people.
Tell = Callable[[str, str], None]


class CertificateAlarm:
    """Looks at certificate files now and then; `days_left` is what it saw, by configuration key.

    `files` are paths by key. `tell` takes each alarm once, and again after the file was renewed
    and grew old again. A file that cannot be read is the doctor's and the link's business.
    """

    def __init__(
        self, files: Mapping[str, Path], tell: Tell, now_s: Callable[[], float] = time.time
    ) -> None:
        self._files = dict(files)
        self._tell = tell
        self._now_s = now_s
        self._told: dict[str, int | None] = {}
        self.days_left: dict[str, float] = {}

    async def run(self) -> NoReturn:
        """Looks every hour; a certificate that was renewed meanwhile is seen then."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Looks once."""
        for key, path in self._files.items():
            try:
                certificates = await asyncio.to_thread(certificates_in, path)
            except (OSError, ValueError) as error:
                self.days_left.pop(key, None)
                log.debug("certificate cannot be read", key=key, error=str(error))
                continue
            counts = _what_counts(key, certificates)
            now_s = self._now_s()
            left = (counts.ends_s - now_s) / DAY_S
            self.days_left[key] = round(left, 3)
            due = counts.alarm_day(now_s)
            if due is not None and due != self._told.get(key):
                self._alarm(key, path.name, left)
            self._told[key] = due

    def _alarm(self, key: str, name: str, left: float) -> None:
        ended = left <= 0
        text = f"{key} ({name}) " + ("has ended" if ended else f"ends in {left:.1f} days")
        log.warning(
            "certificate has ended" if ended else "certificate ends soon",
            key=key,
            file=name,
            days_left=round(left, 1),
            hint="renew it; the agent takes the new file with its next connection",
        )
        self._tell(EXPIRED if ended else EXPIRES, text)


def _what_counts(key: str, certificates: list[CertificateFacts]) -> CertificateFacts:
    """The leaf of a chain; of several authorities the one that lasts longest."""
    if key.endswith("ca_file"):
        return max(certificates, key=lambda found: found.ends_s)
    return certificates[0]


def certificate_files(config: Config) -> dict[str, Path]:
    """The certificates that the configuration names, by their keys."""
    named: dict[str, str | None] = {}
    if config.tls is not None:
        named |= {"tls.ca_file": config.tls.ca_file, "tls.cert_file": config.tls.cert_file}
    if config.ocpp is not None:
        named |= {
            "ocpp.cert_file": config.ocpp.cert_file,
            "ocpp.ca_file": config.ocpp.ca_file,
            "ocpp.upstream_cert_file": config.ocpp.upstream_cert_file,
            "ocpp.upstream_ca_file": config.ocpp.upstream_ca_file,
        }
    folder = Path(config.source.file).parent
    files = {key: folder / name for key, name in named.items() if name}
    if config.uplink.enrol_at:
        identity = config.data_dir / "identity"
        files |= {"identity": identity / "identity.pem", "identity.ca_file": identity / "trust.pem"}
    return files
