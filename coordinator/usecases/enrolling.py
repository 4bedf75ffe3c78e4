"""How an agent comes to a certificate: a one-time token from the operator, then renewal by itself.

    IssueToken -> token (shown once, kept as a hash) -> Enroll: token + request -> certificate
    Renew: present certificate + request -> certificate

Who may speak with which certificate is in `agent_register.py`, how one is made in `trust/`.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NoReturn, Protocol

import structlog

from coordinator.auth_errors import TokenRefused
from coordinator.core.attempts import FailedAttempts
from coordinator.errors import FieldFault, FieldInvalid, Overloaded
from coordinator.usecases.agent_register import SUPERSEDED, AgentRegister
from coordinator.usecases.agent_store import BootstrapToken, EnrolledAgent, IssuedCertificate

log: Final = structlog.get_logger()

TOKEN_BYTES: Final = 24  # 192 bits
FAILURES: Final = 10
FAILURE_WINDOW_S: Final = 60.0
REQUEST_FIELD: Final = "certificate_request_der"
REQUEST_LIMIT: Final = 4_096


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate as it was made: chain in PEM, leaf first; `issuer` names who signed."""

    chain_pem: str
    serial: str
    issued_at_s: float
    valid_until_s: float
    issuer: str = ""


class Signer(Protocol):
    """An authority; requests that cannot be used are a ValueError that says why."""

    @property
    def trust_pem(self) -> str:
        """The authorities that are trusted from now on, PEM."""
        ...

    def key_of(self, request_der: bytes) -> str:
        """The hash of the public key of a request whose sender has the key."""
        ...

    def sign(self, request_der: bytes, district_id: str, agent_id: str, life_s: float) -> Signed:
        """A certificate for the agent."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long: certificates, tokens."""

    certificate_s: float = 7 * 86_400.0
    token_s: float = 86_400.0


class Enroller:
    """Issues tokens and certificates, one at a time."""

    def __init__(
        self,
        district_id: str,
        register: AgentRegister,
        signer: Signer,
        terms: Terms,
        system_s: Callable[[], float],
    ) -> None:
        self._district_id = district_id
        self._register = register
        self._signer = signer
        self._terms = terms
        self._system_s = system_s
        self._failed = FailedAttempts(FAILURES, FAILURE_WINDOW_S)

    @property
    def trust_pem(self) -> str:
        """The authorities that agents trust from now on, PEM."""
        return self._signer.trust_pem

    async def issue_token(self, agent_id: str) -> tuple[str, float]:
        """A one-time token for an agent, and until when it may be used; only its hash is kept."""
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        until_s = self._system_s() + self._terms.token_s
        token = BootstrapToken(_hash(secret), agent_id, self._district_id, until_s)
        async with self._register.changing:
            await self._register.keep(tokens=[token])
        log.info("bootstrap token issued", agent_id=agent_id)
        return secret, until_s

    async def enrol(self, agent_id: str, secret: str, request_der: bytes, peer: str) -> Signed:
        """A first certificate for the bearer of a token.

        Raises `TokenRefused`, always in the same words, `Overloaded` after many failures of one
        host, and `FieldInvalid` for a request that cannot be used, which costs no token.
        """
        host = peer.rpartition(":")[0]
        if wait_s := self._failed.wait_s(host, self._system_s()):
            raise Overloaded(f"failed enrolments from {host}", FAILURES, FAILURES, wait_s)
        async with self._register.changing:
            token = self._register.tokens.get(_hash(secret))
            fault = self._fault_of(token, agent_id)
            if token is None or fault:
                self._refuse(agent_id, host, peer, fault)
            key = self._key_of(request_der)
            # The very sender may come again: the answer may have been lost on its way.
            again = token.used_at_s is not None
            if again and token.key_sha256 != key:
                self._refuse(agent_id, host, peer, "token_replayed")
            known = self._register.agent(agent_id) or EnrolledAgent(agent_id)
            enrolment = known.enrolment if again else known.enrolment + 1
            signed = await self._sign(request_der, agent_id)
            now_s = self._system_s()
            agent = EnrolledAgent(agent_id, max(1, enrolment), now_s)
            tokens = [replace(token, used_at_s=now_s, key_sha256=key)]
            if not again:
                # Nor does the former gateway come back by its own token.
                former = [t for t in self._register.tokens_of(agent_id) if t.used_at_s is not None]
                tokens += [replace(one, valid_until_s=0.0) for one in former]
            await self._register.keep(agent, _issued(signed, agent), tokens)
        log.info("agent enrolled", agent_id=agent_id, enrolment=agent.enrolment)
        if not again:
            # Whoever speaks under this name now does so with a certificate of before.
            self._register.hang_up(agent_id, SUPERSEDED, 1.0)
        return signed

    async def renew(self, agent_id: str, request_der: bytes) -> Signed:
        """A further certificate for an agent that was just admitted; the present one stays good.

        It counts for the enrolment of now: another one, made meanwhile, shuts it out.
        """
        agent = self._register.agent(agent_id) or EnrolledAgent(agent_id)
        self._key_of(request_der)
        signed = await self._sign(request_der, agent_id)
        await self._register.keep(certificate=_issued(signed, agent))
        log.info("certificate renewed", agent_id=agent_id)
        return signed

    def _fault_of(self, token: BootstrapToken | None, agent_id: str) -> str:
        """Why a token opens nothing here; for our own log and alarm only."""
        if token is None:
            return "token_unknown"
        if token.valid_until_s <= self._system_s():
            return "token_expired"
        if token.agent_id != agent_id:
            return "token_of_another"
        return "" if token.district_id == self._district_id else "token_of_another_district"

    def _refuse(self, agent_id: str, host: str, peer: str, why: str) -> NoReturn:
        self._failed.note(host, self._system_s())
        self._register.alarm(why, agent_id, peer)
        raise TokenRefused

    def _key_of(self, request_der: bytes) -> str:
        if len(request_der) > REQUEST_LIMIT:
            raise FieldInvalid(FieldFault(REQUEST_FIELD, f"is longer than {REQUEST_LIMIT} bytes"))
        try:
            return self._signer.key_of(request_der)
        except ValueError as error:
            raise FieldInvalid(FieldFault(REQUEST_FIELD, str(error))) from error

    async def _sign(self, request_der: bytes, agent_id: str) -> Signed:
        life_s = self._terms.certificate_s
        return await asyncio.to_thread(
            self._signer.sign, request_der, self._district_id, agent_id, life_s
        )


def _issued(signed: Signed, agent: EnrolledAgent) -> IssuedCertificate:
    return IssuedCertificate(
        signed.serial,
        agent.agent_id,
        agent.enrolment,
        signed.issued_at_s,
        signed.valid_until_s,
        signed.issuer,
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
