"""The OCPP side of the agent made from its configuration; loaded only where `[ocpp]` is used."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

import structlog

from edge_agent.config import Config, OcppSection
from edge_agent.config_checks import is_loopback, parse_subnets, split_address
from edge_agent.core.reading import Detail, RecordKind
from edge_agent.errors import ConfigError
from edge_agent.host_clock import HostClock
from edge_agent.piles.ocpp_server import Alarm, OcppServer, Ports
from edge_agent.piles.ocpp_tls import TlsPaths, reason_of, server_context
from edge_agent.piles.port import Pile, Station
from edge_agent.uplink.spool import Spool
from edge_agent.watch import Watch

log: Final = structlog.get_logger("edge_agent.ocpp")


def build_server(
    config: Config,
    piles: Mapping[str, Pile],
    watch: Watch,
    spool: Spool,
    clock: HostClock,
    new_id: Callable[[], str],
) -> OcppServer:
    """The local central system with its ports, doors and stations; raises `ConfigError`."""
    assert config.ocpp is not None  # asked by the caller
    dialling = [pile for pile in config.piles if pile.door is not None]
    doors = [pile.door for pile in dialling if pile.door is not None]
    levels = {door.security_profile for door in doors}
    alarm = _alarm(
        {d.door.identity: d.facts.evse_ids[0] for d in dialling if d.door}, watch, spool, clock
    )
    _warn(config.ocpp)
    stations = {d.door.identity: cast(Station, piles[d.facts.pile_id]) for d in dialling if d.door}
    relays = None
    if any(pile.upstream is not None for pile in dialling):
        from edge_agent.relay_parts import Relays

        relays = Relays(config, stations, alarm, clock.now_ms, new_id)
        stations |= relays.by_identity
    server = OcppServer(
        _ports(config, levels),
        doors,
        stations,
        beside=relays.run if relays else None,
        accept_without_subprotocol=config.ocpp.accept_without_subprotocol,
        networks=parse_subnets(config.agent, config.source) or (),
        alarm=alarm,
        ping_s=config.ocpp.ping_s,
        key_files={
            d.door.identity: d.password_path for d in dialling if d.door and d.password_path
        },
    )
    if relays is not None:
        server.relays = relays.figures
    return server


def _ports(config: Config, levels: set[int]) -> Ports:
    ocpp = config.ocpp
    assert ocpp is not None
    listen = split_address(ocpp.listen)
    secure = (bool(levels) and min(levels) >= 2) or (not levels and ocpp.security_profile >= 2)
    separate = split_address(ocpp.listen_tls) if ocpp.listen_tls else None
    tls = separate or (listen if secure else None)
    plain = None if secure and separate is None else listen
    if tls is None:
        return Ports(plain)
    return Ports(plain, tls, _context(config, levels))


def _context(config: Config, levels: set[int]) -> ssl.SSLContext:
    ocpp = config.ocpp
    assert ocpp is not None
    folder = Path(config.source.file).parent
    said: set[str] = set()

    def failed(why: str) -> None:
        # A station that fails tries again for ever.
        log.log(10 if why in said else 30, "TLS handshake refused", why=why)
        said.add(why)

    def path(name: str | None) -> Path | None:
        return folder / name if name else None

    paths = TlsPaths(path(ocpp.cert_file), path(ocpp.key_file), path(ocpp.ca_file))
    secure = {level for level in levels if level >= 2}
    if 3 not in secure:
        paths = TlsPaths(paths.cert, paths.key)
    try:
        return server_context(paths, everybody_certified=secure == {3}, on_failure=failed)
    except (ssl.SSLError, OSError) as error:
        config.source.report(
            "CFG-013", f"TLS cannot be set up: {reason_of(error)}", "ocpp.cert_file"
        )
        raise ConfigError(config.source.problems) from error


def _alarm(
    evse_ids: Mapping[str, str], watch: Watch, spool: Spool, clock: HostClock
) -> Callable[[str, str, str], None]:
    def alarm(identity: str, reason: str, text: str) -> None:
        detail = Detail(reason=reason, text=text)
        record = watch.note(evse_ids[identity], RecordKind.EVENT, clock.now_ms(), detail)
        spool.offer([record])

    checked: Alarm = alarm
    return checked


def _warn(ocpp: OcppSection) -> None:
    address = split_address(ocpp.listen)
    if ocpp.security_profile < 2 and address is not None and not is_loopback(address[0]):
        log.warning(
            "OCPP without TLS: passwords and readings can be read on the way",
            listen=ocpp.listen,
            hint="set security_profile = 2 with cert_file and key_file",
        )
