"""What is kept of agents: enrolments, certificates, tokens that are out; and who keeps it.

Times are system UTC, seconds since 1970, as in certificates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EnrolledAgent:
    """An agent that was enrolled or shut out; `enrolment` counts, 0 before the first one."""

    agent_id: str
    enrolment: int = 0
    enrolled_at_s: float = 0.0
    revoked_at_s: float | None = None
    revoked_why: str = ""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that this district's authority gave; `serial` is hexadecimal."""

    serial: str
    agent_id: str
    enrolment: int
    issued_at_s: float
    valid_until_s: float
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """A one-time token by its hash; `key_sha256` is of the public key that it was used for."""

    token_sha256: str
    agent_id: str
    district_id: str
    valid_until_s: float
    used_at_s: float | None = None
    key_sha256: str = ""


@dataclass(frozen=True, slots=True)
class KnownAgents:
    """All of it, as a coordinator finds it when it starts."""

    agents: list[EnrolledAgent] = field(default_factory=list)
    certificates: list[IssuedCertificate] = field(default_factory=list)
    tokens: list[BootstrapToken] = field(default_factory=list)


class AgentStore(Protocol):
    """What keeps it; each call is durable, whole or not at all, on return."""

    async def put_agents(
        self,
        agents: Sequence[EnrolledAgent] = (),
        certificates: Sequence[IssuedCertificate] = (),
        tokens: Sequence[BootstrapToken] = (),
        *,
        forget_before_s: float = 0.0,
    ) -> None:
        """Adds or replaces; tokens and certificates that ended before then are forgotten."""
        ...
