"""How the coordinator is reached: settings of the link, keepalive, TLS, no hidden back-off."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import grpc

from edge_agent.core.clock import DomainClock
from edge_agent.uplink.lanes import BatchLimits


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files of a secured channel: the trusted CA, and the agent's own certificate if it has one."""

    ca_file: Path
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class EnrolmentSettings:
    """Where and as whom the agent enrols; one of `ca_file` and `ca_hash` says whom it trusts."""

    agent_id: str
    address: str
    token_file: Path | None = None
    ca_file: Path | None = None
    ca_hash: str = ""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How the agent talks to its coordinator; all durations are real seconds.

    `enrolment` is there where the agent keeps an identity of its own, in `identity_dir`, and then
    `tls` is not.
    """

    agent_id: str
    coordinator: str
    clock: DomainClock
    tls: TlsFiles | None = None
    enrolment: EnrolmentSettings | None = None
    identity_dir: Path | None = None
    limits: BatchLimits = field(default_factory=BatchLimits)
    beat_s: float = 20.0
    dead_s: float = 60.0
    reply_timeout_s: float = 20.0
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 40.0


_OPTIONS = [
    # Half-open links are noticed within 25 s instead of never; an answer may take 10 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Where the peer's kernel still answers, only this one counts; it is 60 s by default.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Each try is a connection of its own: back-off is ours, and names resolve anew.
    ("grpc.use_local_subchannel_pool", 1),
]


def open_channel(address: str, tls: TlsFiles | None) -> grpc.aio.Channel:
    """A fresh channel, to be closed after one stream; raises OSError for unreadable files."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        tls.ca_file.read_bytes(),
        tls.key_file.read_bytes() if tls.key_file else None,
        tls.cert_file.read_bytes() if tls.cert_file else None,
    )
    return grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
