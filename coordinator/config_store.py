"""The section `[store]`: where promises are kept.

Other sections are in `config.py`; what opens it is in `ledger_parts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from coordinator.errors import Problem

_PASSWORD = re.compile(r"(?:^|[\s?&])(?:ssl)?password\s*=|://[^/@\s]*:[^/@\s]*@")


class StoreSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine of the ledger; readings and lists are in SQLite in any case."""

    engine: Literal["sqlite", "postgres"] = "sqlite"
    # How PostgreSQL is reached, as libpq takes it; several hosts for a primary and its standbys.
    dsn: str = ""


def store_faults(section: Any, clock: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """What its types cannot show; `where` gives file and line of a key."""
    if not isinstance(section, dict):
        return
    dsn, shared = section.get("dsn", ""), section.get("engine") == "postgres"
    if isinstance(dsn, str) and _PASSWORD.search(dsn):
        text = "dsn holds a password, which anybody reads who reads the configuration"
        hint = "name a file of mode 0600 instead: passfile=/etc/pilewise/pgpass"
        yield Problem("CFG-005", where("dsn"), text, hint=hint)
    if shared and not dsn:
        hint = 'e.g. "host=127.0.0.1 dbname=pilewise user=pilewise passfile=/etc/pilewise/pgpass"'
        yield Problem("CFG-004", where("engine"), "store.dsn is missing", hint=hint)
    speed = clock.get("speed", 1.0) if isinstance(clock, dict) else 1.0
    if shared and speed != 1.0:
        text = "engine postgres needs clock.speed 1: its leases end by the database's clock"
        yield Problem("CFG-005", where("engine"), text, hint='engine = "sqlite" plays time')
