"""Checks on addresses and files in a configuration: what may be reached, and by whom."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from edge_agent.config import (
    AgentSection,
    BaySensorsSection,
    ClockSection,
    OcppSection,
    PileSection,
    TlsSection,
    UplinkSection,
)
from edge_agent.core.url import url_parts
from edge_agent.toml_source import TomlSource

Subnets = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] | None
"""The named networks of the piles; None where the file does not tell them readably."""


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


def check_addresses(
    agent: AgentSection | None,
    clock: ClockSection | None,
    secured: object,
    ocpp: OcppSection | None,
    source: TomlSource,
) -> None:
    """Notes addresses that are none, and those that are open to more than this machine.

    `secured` says whether the stream to the coordinator is.
    """
    listens = {
        "ocpp.listen": ocpp.listen if ocpp else None,
        "ocpp.listen_tls": ocpp.listen_tls if ocpp else None,
    }
    plain = ocpp is not None and ocpp.security_profile < 2
    if agent is not None:
        listens["agent.metrics"] = agent.metrics
        _check_coordinator(agent, clock, secured, source)
    for key, address in listens.items():
        if address is None:
            continue
        parts = split_address(address)
        if parts is None:
            source.report("CFG-012", f'"{address}" is not host:port', key)
        elif key == "agent.metrics" and not is_loopback(parts[0]):
            source.report("CFG-010", "metrics are served on loopback only", key)
        elif (
            key == "ocpp.listen"
            and plain
            and not is_loopback(parts[0])
            and source.sound("agent.pile_subnets")
            and not (agent and agent.pile_subnets)
        ):
            source.report(
                "CFG-010",
                f"plain ws:// on {parts[0]} is open to everybody there",
                key,
                hint="name the piles' networks in agent.pile_subnets",
            )


def _check_coordinator(
    agent: AgentSection, clock: ClockSection | None, secured: object, source: TomlSource
) -> None:
    key = "agent.coordinator"
    parts = split_address(agent.coordinator)
    if parts is None:
        source.report("CFG-012", f'"{agent.coordinator}" is not host:port', key)
        return
    if not secured and not is_loopback(parts[0]):
        source.report(
            "CFG-010", "a coordinator elsewhere needs TLS", key, hint="add [tls] with ca_file"
        )
    if clock is not None and clock.speed != 1.0 and not is_loopback(parts[0]):
        source.report("CFG-016", "a speed other than 1 is for loopback only", "clock.speed")


def check_sensors(
    sensors: BaySensorsSection | None, subnets: Subnets, folder: Path, source: TomlSource
) -> None:
    """Notes a broker that is none, one elsewhere without TLS, and a secret in the main file."""
    if sensors is None:
        return
    if sensors.ca_file and not (folder / sensors.ca_file).is_file():
        source.report("CFG-013", f"{sensors.ca_file} is not there", "bay_sensors.ca_file")
    key = "bay_sensors.mqtt"
    parts = url_parts(sensors.mqtt)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        source.report(
            "CFG-012", f'"{sensors.mqtt}" is no broker', key, hint='write "mqtt://127.0.0.1:1883"'
        )
    elif parts.scheme == "mqtt" and not _allowed(parts.hostname, subnets):
        source.report("CFG-010", "a broker elsewhere needs TLS", key, hint="write mqtts://")
    if "@" in parts.netloc:
        hint = "use username and password_file"
        source.report("CFG-013", "a login in the address is not used", key, hint=hint)


def check_modbus_host(section: PileSection, key: str, subnets: Subnets, source: TomlSource) -> None:
    """Notes a Modbus pile without host, or with one outside the named networks."""
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


def check_tls(
    tls: TlsSection | None, uplink: UplinkSection | None, folder: Path, source: TomlSource
) -> None:
    """Notes certificate files that are missing, keys that others may read, a vain enrolment."""
    _check_enrolment(uplink, tls, folder, source)
    if tls is None:
        return
    for name in ("ca_file", "cert_file"):
        value = getattr(tls, name)
        if value and not (folder / value).is_file():
            source.report("CFG-013", f"{value} is not there", f"tls.{name}")
    if tls.key_file:
        secret(folder / tls.key_file, "tls.key_file", source)


def _check_enrolment(
    uplink: UplinkSection | None, tls: TlsSection | None, folder: Path, source: TomlSource
) -> None:
    """Notes an enrolment that cannot be: no address, nobody to trust, a token open to others."""
    if uplink is None:
        return
    key = "uplink.enrol_at"
    if uplink.enrol_at is None:
        for name in ("token_file", "ca_hash"):
            if getattr(uplink, name):
                hint = "set enrol_at to the coordinator's port for cars"
                text = f"{name} is of no use without uplink.enrol_at"
                source.report("CFG-004", text, f"uplink.{name}", hint=hint)
        return
    if split_address(uplink.enrol_at) is None:
        source.report("CFG-012", f'"{uplink.enrol_at}" is not host:port', key)
    if tls is not None and tls.cert_file:
        text = "an agent that enrols keeps its certificate itself"
        source.report("CFG-013", text, "tls.cert_file", hint="leave out cert_file and key_file")
    if uplink.ca_hash is None and tls is None:
        hint = "set uplink.ca_hash, from: pilewise coordinator ca show"
        source.report("CFG-004", "an agent that enrols needs somebody to trust", key, hint=hint)
    # The file may be gone once the agent is enrolled.
    if uplink.token_file and (folder / uplink.token_file).exists():
        secret(folder / uplink.token_file, "uplink.token_file", source)


def secret(path: Path, key: str, source: TomlSource) -> str:
    """The text of a secret file without the end of line; refused if others may read it."""
    try:
        return secret_bytes(path, key, source).decode()
    except UnicodeDecodeError:
        source.report("CFG-013", f"{path.name} is no text", key)
        return ""


def secret_bytes(path: Path, key: str, source: TomlSource) -> bytes:
    """The bytes of a secret file without the end of line; refused if others may read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            source.report(
                "CFG-013", f"{path.name} may be read by others", key, hint=f"chmod 600 {path.name}"
            )
            return b""
        return path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        source.report("CFG-013", f"{path.name} cannot be read: {error.strerror}", key)
        return b""


def parse_subnets(agent: AgentSection | None, source: TomlSource) -> Subnets:
    """The named networks of the piles; None where one of them cannot be read."""
    key = "agent.pile_subnets"
    if not source.sound(key):
        return None
    readable = True
    found: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for text in agent.pile_subnets if agent else ():
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            source.report("CFG-012", f"no network: {error}", key)
            readable = False
    return found if readable else None


def _allowed(host: str, subnets: Subnets) -> bool:
    if subnets is None or is_loopback(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in subnet for subnet in subnets)
