"""The composition root: builds the agent out of its configuration and runs it until told to stop.

Read this file first: it names every part and every task.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
import uuid_utils

from edge_agent.config import Config, PileConfig
from edge_agent.config_file import split_address
from edge_agent.core.clock import DomainClock
from edge_agent.core.directive import Action, Answer, Outcome, PollNow, SetPeriod
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.errors import ConfigError
from edge_agent.host_clock import HostClock
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.port import Pile
from edge_agent.uplink import memory
from edge_agent.uplink.channel import TlsFiles
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.lanes import BatchLimits
from edge_agent.uplink.reporter import LinkSettings, Reporter
from edge_agent.uplink.spool import Spool
from edge_agent.watch import MISSED_INTERVALS, Watch

log: Final = structlog.get_logger("edge_agent.app")
DRAIN_S: Final = 1.0


@dataclass(slots=True)
class Performers:
    """Finds the pile that an action concerns."""

    by_evse: dict[str, Pile]
    watch: Watch

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """How the action ended at the pile; with an empty id at all piles, worst answer first."""
        if evse_id:
            return await self._one(evse_id, action)
        if not isinstance(action, PollNow | SetPeriod):
            return Answer(Outcome.REFUSED, "this needs an evse_id")
        answers = [await self._one(name, action) for name in self.by_evse]
        return max(answers, key=lambda a: a.outcome, default=Answer(Outcome.DONE, "no piles"))

    async def _one(self, evse_id: str, action: Action) -> Answer:
        answer = await self.by_evse[evse_id].perform(evse_id, action)
        if isinstance(action, SetPeriod) and answer.outcome is Outcome.DONE:
            self.watch.set_period(evse_id, action.period_s)
        return answer


async def run_agent(
    config: Config, stop: asyncio.Event, ready: Callable[[dict[str, Any]], None]
) -> None:
    """Runs the agent until `stop` is set; `ready` gets the addresses once everything listens.

    Raises `ConfigError` where a port or the data folder is taken, `SpoolError` for a bad spool.
    """
    clock = HostClock(_domain_clock(config))
    spool = Spool(config.data_dir, new_id)
    await _open(spool, config)
    try:
        rng = random.Random()
        rules = {
            evse_id: _rules(config, pile)
            for pile in config.piles
            for evse_id in pile.facts.evse_ids
        }
        picture = LivePicture(
            rules,
            heartbeat_s=config.agent.heartbeat_s,
            new_id=new_id,
            carried=await spool.call(memory.carried),
        )
        watch = Watch(picture, rules, [pile.facts for pile in config.piles], spool, clock)
        piles = {pile.facts.pile_id: _modbus(pile, config, watch, rng) for pile in config.piles}
        performers = Performers(
            {
                evse_id: piles[pile.facts.pile_id]
                for pile in config.piles
                for evse_id in pile.facts.evse_ids
            },
            watch,
        )
        desk = DirectiveDesk(spool, performers, clock.now_ms, watch.__contains__)
        reporter = Reporter(
            _link_settings(config, clock), spool, desk, watch.facts, clock.now_ms, rng
        )
        watch.on_facts = reporter.inventory_changed
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(watch.run(), name="edge_agent:watch"),
                *(
                    group.create_task(pile.run(), name=f"edge_agent:pile-{name}")
                    for name, pile in piles.items()
                ),
            ]
            link = group.create_task(reporter.run(), name="edge_agent:uplink")
            ready(
                {
                    "event": "ready",
                    "agent_id": config.agent.id,
                    "ocpp": None,
                    "metrics": None,
                    "piles": list(piles),
                }
            )
            await stop.wait()
            for task in tasks:
                task.cancel()
            await _drain(spool, reporter)
            link.cancel()
    finally:
        await spool.close()


def new_id() -> str:
    """A fresh UUIDv7."""
    return str(uuid_utils.uuid7())


def check_ports(config: Config) -> None:
    """Raises `ConfigError` naming every listening port that is taken."""
    wanted = {"ocpp.listen": config.ocpp.listen if config.ocpp else None}
    wanted["agent.metrics"] = config.agent.metrics
    for key, address in wanted.items():
        parts = split_address(address) if address else None
        if parts is None or parts[1] == 0:
            continue
        family = socket.AF_INET6 if ":" in parts[0] else socket.AF_INET
        with contextlib.closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(parts)
            except OSError as error:
                config.source.report(
                    "CFG-011",
                    f"{address} cannot be listened on: {error.strerror}",
                    key,
                    hint="stop what uses the port, or write another one; 0 takes a free one",
                )
    config.source.finish()


async def _open(spool: Spool, config: Config) -> None:
    try:
        await spool.start()
    except OSError as error:
        taken = isinstance(error, BlockingIOError)
        why = "is used by another agent" if taken else f"cannot be used: {error.strerror}"
        config.source.report("CFG-018", f"{config.data_dir} {why}", "agent.data_dir")
        raise ConfigError(config.source.problems) from error


async def _drain(spool: Spool, reporter: Reporter) -> None:
    """Gives the last records a moment to reach the coordinator; what does not stays spooled."""
    deadline_s = asyncio.get_running_loop().time() + DRAIN_S
    while reporter.connected and asyncio.get_running_loop().time() < deadline_s:
        if await spool.call(lambda file: file.numbers.depth()) == 0:
            return
        await asyncio.sleep(0.05)


def _modbus(pile: PileConfig, config: Config, watch: Watch, rng: random.Random) -> ModbusPile:
    section, profile = pile.section, pile.profile
    return ModbusPile(
        pile.facts.pile_id,
        pile.facts.evse_ids,
        profile,
        (section.host or "", section.port or profile.port),
        profile.device_id if section.device_id is None else section.device_id,
        section.period_s or config.agent.period_s,
        watch,
        watch,
        rng,
    )


def _rules(config: Config, pile: PileConfig) -> FusionRules:
    period_s = pile.section.period_s or config.agent.period_s
    bay_ttl_s = config.bay_sensors.ttl_s if config.bay_sensors else FusionRules().bay_ttl_s
    return FusionRules(pile_ttl_s=MISSED_INTERVALS * period_s, bay_ttl_s=bay_ttl_s)


def _domain_clock(config: Config) -> DomainClock | None:
    if config.clock is None:
        return None
    return DomainClock(config.clock.epoch_at_ms, config.clock.anchor_s, config.clock.speed)


def _link_settings(config: Config, clock: HostClock) -> LinkSettings:
    uplink = config.uplink
    folder = Path(config.source.file).parent
    tls = None
    if config.tls is not None:
        cert, key = config.tls.cert_file, config.tls.key_file
        tls = TlsFiles(
            folder / config.tls.ca_file,
            folder / cert if cert else None,
            folder / key if key else None,
        )
    return LinkSettings(
        agent_id=config.agent.id,
        coordinator=config.agent.coordinator,
        clock=clock.domain,
        tls=tls,
        limits=BatchLimits(uplink.batch_records, uplink.batch_bytes, uplink.batch_linger_s),
        beat_s=uplink.beat_s,
        dead_s=uplink.dead_s,
        backoff_base_s=uplink.backoff_base_s,
        backoff_cap_s=uplink.backoff_cap_s,
    )
