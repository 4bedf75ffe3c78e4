"""The composition root: puts the agent together and runs it until it is told to stop.

Read this file first: it names every part and every task.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import structlog

from edge_agent import parts
from edge_agent.config import Config
from edge_agent.config_checks import split_address
from edge_agent.core.energy_register import Carried
from edge_agent.core.picture import LivePicture
from edge_agent.errors import ConfigError
from edge_agent.host_clock import HostClock
from edge_agent.metrics import serve_metrics
from edge_agent.piles.port import Pile
from edge_agent.uplink import memory
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from edge_agent.watch import Watch

if TYPE_CHECKING:
    from edge_agent.piles.ocpp_server import OcppServer
    from edge_agent.sensors.mqtt import BaySensors

log: Final = structlog.get_logger("edge_agent.app")
DRAIN_S: Final = 1.0

Ready = Callable[[dict[str, Any]], None]


async def run_agent(config: Config, stop: asyncio.Event, ready: Ready) -> None:
    """Runs the agent until `stop` is set; `ready` gets the addresses once everything listens.

    Raises `ConfigError` where a port or the data folder is taken, `SpoolError` for a bad spool.
    """
    clock = HostClock(parts.domain_clock(config))
    spool = Spool(config.data_dir, parts.new_id)
    await _open(spool, config)
    try:
        agent = _assemble(config, clock, spool, await spool.call(memory.carried))
        await _run(config, agent, stop, ready)
    finally:
        await spool.close()


@dataclass(frozen=True, slots=True)
class _Agent:
    """Everything that runs, put together."""

    watch: Watch
    piles: dict[str, Pile]
    reporter: Reporter
    spool: Spool
    sensors: BaySensors | None
    server: OcppServer | None

    def jobs(self) -> dict[str, Coroutine[Any, Any, NoReturn]]:
        """What runs beside the uplink, by the name of its task."""
        jobs: dict[str, Coroutine[Any, Any, NoReturn]] = {"watch": self.watch.run()}
        jobs |= {f"pile-{name}": pile.run() for name, pile in self.piles.items()}
        if self.sensors is not None:
            jobs["sensors"] = self.sensors.run()
        if self.server is not None:
            jobs["ocpp"] = self.server.run()
        return jobs

    def figures(self) -> dict[str, float]:
        """What the metrics page shows."""
        failures = sum(getattr(pile, "failures", 0) for pile in self.piles.values())
        return {
            "pilewise_agent_readings_total": self.watch.readings,
            "pilewise_agent_pile_failures_total": failures,
            "pilewise_agent_records_committed_total": self.spool.committed,
            "pilewise_agent_records_settled_total": self.reporter.acked,
            "pilewise_agent_records_rejected_total": self.reporter.rejected,
            "pilewise_agent_records_dropped_total": self.spool.dropped,
            "pilewise_agent_handshakes_refused_total": self.server.refused if self.server else 0,
            "pilewise_agent_sensor_messages_refused_total": (
                self.sensors.refused if self.sensors else 0
            ),
            "pilewise_agent_connected": float(self.reporter.connected),
            "pilewise_agent_clock_skew_seconds": self.reporter.skew_s,
        }


def _assemble(
    config: Config, clock: HostClock, spool: Spool, carried: dict[str, Carried]
) -> _Agent:
    rng = random.Random()
    rules = parts.fusion_rules(config)
    heartbeat_s = config.agent.heartbeat_s
    picture = LivePicture(rules, heartbeat_s=heartbeat_s, new_id=parts.new_id, carried=carried)
    watch = Watch(picture, rules, [pile.facts for pile in config.piles], spool, clock)
    piles: dict[str, Pile] = {}
    by_evse: dict[str, Pile] = {}
    buses: parts.Buses = {}
    for pile in config.piles:
        built: Pile = (
            parts.ocpp_pile(pile, config, watch, spool, clock)
            if pile.profile.transport.startswith("ocpp")
            else parts.modbus_pile(pile, config, buses, watch, rng)
        )
        piles[pile.facts.pile_id] = built
        by_evse.update(dict.fromkeys(pile.facts.evse_ids, built))
    performers = parts.Performers(by_evse, watch)
    desk = DirectiveDesk(spool, performers, clock.now_ms, watch.__contains__)
    settings = parts.link_settings(config, clock)
    reporter = Reporter(settings, spool, desk, watch.facts, clock.now_ms, rng)
    watch.on_facts = reporter.inventory_changed
    return _Agent(
        watch,
        piles,
        reporter,
        spool,
        parts.bay_sensors(config, watch, rng),
        parts.ocpp_server(config, piles, watch, spool, clock),
    )


async def _run(config: Config, agent: _Agent, stop: asyncio.Event, ready: Ready) -> None:
    server = agent.server
    ocpp_url = await _listen(config, "ocpp.listen", server.start) if server else None
    metrics, stop_metrics = await _serve_metrics(config, agent.figures)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(job, name=f"edge_agent:{name}")
                for name, job in agent.jobs().items()
            ]
            link = group.create_task(agent.reporter.run(), name="edge_agent:uplink")
            ready(
                {
                    "event": "ready",
                    "agent_id": config.agent.id,
                    "ocpp": ocpp_url,
                    "metrics": metrics,
                    "piles": list(agent.piles),
                }
            )
            await stop.wait()
            log.info("stopping")
            await _end(tasks)
            if server is not None:
                await server.close()
            await _drain(agent.spool, agent.reporter)
            await _end([link])
    finally:
        stop_metrics()
        if server is not None:
            await server.close()


async def _open(spool: Spool, config: Config) -> None:
    try:
        await spool.start()
    except OSError as error:
        taken = isinstance(error, BlockingIOError)
        why = "is used by another agent" if taken else f"cannot be used: {error.strerror}"
        config.source.report("CFG-018", f"{config.data_dir} {why}", "agent.data_dir")
        raise ConfigError(config.source.problems) from error


async def _listen(config: Config, key: str, start: Callable[[], Any]) -> str:
    try:
        return str(await start())
    except OSError as error:
        parts.report_port(config, key, config.ocpp.listen if config.ocpp else "", error)
        raise ConfigError(config.source.problems) from error


async def _serve_metrics(
    config: Config, read: Callable[[], dict[str, float]]
) -> tuple[str | None, Callable[[], None]]:
    address = split_address(config.agent.metrics) if config.agent.metrics else None
    if address is None:
        return None, lambda: None
    try:
        return serve_metrics(*address, read)
    except OSError as error:
        parts.report_port(config, "agent.metrics", config.agent.metrics or "", error)
        raise ConfigError(config.source.problems) from error


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels the tasks and returns when they have ended.

    Cancelled again each second: libraries that use `asyncio.wait_for` of Python 3.11 may swallow a
    cancellation that arrives together with a result.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)


async def _drain(spool: Spool, reporter: Reporter) -> None:
    """Gives the last records a moment to reach the coordinator; what does not stays spooled."""
    deadline_s = asyncio.get_running_loop().time() + DRAIN_S
    while reporter.connected and asyncio.get_running_loop().time() < deadline_s:
        if await spool.call(lambda file: file.numbers.depth()) == 0:
            return
        await asyncio.sleep(0.05)
