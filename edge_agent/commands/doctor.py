"""`python -m edge_agent doctor`: looks at everything an agent needs, and says what to do.

Works while the agent runs and never takes its lock. Exit codes: 0 no errors, 1 errors, 3 mistakes
in the configuration.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import structlog

from edge_agent.commands import (
    check_certificates,
    check_host,
    check_outside,
    check_relay,
    check_words,
)
from edge_agent.commands.finding import Finding, ok, report
from edge_agent.commands.running import NotRunning, ask
from edge_agent.commands.speaking import CONFIG, FAILED, OK, config_of, emit, say
from edge_agent.config import Config
from pilewise.patience import waiting
from pilewise.wrong_words import WordParser

# A damaged file is kept beside the new one, so a spool may take its budget twice.
SPOOLS_KEPT = 2


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent doctor", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, default=Path("agent.toml"))
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--offline", action="store_true", help="look at the gateway only")
    options = parser.parse_args(arguments)
    _be_quiet()
    config = config_of(options.config)
    if config is None:
        return CONFIG
    with waiting("looking", plain=True):
        findings = asyncio.run(look(config, offline=options.offline))
    told = report(findings)
    for finding in findings:
        say(str(finding))
    say(f"{told['errors']} errors, {told['warnings']} warnings")
    if options.json:
        emit(told)
    return OK if told["ok"] else FAILED


async def look(config: Config, *, offline: bool) -> list[Finding]:
    """Everything found; with `offline` nothing beyond the gateway is asked."""
    status = await asyncio.to_thread(_status, config)
    found: list[Finding] = []
    skew_s = status.get("skew_s") if status.get("connected") else None
    if status:
        uptime_s, pid = status["uptime_s"], status["pid"]
        found.append(ok("agent", f"runs as process {pid} since {uptime_s:.0f} s"))
        found += check_outside.check_uplink(config, status)
    else:
        found.append(ok("agent", "does not run; asked instead of it"))
        if not offline:
            greeting = await check_outside.ask_coordinator(config)
            if isinstance(greeting, Finding):
                found.append(greeting)
            else:
                skew_s = greeting.skew_s
                where = f"{config.agent.coordinator}, district {greeting.district_id}"
                found.append(ok("coordinator", f"{where}, welcomes {config.agent.id}"))
    found += check_host.check_clock(skew_s)
    found += check_host.check_disk(config.data_dir, _room_bytes(config))
    found += check_host.check_sqlite()
    found += check_certificates.check_certificates(config)
    found += check_host.check_secrets(config)
    found += check_host.check_ports(config, status)
    found += check_host.check_lines(_lines(config))
    found += check_outside.check_places(config)
    found += check_outside.check_dialling(config, _addresses())
    if status:
        found += check_outside.check_counts(config, status)
        found += check_relay.check_relays(config, status)
    else:
        found += check_relay.check_queue(config)
    if not offline:
        found += [one async for one in check_outside.check_broker(config, status)]
        if not status:
            found += await check_outside.check_reads(config)
            found += await check_relay.check_upstreams(config)
            found += await check_words.check_words(config)
    return found


def _status(config: Config) -> dict[str, Any]:
    try:
        return ask(config.data_dir, {"command": "status"})
    except NotRunning:
        return {}


def _room_bytes(config: Config) -> int:
    """What the agent may come to keep on the disk."""
    relayed = config.ocpp is not None and any(pile.upstream for pile in config.piles)
    queue_mib = config.ocpp.queue_max_mib if config.ocpp is not None and relayed else 0
    return SPOOLS_KEPT * (config.uplink.spool_max_mib << 20) + (queue_mib << 20)


def _lines(config: Config) -> dict[str, str]:
    """Piles on serial lines and the paths of these."""
    return {
        pile.facts.pile_id: pile.section.serial_line
        for pile in config.piles
        if pile.section.serial_line
    }


def _addresses() -> tuple[str, ...]:
    """Addresses of this gateway as its networks see them; nothing is sent for it."""
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
                found.append(str(probe.getsockname()[0]))
            except OSError:
                continue
    return tuple(found)


def _be_quiet() -> None:
    """The parts that are tried log as if they ran for long; here only findings are read."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=False,
    )
    logging.disable(logging.CRITICAL)
