"""Checks on `[ocpp]`: who comes in how, with which files, and where the operator's system is.

The judgement of a handshake belongs to `core/ocpp_admission.py`.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge_agent.config import Config, OcppSection, PileConfig, PileSection, UpstreamConfig
from edge_agent.config_checks import is_loopback, secret_bytes, split_address
from edge_agent.core.ocpp_admission import PROFILES, Door, key_forms, url_for
from edge_agent.core.profile import Profile
from edge_agent.core.url import url_parts
from edge_agent.toml_source import TomlSource

# Stands for an address that only the gateway's own network knows.
THIS_GATEWAY: Final = "ADDRESS-OF-THIS-GATEWAY"
_EVERYWHERE: Final = ("0.0.0.0", "::", "*")


def dial_url(config: Config, pile: PileConfig, host: str = "", port: int = 0) -> str:
    """The exact URL to type into a pile, or "" for one that does not dial in.

    `host` is the gateway's address as the pile sees it; needed where the agent listens everywhere
    and `ocpp.url` is not set. `port` is the one that is bound, where the file leaves the choice.
    """
    if pile.door is None or config.ocpp is None:
        return ""
    secure = pile.door.security_profile >= 2
    if config.ocpp.url:
        base = url_parts(config.ocpp.url)
        rest = base._replace(scheme="wss" if secure else "ws").geturl()
        return url_for(rest, pile.door.identity)
    address = split_address((secure and config.ocpp.listen_tls) or config.ocpp.listen)
    assert address is not None  # checked with the file
    shown = (host or THIS_GATEWAY) if address[0] in _EVERYWHERE else address[0]
    shown = f"[{shown}]" if ":" in shown else shown
    return url_for(
        f"{'wss' if secure else 'ws'}://{shown}:{address[1] or port}/", pile.door.identity
    )


def check_ocpp(ocpp: OcppSection | None, folder: Path, source: TomlSource) -> None:
    """Notes files of `[ocpp]` that are missing or open to others, and addresses that are none."""
    if ocpp is None:
        return
    for name in ("cert_file", "ca_file", "upstream_ca_file", "upstream_cert_file"):
        value = getattr(ocpp, name)
        if value and not (folder / value).is_file():
            source.report("CFG-013", f"{value} is not there", f"ocpp.{name}")
    for name in ("key_file", "upstream_key_file"):
        value = getattr(ocpp, name)
        if value:
            secret_bytes(folder / value, f"ocpp.{name}", source)
    for name, other in (("cert_file", "key_file"), ("upstream_cert_file", "upstream_key_file")):
        if bool(getattr(ocpp, name)) != bool(getattr(ocpp, other)):
            source.report("CFG-013", f"{name} and {other} go together", f"ocpp.{name}")
    if ocpp.url:
        base = url_parts(ocpp.url)
        if base.scheme not in ("ws", "wss") or not base.hostname or base.path.strip("/"):
            note = "everything after the host is the identity of a pile"
            source.report("CFG-012", f'"{ocpp.url}" is not ws://host:port', "ocpp.url", note=note)
    if ocpp.upstream:
        _check_upstream(ocpp.upstream, "ocpp.upstream", source)


def pile_door(
    section: PileSection,
    profile: Profile,
    key: str,
    ocpp: OcppSection,
    source: TomlSource,
    folder: Path,
) -> Door:
    """How a pile comes in, after what is wrong with that was noted."""
    identity = section.identity or section.uid
    keys: tuple[bytes, ...] = ()
    if section.password_file:
        keys = station_keys(folder / section.password_file, f"{key}.password_file", source)
    level = ocpp.security_profile
    if section.security_profile is not None:
        if section.security_profile < level:
            source.report(
                "CFG-031",
                f"pile {section.uid} may not go below security profile {level}",
                f"{key}.security_profile",
                note="the profile of [ocpp] is the lowest; a pile may only have a higher one",
            )
        level = max(level, section.security_profile)
    elif level == 0 and section.password_file:
        level = 1
    _check_level(section, level, key, ocpp, source)
    return Door(identity, (profile.transport,), level, keys)


def _check_level(
    section: PileSection, level: int, key: str, ocpp: OcppSection, source: TomlSource
) -> None:
    address = split_address(ocpp.listen)
    if level == 0 and address is not None and not is_loopback(address[0]):
        if source.sound(f"{key}.password_file"):
            source.report(
                "CFG-010",
                f"pile {section.uid} would dial an open port without a password",
                key,
                note="an identity in a URL proves nothing; outside loopback Basic auth is needed",
                hint="set password_file",
            )
    elif level in (1, 2) and not section.password_file and source.sound(f"{key}.password_file"):
        source.report(
            "CFG-031",
            f"security profile {level} is {PROFILES[level]}, and pile {section.uid} has none",
            key,
            hint="set password_file",
        )
    needed = {2: ("cert_file", "key_file"), 3: ("cert_file", "key_file", "ca_file")}.get(level, ())
    for name in needed:
        if not getattr(ocpp, name) and source.sound(f"ocpp.{name}"):
            source.report(
                "CFG-031",
                f"security profile {level} of pile {section.uid} needs {name}",
                f"ocpp.{name}",
            )


def station_keys(path: Path, key: str, source: TomlSource) -> tuple[bytes, ...]:
    """The byte forms of the password in a file, or none after its mistake was noted."""
    before = len(source.problems)
    secret = secret_bytes(path, key, source)
    keys = key_forms(secret)
    if not keys and len(source.problems) == before:
        hint = "openssl rand -hex 20 makes a good one"
        source.report("CFG-030", _length_wrong(path, secret), key, hint=hint)
    return keys


def read_keys(path: Path) -> tuple[tuple[bytes, ...], str]:
    """The same for a file that may have changed while running: keys, or none and why."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            return (), f"{path.name} may be read by others"
        secret = path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        return (), f"{path.name} cannot be read: {error.strerror}"
    keys = key_forms(secret)
    return keys, "" if keys else _length_wrong(path, secret)


