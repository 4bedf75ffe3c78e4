"""Parts of the agent made from its configuration; putting them together belongs to `app.py`.

OCPP and MQTT are imported only by agents that use them.
"""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import uuid_utils

from edge_agent.config import Config, PileConfig
from edge_agent.config_checks import split_address
from edge_agent.core.clock import DomainClock
from edge_agent.core.occupancy import FusionRules
from edge_agent.host_clock import HostClock
from edge_agent.piles.port import Pile
from edge_agent.uplink.channel import EnrolmentSettings, LinkSettings, TlsFiles
from edge_agent.uplink.lanes import BatchLimits
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.transactions import TransactionBook
from edge_agent.watch import MISSED_INTERVALS, Watch

if TYPE_CHECKING:
    from edge_agent.piles.ocpp_pile import OcppPile
    from edge_agent.piles.ocpp_server import OcppServer
    from edge_agent.sensors.mqtt import BaySensors


def new_id() -> str:
    """A fresh UUIDv7."""
    return str(uuid_utils.uuid7())


def fusion_rules(config: Config) -> dict[str, FusionRules]:
    """For each EVSE how long its pile and its sensors are believed."""
    ttl_s = config.bay_sensors.ttl_s if config.bay_sensors else FusionRules().bay_ttl_s
    return {
        evse_id: FusionRules(MISSED_INTERVALS * _interval_s(config, pile), ttl_s)
        for pile in config.piles
        for evse_id in pile.facts.evse_ids
    }


def polled_periods(config: Config) -> dict[str, float]:
    """The configured period of each EVSE that is polled, seconds; OCPP piles keep theirs."""
    return {
        evse_id: pile.period_s(config.agent)
        for pile in config.piles
        if pile.profile.is_modbus
        for evse_id in pile.facts.evse_ids
    }


def ocpp_pile(
    pile: PileConfig, config: Config, watch: Watch, spool: Spool, clock: HostClock
) -> OcppPile:
    """A pile that dials in; each version of OCPP is loaded only where it is spoken."""
    from edge_agent.piles.ocpp_pile import OcppSettings

    build: type[OcppPile]
    if pile.profile.transport == "ocpp2.0.1":
        from edge_agent.piles.ocpp201 import Ocpp201Pile

        build = Ocpp201Pile
    else:
        from edge_agent.piles.ocpp16 import Ocpp16Pile

        build = Ocpp16Pile
    assert config.ocpp is not None  # checked with the file
    settings = OcppSettings(
        heartbeat_s=config.agent.heartbeat_s,
        offline_grace_s=MISSED_INTERVALS * pile.period_s(config.agent),
        wishes=pile.profile.settings,
        authorize=config.ocpp.authorize,
        id_tags=frozenset(config.ocpp.id_tags),
        configures=pile.upstream is None or config.ocpp.configure_relayed,
    )
    return build(
        pile.facts.pile_id,
        pile.facts.evse_ids,
        settings,
        watch,
        TransactionBook(spool),
        clock.now_ms,
        new_id,
    )


def ocpp_server(
    config: Config, piles: dict[str, Pile], watch: Watch, spool: Spool, clock: HostClock
) -> OcppServer | None:
    """The local central system for the piles that dial in; None where there are none."""
    if config.ocpp is None:
        return None
    from edge_agent.ocpp_parts import build_server

    return build_server(config, piles, watch, spool, clock, new_id)


def bay_sensors(config: Config, watch: Watch, rng: random.Random) -> BaySensors | None:
    """The listener to bay sensors; None where no broker is named."""
    section = config.bay_sensors
    if section is None:
        return None
    from edge_agent.sensors.mqtt import BaySensors

    password = config.mqtt_password or None
    folder = Path(config.source.file).parent
    ca_file = folder / section.ca_file if section.ca_file else None
    return BaySensors(section.mqtt, section.prefix, watch, rng, section.username, password, ca_file)


def domain_clock(config: Config) -> DomainClock | None:
    """The configured domain clock; None means system UTC."""
    if config.clock is None:
        return None
    return DomainClock(config.clock.epoch_at_ms, config.clock.anchor_s, config.clock.speed)


def link_settings(config: Config, clock: HostClock) -> LinkSettings:
    """How the agent talks to its coordinator."""
    uplink = config.uplink
    enrolment = enrolment_settings(config)
    return LinkSettings(
        agent_id=config.agent.id,
        coordinator=config.agent.coordinator,
        clock=clock.domain,
        tls=None if enrolment else _tls_files(config),
        enrolment=enrolment,
        identity_dir=identity_dir(config),
        limits=BatchLimits(uplink.batch_records, uplink.batch_bytes, uplink.batch_linger_s),
        beat_s=uplink.beat_s,
        dead_s=uplink.dead_s,
        backoff_base_s=uplink.backoff_base_s,
        backoff_cap_s=uplink.backoff_cap_s,
    )


def _tls_files(config: Config) -> TlsFiles | None:
    if config.tls is None:
        return None
    folder, (cert, key) = (
        Path(config.source.file).parent,
        (config.tls.cert_file, config.tls.key_file),
    )
    return TlsFiles(
        folder / config.tls.ca_file,
        folder / cert if cert else None,
        folder / key if key else None,
    )


def identity_dir(config: Config) -> Path | None:
    """Where the agent keeps an identity of its own; None where it keeps none."""
    return config.data_dir / "identity" if config.uplink.enrol_at else None


def enrolment_settings(config: Config) -> EnrolmentSettings | None:
    """Where and as whom the agent enrols; None where it does not."""
    uplink, folder = config.uplink, Path(config.source.file).parent
    if uplink.enrol_at is None:
        return None
    return EnrolmentSettings(
        agent_id=config.agent.id,
        address=uplink.enrol_at,
        token_file=folder / uplink.token_file if uplink.token_file else None,
        ca_file=folder / config.tls.ca_file if config.tls else None,
        ca_hash=uplink.ca_hash or "",
    )


def check_ports(config: Config, held: Config | None = None) -> None:
    """Raises `ConfigError` naming every listening port that is taken, by others than `held`."""
    ours = set(_listens(held).values()) if held else set()
    for key, address in _listens(config).items():
        parts = split_address(address) if address else None
        if parts is None or parts[1] == 0 or address in ours:
            continue
        family = socket.AF_INET6 if ":" in parts[0] else socket.AF_INET
        with contextlib.closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(parts)
            except OSError as error:
                report_port(config, key, address or "", error)
    config.source.finish()


def _listens(config: Config) -> dict[str, str | None]:
    return {
        "ocpp.listen": config.ocpp.listen if config.ocpp else None,
        "ocpp.listen_tls": config.ocpp.listen_tls if config.ocpp else None,
        "agent.metrics": config.agent.metrics,
    }


def report_port(config: Config, key: str, address: str, error: OSError) -> None:
    """Notes that an address cannot be listened on."""
    config.source.report(
        "CFG-011",
        f"{address} cannot be listened on: {error.strerror}",
        key,
        hint="stop what uses the port, or write another one; 0 takes a free one",
    )


def _interval_s(config: Config, pile: PileConfig) -> float:
    if pile.profile.transport.startswith("ocpp"):
        return config.agent.heartbeat_s
    return pile.period_s(config.agent)
