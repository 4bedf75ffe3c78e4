"""A configuration file becomes a `Config`, or every mistake in it at once, each with its line."""

from __future__ import annotations

import difflib
import ipaddress
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edge_agent.config import (
    AgentSection,
    BaySensorsSection,
    ClockSection,
    Config,
    ConnectorSection,
    OcppSection,
    PileConfig,
    PileSection,
    TlsSection,
    UplinkSection,
)
from edge_agent.core.facts import (
    CONFIG,
    CONNECTOR_STANDARDS,
    PROFILE,
    ConnectorFacts,
    PileFacts,
    power_type_of,
)
from edge_agent.core.profile import Profile
from edge_agent.core.profile_file import ProfileError
from edge_agent.profiles import load_profile, profile_names
from edge_agent.toml_source import TomlSource

Subnets = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
_SECTIONS: Final = ("agent", "pile", "clock", "tls", "uplink", "ocpp", "bay_sensors")


def load_config(path: Path) -> Config:
    """The configuration in a file; raises `ConfigError` with every mistake at once."""
    source = TomlSource(path)
    tables = source.tables
    source.only_known(tables, "", _SECTIONS)
    agent = source.section(AgentSection, "agent", required=True)
    clock = source.section(ClockSection, "clock")
    tls = source.section(TlsSection, "tls")
    uplink = source.section(UplinkSection, "uplink")
    ocpp = source.section(OcppSection, "ocpp")
    sensors = source.section(BaySensorsSection, "bay_sensors")
    sections = source.sections(PileSection, "pile")
    folder = path.parent
    subnets = _subnets(agent, source)
    _check_pile_ids(source)
    _check_addresses(agent, clock, tls, ocpp, source)
    _check_sensors(sensors, subnets, source)
    _check_tls(tls, folder, source)
    password = ""
    if sensors is not None and sensors.password_file:
        password = _secret(folder / sensors.password_file, "bay_sensors.password_file", source)
    piles = [
        _pile(section, f"pile[{i}]", i, agent, ocpp, source, subnets, folder)
        for i, section in enumerate(sections)
        if section is not None
    ]
    source.finish()
    assert agent is not None  # a missing section was reported
    return Config(
        agent=agent,
        piles=tuple(pile for pile in piles if pile is not None),
        clock=clock,
        tls=tls,
        uplink=uplink or UplinkSection(),
        ocpp=ocpp,
        bay_sensors=sensors,
        data_dir=folder / agent.data_dir,
        mqtt_password=password,
        source=source,
    )


def split_address(address: str) -> tuple[str, int] | None:
    """Host and port of `host:port` or `[v6]:port`; None where it is neither.

    >>> split_address("127.0.0.1:50051"), split_address("[::1]:0"), split_address("here")
    (('127.0.0.1', 50051), ('::1', 0), None)
    """
    try:
        parts = urlsplit(f"//{address}")
        if parts.hostname and parts.port is not None and not parts.path:
            return parts.hostname, parts.port
    except ValueError:
        pass
    return None


