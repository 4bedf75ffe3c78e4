"""What decides about agents, put together: who may speak, who gives certificates, which end soon.

The other parts of a coordinator are made in `parts.py`.
"""

from __future__ import annotations

from pathlib import Path

from coordinator.clock import Clock
from coordinator.config import Config
from coordinator.jobs.certificates import CertificateWatch
from coordinator.usecases.agent_register import AgentRegister, Around
from coordinator.usecases.enrolling import Enroller, Terms
from coordinator.usecases.events import Events
from coordinator.usecases.telemetry import Snapshot, TelemetryStore


def make_register(
    config: Config, store: TelemetryStore, known: Snapshot, around: Around
) -> AgentRegister:
    """Who may speak as an agent: whose certificate says so, where there is TLS."""
    name, needed = config.coordinator.district, config.tls.enabled
    return AgentRegister(name, store, known.agents, around, required=needed)


def make_enroller(config: Config, register: AgentRegister, clock: Clock) -> Enroller | None:
    """Who gives certificates, where the district has an authority; raises `AuthorityUnusable`."""
    section = config.enrolment
    if not section.ca_dir:
        return None
    # Imported late, because only this needs cryptography.
    from coordinator.trust.authority import Authority

    terms = Terms(section.certificate_days * 86_400.0, section.token_hours * 3_600.0)
    signer = Authority(Path(section.ca_dir))
    return Enroller(config.coordinator.district, register, signer, terms, clock.system_s)


def watch_certificates(config: Config, events: Events, clock: Clock) -> CertificateWatch:
    """What warns before the server's certificate ends, and that of the district's authority."""
    files = {"server": Path(config.tls.cert_file)}
    if config.enrolment.ca_dir:
        files["authority"] = Path(config.enrolment.ca_dir) / "authority.pem"
    return CertificateWatch(files, events, clock.system_s)
