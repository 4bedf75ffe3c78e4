"""The section `[store]`: where promises are kept.

Other sections are in `config.py`; what opens it is in `ledger_parts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from coordinator.addresses import is_loopback
from coordinator.errors import Problem

# Hosts, by keyword and in addresses; whether a server proves itself, or openly need not.
_HOSTS = re.compile(r"(?:^|[\s?&])host(?:addr)?\s*=\s*'?([^\s&']*)|://(?:[^/@\s]*@)?([^/?\s]*)")
_PORT = re.compile(r":\d*$")
_SSLMODE = re.compile(r"(?:^|[\s?&])sslmode\s*=\s*'?(?:verify-full|verify-ca|disable)\b")
_PASSWORD = re.compile(r"(?:^|[\s?&])(?:ssl)?password\s*=|://[^/@\s]*:[^/@\s]*@")


class StoreSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine of the ledger; readings and lists are in SQLite in any case."""

    engine: Literal["sqlite", "postgres"] = "sqlite"
    # How PostgreSQL is reached, as libpq takes it; several hosts for a primary and its standbys.
    dsn: str = ""


def _far(dsn: str) -> bool:
    """Whether a host of it is not this machine; a path is a socket of it."""
    hosts: list[str] = []
    for keyword, authority in _HOSTS.findall(dsn):
        hosts += keyword.split(",")
        hosts += (_PORT.sub("", host).strip("[]") for host in authority.split(","))
    return any(host and host[0] != "/" and not is_loopback(host) for host in hosts)


def store_faults(section: Any, clock: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """What its types cannot show; `where` gives file and line of a key."""
    if not isinstance(section, dict):
        return
    dsn, shared = section.get("dsn", ""), section.get("engine") == "postgres"
    if isinstance(dsn, str) and _PASSWORD.search(dsn):
        text = "dsn holds a password, which anybody reads who reads the configuration"
        hint = "name a file of mode 0600 instead: passfile=/etc/pilewise/pgpass"
        yield Problem("CFG-005", where("dsn"), text, hint=hint)
    if shared and isinstance(dsn, str) and _far(dsn) and not _SSLMODE.search(dsn):
        text = "dsn names another machine, and nothing proves who answers there"
        hint = "sslmode=verify-full sslrootcert=FILE, or sslmode=disable where the line is your own"
        yield Problem("CFG-010", where("dsn"), text, hint=hint)
    if shared and not dsn:
        hint = 'e.g. "host=127.0.0.1 dbname=pilewise user=pilewise passfile=/etc/pilewise/pgpass"'
        yield Problem("CFG-004", where("engine"), "store.dsn is missing", hint=hint)
    speed = clock.get("speed", 1.0) if isinstance(clock, dict) else 1.0
    if shared and speed != 1.0:
        text = "engine postgres needs clock.speed 1: its leases end by the database's clock"
        yield Problem("CFG-005", where("engine"), text, hint='engine = "sqlite" plays time')