def is_loopback(host: str) -> bool:
    """True for addresses that cannot leave this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pile(
    section: PileSection,
    key: str,
    index: int,
    agent: AgentSection | None,
    ocpp: OcppSection | None,
    source: TomlSource,
    subnets: Subnets,
    folder: Path,
) -> PileConfig | None:
    profile = _profile(section, key, source)
    plugs = _plugs(section, profile, key, source)
    if profile is None:
        return None
    password = ""
    if section.password_file:
        password = _secret(folder / section.password_file, f"{key}.password_file", source)
    if profile.transport == "modbus-tcp":
        _check_modbus_host(section, key, subnets, source)
    elif ocpp is None:
        hint = 'add [ocpp] with listen = "127.0.0.1:9000"'
        source.report(
            "CFG-009", f"pile {section.uid} dials in, but nothing listens", key, hint=hint
        )
    else:
        address = split_address(ocpp.listen)
        if address is not None and not is_loopback(address[0]) and not password:
            source.report(
                "CFG-010",
                f"pile {section.uid} would dial an open port without a password",
                key,
                note="an identity in a URL proves nothing; outside loopback Basic auth is needed",
                hint="set password_file",
            )
    default_label = f"{agent.id if agent else ''}*P{index + 1}"
    return PileConfig(section, profile, _facts(section, profile, plugs, default_label), password)


def _facts(
    section: PileSection, profile: Profile, plugs: tuple[ConnectorFacts, ...], label: str
) -> PileFacts:
    told = ("label", "maker", "model", "serial", "station_id", "commissioned_at", "latitude_deg")
    sources = {name: CONFIG for name in told if getattr(section, name) is not None}
    maker, model = section.maker or "", section.model or ""
    # The profile of a whole protocol knows no maker.
    if profile.transport != "ocpp1.6":
        for name in ("maker", "model"):
            sources.setdefault(name, PROFILE)
        maker, model = maker or profile.maker, model or profile.model
    started = section.commissioned_at
    return PileFacts(
        pile_id=section.uid,
        label=section.label or label,
        connectors=plugs,
        maker=maker,
        model=model,
        serial=section.serial or "",
        commissioned_at_ms=None if started is None else round(started.timestamp() * 1000),
        latitude_deg=section.latitude_deg,
        longitude_deg=section.longitude_deg,
        station_id=section.station_id or "",
        sources=sources,
    )


def _profile(section: PileSection, key: str, source: TomlSource) -> Profile | None:
    try:
        return load_profile(section.profile)
    except KeyError:
        near = difflib.get_close_matches(section.profile, profile_names(), 1)
        source.report(
            "CFG-007",
            f'unknown profile "{section.profile}"',
            f"{key}.profile",
            note=f"known profiles: {', '.join(profile_names())}",
            hint=f'set profile = "{near[0]}"' if near else "",
        )
    except ProfileError as error:
        source.report("CFG-017", str(error), f"{key}.profile")
    return None


def _plugs(
    section: PileSection, profile: Profile | None, key: str, source: TomlSource
) -> tuple[ConnectorFacts, ...]:
    found: list[ConnectorFacts] = []
    for i, plug in enumerate(section.connector):
        if plug.standard not in CONNECTOR_STANDARDS:
            _unknown_standard(plug, f"{key}.connector[{i}].standard", source)
        kind = plug.power_type or power_type_of(plug.standard, plug.max_power_kw)
        found.append(ConnectorFacts(plug.standard, kind, plug.max_power_kw))
    if found or profile is None:
        return tuple(found)
    if not profile.connectors:
        source.report(
            "CFG-004",
            f"pile {section.uid} needs its connectors, because profile {profile.profile_id} "
            "does not know them",
            key,
            hint="add [[pile.connector]] with standard and max_power_kw",
        )
    return tuple(
        ConnectorFacts(
            plug.standard,
            profile.power_type or power_type_of(plug.standard, plug.max_power_kw),
            plug.max_power_kw,
        )
        for plug in profile.connectors
    )


def _unknown_standard(plug: ConnectorSection, key: str, source: TomlSource) -> None:
    near = difflib.get_close_matches(plug.standard.replace("-", "_"), CONNECTOR_STANDARDS, 1)
    source.report(
        "CFG-014",
        f'unknown connector standard "{plug.standard}"',
        key,
        note=f"{len(CONNECTOR_STANDARDS)} OCPI names are accepted"
        + (f"; the nearest is {near[0]}" if near else ""),
        hint=f'set standard = "{near[0]}"' if near else "",
    )


def _check_pile_ids(source: TomlSource) -> None:
    """Over the raw tables, so that a pile with another mistake is compared too."""
    tables = source.tables.get("pile", [])
    seen: dict[object, int] = {}
    for i, table in enumerate(tables if isinstance(tables, list) else []):
        uid = table.get("uid") if isinstance(table, dict) else None
        if not isinstance(uid, str):
            continue
        if uid in seen:
            line = source.line(f"pile[{seen[uid]}].uid")
            source.report(
                "CFG-006",
                f'duplicate pile id "{uid}"',
                f"pile[{i}].uid",
                note=f"first on line {line}",
            )
        seen.setdefault(uid, i)


def _check_addresses(
    agent: AgentSection | None,
    clock: ClockSection | None,
    tls: TlsSection | None,
    ocpp: OcppSection | None,
    source: TomlSource,
) -> None:
    listens = {"ocpp.listen": ocpp.listen if ocpp else None}
    if agent is not None:
        listens["agent.metrics"] = agent.metrics
        _check_coordinator(agent, clock, tls, source)
    for key, address in listens.items():
        if address is None:
            continue
        parts = split_address(address)
        if parts is None:
            source.report("CFG-012", f'"{address}" is not host:port', key)
        elif key == "agent.metrics" and not is_loopback(parts[0]):
            source.report("CFG-010", "metrics are served on loopback only", key)
        elif not is_loopback(parts[0]) and not (agent and agent.pile_subnets):
            source.report(
                "CFG-010",
                f"plain ws:// on {parts[0]} is open to everybody there",
                key,
                hint="name the piles' networks in agent.pile_subnets",
            )


def _check_coordinator(
    agent: AgentSection, clock: ClockSection | None, tls: TlsSection | None, source: TomlSource
) -> None:
    key = "agent.coordinator"
    parts = split_address(agent.coordinator)
    if parts is None:
        source.report("CFG-012", f'"{agent.coordinator}" is not host:port', key)
        return
    if tls is None and not is_loopback(parts[0]):
        source.report(
            "CFG-010", "a coordinator elsewhere needs TLS", key, hint="add [tls] with ca_file"
        )
    if clock is not None and clock.speed != 1.0 and not is_loopback(parts[0]):
        source.report("CFG-016", "a speed other than 1 is for loopback only", "clock.speed")


def _check_sensors(sensors: BaySensorsSection | None, subnets: Subnets, source: TomlSource) -> None:
    if sensors is None:
        return
    key = "bay_sensors.mqtt"
    parts = urlsplit(sensors.mqtt)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        source.report(
            "CFG-012", f'"{sensors.mqtt}" is no broker', key, hint='write "mqtt://127.0.0.1:1883"'
        )
    elif parts.scheme == "mqtt" and not _allowed(parts.hostname, subnets):
        source.report("CFG-010", "a broker elsewhere needs TLS", key, hint="write mqtts://")


def _check_modbus_host(
    section: PileSection, key: str, subnets: Subnets, source: TomlSource
) -> None:
    if section.host is None:
        source.report("CFG-004", f"pile {section.uid} needs a host", f"{key}.host")
    elif not _allowed(section.host, subnets):
        source.report(
            "CFG-010",
            f"{section.host} is in none of the piles' networks",
            f"{key}.host",
            note="Modbus has no security, so the networks it may cross are named",
            hint="add its network to agent.pile_subnets, and write an address, not a name",
        )


def _check_tls(tls: TlsSection | None, folder: Path, source: TomlSource) -> None:
    if tls is None:
        return
    for name in ("ca_file", "cert_file"):
        value = getattr(tls, name)
        if value and not (folder / value).is_file():
            source.report("CFG-013", f"{value} is not there", f"tls.{name}")
    if tls.key_file:
        _secret(folder / tls.key_file, "tls.key_file", source)


def _secret(path: Path, key: str, source: TomlSource) -> str:
    """The text of a secret file without the end of line; refused if others may read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            source.report(
                "CFG-013", f"{path.name} may be read by others", key, hint=f"chmod 600 {path.name}"
            )
            return ""
        return path.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        source.report("CFG-013", f"{path.name} cannot be read: {error.strerror}", key)
        return ""


def _subnets(agent: AgentSection | None, source: TomlSource) -> Subnets:
    found: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for text in agent.pile_subnets if agent else ():
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            source.report("CFG-012", f"no network: {error}", "agent.pile_subnets")
    return found


def _allowed(host: str, subnets: Subnets) -> bool:
    if is_loopback(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in subnet for subnet in subnets)
