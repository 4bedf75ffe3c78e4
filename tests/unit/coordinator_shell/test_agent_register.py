"""What is decided about one agent at the same time: nobody who was shut out slips back in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="hint: pip install 'pilewise[coordinator]'")

from cryptography import x509
from secured_district import signing_request

from coordinator.auth_errors import AgentRevoked, CertificateSuperseded, TokenRefused
from coordinator.core.identity import AgentIdentity
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.trust.authority import Authority, init_authority
from coordinator.usecases.agent_register import AgentRegister, Around
from coordinator.usecases.counters import Counters
from coordinator.usecases.enrolling import Enroller, Signed, Terms
from coordinator.usecases.events import Events
from coordinator.usecases.links import AgentLinks


class Pausing:
    """An authority whose next signature waits until it is let go on."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.waits = False
        self.begun = threading.Event()
        self.go_on = threading.Event()

    @property
    def trust_pem(self) -> str:
        """As the authority has it."""
        return self._authority.trust_pem

    def key_of(self, request_der: bytes) -> str:
        """As the authority finds it."""
        return self._authority.key_of(request_der)

    def sign(self, *request: Any) -> Signed:
        """As the authority signs, once it may."""
        signed = self._authority.sign(*request)
        if self.waits:
            self.waits = False
            self.begun.set()
            assert self.go_on.wait(60)
        return signed


class Desk:
    """A register, who enrols, and what is kept of both on the disk."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteTelemetry(folder / "data")
        self.signer = Pausing(init_authority(folder / "ca", "west"))
        around = Around(AgentLinks(str), Events(time.time, time.time), Counters(), time.time)
        known = self.store.load().agents
        self.register = AgentRegister("west", self.store, known, around, required=True)
        self.enroller = Enroller("west", self.register, self.signer, Terms(), time.time)

    async def enrol(self, token: str, request: bytes) -> AgentIdentity:
        """Who comes of a token."""
        return identity_of(await self.enroller.enrol("gw", token, request, "ipv4:127.0.0.1:9"))

    async def enrolled(self) -> AgentIdentity:
        """A gateway that was just enrolled, with a token and a key of its own."""
        token, _ = await self.enroller.issue_token("gw")
        return await self.enrol(token, signing_request()[1])

    def admit(self, identity: AgentIdentity) -> None:
        """Returns where this one may speak."""
        self.register.admit(identity, "gw", "ipv4:127.0.0.1:9")


def identity_of(signed: Signed) -> AgentIdentity:
    """Whom the transport would name for this certificate."""
    leaf = x509.load_pem_x509_certificate(signed.chain_pem.encode())
    return AgentIdentity("west", "gw", leaf.serial_number)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A district with an authority, and nobody enrolled."""
    (tmp_path / "data").mkdir()
    desk = Desk(tmp_path)
    yield desk
    await desk.store.close()


async def begun(desk: Desk, call: Any) -> asyncio.Task[Any]:
    """The call, waiting for its signature."""
    desk.signer.waits = True
    task = asyncio.ensure_future(call)
    assert await asyncio.to_thread(desk.signer.begun.wait, 60)
    return task


async def test_agent_revoked_while_it_enrols_stays_shut_out(desk: Desk) -> None:
    """A revocation that comes while a certificate is signed is not undone by it."""
    token, _ = await desk.enroller.issue_token("gw")
    request = signing_request()[1]
    enrolling = await begun(desk, desk.enrol(token, request))
    revoking = asyncio.create_task(desk.register.revoke("gw", "stolen"))
    await asyncio.sleep(0)  # it has begun, too
    desk.signer.go_on.set()
    await revoking
    identity = await enrolling

    with pytest.raises(AgentRevoked):
        desk.admit(identity)
    with pytest.raises(TokenRefused):
        await desk.enrol(token, request)


async def test_former_gateway_that_renews_meanwhile_is_superseded(desk: Desk) -> None:
    """A renewal under way when another gateway is enrolled counts for the former one's time."""
    former = await desk.enrolled()
    desk.admit(former)
    token, _ = await desk.enroller.issue_token("gw")
    renewing = await begun(desk, desk.enroller.renew("gw", signing_request()[1]))
    present = await desk.enrol(token, signing_request()[1])
    desk.signer.go_on.set()
    renewed = identity_of(await renewing)

    desk.admit(present)
    for other in (former, renewed):
        with pytest.raises(CertificateSuperseded):
            desk.admit(other)


async def test_former_gateway_does_not_come_back_by_its_own_token(desk: Desk) -> None:
    """Who may ask again for a lost answer may not once another gateway has the name."""
    token, _ = await desk.enroller.issue_token("gw")
    request = signing_request()[1]
    await desk.enrol(token, request)
    await desk.enrol(token, request)  # the answer was lost
    present = await desk.enrolled()

    with pytest.raises(TokenRefused):
        await desk.enrol(token, request)
    desk.admit(present)
    assert len(desk.store.load().agents.tokens) == 1
