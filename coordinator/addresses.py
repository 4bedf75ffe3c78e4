"""Addresses to listen at: what they look like, and which of them others could reach.

Who listens there, and with what, is decided elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from coordinator.errors import Problem


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port"; raises ValueError if it is none."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65_535:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_faults(name: str, address: str, where: str, *, tls: bool = False) -> Iterator[Problem]:
    """A fault if this cannot be listened at, or others could reach it unprotected."""
    try:
        host, _ = split_address(address)
    except ValueError as error:
        yield Problem("CFG-012", where, f"{name}: {error}", hint='e.g. "127.0.0.1:0"')
        return
    if not tls and not is_loopback(host):
        yield Problem(
            "CFG-010",
            where,
            f"{name}: {host} can be reached from other machines, and TLS is not configured",
            hint="listen on 127.0.0.1",
        )