def _length_wrong(path: Path, secret: bytes) -> str:
    return f"the password in {path.name} has {len(secret)} bytes, expected 16 to 40"


def pile_upstream(
    section: PileSection, key: str, ocpp: OcppSection, source: TomlSource, folder: Path
) -> UpstreamConfig | None:
    """Where a pile's frames go on to; None where they end here."""
    url = ocpp.upstream if section.upstream is None else section.upstream
    if not url:
        return None
    if section.upstream:
        _check_upstream(section.upstream, f"{key}.upstream", source)
    file, at = section.upstream_password_file, f"{key}.upstream_password_file"
    if file is None:
        file, at = ocpp.upstream_password_file, "ocpp.upstream_password_file"

    def path(name: str | None) -> Path | None:
        return folder / name if name else None

    return UpstreamConfig(
        url,
        secret_bytes(folder / file, at, source) if file else b"",
        path(ocpp.upstream_ca_file),
        path(ocpp.upstream_cert_file),
        path(ocpp.upstream_key_file),
    )


def check_doors(doors: Sequence[Door], ocpp: OcppSection | None, source: TomlSource) -> None:
    """Notes identities that two piles share, and ports that would have to be plain and TLS."""
    if ocpp is None:
        return
    seen: set[str] = set()
    for door in doors:
        if door.identity in seen:
            source.report("CFG-006", f'two piles have the identity "{door.identity}"', "pile")
        seen.add(door.identity)
    levels = {door.security_profile >= 2 for door in doors}
    if len(levels) == 2 and not ocpp.listen_tls and source.sound("ocpp.listen_tls"):
        source.report(
            "CFG-031",
            "some piles use ws:// and some wss://, which one port cannot serve",
            "ocpp.listen",
            hint="add listen_tls for those with security profile 2 or 3",
        )


def _check_upstream(url: str, key: str, source: TomlSource) -> None:
    parts = url_parts(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        hint = 'write "wss://csms.example/ocpp"'
        source.report("CFG-012", f'"{url}" is no central system', key, hint=hint)
    elif parts.scheme == "ws" and not is_loopback(parts.hostname):
        source.report("CFG-010", "a central system elsewhere needs TLS", key, hint="write wss://")
