"""What the doctor looks at between the piles and the operator's own OCPP system."""

from __future__ import annotations

import asyncio
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final
from urllib.parse import urlsplit

from edge_agent.commands.check_host import Status
from edge_agent.commands.finding import Finding, error, ok, warning
from edge_agent.config import Config, UpstreamConfig
from edge_agent.piles.ocpp_tls import TlsPaths, client_context, reason_of

OPEN_S: Final = 8.0
# Less than this is a network that hiccups, not an outage.
PATIENCE_S: Final = 300.0


def check_relays(config: Config, status: Status) -> Iterator[Finding]:
    """How each relay of the running agent fares."""
    urls = {pile.facts.pile_id: pile.upstream for pile in config.piles}
    for relay in status.get("relays", ()):
        upstream = urls.get(relay["pile_id"])
        where = upstream.url if upstream is not None else "the operator's system"
        yield _fares(relay, where)
        lost = ", ".join(f"{count} x {what}" for what, count in relay["given_up"].items())
        if lost:
            hint = "raise ocpp.queue_max_mib, or see why the operator's system refuses messages"
            yield warning("relay", f"{relay['pile_id']}: given up since the start: {lost}", hint)


def check_queue(config: Config) -> Iterator[Finding]:
    """What waits while no agent runs."""
    path = config.data_dir / "relay.db"
    if not path.is_file():
        return
    query = "SELECT identity, count(*) FROM message WHERE payload IS NOT NULL GROUP BY identity"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as conn:
            rows = conn.execute(query).fetchall()
    except sqlite3.Error as fault:
        hint = "the agent puts a damaged queue aside when it starts, and begins a new one"
        yield error("relay", f"{path.name} cannot be read: {fault}", hint)
        return
    for identity, count in rows:
        yield ok("relay", f"{identity}: {count} messages wait for the operator's system")


async def check_upstreams(config: Config) -> list[Finding]:
    """Whether each operator's system takes a connection and shows a certificate we accept.

    No charge point is played: only the address and TLS are tried.
    """
    found = {pile.upstream.url: pile.upstream for pile in config.piles if pile.upstream}
    return list(await asyncio.gather(*(_reach(upstream) for upstream in found.values())))


def _fares(relay: dict[str, Any], where: str) -> Finding:
    waits = f"{relay['messages']} messages wait"
    if relay["messages"]:
        waits += f", the oldest since {relay['oldest_age_s']:.0f} s"
    if relay["connected"]:
        return ok("relay", f"{relay['pile_id']}: {where} answers; {waits}")
    text = f"{relay['pile_id']}: {where} is away: {relay['why']}; {waits}"
    hint = "the pile is served here meanwhile; look at ocpp.upstream and its files"
    late = relay["oldest_age_s"] > PATIENCE_S
    return error("relay", text, hint) if late else warning("relay", text, hint)


async def _reach(upstream: UpstreamConfig) -> Finding:
    parts = urlsplit(upstream.url)
    secure = parts.scheme == "wss"
    try:
        paths = TlsPaths(upstream.cert, upstream.key, upstream.ca)
        context = client_context(paths) if secure else None
        async with asyncio.timeout(OPEN_S):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if secure else 80), ssl=context
            )
        writer.close()
    except (OSError, TimeoutError) as fault:
        hint = "look at ocpp.upstream, the firewall, and the operator's system"
        if isinstance(fault, ssl.SSLError):
            hint = "look at ocpp.upstream_ca_file, the name in ocpp.upstream, and the clock"
        why = reason_of(fault) if str(fault) else f"no answer within {OPEN_S:.0f} s"
        return error("upstream", f"{upstream.url}: {why}", hint)
    return ok("upstream", f"{upstream.url} is reached")
