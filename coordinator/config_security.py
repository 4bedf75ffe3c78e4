"""The section `[security]`, and what sections together must not allow.

What each section must not allow by itself is judged beside it; other sections are in `config.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from coordinator.addresses import is_loopback, split_address
from coordinator.errors import Problem

PAGE = "see docs/hardening.md"


class SecuritySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How strict a start is."""

    # True: a start is refused that trusts anybody or anything it need not.
    production: bool = False


def security_faults(data: Mapping[str, Any], where: Callable[[str], str]) -> Iterator[Problem]:
    """Combinations that are refused; `where` gives file and line of a dotted key."""
    asked = any(_value(data, "identity", key, "") for key in ("jwks_file", "token_file"))
    speed = _value(data, "clock", "speed", 1.0)
    open_to = _open_to(data)
    if open_to:
        key, host = open_to
        if not asked:
            # Every address serves every service: a certificate keeps cars out, not an agent in.
            text = f"{host} can be reached from other machines, and nobody there is asked who it is"
            hint = f"name identity.jwks_file or identity.token_file; {PAGE}"
            yield Problem("CFG-032", where(key), text, hint=hint)
        if speed != 1.0:
            text = f"a speed other than 1 is for loopback only, and {host} is not"
            yield Problem("CFG-016", where("clock.speed"), text, hint="leave [clock] out")
    if _value(data, "security", "production", False) is True:
        yield from _production(data, where, asked=asked, speed=speed)


def _production(
    data: Mapping[str, Any], where: Callable[[str], str], *, asked: bool, speed: Any
) -> Iterator[Problem]:
    """What is fine on a bench and not where people charge."""
    if _value(data, "models", "allow_unsigned", False):
        text = "production takes no unsigned models"
        hint = "sign the bundle, name models.trusted_keys, and take allow_unsigned out"
        yield Problem("CFG-033", where("models.allow_unsigned"), text, hint=hint)
    if not asked:
        text = "production asks everybody who they are"
        hint = f"name identity.jwks_file or identity.token_file; {PAGE}"
        yield Problem("CFG-033", where("security.production"), text, hint=hint)
    if _value(data, "identity", "anonymous", ()):
        text = "production lets nobody do anything without a token"
        hint = "take anonymous out, and give those callers tokens"
        yield Problem("CFG-033", where("identity.anonymous"), text, hint=hint)
    if _value(data, "coordinator", "agent_open", True):
        text = "production takes no pile from an agent that it was not assigned to"
        hint = "set agent_open = false, and assign piles: pilewise coordinator agents"
        yield Problem("CFG-033", where("coordinator.agent_open"), text, hint=hint)
    if speed != 1.0:
        text = "production runs in real time"
        yield Problem("CFG-033", where("clock.speed"), text, hint="leave [clock] out")


def _open_to(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first address that other machines reach, and its key; None if there is none."""
    for table, key in (("coordinator", "listen"), ("tls", "agents_listen")):
        address = _value(data, table, key, "")
        try:
            host, _ = split_address(address)
        except (ValueError, AttributeError):
            continue  # none, or told elsewhere
        if not is_loopback(host):
            return f"{table}.{key}", host
    return None


def _value(data: Mapping[str, Any], table: str, key: str, default: Any) -> Any:
    section = data.get(table)
    return section.get(key, default) if isinstance(section, dict) else default
