"""Which certificate the next stream shows, and when the agent asks for another.

    none yet -> enrol by token -> present -> (two thirds of its life) -> renew -> following
    following -> welcomed -> it is the present one; refused -> the present one is shown again

How streams are opened and end is in `reporter.py`.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final, NoReturn

import grpc
import structlog

from edge_agent.errors import AgentError, CertificateUnusable
from edge_agent.uplink.certificate import certificates_in, dialable
from edge_agent.uplink.channel import EnrolmentSettings, LinkSettings, TlsFiles
from edge_agent.uplink.enrolment import enrol, renew
from edge_agent.uplink.identity_files import IdentityFiles

log: Final = structlog.get_logger("edge_agent.identity")

RENEW_SHARE: Final = 2 / 3
# A clock may be set meanwhile, so nobody sleeps for days.
LOOK_S: Final = 3600.0
# A renewal that failed is tried again after so much of the life, with jitter.
RETRY_SHARE: Final = 0.02


class Redial(Exception):
    """The stream should be opened anew, with another identity."""


class Credentials:
    """The same files for every stream, or none; `tls` are those of the present try."""

    def __init__(self, tls: TlsFiles | None) -> None:
        self.tls = tls
        # Set when another identity should be shown soon.
        self.renewed = asyncio.Event()

    async def for_next_try(self) -> TlsFiles | None:
        """What the next stream shows; raises `CertificateUnusable` where it would be in vain."""
        if self.tls is not None:
            await dialable(self.tls)
        return self.tls

    async def welcomed(self) -> None:
        """The coordinator took what was shown."""

    async def keep(self) -> None:
        """Runs beside the streams."""

    async def redial(self) -> NoReturn:
        """Runs beside one stream; raises `Redial` once another identity should be shown."""
        await self.renewed.wait()
        raise Redial


class KeptIdentity(Credentials):
    """An identity that the agent enrols for and renews by itself."""

    def __init__(
        self, link: LinkSettings, settings: EnrolmentSettings, files: IdentityFiles
    ) -> None:
        super().__init__(None)
        self._link = link
        self._settings = settings
        self._files = files
        self._shown = files.present
        self._last = files.present
        self._was_welcomed = True
        self._rng = random.Random()

    async def for_next_try(self) -> TlsFiles | None:
        """The renewed identity, or the present one in turn where the last was not welcomed."""
        if self._files.newest is None:
            await self._enrol()
        following, present = self._files.following, self._files.present
        self._shown = following if following.is_file() else present
        if not self._was_welcomed and self._last == following and present.is_file():
            self._shown = present
        self._last, self._was_welcomed = self._shown, False
        self.renewed.clear()
        self.tls = TlsFiles(self._files.trust, self._shown, self._shown)
        await dialable(self.tls)
        return self.tls

    async def welcomed(self) -> None:
        """What was shown is the identity from now on, and the other one is not needed."""
        self._was_welcomed = True
        files = self._files
        if self._shown == files.following:
            await asyncio.to_thread(files.promote)
            self._shown = files.present
            self.tls = TlsFiles(files.trust, files.present, files.present)
            log.info("renewed certificate is in use")
        elif files.following.is_file():
            log.warning("renewed certificate was not welcome, the former one was")
            await asyncio.to_thread(files.drop_following)

    async def keep(self) -> NoReturn:
        """Renews in time, for as long as the agent runs."""
        while True:
            wait_s, life_s = await asyncio.to_thread(self._due)
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, LOOK_S))
                continue
            shown = self._files.present if self._files.present.is_file() else self._files.following
            tls = TlsFiles(self._files.trust, shown, shown)
            try:
                ends_s = await renew(
                    self._link.coordinator, self._settings.agent_id, tls, self._files
                )
            except (grpc.aio.AioRpcError, AgentError, OSError) as error:
                retry_s = self._rng.uniform(0.5, 1.0) * life_s * RETRY_SHARE
                log.warning("certificate not renewed", why=_told(error), next_try_s=round(retry_s))
                await asyncio.sleep(retry_s)
                continue
            log.info("certificate renewed", days=round((ends_s - time.time()) / 86_400, 2))
            self.renewed.set()

    async def _enrol(self) -> None:
        """A first identity, with the token of the configuration."""
        path = self._settings.token_file
        hint = "pilewise agent enroll, with a token of the operator"
        if path is None:
            raise CertificateUnusable(f"this agent is not enrolled: {hint}")
        try:
            token = (await asyncio.to_thread(path.read_text)).strip()
        except (OSError, ValueError) as error:
            raise CertificateUnusable(f"not enrolled, and {path.name}: {error}; {hint}") from error
        ends_s = await enrol(self._settings, self._files, token)
        log.info("enrolled", days=round((ends_s - time.time()) / 86_400, 2))

    def _due(self) -> tuple[float, float]:
        """Seconds until the newest identity should be renewed, and its whole life."""
        newest = self._files.newest
        if newest is None:
            return 1.0, 1.0
        try:
            facts = certificates_in(newest)[0]
        except (OSError, ValueError):
            return LOOK_S, LOOK_S
        life_s = facts.ends_s - facts.begins_s
        return facts.begins_s + RENEW_SHARE * life_s - time.time(), life_s


def credentials_of(link: LinkSettings) -> Credentials:
    """What the streams of an agent with these settings show."""
    if link.enrolment is None or link.identity_dir is None:
        return Credentials(link.tls)
    return KeptIdentity(link, link.enrolment, IdentityFiles(link.identity_dir))


def shown_now(link: LinkSettings) -> TlsFiles | None:
    """What a single call may show now; raises `CertificateUnusable` for who is not enrolled."""
    if link.identity_dir is None:
        return link.tls
    files = IdentityFiles(link.identity_dir)
    newest = files.present if files.present.is_file() else files.newest
    if newest is None:
        raise CertificateUnusable("this agent is not enrolled: pilewise agent enroll")
    return TlsFiles(files.trust, newest, newest)


def _told(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)
